"""Arrays of images with labels, from .npz and idx files, as uint8 [N, C, H, W] and class numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import pixels
from .class_names import alike
from .errors import DataError, Problem, Problems, one_line
from .folders import list_folder
from .idx import IDX_NAMES, is_idx, read_idx, read_npz
from .image_sets import finish, image_options
from .splits import Dataset, Split

__all__ = ["Arrays", "from_arrays", "held", "idx_files", "idx_folder", "npz"]

LABELS = ("y", "label", "labels", "target", "targets", "class", "classes")
"""What arrays of labels may be called; those that go with x and x_train are y and y_train."""


class Arrays(dict[str, tuple[np.ndarray, np.ndarray | None]]):
    """Pictures and labels by split, and notes on how they were understood."""

    def __init__(self, *given: Any, notes: Sequence[str] = (), **splits: Any) -> None:
        super().__init__(*given, **splits)
        self.notes = list(notes)


def npz(path: Path) -> Arrays:
    """The arrays x and y, or x_train, y_train and the like, of an .npz file, in capital or small letters.

    Raises:
        DataError: there are none, or it is not clear which are meant.
    """
    found = read_npz(path)
    names: dict[str, list[str]] = {}
    for name in found:
        names.setdefault(name.lower(), []).append(name)
    ends = {"train": ("_train", ""), "valid": ("_valid", "_val"), "test": ("_test",)}

    def one(letter: str, tails: Sequence[str], split: str) -> str | None:
        there = [name for tail in tails for name in names.get(f"{letter}{tail}", [])]
        if len(there) > 1:
            what = f"has {one_line(' and '.join(there), 80)}, each of which could be {letter} of {split}"
            raise DataError(Problem(str(path), "", what, "keep one of them"))
        return there[0] if there else None

    arrays, used, floats = Arrays(), set(), {}
    for split, tails in ends.items():
        x = one("x", tails, split)
        if x is None:
            continue
        y = one("y", (x.lower().removeprefix("x"),), split)
        used |= {x, y}
        images, notes = _as_images(path, x, found[x])
        arrays[split] = (images, None if y is None else found[y])
        arrays.notes += notes
        if found[x].dtype.kind == "f" and found[x].any():  # black is black on any scale
            floats[x] = float(found[x].max()) <= 1
    if len(set(floats.values())) > 1:
        small, large = sorted(floats, key=lambda name: not floats[name])[:: len(floats) - 1]
        what = f"has values up to 1, and {large} up to 255"
        raise DataError(Problem(str(path), small, what, "give all as bytes 0 to 255, or all as numbers 0 to 1"))
    unused = [name for name in found if name not in used]
    if "train" not in arrays:
        have = one_line(", ".join(found) or "nothing", 80)
        raise DataError(Problem(str(path), "", f"has neither x nor x_train, only {have}", "name the arrays x and y"))
    labels = [name for name in unused if name.lower().removesuffix("_train") in LABELS]
    if labels and arrays["train"][1] is None:
        right = "y_train" if "x_train" in names else "y"
        what = f"is not called {right}, so the pictures would have no labels"
        raise DataError(
            Problem(str(path), one_line(labels[0], 60), what, f"call the labels {right}, or leave them out")
        )
    if unused:
        arrays.notes.append(f"arrays not used: {one_line(', '.join(unused), 100)}")
    return _agreed(arrays, path)


def held(x: np.ndarray, y: np.ndarray | None, path: Path) -> Arrays:
    """Pictures and labels that the caller holds; `path` names them in messages."""
    images, notes = _as_images(path, "x", x)
    return _agreed(Arrays(train=(images, y), notes=notes), path)


def idx_files(path: Path) -> tuple[Arrays, list[Path]]:
    """An idx file of images, and the labels of its twin in the same folder if there is one."""
    images = read_idx(path)
    if images.ndim < 3:
        raise DataError(Problem(str(path), "", "holds labels, not images", "give the file of the images"))
    labels_path = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
    zipped = labels_path.suffix.lower() == ".gz"
    other = (
        labels_path.with_suffix("") if zipped else labels_path.with_name(f"{labels_path.name}.gz")
    )  # one of the two may be packed
    twin = next((p for p in (labels_path, other) if labels_path != path and p.is_file()), None)
    x, notes = _as_images(path, "x", images)
    arrays = Arrays(train=(x, None if twin is None else read_idx(twin)), notes=notes)
    return _agreed(arrays, path), [path] if twin is None else [path, twin]


def idx_folder(folder: Path) -> tuple[Arrays, list[Path]]:
    """A folder of idx files named as MNIST's: train-images..., t10k-images... or test-images..., with labels."""
    arrays = Arrays()
    files: list[Path] = []
    folders, there = list_folder(folder)
    for p in there:
        if is_idx(p) and "images" in p.name:
            split = next((s for start, s in (("train", "train"), ("t10k", "test"), ("test", "test"), ("valid", "valid"))
                          if p.name.startswith(start)), None)  # fmt: skip
            if split is None or split in arrays:
                what = "is not a single file with the images of train, valid or test"
                raise DataError(
                    Problem(str(p), "", what, f"name it like MNIST's ({IDX_NAMES[1]}), and keep one of each")
                )
            one, used = idx_files(p)
            arrays[split] = one["train"]
            arrays.notes += [note for note in one.notes if note not in arrays.notes]
            files += used
    if "train" not in arrays:
        raise DataError(
            Problem(str(folder), "", "has no train-images idx file", f"name the files like MNIST's ({IDX_NAMES[1]})")
        )
    unread = [p.name for p in there if p not in files] + [f"{inner.name}/" for inner in folders]
    if unread:
        arrays.notes.append(f"not read: {one_line(', '.join(unread), 150)}")
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
            what, remedy = f"has {len(x)} images but {y.size} labels", "give one label for each"
            if y.ndim == 2 and len(y) == len(x):
                what = f"has labels of shape {y.shape}, and a label is one number"
                remedy = "y.argmax(1) makes one of a row with a single 1"
            raise DataError(Problem(str(path), split, what, remedy))
    return arrays


