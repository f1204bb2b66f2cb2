"""The table reader: named columns as float32 features, and one of them as the target."""

import difflib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import catalogue
from .archives import read_member
from .cells import ACCEPTS, SUFFIXES, Cell, Table, from_bytes, is_missing, load, name_of, number, suffix_of
from .errors import DataError, Problem, Problems, one_line
from .splits import Dataset, Split, draw_splits, shares

__all__ = ["ACCEPTS", "finish", "fits", "inputs", "read", "read_named"]

MOST_CATEGORIES = 20
"""A feature of text with at most this many different values is one-hot encoded; whole numbers with at most this
many different values are classes when they are the target."""
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def fits(path: Path) -> bool:
    """Whether the path looks like a table."""
    return not path.is_dir() and suffix_of(path) in SUFFIXES


class _Columns:
    """Turns cells into values, column by column, and marks the rows that cannot be used."""

    def __init__(self, table: Table, problems: Problems) -> None:
        self.table, self.problems = table, problems
        self.bad: set[int] = set()

    def _note(self, row: int, name: str, what: str, remedy: str) -> None:
        self.bad.add(row)
        self.problems.add(self.table.file, f"{self.table.places[row]}, column {one_line(name, 60)}", what, remedy)

    def present(self, name: str) -> Iterator[tuple[int, Cell]]:
        """The cells that are there; a missing one is a problem of its row."""
        for row, cell in enumerate(self.table.columns[name]):
            if is_missing(cell):
                self._note(row, name, "is missing", "fill it in, or leave such rows out with --skip-bad")
            else:
                yield row, cell

    def numbers(self, name: str, cells: list[tuple[int, Cell]]) -> np.ndarray:
        values = np.zeros(len(self.table.places))
        for row, cell in cells:
            value = number(cell)
            if value is None:
                self._note(
                    row,
                    name,
                    f"{one_line(cell, 40)!r} is no number",
                    "correct it, or leave such rows out with --skip-bad",
                )
            elif not abs(value) <= _FLOAT32_MAX:
                self._note(
                    row,
                    name,
                    f"{one_line(cell, 40)} is not finite",
                    "correct it, or leave such rows out with --skip-bad",
                )
            else:
                values[row] = value
        return values

    def one_hot(self, name: str, cells: list[tuple[int, Cell]], categories: list[str]) -> np.ndarray:
        values = np.zeros((len(self.table.places), len(categories)))
        at = {category: place for place, category in enumerate(categories)}
        for row, cell in cells:
            place = at.get(name_of(cell))
            if place is None:
                known = one_line(", ".join(categories), 100)
                self._note(row, name, f"{one_line(name_of(cell), 40)!r} is unknown", f"known are {known}")
            else:
                values[row, place] = 1
        return values


def _is_numeric(cells: list[tuple[int, Cell]]) -> bool:
    """Whether at least half of the cells are numbers; the others are then mistakes."""
    return 2 * sum(number(cell) is not None for _, cell in cells) >= len(cells)


def _encode(
    table: Table, options: dict[str, Any] | None, problems: Problems
) -> tuple[np.ndarray, np.ndarray, dict[str, Any], list[int]]:
    """Features, targets, what they mean, and the rows that are used."""
    names = list(table.columns)
    if len(names) < 2:
        raise problems.fail(
            table.file, "", f"has {len(names)} column{'s' * (len(names) != 1)}", "give features and a target"
        )
    if not table.places:
        if problems.found:
            raise DataError(problems.found)
        raise problems.fail(table.file, "", "has no rows", "give rows below the header")
    target = str((options or {}).get("target", "") or names[-1])
    if target not in table.columns:
        near = difflib.get_close_matches(target, names, 1)
        said = f"did you mean {one_line(near[0], 60)}?" if near else f"columns are {one_line(', '.join(names), 150)}"
        raise problems.fail(table.file, "header", f"has no column {one_line(target, 60)!r} for the target", said)
    columns = _Columns(table, problems)
    y, classes = _target(columns, target)
    blocks: list[np.ndarray] = []
    sources: list[dict[str, Any]] = []
    for name in names:
        if name == target:
            continue
        cells = list(columns.present(name))
        if _is_numeric(cells):
            blocks.append(columns.numbers(name, cells)[:, None])
            sources.append({"name": name})
            continue
        categories = sorted({name_of(cell) for _, cell in cells})
        if len(categories) > MOST_CATEGORIES:
            what = f"is text with {len(categories)} different values, more than {MOST_CATEGORIES}"
            raise problems.fail(
                table.file, f"column {one_line(name, 60)}", what, "turn it into numbers or leave it out"
            )
        blocks.append(columns.one_hot(name, cells, categories))
        sources.append({"name": name, "categories": categories})
    problems.settle()
    rows = [row for row in range(len(table.places)) if row not in columns.bad]
    if not rows:
        raise DataError(problems.found)
    facts = {"columns": _encoded_names(sources), "target": target, "classes": classes, "sources": sources}
    return np.concatenate(blocks, 1)[rows].astype(np.float32), y[rows], facts, rows


