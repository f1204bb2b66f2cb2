"""The image reader: folders of image files, .npz and idx files, as uint8 tensors [N, C, H, W]."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import pixels, published
from .arrays import Arrays, from_arrays, idx_files, idx_folder, npz
from .errors import DataError, Problem, Problems
from .folders import is_image_folder, list_folder, read_folder, walk
from .idx import is_idx, read_idx
from .image_sets import image_options
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
        return any(is_idx(p) for p in list_folder(path)[1]) or is_image_folder(path)
    return path.suffix.lower() == ".npz" or is_idx(path)


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads images from a folder, an .npz file or idx files."""
    problems = problems or Problems()
    valid, test = shares(options)
    image_options(options)
    if path.is_dir():
        if any(is_idx(p) for p in list_folder(path)[1]):
            arrays, files = idx_folder(path)
            return from_arrays(arrays, files, None, seed, options, (valid, test), problems)
        return read_folder(path, seed, options, problems)
    if path.suffix.lower() == ".npz":
        return from_arrays(npz(path), [path], None, seed, options, (valid, test), problems)
    if is_idx(path):
        arrays, files = idx_files(path)
        return from_arrays(arrays, files, None, seed, options, (valid, test), problems)
    raise problems.fail(path, "", "is no folder of images, .npz or idx file", f"accepted are {ACCEPTS}")


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """Images of the catalogue."""
    problems = Problems()
    if name in ("digits", "photos"):
        from .embedded import digits, photos

        if name == "photos":
            return photos(seed, options)
        x, y = digits()
        arrays: Arrays = {"train": (x, y)}
        return from_arrays(arrays, [Path("digits")], None, seed, options, shares(options), problems)
    if name == "bsds500":
        from .photographs import bsds500

        return bsds500(seed, options)
    valid, _ = shares(options)
    paths = published.get(name)
    arrays, files = {}, list(paths.values())
    for split, start in (("train", "train"), ("test", "t10k")):
        x = read_idx(paths[f"{start}-images-idx3-ubyte.gz"])
        arrays[split] = (x[:, None], read_idx(paths[f"{start}-labels-idx1-ubyte.gz"]))
    classes = FASHION if name == "fashion-mnist" else None
    return from_arrays(arrays, files, classes, seed, options, (valid, 0.0), problems)


def inputs(describe: dict[str, Any], paths: list[str]) -> tuple[list[str], Tensor]:
    """Image files, folders of them or one image on standard input ("-"), as the model was trained to take them."""
    problems = Problems()
    size, channels = tuple(describe["size"]), int(describe["channels"])
    low, high = describe.get("levels", pixels.WHOLE)
    levels = (float(low), float(high))
    names: list[str] = []
    images: list[Tensor] = []
    sources: list[tuple[str, Path | bytes]] = []
    for given in paths:
        path = Path(given)
        if given == "-":
            sources.append(("stdin", sys.stdin.buffer.read()))
        elif path.is_dir():
            sources += [(str(p), p) for p in walk(path, [])]
        else:
            sources.append((given, path))
    for name, source in sources:
        try:
            if isinstance(source, Path) and not source.is_file():
                raise pixels.BadImage("is not a file")
            images.append(torch.from_numpy(pixels.decode(source, size, channels, levels).copy()))
            names.append(name)
        except pixels.BadImage as error:
            problems.add(name, "", str(error), "give images in JPEG, PNG, WebP or BMP")
    problems.settle()
    if not images:
        raise DataError(
            Problem(
                ", ".join(paths),
                "",
                "holds no images",
                "give image files or a folder of them",
                skippable=False,
            )
        )
    return names, torch.stack(images)
