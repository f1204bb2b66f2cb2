"""CIFAR-10 from its copy in JPEG: 32x32 photographs in colour, ten classes. Decoded once, where a cache is allowed.

The copy is lossy (8 grey levels of root-mean-square error): its accuracies are not those of the published set.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import archives, cache, pixels, published
from .decoding import wanted
from .errors import DataError, Problem, Problems
from .image_sets import draft_of, finish, image_options
from .splits import Dataset, Split

__all__ = ["CLASSES", "cifar10_jpeg"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COUNTS = {"train": 5000, "test": 1000}
"""Pictures of each class."""
SIDE, LARGEST = 32, 1 << 16


def cifar10_jpeg(seed: int, options: dict[str, Any] | None = None) -> Dataset:
    """The 60,000 pictures; of another size or grey if the options say so."""
    side, channels = image_options(options)
    size, channels = (side or SIDE, side or SIDE), channels or 3
    (path,) = published.get("cifar10-jpeg").values()
    notes: list[str] = []
    values = _pixels(path, size, channels, draft_of(options), wanted(options), notes)
    splits, start = {}, 0
    for split, each in COUNTS.items():
        count = each * len(CLASSES)
        labels = torch.arange(len(CLASSES)).repeat_interleave(each)
        splits[split] = Split(torch.from_numpy(values[start : start + count]), labels)
        start += count
    colour = "grey" if channels == 1 else "colour"
    notes.insert(0, f"images: {size[0]}x{size[1]} {colour}, a lossy copy of CIFAR-10: published figures do not compare")
    record, examples = {"files": [path.name]}, [f"a picture of {path.name}"] * 3
    shares = (float((options or {}).get("valid_share", 0.1)), 0.0)
    return finish(splits, CLASSES, size, channels, seed, options, Problems(), notes, record, examples, shares)


def _pixels(path: Path, size: tuple[int, int], channels: int, draft: int, keep: bool, notes: list[str]) -> np.ndarray:
    """All pictures [60000, C, H, W], class by class, the training split first; `notes` takes what is to be said."""
    shape = (channels, *size)
    total = sum(COUNTS.values()) * len(CLASSES)

    def decoded() -> np.ndarray:
        folders: dict[str, list[bytes]] = {f"{split}/{kind}": [] for split in COUNTS for kind in CLASSES}
        for name, content in archives.pictures(path, "", LARGEST):  # sorted by name
            folders.get(name.rpartition("/")[0], []).append(content)
        contents = [content for folder in folders.values() for content in folder]
        if len(contents) != total:
            what = f"holds {len(contents):,} pictures of CIFAR-10, not {total:,}"
            raise DataError(Problem(str(path), "", what, "download it again", skippable=False))
        values = np.empty((total, *shape), np.uint8)
        for row, content in enumerate(contents):
            values[row] = pixels.decode(content, size, channels, draft=draft)
        return values

    def make(writer: cache.Writer) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        for row, value in enumerate(decoded()):
            writer.write(row, value)
        return {}, {}

    if keep:
        key = cache.key_of("cifar10-jpeg", pixels.DECODER, size, channels, draft)
        try:
            store, made = cache.kept(key, total, shape, np.uint8, make, notes.append)
            values = store.read(range(total))
        except cache.NotKept as error:
            notes.append(f"decoded pictures are not kept ({error})")
        except cache.Damaged:
            notes.append("the decoded pictures on disk are damaged: decoded again")
        else:
            notes.append(f"decoded pictures: {'kept in' if made else 'read from'} {store.path}; --cache off keeps none")
            return values
    return decoded()
