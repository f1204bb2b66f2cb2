"""The image reader: folders of image files, .npz and idx files, as uint8 tensors [N, C, H, W]."""

import functools
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import pixels, published
from .arrays import Arrays, from_arrays, idx_files, idx_folder, npz
from .decoding import in_order
from .errors import DataError, Problems
from .folders import is_image_folder, not_read, read_folder, walk
from .idx import IDX_NAMES, is_idx, read_idx
from .image_sets import first_of, image_options, levels_note, names_in
from .inputs import Inputs
from .splits import Dataset, shares

__all__ = ["ACCEPTS", "fits", "inputs", "read", "read_named"]

ACCEPTS = (
    "images: a folder CLASS/*.{jpg,png,webp,bmp}, or train/CLASS/... with valid/ and/or test/, or a flat folder "
    "(no labels), or with a labels.csv of file names and labels; an .npz with x, y or x_train, y_train, x_test, "
    "y_test; idx files"
)
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def fits(path: Path) -> bool:
    """Whether the path looks like images."""
    if path.is_dir():
        return _holds_idx(path) or is_image_folder(path)
    return path.suffix.lower() == ".npz" or is_idx(path)


def _holds_idx(folder: Path) -> bool:
    return any(name.lower().endswith(IDX_NAMES) for name in names_in(folder)[1])


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads images from a folder, an .npz file or idx files."""
    problems = problems or Problems()
    valid, test = shares(options)
    image_options(options)
    if path.is_dir():
        if _holds_idx(path):
            arrays, files = idx_folder(path)
            return from_arrays(arrays, files, None, seed, options, (valid, test), problems)
        return read_folder(path, seed, options, problems)
    if path.suffix.lower() == ".npz":
        return from_arrays(npz(path), [path], None, seed, options, (valid, test), problems)
    if is_idx(path):
        arrays, files = idx_files(path)
        return from_arrays(arrays, files, None, seed, options, (valid, test), problems)
    raise problems.fail(path, "", "is not a folder of images, an .npz file or an idx file", f"accepted are {ACCEPTS}")


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """Images of the catalogue."""
    problems = Problems()
    if name in ("digits", "photos"):
        from .embedded import digits, photos

        if name == "photos":
            data = photos(seed, options)
            data.notes += levels_note(options)
            return data
        arrays = Arrays(train=digits())
        return from_arrays(arrays, [Path("digits")], None, seed, options, shares(options), problems)
    if name == "letters":
        from .letters import LETTERS, letters

        drawn = letters(valid=shares(options)[0] > 0)
        return from_arrays(drawn, [Path("letters")], tuple(LETTERS), seed, options, (0.0, 0.0), problems)
    if name == "bsds500":
        from .photographs import bsds500

        return bsds500(seed, options)
    if name == "cifar10-jpeg":
        from .cifar import cifar10_jpeg

        return cifar10_jpeg(seed, options)
    valid, _ = shares(options)
    paths = published.get(name)
    arrays, files = Arrays(), list(paths.values())
    for split, start in (("train", "train"), ("test", "t10k")):
        x = read_idx(paths[f"{start}-images-idx3-ubyte.gz"])
        arrays[split] = (x[:, None], read_idx(paths[f"{start}-labels-idx1-ubyte.gz"]))
    classes = FASHION if name == "fashion-mnist" else None
    return from_arrays(arrays, files, classes, seed, options, (valid, 0.0), problems)


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """Image files, folders of them or one image on standard input ("-"), as the model was trained to take them.

    A file that cannot be read is refused alone, and so is a picture of another format in a folder.
    """
    size, channels = tuple(describe["size"]), int(describe["channels"])
    low, high = describe.get("levels", pixels.WHOLE)
    draft = describe.get("draft", pixels.KEPT)
    found, problems = Inputs([], []), Problems()
    images: list[Tensor] = []
    for given in paths:
        strange: list[str] = []
        links: list[str] = []
        start = len(images)
        sources = _sources(given, strange, links)
        read = functools.partial(_read, size, channels, (float(low), float(high)), "levels" in describe, draft)
        taken = in_order(read, [source for _, source in sources], "pictures decoded")
        for (name, source), picture in zip(sources, taken, strict=True):
            if isinstance(picture, str):
                remedy = "" if ": save it" in picture else "give images in JPEG, PNG, WebP or BMP"
                problems.add(name, "", picture, remedy)
                continue
            image, head = picture
            if head.frames > 1:
                found.notes[len(images)] = f"the first of {head.frames} pictures in the file"
            images.append(image)
            found.pictures.append((source, head.width, head.height))
            found.names.append(name)
        others = [name for name in strange if not name.lower().endswith(pixels.OTHER_FORMATS)]
        for name in [name for name in strange if name.lower().endswith(pixels.OTHER_FORMATS)]:
            problems.add(
                name, "", "is a picture, but not of a format that is read", "save it as JPEG, PNG, WebP or BMP"
            )
        told = [f"not read next to it: {not_read(others)}"] if others else []
        told += [f"links not followed: {first_of(links)}"] if links else []
        if told and len(images) > start:  # in the line of the folder's first picture
            found.notes[start] = "; ".join([*([found.notes[start]] if start in found.notes else []), *told])
        elif not sources and len(others) == len(strange):
            what = f"holds no images{f', only other files: {not_read(others)}' if others else ''}"
            problems.add(given, "", what, "give image files or a folder of them")
    if not images:
        raise DataError(problems.found)
    found.values, found.refused = torch.stack(images), problems.found
    return found


def _read(
    size: tuple[int, int], channels: int, levels: pixels.Levels, deep: bool, draft: int, source: Path | bytes
) -> tuple[Tensor, pixels.Head] | str:
    """The pixels of an input and the head of its file, or why it cannot be taken."""
    try:
        if isinstance(source, Path) and not source.is_file():
            return "is not a file"
        head = pixels.head(source)
        if head.deep and not deep:
            # its grey levels may be of any range, and training says nothing of them
            return "is grey of 16 bits, and the training pictures were not: save it with 8 bits"
        return torch.from_numpy(pixels.decode(source, size, channels, levels, draft)), head
    except pixels.BadImage as error:
        return str(error)


def _sources(given: str, strange: list[str], links: list[str]) -> list[tuple[str, Path | bytes]]:
    """The pictures that an argument names."""
    if given == "-":
        return [("stdin", sys.stdin.buffer.read())]
    path = Path(given)
    return [(str(p), p) for p in walk(path, strange, None, links)] if path.is_dir() else [(given, path)]
