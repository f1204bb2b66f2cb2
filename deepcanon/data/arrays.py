"""Arrays of images with labels: what an .npz file or idx files say, as uint8 [N, C, H, W] and class numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import pixels
from .errors import DataError, Problem, Problems, one_line
from .folders import list_folder
from .idx import IDX_NAMES, is_idx, read_idx, read_npz
from .image_sets import finish, image_options
from .splits import Dataset, Split

__all__ = ["Arrays", "from_arrays", "held", "idx_files", "idx_folder", "npz"]

Arrays = dict[str, tuple[np.ndarray, np.ndarray | None]]


def npz(path: Path) -> Arrays:
    found = read_npz(path)
    ends = {"train": ("_train", ""), "valid": ("_valid", "_val"), "test": ("_test",)}
    keys = {split: next((e for e in tails if f"x{e}" in found), None) for split, tails in ends.items()}
    if keys["train"] is None:
        have = one_line(", ".join(found) or "nothing", 80)
        raise DataError(Problem(str(path), "", f"has neither x nor x_train, only {have}", "name the arrays x and y"))
    arrays = {s: (found[f"x{e}"], found.get(f"y{e}")) for s, e in keys.items() if e is not None}
    return _agreed({split: (_as_images(path, split, x), y) for split, (x, y) in arrays.items()}, path)


def held(x: np.ndarray, y: np.ndarray | None, path: Path) -> Arrays:
    """Pictures and labels that the caller holds; `path` names them in messages."""
    return _agreed({"train": (_as_images(path, "", x), y)}, path)


def idx_files(path: Path) -> tuple[Arrays, list[Path]]:
    """An idx file of images, and the labels of its twin in the same folder if there is one."""
    images = read_idx(path)
    if images.ndim < 3:
        raise DataError(Problem(str(path), "", "holds labels, not images", "give the file of the images"))
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
    labels = read_idx(beside) if beside != path and beside.is_file() else None
    arrays: Arrays = {"train": (_as_images(path, "", images), labels)}
    return _agreed(arrays, path), [path] if labels is None else [path, beside]


def idx_folder(folder: Path) -> tuple[Arrays, list[Path]]:
    """A folder of idx files named as MNIST's: train-images..., t10k-images... or test-images..., with labels."""
    arrays: Arrays = {}
    files: list[Path] = []
    for p in list_folder(folder)[1]:
        if is_idx(p) and "images" in p.name:
            split = next((s for start, s in (("train", "train"), ("t10k", "test"), ("test", "test"), ("valid", "valid"))
                          if p.name.startswith(start)), None)  # fmt: skip
            if split is None or split in arrays:
                raise DataError(Problem(str(p), "", "is no single file for train, valid or test", "name it as MNIST's"))
            one, used = idx_files(p)
            arrays[split] = one["train"]
            files += used
    if "train" not in arrays:
        raise DataError(
            Problem(str(folder), "", "has no train-images idx file", f"name the files as MNIST's ({IDX_NAMES[1]})")
        )
    return _agreed(arrays, folder), files


def _agreed(arrays: Arrays, path: Path) -> Arrays:
    """The arrays, after a check that labels and sizes belong together."""
    shape = arrays["train"][0].shape[1:]
    for split, (x, y) in arrays.items():
        if not len(x):
            raise DataError(Problem(str(path), split, "holds no images", "give at least one"))
        if x.shape[1:] != shape:
            raise DataError(
                Problem(str(path), split, f"has images of {x.shape[1:]}, train of {shape}", "make them equal")
            )
        if (y is None) != (arrays["train"][1] is None):
            raise DataError(
                Problem(str(path), split, "only some splits have labels", "give all of them labels, or none")
            )
        if y is not None and y.size != len(x):
            raise DataError(
                Problem(str(path), split, f"has {len(x)} images but {y.size} labels", "give one label for each")
            )
    return arrays


