"""Folders of image files: which file belongs to which split and class, and the size that they get."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from . import pixels
from .class_names import class_order
from .decoding import Ahead, decoded, heads_of, levels_of, states_of
from .errors import DataError, Problems, one_line
from .first_lines import first_lines
from .image_sets import draft_of, finish, first_of, image_options, list_folder, names_in, walk
from .label_files import find_label_file, is_label_file, label_file
from .named_splits import alike_inside, refuse_nearly_splits
from .pixels import Head
from .splits import ORDER, SPLIT_NAMES, Dataset, Split
from .streamed import REMEDY

__all__ = ["is_image_folder", "list_folder", "not_read", "read_folder", "twins", "walk"]

LARGEST_CHOSEN, SMALLEST_CHOSEN = 128, 16
"""A size that the user did not choose is kept between these."""


def is_image_folder(path: Path) -> bool:
    """Whether a folder holds image files anywhere below it."""
    waiting, seen = [path], set[Path]()
    while waiting:
        place = waiting.pop()
        real = place.resolve()
        if real not in seen:
            seen.add(real)
            folders, files = names_in(place)  # of many files, paths take longer than their names
            if any(name.lower().endswith(pixels.SUFFIXES) for name in files):
                return True
            waiting += [place / name for name in folders]
    return False


def _classes(folder: Path, strange: list[str], problems: Problems, links: list[str]) -> list[tuple[Path, str | None]]:
    """The images of one split with their class, or None in a flat folder."""
    folders, files = list_folder(folder)
    strange += [str(p) for p in files if not pixels.is_image(p)]
    if not folders:
        return [(p, None) for p in files if pixels.is_image(p)]
    found: list[tuple[Path, str | None]] = []
    seen: dict[Path, Path] = {}
    for inner in folders:
        if (first := seen.setdefault(inner.resolve(), inner)) != inner:
            what = f"is the same folder as {one_line(first.name, 60)}: its pictures would be of two classes"
            raise problems.fail(inner, "", what, "keep one of the links")
    read = set(seen)
    for inner in folders:
        start = len(strange)
        images = walk(inner, strange, read, links)
        if not images:
            others = strange[start:]
            there = f", only other files: {not_read(others)}" if others else ""
            remedy = "remove it or put images in it"
            if any(name.lower().endswith(pixels.OTHER_FORMATS) for name in others):
                remedy = "save them as JPEG, PNG, WebP or BMP, or remove it"
            problems.add(inner, "", f"is a class folder without images{there}", remedy)
        found += [(p, inner.name) for p in images]
    for p in files:
        if pixels.is_image(p):
            problems.add(p, "", "is next to class folders", "move it into the folder of its class")
    return found


def read_folder(path: Path, seed: int, options: dict[str, Any] | None, problems: Problems) -> Dataset:
    """The data set of a folder; every file that cannot be used becomes a problem."""
    strange: list[str] = []
    links: list[str] = []
    notes: list[str] = []
    outer, path = path, _inner(path, strange)
    folders, files = list_folder(path)
    table = find_label_file(files, problems)
    tree = _split_folders(folders, problems)
    table = None if tree else table  # which is then among the files that are not read
    listed: dict[str, list[tuple[Path, str | None]]]
    if table is not None:
        listed, notes = label_file(path, table, problems, strange, links)
    elif tree:
        for p in files:
            if not pixels.is_image(p):
                strange.append(str(p))
            else:
                problems.add(p, "", "is next to train/", "move it into the folder of its split and class")
        listed = {split: _classes(folder, strange, problems, links) for split, folder in tree.items()}
    else:
        listed = {"train": _classes(path, strange, problems, links)}
    if not listed["train"]:
        if not problems.found:
            what = "holds no images" + (f", only other files: {not_read(strange)}" if strange else "")
            remedy = "give folders CLASS/*.{jpg,png,webp,bmp}, train/CLASS/..., or images without classes"
            raise problems.fail(tree.get("train", path), "", what, remedy)
        raise DataError(problems.found)
    lost = [Path(name) for name in strange if is_label_file(Path(name))]
    if lost and all(label is None for rows in listed.values() for _, label in rows):
        what = "would not be read, and the pictures have no other labels: folders give the splits"
        remedy = "sort the pictures into train/CLASS/, or call the folders something else and add a column `split`"
        raise problems.fail(lost[0], "", what, remedy)
    names, order = class_order((label for _, label in listed["train"] if label is not None), options)
    for split, rows in listed.items():
        for p, label in rows:
            if label is not None and label not in names:
                problems.add(p, "", f"class {label} of {split} is not in train", "add it to train or remove it")
            if label is None and names:
                problems.add(p, "", f"has no class in {split}, but train has classes", "sort it into class folders")
        listed[split] = [(p, label) for p, label in rows if not names or label in names]
    states = states_of([p for rows in listed.values() for p, _ in rows])
    ahead = Ahead(states, *_known(options), draft_of(options))
    heads = heads_of(states, problems, options, ahead)
    several = [str(p) for p, head in heads.items() if head.frames > 1]
    deep = [p for p, _ in listed["train"] if p in heads and heads[p].deep]
    for p in [p for p, head in heads.items() if head.deep and not deep]:
        del heads[p]  # without training pictures like it, nothing says which grey levels are black and white
        problems.add(p, "", "is grey of 16 bits, and no training picture is", "save it with 8 bits")
    listed = {split: [(p, label) for p, label in rows if p in heads] for split, rows in listed.items()}
    problems.settle()
    if not listed["train"]:
        raise DataError(problems.found)
    size, channels, how = _choose(list(heads.values()), options)
    levels = _levels(deep, options)
    must_know = problems.skip_bad or problems.keep_going
    pictures = decoded(states, heads, size, channels, levels, options, must_know, ahead=ahead)
    for p, reason in pictures.bad.items():
        problems.add(p, "", reason, REMEDY)
    problems.settle()
    listed = {split: [(p, label) for p, label in rows if p not in pictures.bad] for split, rows in listed.items()}
    if not listed["train"]:
        raise DataError(problems.found)
    splits: dict[str, Split] = {}
    numbers = {label: number for number, label in enumerate(names)}
    for split, rows in listed.items():
        if rows:
            y = torch.tensor([numbers[label] for _, label in rows if label is not None]) if names else None
            splits[split] = pictures.split([p for p, _ in rows], y)
    notes = [how, *notes, *order]
    if path != outer:
        notes.append(f"read from {path.relative_to(outer)}, the only folder in {outer.name}")
    if deep:
        low, high = levels
        notes.append(
            f"{len(deep)} files of 16 bits: grey levels {low:,g} to {high:,g} become black to white (--levels LOW HIGH)"
        )
    if several:
        notes.append(
            f"several pictures in a file (animations): only the first is read in {len(several)}: {first_of(several)}"
        )
    notes += pictures.notes
    if strange:
        notes.append(
            f"not read: {not_read(strange)}{'; labels are those of the folders' if lost and not table else ''}"
        )
    if len(names) < 2 and not table and (listing := _listing(files, [p for p, _ in listed["train"]])):
        how = "call it labels.csv, with file,label in its first line and the names of the files as they are"
        notes.append(f"{one_line(listing, 60)} names pictures and is not read: if it says their classes, {how}")
    if links:
        notes.append(f"links not followed, since they lead to folders that are read already: {first_of(links)}")
    nested = [p for p, label in listed["train"] if label is not None and p.parent.name != label] if not table else []
    if nested:
        if not tree:
            notes += alike_inside({label: [inner.name for inner in list_folder(path / label)[0]] for label in names})
        notes.append(f"images in folders below a class folder are of that class: {len(nested)}, such as "
                     f"{one_line(nested[0].relative_to(path), 100)}")  # fmt: skip
    examples = [
        f"{p.relative_to(path)}: {label or 'no label'}, {heads[p].width}x{heads[p].height}"
        for p, label in listed["train"][:3]
    ]
    record = {"path": path.name, "files": sum(map(len, listed.values())), "ignored": len(strange)}
    data = finish(
        splits, tuple(names), size, channels, seed, options, problems, notes, record, examples,
        levels=levels if deep else None,
    )  # fmt: skip
    data.splits = {name: pictures.settled(split) for name, split in data.splits.items()}
    data.notes += twins(data.splits) if size == tuple(data.facts["size"]) else []  # else they are patches
    return data


def _listing(files: list[Path], pictures: list[Path]) -> str:
    """The name of a file next to pictures whose first lines name some of them, with or without their endings."""
    known = {name for p in pictures for name in (p.name, p.stem)}
    for file in files:
        if file.suffix.lower() in (".csv", ".tsv", ".txt", ".jsonl"):
            cells = re.split(r'[,;|\s"]+', "\n".join(first_lines(file, 4)))
            if known & {cell.rsplit("/", 1)[-1] for cell in cells}:
                return file.name
    return ""


def twins(splits: dict[str, Split]) -> list[str]:
    """Notes on pictures of valid and test that are in train too, pixel by pixel; of pictures in memory alone."""
    if not all(isinstance(split.x, torch.Tensor) for split in splits.values()):
        return []
    seen = {name: [hash(picture.tobytes()) for picture in split.x.numpy()] for name, split in splits.items()}
    train = set(seen.pop("train"))
    copies = {name: sum(one in train for one in found) for name, found in seen.items()}
    return [
        f"pictures of {name} that are in train too, pixel by pixel: {count}; they do not measure what is new"
        for name, count in copies.items()
        if count
    ]


def _split_folders(folders: list[Path], problems: Problems) -> dict[str, Path]:
    """The folders of the splits, if this is a tree with train/; else {}."""
    tree: dict[str, Path] = {}
    known = [p for p in folders if p.name.lower() in SPLIT_NAMES]
    train = next((p for p in known if SPLIT_NAMES[p.name.lower()] == "train"), None)
    if train is None:
        refuse_nearly_splits(folders, problems)
        return {}
    if len(known) < len(folders) and not list_folder(train)[0]:
        return {}  # a class that is called train, among other classes
    for p in folders:
        split = SPLIT_NAMES.get(p.name.lower())
        if split is None:
            problems.add(p, "", "is next to train/ but is not a split", "keep only train/, valid/ and test/ there")
        elif split in tree:
            raise problems.fail(p, "", f"is a second folder for {split}", "keep one of them")
        else:
            tree[split] = p
    return {split: tree[split] for split in ORDER if split in tree}


def _levels(deep: list[Path], options: dict[str, Any] | None) -> pixels.Levels:
    """The grey levels of deep files that become black and white: as asked, or those of the training images."""
    asked = tuple((options or {}).get("levels", ()))
    if asked:
        if len(asked) != 2 or not asked[0] < asked[1]:
            raise DataError("--levels takes two grey levels, the darker one first")
        return float(asked[0]), float(asked[1])
    return levels_of(deep)


def _inner(path: Path, strange: list[str]) -> Path:
    """The folder itself, or the one inside it if there is nothing but that, and classes, splits or labels are in there.

    The names of files that are stepped over go to `strange`; a table of labels is never stepped over.
    """
    while True:
        folders, files = list_folder(path)
        if len(folders) != 1 or any(pixels.is_image(p) or is_label_file(p) for p in files):
            return path
        below, here = list_folder(folders[0])
        if not any(walk(inner, []) for inner in below) and not any(map(is_label_file, here)):
            return path
        strange += map(str, files)
        path = folders[0]


def not_read(files: list[str]) -> str:
    """Files that are not read, counted by their endings; pictures of other formats are named as such."""
    paths = [Path(name) for name in files]
    counts = Counter(p.name if is_label_file(p) else one_line(p.suffix.lower(), 40) or "no ending" for p in paths)
    words = [
        f"{count} {ending}{' (a picture, but not of a format that is read)' if ending in pixels.OTHER_FORMATS else ''}"
        for ending, count in counts.most_common(5)
    ]
    return ", ".join(words) + (", ..." if len(counts) > 5 else "")


def _known(options: dict[str, Any] | None) -> tuple[tuple[int, int], int]:
    """Height, width and channels as far as they do not depend on the files; 0 where they do."""
    size, channels = image_options(options)
    if learned := (options or {}).get("learned"):
        return (learned["size"][0], learned["size"][1]), learned["channels"]
    return (size, size), channels


def _choose(heads: list[Head], options: dict[str, Any] | None) -> tuple[tuple[int, int], int, str]:
    """Height and width, channels, and the line that says so."""
    size, channels = image_options(options)
    learned = (options or {}).get("learned")
    if learned:
        height, width = learned["size"]
        return (height, width), learned["channels"], f"images: {width}x{height}, as the run learned them"
    channels = channels or (1 if all(head.grey for head in heads) else 3)
    colour = "grey" if channels == 1 else "colour"
    sizes = {(head.height, head.width) for head in heads}
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
