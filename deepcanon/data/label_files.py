"""Pictures whose labels are in a table next to them: labels.csv with a column of file names and one of labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .cells import Table, load, names_in
from .class_names import LABEL_NAMES
from .errors import Problems, one_line
from .image_sets import walk
from .near_names import meant
from .pixels import OTHER_FORMATS, SUFFIXES, is_image
from .splits import SPLIT_NAMES

__all__ = ["LABELS", "find_label_file", "is_label_file", "label_file", "no_picture", "pictures_named"]

LABELS = ("labels.csv", "labels.tsv", "labels.jsonl", "labels.parquet")

Rows = list[tuple[Path, str | None]]


def is_label_file(path: Path) -> bool:
    """Whether the name is one of a table of labels."""
    return path.name.lower() in LABELS


def find_label_file(files: list[Path], problems: Problems) -> Path | None:
    """The table of labels among the files of a folder, if there is one.

    Raises:
        DataError: there are two, and it is not clear which of them is meant.
    """
    found = [p for p in files if is_label_file(p)]
    if len(found) > 1:
        raise problems.fail(found[1], "", f"is next to {found[0].name}, and only one can be read", "keep one of them")
    return found[0] if found else None


def label_file(
    folder: Path, path: Path, problems: Problems, strange: list[str], links: list[str]
) -> tuple[dict[str, Rows], list[str]]:
    """The pictures of each split with their labels, and notes on how the table was understood.

    The column of file names is the one whose cells are files of the folder; a column `split` says train, valid or test.

    Args:
        strange: takes the names of other files of the folder.
        links: takes the names of links to folders that are not followed.

    Raises:
        DataError: no column names files, or it is not clear which column holds what.
    """
    table = load(path, problems)
    columns = {name: names_in(cells) for name, cells in table.columns.items()}
    files, label, split = _roles(folder, path, columns, problems)
    found: dict[Path, tuple[int, str, str]] = {}  # by what a name leads to, since two names may lead to one file
    names: dict[Path, Path] = {}
    unclear: set[Path] = set()
    splits = columns[split] if split else np.array(["train"] * len(table))
    for row, (name, cell, part) in enumerate(
        zip(columns[files].tolist(), columns[label].tolist(), splits.tolist(), strict=True)
    ):
        place, pictures = table.place(row), pictures_named(folder, name)
        if len(pictures) != 1:
            problems.add(path, place, *no_picture(folder, name, pictures))
            continue
        real = pictures[0].resolve()
        names.setdefault(real, pictures[0])
        if not cell:
            problems.add(path, place, "has no label", "write one, or remove the row")
        elif part.lower() not in SPLIT_NAMES:
            problems.add(path, place, f"says split {one_line(part, 40)!r}", "write train, valid or test")
        elif real in found:
            # where bad rows are left out, rows that agree give the picture once, and contradictory ones not at all
            first, *said = found[real]
            if said != [cell, SPLIT_NAMES[part.lower()]]:
                unclear.add(real)
            places = f"{table.place(first)} and {place}"
            problems.add(path, places, f"{one_line(name, 60)!r} is named twice", "keep one of the rows")
        else:
            found[real] = (row, cell, SPLIT_NAMES[part.lower()])
    for picture in walk(folder, strange, None, links):
        if picture.resolve() not in names:
            problems.add(picture, "", f"has no row in {path.name}", "add one, or remove the picture")
    strange[:] = [name for name in strange if name != str(path)]
    listed: dict[str, Rows] = {"train": []}
    for real, (_, cell, part) in found.items():
        if real not in unclear:
            listed.setdefault(part, []).append((names[real], cell))
    return listed, [_note(path, table, files, label, split), *table.notes]


def _note(path: Path, table: Table, files: str, label: str, split: str | None) -> str:
    by = f"files by column {one_line(files, 60)}" + (f", splits by column {one_line(split, 60)}" if split else "")
    unused = [name for name in table.columns if name not in (files, label, split)]
    rest = f"; columns not used: {one_line(', '.join(unused), 100)}" if unused else ""
    return f"labels: as column {one_line(label, 60)} of {path.name} says, {by}{rest}"


def _roles(folder: Path, path: Path, columns: dict[str, np.ndarray], problems: Problems) -> tuple[str, str, str | None]:
    """The columns of file names, of labels and of splits."""

    def one(among: Sequence[str], what: str, remedy: str) -> str | None:
        if len(among) > 1:
            said = f"has {len(among)} columns {what}: {one_line(', '.join(among), 100)}"
            raise problems.fail(path, "header", said, remedy)
        return among[0] if among else None

    split = one([n for n in columns if n.lower() == "split"], "of splits", "keep one of them")
    # Different files count: a column of labels such as 0 and 1 may name 0.png and 1.png in every row.
    counts = {
        name: len({picture for cell in cells[:200].tolist() for picture in pictures_named(folder, cell)})
        for name, cells in columns.items()
        if name != split
    }
    most = max(counts.values(), default=0)
    if not most:
        first = one_line(", ".join(cells[0] for cells in columns.values() if len(cells)), 60)
        what = f"has no column that names pictures of the folder (its first row: {first})"
        near = next((said for cells in columns.values() if len(cells) and (said := meant(folder, cells[0]))), "")
        raise problems.fail(path, "", what, near or "give their file names as they are, with folders below this one")
    best = [name for name, count in counts.items() if count == most]
    best = [name for name in best if name.lower() not in LABEL_NAMES] or best
    # Names with their endings are meant as names; the numbers of the rows may be those of 0.png, 1.png, ... too.
    best = [name for name in best if any(is_image(Path(cell)) for cell in columns[name][:200].tolist())] or best
    files = one(best, "that name pictures", "keep only the one of the pictures to learn from") or best[0]
    if is_image(Path(files)) and pictures_named(folder, files):
        what = f"names a picture ({one_line(files, 60)}), and is taken for the names of the columns"
        raise problems.fail(path, "first line", what, "put a line such as file,label first")
    others = [name for name in columns if name not in (files, split)]
    remedy = "call the column with the labels `label`, and the others something else or leave them out"
    label = one([n for n in others if n.lower() in LABEL_NAMES], "that could be the label", remedy)
    if label is None and len(others) != 1:
        what = f"has no column called label, but {one_line(', '.join(others), 100) or 'none at all'}"
        raise problems.fail(path, "", what, "call the column with the labels `label`")
    return files, label or others[0], split


def no_picture(folder: Path, name: str, pictures: list[Path], remedy: str = "remove the row") -> tuple[str, str]:
    """Why a cell does not name one picture of the folder, and what to do about it, such as `remedy`."""
    said = one_line(name, 60)
    if not name:
        return "names no picture", f"write its file name, or {remedy}"
    if pictures:
        return f"names {said!r}, which may be {' or '.join(p.name for p in pictures)}", "write the ending too"
    place = _inside(folder, name)
    if place is None:
        return f"names {said!r}, which is not in the folder", f"move the picture into the folder, or {remedy}"
    if any(_is_file(place.with_name(f"{place.name}{ending}")) for ending in ("", *OTHER_FORMATS)):
        what = f"names {said!r}, which is of a format that is not read"
        return what, f"save it as JPEG, PNG, WebP or BMP, or {remedy}"
    near = meant(folder, name, SUFFIXES)
    return f"names {said!r}, which is not here", f"{near}, or {remedy}" if near else remedy


def pictures_named(folder: Path, name: str) -> list[Path]:
    """The pictures of the folder that a cell names, with or without its ending."""
    place = _inside(folder, name)
    if place is None:
        return []
    if is_image(place) and _is_file(place):
        return [place]
    found = []
    for ending in SUFFIXES:
        pair = [place.with_name(f"{place.name}{e}") for e in (ending, ending.upper())]
        found += [p for p in pair if _is_file(p)][:1]  # both are one file where case does not count
    return found


def _inside(folder: Path, name: str) -> Path | None:
    """The place that a cell names, unless it is outside the folder.

    Links that lie in the folder are followed wherever they lead, as in folders without such a table.
    """
    try:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            name = str((folder / name).resolve().relative_to(folder.resolve()))
    except (OSError, RuntimeError, ValueError):  # another place, or a name that no file can have
        return None
    return folder / name if Path(name).name else None  # none for the folder itself


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