def _as_images(path: Path, split: str, x: np.ndarray) -> np.ndarray:
    """uint8 [N, C, H, W] from bytes or numbers in 0..1, with the channels first, last or left out."""

    def bad(what: str, remedy: str) -> DataError:
        return DataError(Problem(str(path), f"x {split}".strip(), what, remedy))

    if x.ndim == 4 and x.shape[-1] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    elif x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or x.shape[1] not in (1, 3) or 0 in x.shape[1:]:
        raise bad(f"has shape {x.shape}", "give images as [N,H,W], [N,H,W,C] or [N,C,H,W] with C 1 or 3")
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if x.dtype.kind not in "biuf":
        raise bad(f"holds {x.dtype}", "give bytes 0 to 255 or numbers 0 to 1")
    if not np.isfinite(x).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise bad(f"holds {x[place]} at {place}", "give finite values")
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    if x.dtype.kind in "bf" and low >= 0 and high <= 1:
        return np.rint(x.astype(np.float64) * 255).astype(np.uint8)
    if low >= 0 and high <= 255 and (x.dtype.kind in "iu" or bool((x == np.rint(x)).all())):
        return x.astype(np.uint8)
    raise bad(f"has values from {low:g} to {high:g}", "give bytes 0 to 255 or numbers 0 to 1")


def _labels(arrays: Arrays, files: list[Path]) -> tuple[tuple[str, ...], dict[str, Tensor | None]]:
    """Sorted class names and the labels as their places; classes that train lacks are refused."""
    given = {split: y.reshape(-1) for split, (_, y) in arrays.items() if y is not None}
    if not given:
        return (), dict.fromkeys(arrays)
    for split, y in given.items():
        if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.rint(y)).all()):
            raise DataError(
                Problem(str(files[0]), f"y {split}", "holds labels that are no whole numbers", "give classes")
            )
        if y.dtype.kind == "S":
            raise DataError(Problem(str(files[0]), f"y {split}", "holds bytes", "give class names as text or numbers"))
    values = np.unique(given["train"])
    for split, y in given.items():
        extra = np.setdiff1d(y, values)
        if extra.size:
            what = f"label {one_line(extra[0], 60)} is not among those of train"
            raise DataError(Problem(str(files[0]), f"y {split}", what, "add it to train or remove it"))
    names = tuple(str(v) if values.dtype.kind in "US" else str(int(v)) for v in values)
    return names, {split: torch.from_numpy(np.searchsorted(values, y).astype(np.int64)) for split, y in given.items()}


def from_arrays(
    arrays: Arrays, files: list[Path], classes: tuple[str, ...] | None, seed: int,
    options: dict[str, Any] | None, wanted: tuple[float, float], problems: Problems,
) -> Dataset:  # fmt: skip
    side, channels = image_options(options)
    names, labels = _labels(arrays, files)
    found, height, width = arrays["train"][0].shape[1:]
    channels = channels or found
    size: tuple[int, int] = (side, side) if side else (height, width)
    splits = {}
    for split, (x, _) in arrays.items():
        # a copy, so that the tensor owns memory that may be written to
        tensor = _resized(torch.from_numpy(np.array(x)), size, channels)
        splits[split] = Split(tensor, labels[split])
    kept = (found, height, width) == (channels, *size)
    notes = [f"images: {size[1]}x{size[0]} {'grey' if channels == 1 else 'colour'}, "
             + ("as they are" if kept else f"from {width}x{height} {'grey' if found == 1 else 'colour'}")]  # fmt: skip
    record = {"files": [p.name for p in files]}
    y = splits["train"].y
    told = (
        [classes[int(c)] if classes else names[int(c)] for c in y[:3]]
        if y is not None
        else ["no label"] * min(3, len(splits["train"]))
    )
    examples = [f"image {i}: {label}" for i, label in enumerate(told)]
    return finish(splits, classes or names, size, channels, seed, options, problems, notes, record, examples, wanted)


def _resized(x: Tensor, size: tuple[int, int], channels: int) -> Tensor:
    """Whole arrays brought to a size and number of channels, one image after the other."""
    if x.shape[1] == channels and tuple(x.shape[2:]) == size:
        return x
    out = torch.empty((len(x), channels, *size), dtype=torch.uint8)
    for row, image in enumerate(x.numpy()):
        out[row] = torch.from_numpy(pixels.fit(image, size, channels).copy())
    return out
