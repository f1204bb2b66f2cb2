"""Folders of image files: which file belongs to which split and class, and what size they are given."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import pixels
from .errors import DataError, Problem, Problems, one_line
from .image_sets import REMEDY, THREADS, StreamedPixels, StreamedSplit, finish, image_options
from .splits import Dataset, Split

__all__ = ["MEMORY_LIMIT", "is_image_folder", "list_folder", "read_folder", "walk"]

MEMORY_LIMIT = 2 << 30
"""Folders that need more bytes than this as pixels are decoded batch by batch."""
LARGEST_CHOSEN, SMALLEST_CHOSEN = 128, 16
"""A size that the user did not choose is kept between these."""
_SPLITS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
_IGNORED = ("thumbs.db", "desktop.ini", "__macosx")


def list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and the files in a folder, sorted, without hidden ones."""
    try:
        entries = sorted(p for p in folder.iterdir() if p.name[0] != "." and p.name.lower() not in _IGNORED)
    except OSError as error:
        raise DataError(
            Problem(str(folder), "", f"cannot be listed ({error.strerror})", "give a readable folder")
        ) from None
    return [p for p in entries if p.is_dir()], [p for p in entries if not p.is_dir()]


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(pixels.SUFFIXES)


def is_image_folder(path: Path) -> bool:
    """Whether a folder holds image files anywhere below it."""
    return bool(walk(path, []))


def walk(folder: Path, strange: list[str]) -> list[Path]:
    """All image files below a folder, sorted; the names of others go to `strange`."""
    waiting, found = [folder], []
    while waiting:
        folders, files = list_folder(waiting.pop())
        waiting += [inner for inner in folders if not inner.is_symlink()]  # a link may lead round in a circle
        strange += [str(p) for p in files if not _is_image(p)]
        found += [p for p in files if _is_image(p)]
    return sorted(found)


def _classes(folder: Path, strange: list[str], problems: Problems) -> list[tuple[Path, str | None]]:
    """The images of one split with their class, or None in a flat folder."""
    folders, files = list_folder(folder)
    if not folders:
        strange += [str(p) for p in files if not _is_image(p)]
        return [(p, None) for p in files if _is_image(p)]
    strange += [str(p) for p in files if not _is_image(p)]
    found: list[tuple[Path, str | None]] = []
    for inner in folders:
        images = walk(inner, strange)
        if not images:
            problems.add(inner, "", "is a class folder without images", "remove it or put images in it")
        found += [(p, inner.name) for p in images]
    for p in files:
        if _is_image(p):
            problems.add(p, "", "lies beside class folders", "move it into the folder of its class")
    return found


def read_folder(path: Path, seed: int, options: dict[str, Any] | None, problems: Problems) -> Dataset:
    """The data set of a folder; every file that cannot be used becomes a problem."""
    strange: list[str] = []
    folders, files = list_folder(path)
    tree = _split_folders(path, folders, problems)
    if tree:
        for p in files:
            if _is_image(p):
                problems.add(p, "", "lies beside train/", "move it into the folder of its split and class")
        listed = {split: _classes(folder, strange, problems) for split, folder in tree.items()}
    else:
        listed = {"train": _classes(path, strange, problems)}
    if not listed["train"]:
        if not problems.found:
            what = "holds no images" + (f", only other files such as {Path(strange[0]).name}" if strange else "")
            remedy = "give folders CLASS/*.{jpg,png,webp,bmp}, train/CLASS/..., or images without classes"
            raise problems.fail(tree.get("train", path), "", what, remedy)
        raise DataError(problems.found)
    names = sorted({label for _, label in listed["train"] if label is not None})
    for split, rows in listed.items():
        for p, label in rows:
            if label is not None and label not in names:
                problems.add(p, "", f"class {label} of {split} is not in train", "add it to train or remove it")
            if label is None and names:
                problems.add(p, "", f"has no class in {split}, but train has classes", "sort it into class folders")
        listed[split] = [(p, label) for p, label in rows if not names or label in names]
    heads = _heads([p for rows in listed.values() for p, _ in rows], problems)
    listed = {split: [(p, label) for p, label in rows if p in heads] for split, rows in listed.items()}
    problems.settle()
    if not listed["train"]:
        raise DataError(problems.found)
    size, channels, how = _choose(list(heads.values()), options)
    count = sum(map(len, listed.values()))
    streamed = count * channels * size[0] * size[1] > MEMORY_LIMIT
    decoded: dict[str, Tensor] = {}
    if not streamed or problems.skip_bad or problems.keep_going:
        # bad files must be known now where they are to be left out; otherwise a streamed one is met on its way
        for split, rows in listed.items():
            decoded[split], bad = _decode_all([p for p, _ in rows], size, channels, not streamed)
            for p, reason in bad.items():
                problems.add(p, "", reason, REMEDY)
            listed[split] = [(p, label) for p, label in rows if p not in bad]
        problems.settle()
        if not listed["train"]:
            raise DataError(problems.found)
    splits: dict[str, Split] = {}
    numbers = {label: number for number, label in enumerate(names)}
    for split, rows in listed.items():
        if rows:
            y = torch.tensor([numbers[label] for _, label in rows if label is not None]) if names else None
            if streamed:
                splits[split] = StreamedSplit(StreamedPixels([p for p, _ in rows], size, channels), y)
            else:
                splits[split] = Split(decoded[split], y)
    notes = [how]
    if streamed:
        notes.append(
            f"{count:,} images are decoded batch by batch: together they exceed {MEMORY_LIMIT / 2**30:.3g} GiB"
        )
    if strange:
        notes.append(f"not read, since no images: {len(strange)} files, such as {one_line(Path(strange[0]).name, 60)}")
    examples = [
        f"{p.relative_to(path)}: {label or 'no label'}, {heads[p][0]}x{heads[p][1]}" for p, label in listed["train"][:3]
    ]
    record = {"path": path.name, "files": count, "ignored": len(strange)}
    return finish(splits, tuple(names), size, channels, seed, options, problems, notes, record, examples)


