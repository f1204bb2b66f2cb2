"""Data that needs no network: what scikit-learn and Python contain."""

import re
from typing import Any

import numpy as np
import torch

from .patches import cut_splits, patch_options
from .pixels import fit
from .splits import Dataset, Split, shares

__all__ = ["digits", "photos", "pydoc", "table"]

SENTENCE_END = re.compile(r"[.!?:;][\"')\]*]*\s+|\n\s*\n")
WORD = re.compile(r"[^\W\d]\w*(?:['’](?:s|t|re|ve|ll|d|m)\b|-[^\W\d]\w*)*|\d+(?:\.\d+)*")


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 digits of 8x8, their 17 grey levels spread over 0 to 255, and their labels."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None], bunch.target.astype(np.int64)


def photos(seed: int, options: dict[str, Any] | None = None) -> Dataset:
    """Patches on a grid of 8 pixels over two photographs; the splits come from strips that do not overlap."""
    from sklearn.datasets import load_sample_images

    from .image_sets import image_options

    size, channels = image_options(options)
    size, channels = size or 32, channels or 1
    valid, test = shares(options)
    pictures = [picture.transpose(2, 0, 1) for picture in load_sample_images().images]
    height, width = pictures[0].shape[1:]
    pictures = [fit(picture, (height, width), channels) for picture in pictures]
    first, second = int(width * (1 - valid - test)), int(width * (1 - test))
    strips = {"train": (0, first), "valid": (first, second), "test": (second, width)}
    splits = {}
    for name, (left, right) in strips.items():
        if min(right - left, height) >= size:
            parts = [
                np.lib.stride_tricks.sliding_window_view(picture[:, :, left:right], (size, size), axis=(1, 2))[
                    :, ::8, ::8
                ]
                .transpose(1, 2, 0, 3, 4)
                .reshape(-1, channels, size, size)
                for picture in pictures
            ]
            splits[name] = Split(torch.from_numpy(np.concatenate(parts)))
    if "train" not in splits:
        from .errors import DataError, Problem

        raise DataError(
            Problem(
                "photos",
                "",
                f"size {size} leaves no patch to train on",
                "give a smaller --size",
                skippable=False,
            )
        )
    side, patches = patch_options(options)
    if side:
        splits, size = cut_splits(splits, side, patches, seed), side
    counts = {name: len(split) for name, split in splits.items()}
    listed = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    notes = [f"images: {size}x{size} patches of two photographs, {listed} (from strips that do not overlap), no labels"]
    record = {"files": [], "counts": counts, "split": {"valid": valid, "test": test}, "skipped": []}
    facts = {"size": [size, size], "channels": channels, "classes": []}
    return Dataset("images", splits, facts, notes, record, ["a patch of china.jpg"] * 3)


def table(name: str) -> tuple[list[str], np.ndarray, np.ndarray, list[str] | None]:
    """Column names, values, targets and class names (None: the target is a number) of a bundled table."""
    from sklearn import datasets

    bunch = {
        "iris": datasets.load_iris, "wine": datasets.load_wine,
        "breast-cancer": datasets.load_breast_cancer, "diabetes": datasets.load_diabetes,
    }[name]()  # fmt: skip
    classes = [str(c) for c in bunch.target_names] if "target_names" in bunch else None
    columns = [str(c).replace(" (cm)", "").replace("/", " ").replace(" ", "_") for c in bunch.feature_names]
    return columns, bunch.data, bunch.target, classes


def pydoc(*, words: bool = False) -> str:
    """The English help topics of the running Python.

    Args:
        words: only the words, with their own capitals, separated by blanks, a sentence on each line. A
            word is a name of code as a whole (`__init__`), an English word with its apostrophes and hyphens, or a
            number; marks belong to none, and a sentence ends at a mark that ends one, or at an empty line.
    """
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[key].strip() for key in sorted(topics)) + "\n"
    if not words:
        return text
    sentences = (WORD.findall(sentence) for sentence in SENTENCE_END.split(text))
    return "".join(" ".join(found) + "\n" for found in sentences if found)