def _as_images(path: Path, name: str, x: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """uint8 [N, C, H, W] from bytes or numbers in 0..1, with the channels first, last or left out, and notes on it."""

    def bad(what: str, remedy: str) -> DataError:
        return DataError(Problem(str(path), one_line(name, 60), what, remedy))

    order = []
    if x.ndim == 4 and x.shape[-1] in (1, 3):
        if x.shape[1] in (1, 3):
            order = [f"{name}: shape {x.shape} is taken as [N,H,W,C], with the colours last"]
        x = x.transpose(0, 3, 1, 2)
    elif x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or x.shape[1] not in (1, 3) or 0 in x.shape[1:]:
        raise bad(f"has shape {x.shape}", "give images as [N,H,W], [N,H,W,C] or [N,C,H,W] with C 1 or 3")
    if x.dtype.kind not in "biuf":
        raise bad(f"holds {x.dtype}", "give bytes 0 to 255 or numbers 0 to 1")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise bad(f"holds {x[place]} at {place}", "give finite values")
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    if x.dtype.kind == "b":
        said = f"{name}: truth values become black (false) and white (true)"
        return np.where(x, np.uint8(255), np.uint8(0)), [*order, said]
    if x.dtype.kind == "f" and low >= 0 and high <= 1:
        found = np.rint(x.astype(np.float64) * 255).astype(np.uint8)
        said = f"{name}: numbers from {low:g} to {high:g} are taken as 0 to 1, rounded to 256 levels"
        return found, [*order, said]
    if low >= 0 and high <= 255 and (x.dtype.kind in "iu" or bool((x == np.rint(x)).all())):
        dark = f"{name}: whole numbers from {low:g} to {high:g} are taken as levels of 255, which is nearly black"
        told = [f"{dark}; give truth values for black and white"] if high == 1 else []
        return np.ascontiguousarray(x.astype(np.uint8, copy=False)), [*order, *told]
    raise bad(f"has values from {low:g} to {high:g}", "give bytes 0 to 255 or numbers 0 to 1")


def _labels(arrays: Arrays, files: list[Path]) -> tuple[tuple[str, ...], dict[str, Tensor | None]]:
    """Sorted class names and the labels as their places; classes that train lacks are refused."""
    given = {split: y.reshape(-1) for split, (_, y) in arrays.items() if y is not None}
    if not given:
        return (), dict.fromkeys(arrays)
    for split, y in given.items():
        if y.dtype.kind == "f" and not (np.isfinite(y).all() and (y == np.rint(y)).all()):
            raise DataError(
                Problem(str(files[0]), f"y {split}", "holds labels that are not whole numbers", "give classes")
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
    if learned := (options or {}).get("learned"):  # of a trained run, whose pictures need not be square
        size = (int(learned["size"][0]), int(learned["size"][1]))
    splits = {}
    for split, (x, _) in arrays.items():
        # a copy, so that the tensor owns writable memory
        tensor = _resized(torch.from_numpy(np.array(x)), size, channels)
        splits[split] = Split(tensor, labels[split])
    kept = (found, height, width) == (channels, *size)
    notes = [f"images: {size[1]}x{size[0]} {'grey' if channels == 1 else 'colour'}, "
             + ("as they are" if kept else f"from {width}x{height} {'grey' if found == 1 else 'colour'}")]  # fmt: skip
    notes += [*arrays.notes, *(() if classes else alike(names))]
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
        out[row] = torch.from_numpy(pixels.fit(image, size, channels))
    return out