def _split_folders(path: Path, folders: list[Path], problems: Problems) -> dict[str, Path]:
    """The folders of the splits, if this is a tree with train/; else {}."""
    tree: dict[str, Path] = {}
    known = [p for p in folders if p.name.lower() in _SPLITS]
    train = next((p for p in known if p.name.lower() == "train"), None)
    if train is None:
        return {}
    if len(known) < len(folders) and not list_folder(train)[0]:
        return {}  # a class that is called train, among other classes
    for p in folders:
        split = _SPLITS.get(p.name.lower())
        if split is None:
            problems.add(p, "", "lies beside train/ but is no split", "keep only train/, valid/ and test/ there")
        elif split in tree:
            raise problems.fail(p, "", f"is a second folder for {split}", "keep one of them")
        else:
            tree[split] = p
    return {split: tree[split] for split in ("train", "valid", "test") if split in tree}


def _parallel(function: Any, items: Sequence[Any]) -> list[Any]:
    if len(items) < 64:
        return [function(item) for item in items]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items, chunksize=16))


def _heads(paths: list[Path], problems: Problems) -> dict[Path, tuple[int, int, bool]]:
    def look(path: Path) -> tuple[int, int, bool] | str:
        try:
            return pixels.header(path)
        except pixels.BadImage as error:
            return str(error)

    heads = {}
    for path, head in zip(paths, _parallel(look, paths), strict=True):
        if isinstance(head, str):
            problems.add(path, "", head, REMEDY)
        else:
            heads[path] = head
    return heads


def _decode_all(paths: list[Path], size: tuple[int, int], channels: int, keep: bool) -> tuple[Tensor, dict[Path, str]]:
    """The images that can be decoded (none unless `keep`), and why the others cannot."""
    images = torch.empty((len(paths) if keep else 0, channels, *size), dtype=torch.uint8)

    def one(row: int) -> str | None:
        try:
            image = pixels.decode(paths[row], size, channels)
        except pixels.BadImage as error:
            return str(error)
        if keep:
            images[row] = torch.from_numpy(image.copy())
        return None

    reasons = _parallel(one, range(len(paths)))
    bad = {path: reason for path, reason in zip(paths, reasons, strict=True) if reason is not None}
    if bad and keep:
        images = images[[row for row, reason in enumerate(reasons) if reason is None]]
    return images, bad


def _choose(heads: list[tuple[int, int, bool]], options: dict[str, Any] | None) -> tuple[tuple[int, int], int, str]:
    """Height and width, channels, and the line that says so."""
    size, channels = image_options(options)
    channels = channels or (1 if all(grey for _, _, grey in heads) else 3)
    colour = "grey" if channels == 1 else "colour"
    sizes = {(height, width) for width, height, _ in heads}
    if size:
        return (size, size), channels, f"images: {size}x{size} {colour}, as asked (resized and centre-cropped)"
    height, width = next(iter(sizes))
    if len(sizes) == 1 and max(height, width) <= LARGEST_CHOSEN:
        return (height, width), channels, f"images: {width}x{height} {colour}, as they are"
    shortest = min(min(pair) for pair in sizes)
    chosen = max(SMALLEST_CHOSEN, min(LARGEST_CHOSEN, shortest))
    found = f"{width}x{height}" if len(sizes) == 1 else f"{len(sizes)} sizes, shortest side {shortest}"
    how = f"images: {found}, resized and centre-cropped to {chosen}x{chosen} {colour} (--size chooses another)"
    return (chosen, chosen), channels, how
