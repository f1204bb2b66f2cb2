"""The 200 training photographs of BSDS500 from their archive, for patches of natural images."""

from typing import Any

import numpy as np
import torch

from . import archives, pixels, published
from .errors import DataError, Problem, Problems
from .image_sets import draft_of, finish, image_options
from .splits import Dataset, Split
from .streamed import REMEDY

__all__ = ["SIDE", "bsds500"]

FOLDER = "BSDS500/data/images/train/"
SIDE = 321
"""Pixels of the shorter side of every photograph: at this size nothing is resized, the longer side is cropped."""
LARGEST = 1 << 22
"""No photograph is larger than this many bytes."""


def bsds500(seed: int, options: dict[str, Any] | None = None) -> Dataset:
    """The middle square of every photograph, in colour unless channels says otherwise."""
    size, channels = image_options(options)
    size, channels = size or SIDE, channels or 3
    path = published.get("bsds500")["bsds500-train.tar.gz"]
    images = []
    for name, content in archives.pictures(path, FOLDER, LARGEST):
        try:
            images.append(pixels.decode(content, (size, size), channels, draft=draft_of(options)))
        except pixels.BadImage as error:
            raise DataError(Problem(str(path), name, str(error), REMEDY, skippable=False)) from None
    if not images:
        raise DataError(
            Problem(str(path), "", f"holds no photographs in {FOLDER}", "download it again", skippable=False)
        )
    splits = {"train": Split(torch.from_numpy(np.stack(images)))}
    colour = "grey" if channels == 1 else "colour"
    notes = [f"images: {len(images)} photographs, the middle {size}x{size} of each in {colour}"]
    record = {"files": [path.name]}
    examples = [f"a photograph of {path.name}"] * 3
    return finish(splits, (), (size, size), channels, seed, options, Problems(), notes, record, examples)