def _encoded_names(sources: list[dict[str, Any]]) -> list[str]:
    return [
        name
        for s in sources
        for name in ([f"{s['name']}={c}" for c in s["categories"]] if "categories" in s else [s["name"]])
    ]


def _target(columns: _Columns, name: str) -> tuple[np.ndarray, list[str] | None]:
    """Targets as places in the class names, or as numbers (then there are no names)."""
    cells = list(columns.present(name))
    distinct = {name_of(cell) for _, cell in cells}
    values = [number(cell) for _, cell in cells]
    numeric = all(v is not None for v in values)
    whole = numeric and all(v is not None and math.isfinite(v) and v.is_integer() for v in values)
    few = len({v for v in values}) <= max(2, min(MOST_CATEGORIES, len(cells) // 2))
    if numeric and not (whole and few):
        return columns.numbers(name, cells).astype(np.float32), None
    if whole:
        labels = {row: int(v) for (row, _), v in zip(cells, values, strict=True) if v is not None}
        ordered = sorted(set(labels.values()))
        classes = [str(v) for v in ordered]
        at: dict[Any, int] = {v: place for place, v in enumerate(ordered)}
        found: dict[int, Any] = labels
    else:
        if len(distinct) > MOST_CATEGORIES and _is_numeric(cells):
            return columns.numbers(name, cells).astype(np.float32), None
        if len(distinct) > max(MOST_CATEGORIES, len(cells) // 2):
            what = f"is text with {len(distinct)} different values in {len(cells)} rows"
            raise columns.problems.fail(
                columns.table.file,
                f"column {one_line(name, 60)}",
                what,
                "choose the column to predict with --target",
            )
        classes = sorted(distinct)
        at = {category: place for place, category in enumerate(classes)}
        found = {row: name_of(cell) for row, cell in cells}
    y = np.zeros(len(columns.table.places), dtype=np.int64)
    for row, label in found.items():
        y[row] = at[label]
    return y, classes


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads a table; the splits are drawn by seed and, where the target has classes, by class."""
    problems = problems or Problems()
    wanted = shares(options)
    table = load(path, problems)
    return _dataset(table, seed, options, wanted, problems, path.name)


def _dataset(
    table: Table,
    seed: int,
    options: dict[str, Any] | None,
    wanted: tuple[float, float],
    problems: Problems,
    name: str,
) -> Dataset:
    x, y, facts, rows = _encode(table, options, problems)
    told = [f"{table.places[row]}: {_shown(table, row)}" for row in rows[:3]]
    return finish(x, y, facts, seed, wanted, problems, name, told, table.left_out)


def _shown(table: Table, row: int) -> str:
    cells = [f"{name}={name_of(cells[row])}" for name, cells in list(table.columns.items())[:8]]
    return one_line(", ".join(cells) + (", ..." if len(table.columns) > 8 else ""), 160)


def finish(
    x: np.ndarray, y: np.ndarray | None, facts: dict[str, Any], seed: int, wanted: tuple[float, float],
    problems: Problems, name: str, examples: list[str], left_out: int = 0,
) -> Dataset:  # fmt: skip
    """Draws the splits and puts the data set together; y may be missing, then there is nothing to predict."""
    classes = facts["classes"]
    inputs_ = torch.from_numpy(np.ascontiguousarray(x))
    targets = None if y is None else torch.from_numpy(np.ascontiguousarray(y))
    missing = [(split, share) for split, share in zip(("valid", "test"), wanted, strict=True) if share > 0]
    drawn = draw_splits(len(inputs_), targets if classes else None, missing, seed)
    splits = {s: Split(inputs_[rows], None if targets is None else targets[rows]) for s, rows in drawn.items()}
    counts = {split: len(rows) for split, rows in drawn.items()}
    listed = ", ".join(f"{split} {n:,}" for split, n in counts.items())
    kind = f"{len(classes)} classes" if classes else "a number"
    how = (
        f" ({' and '.join(s for s, _ in missing)} drawn by seed {seed}{' and class' if classes else ''})"
        if missing
        else ""
    )
    notes = [
        f"table: {x.shape[1]} features, "
        + ("no target" if y is None else f"target {one_line(facts['target'], 60)} as {kind}"),
        f"rows: {listed}{how}",
    ]
    hot = [s["name"] for s in facts["sources"] if "categories" in s]
    if hot:
        notes.append(f"one-hot encoded: {one_line(', '.join(hot), 150)}")
    if left_out:
        notes.append(f"{left_out} rows with missing cells left out")
    skipped = problems.skipped()
    if skipped:
        notes.append(f"left out: {len(skipped)} ({one_line(skipped[0])}{', ...' if len(skipped) > 1 else ''})")
    record = {
        "files": [name],
        "counts": counts,
        "split": dict(missing),
        "seed": seed,
        "skipped": skipped,
        "left_out": left_out,
    }
    return Dataset("tables", splits, facts, notes, record, examples)


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """A table of the catalogue; of California housing the 207 rows without total_bedrooms are left out."""
    wanted = shares(options)
    if name != "california-housing":
        from .embedded import table as embedded

        columns, x, y, classes = embedded(name)
        target, asked = "class" if classes else "progression", (options or {}).get("target")
        if asked and asked != target:
            what = f"has the target {target}, not {one_line(asked, 60)}"
            raise DataError(Problem(name, "", what, "leave --target out, or give a CSV file", skippable=False))
        facts = {"columns": columns, "target": target, "classes": classes,
                 "sources": [{"name": column} for column in columns]}  # fmt: skip
        y = y.astype(np.int64 if classes else np.float32)
        told = [f"row {r + 1}: {columns[0]}={x[r, 0]:g}, ..., {classes[y[r]] if classes else y[r]}" for r in range(3)]
        return finish(x.astype(np.float32), y, facts, seed, wanted, Problems(), name, told)
    path = catalogue.get(name)["housing.tgz"]
    problems = Problems()
    table = from_bytes(read_member(path, "housing/housing.csv"), f"{path}: housing/housing.csv", ".csv", problems)
    problems.settle()
    whole = [row for row, cell in enumerate(table.columns["total_bedrooms"]) if not is_missing(cell)]
    kept = {column: [cells[row] for row in whole] for column, cells in table.columns.items()}
    kept_table = Table(table.file, kept, [table.places[row] for row in whole], len(table.places) - len(whole))
    chosen = {**(options or {}), "target": (options or {}).get("target") or "median_house_value"}
    return _dataset(kept_table, seed, chosen, wanted, problems, path.name)


def inputs(describe: dict[str, Any], paths: list[str]) -> tuple[list[str], Tensor]:
    """Rows of tables (or of CSV on standard input) encoded as in training: columns are matched by name."""
    problems = Problems()
    names: list[str] = []
    blocks: list[np.ndarray] = []
    for given in paths:
        if given == "-":
            table = from_bytes(sys.stdin.buffer.read(), "stdin", ".csv", problems)
        else:
            table = load(Path(given), problems)
        lacking = [s["name"] for s in describe["sources"] if s["name"] not in table.columns]
        if lacking:
            what = f"has no column {one_line(lacking[0], 60)!r}" + (
                f" and lacks {len(lacking) - 1} more" if lacking[1:] else ""
            )
            raise problems.fail(table.file, "header", what, "name the columns as in training")
        columns = _Columns(table, problems)
        for source in describe["sources"]:
            cells = list(columns.present(source["name"]))
            if "categories" in source:
                blocks.append(columns.one_hot(source["name"], cells, source["categories"]))
            else:
                blocks.append(columns.numbers(source["name"], cells)[:, None])
        width = len(describe["sources"])
        blocks[-width:] = [np.concatenate(blocks[-width:], 1)]
        names += [f"{table.file}: {place}" for place in table.places]
    problems.settle()
    if not names:
        raise DataError(Problem(", ".join(paths), "", "holds no rows", "give rows below the header", skippable=False))
    return names, torch.from_numpy(np.concatenate(blocks).astype(np.float32))
