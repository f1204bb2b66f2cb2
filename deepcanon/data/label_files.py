"""Pictures whose labels stand in a table beside them: labels.csv with a column of file names and one of labels."""

from pathlib import Path

import numpy as np

from .cells import load, names_in
from .errors import Problems, one_line
from .pixels import SUFFIXES
from .splits import SPLIT_NAMES

__all__ = ["LABELS", "label_file"]

LABELS = ("labels.csv", "labels.tsv", "labels.jsonl", "labels.parquet")
NAMES = ("label", "labels", "class", "category", "target")

Rows = list[tuple[Path, str | None]]


def label_file(folder: Path, path: Path, problems: Problems) -> dict[str, Rows]:
    """The pictures of each split with their labels.

    The column of file names is the one whose cells are files of the folder; a column `split` says train, valid or test.

    Raises:
        DataError: no column names files, or it is not clear which column holds the labels.
    """
    table = load(path, problems)
    columns = {name: names_in(cells) for name, cells in table.columns.items()}
    counts = {
        name: sum(_file(folder, cell) is not None for cell in cells[:200].tolist()) for name, cells in columns.items()
    }
    files = max(counts, key=lambda name: counts[name])
    if not counts[files]:
        raise problems.fail(
            path,
            "",
            "has no column of picture file names",
            "add a column with their file names",
        )
    others = [name for name in columns if name not in (files, "split")]
    label = next((name for name in others if name.lower() in NAMES), others[0] if len(others) == 1 else None)
    if label is None:
        what = f"has no column called label, but {one_line(', '.join(others), 100) or 'none at all'}"
        raise problems.fail(path, "", what, "call the column with the labels `label`")
    found: dict[str, Rows] = {}
    given = columns.get("split", np.array(["train"] * len(table)))
    for row, (name, cell, split) in enumerate(
        zip(columns[files].tolist(), columns[label].tolist(), given.tolist(), strict=True)
    ):
        picture = _file(folder, name)
        if picture is None:
            problems.add(path, table.place(row), f"names {one_line(name, 60)!r}, which is not here", "remove the row")
        elif not cell:
            problems.add(path, table.place(row), "has no label", "write one, or remove the row")
        elif split.lower() not in SPLIT_NAMES:
            problems.add(path, table.place(row), f"says split {one_line(split, 40)!r}", "write train, valid or test")
        else:
            found.setdefault(SPLIT_NAMES[split.lower()], []).append((picture, cell))
    known = {picture for rows in found.values() for picture, _ in rows}
    for picture in sorted(p for p in folder.rglob("*") if p.name.lower().endswith(SUFFIXES) and p not in known):
        problems.add(picture, "", f"has no row in {path.name}", "add one, or remove the picture")
    return {"train": [], **found}


def _file(folder: Path, name: str) -> Path | None:
    """The picture that a cell names, with or without its ending."""
    if not name or name.startswith(("/", "..")):
        return None
    for ending in ("", *SUFFIXES):
        path = folder / f"{name}{ending}"
        try:
            if path.is_file() and path.name.lower().endswith(SUFFIXES):
                return path
        except OSError:
            return None
    return None
