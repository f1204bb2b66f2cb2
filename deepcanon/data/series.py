"""The reader of series: a table whose rows follow each other in time, its columns of numbers as one tensor [T, F].

What comes last is held out: of T rows the first ones are for training, then come those for validation, then the test.
Nothing is drawn by a seed. A column of dates is the time axis and is not learned.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepcanon.options import Series

from .cells import SUFFIXES, Table, from_bytes, load, suffix_of
from .columns import lost_digits, numbers_of, points_in_doubt, thousands_or_decimals
from .dates import Axis, axis_of, is_dates, refuse_form
from .errors import DataError, Problem, Problems, one_line
from .header_names import plain_name
from .inputs import Inputs
from .splits import ORDER, Dataset, Split, shares
from .table_cells import ArrowCells, name_of_number

__all__ = ["ACCEPTS", "FEWEST", "fits", "inputs", "read"]

ACCEPTS = "a CSV, TSV, JSON Lines or Parquet file whose rows follow each other in time"
FEWEST = 30
"""Rows of a series at least."""
LEARNED = ", which the run learned"


def fits(path: Path) -> bool:
    """Whether the path looks like one table."""
    return path.is_file() and suffix_of(path) in SUFFIXES


def texts(table: Table, name: str) -> np.ndarray:
    """The cells of a column as text."""
    cells = table.columns[name]
    if isinstance(cells, ArrowCells):
        return cells.text()
    return cells if cells.dtype.kind != "f" else np.array([name_of_number(cell) for cell in cells.tolist()])


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads a series; the seed has no effect.

    Raises:
        DataError: cells that are not numbers, dates that do not rise, too few rows, or no column to learn.
    """
    problems = problems or Problems()
    chosen = Series(**{name: value for name, value in (options or {}).items() if name in Series.__dataclass_fields__})
    chosen = replace(chosen, columns=tuple(map(plain_name, chosen.columns)), date=plain_name(chosen.date))
    valid, test = shares(options)
    if not fits(path):
        what = "is a folder" if path.is_dir() else "is not such a file"
        raise problems.fail(path, "", what, f"give {ACCEPTS}")
    learned = (options or {}).get("learned") or {}
    if learned:  # of a run that is measured: what its columns were called, and how their numbers were written
        chosen = replace(chosen, columns=tuple(learned["columns"]), decimal=learned["decimal"])
    table = load(path, problems, chosen.header)
    if problems.found and not problems.keep_going:  # a row that is left out would shift all that follow
        raise DataError(problems.found)
    blank = _blank_lines(table, problems)
    axis = _axis(table, chosen, problems)
    count = len(table)
    if count < FEWEST:
        raise problems.fail(path, "", f"has {count} rows", f"give a series of {FEWEST} rows or more")
    cut = [0, round(count * (1 - valid - test)), round(count * (1 - test)), count]
    if learned:
        _known(table, chosen.columns, LEARNED, problems)
    names, left = (list(chosen.columns), []) if learned else _learned(table, chosen, axis, cut[1], problems)
    columns, notes, decimal = _values(table, names, chosen, problems)
    values = torch.from_numpy(columns)
    splits = {
        split: Split(values[first:stop])
        for split, first, stop in zip(ORDER, cut, cut[1:], strict=False)
        if stop > first
    }
    listed = ", ".join(f"{split} {len(part):,}" for split, part in splits.items())
    told = [f"series: {count:,} rows, {listed}, in the order of the file"]
    told += [f"dates: {axis.said()}"] if axis else ["dates: none, rows are counted"]
    told += [f"learned: {one_line(', '.join(names), 200)}", *left, *blank, *notes, *table.notes]
    facts = {"columns": names, "date": axis.facts() if axis else None, "header": chosen.header,
             "decimal": decimal, "dates": chosen.dates, "rows": count}  # fmt: skip
    record = {"files": [path.name], "counts": {s: len(p) for s, p in splits.items()}, "split": {}, "seed": seed,
              "skipped": []}  # fmt: skip
    examples = [", ".join(f"{name} {value:g}" for name, value in zip(names, row.tolist(), strict=True))
                for row in values[:3]]  # fmt: skip
    return Dataset("series", splits, facts, told, record, examples)


def _axis(table: Table, chosen: Series, problems: Problems) -> Axis | None:
    """The column of dates; None if there is none."""
    _known(table, [chosen.date] if chosen.date else [], " (--date)", problems)
    name = chosen.date
    form = chosen.dates
    try:
        if form:
            refuse_form(form)
        name = chosen.date or next((name for name in table.columns if is_dates(texts(table, name), form)), "")
        if form and not name:
            raise ValueError(-1, f"has no column of dates such as {form}", "name it by --date, or leave --dates out")
        if not name or name in chosen.columns:
            return None
        return axis_of(name, texts(table, name), form)
    except ValueError as error:
        row, what, remedy = error.args
        column = f"column {one_line(name, 60)!r}" if name else ""
        place = f"{table.place(row)}, {column}" if row >= 0 else column
        raise problems.fail(table.file, place, what, remedy) from None


def _known(table: Table, names: Sequence[str], why: str, problems: Problems) -> None:
    for name in names:
        if name not in table.columns:
            have = one_line(", ".join(table.columns), 150)
            what = f"has no column {one_line(name, 60)!r}{why}"
            raise problems.fail(table.file, "header", what, f"its columns are {have}")


def _learned(
    table: Table, chosen: Series, axis: Axis | None, train: int, problems: Problems
) -> tuple[list[str], list[str]]:
    """The columns to learn; and which are left out, and why."""
    _known(table, chosen.columns, " (--columns)", problems)
    names, left = list[str](), list[str]()
    for name in chosen.columns or table.columns:
        if axis and name == axis.name:
            continue
        numbers = numbers_of(texts(table, name), chosen.decimal, table.delimiter)
        values, why = numbers.values[numbers.ok], ""
        if 2 * len(values) <= len(table):
            why = "most cells are not numbers"
        elif len(set(values[:train].tolist())) == 1:
            why = "it is constant over the training rows"
        elif np.isfinite(numbers.values).all() and len(values) > 2 and len(set(np.diff(values).tolist())) == 1:
            why = "it counts the rows"
        if not why:
            names.append(name)
            whole = numbers.ok.all() and bool((values == np.rint(values)).all())
            if not (axis or chosen.columns) and whole and bool((np.diff(values) > 0).all()):
                shown, said = one_line(name, 60), f"{name_of_number(values[0])} to {name_of_number(values[-1])}"
                remedy = "if it counts time, name by --columns what is to be learned"
                left.append(f"{shown} rises from row to row ({said}) and is learned; {remedy}")
        elif chosen.columns:
            raise problems.fail(table.file, f"column {one_line(name, 60)!r}", f"cannot be learned: {why}",
                                "leave it out of --columns")  # fmt: skip
        else:
            left.append(f"not learned: {one_line(name, 60)} ({why})")
    if not names:
        why = f" ({'; '.join(left)})" if left else ""
        raise problems.fail(table.file, "", f"has no column to learn{one_line(why)}", "give columns of numbers")
    return names, left


def _blank_lines(table: Table, problems: Problems) -> list[str]:
    """A note of blank lines between rows; of a single column they are empty cells, and a problem."""
    between = np.flatnonzero(np.diff(table.rows) > 1)
    if len(between) and len(table.columns) == 1 and table.delimiter:
        place = f"line {table.rows[between[0]] + 1}"
        raise problems.fail(table.file, place, "is empty", "fill it, or remove the line if no value is missing")
    count = int((np.diff(table.rows) - 1).sum())
    return [f"lines without a row, which are left out: {count:,}"] * bool(count)


def _values(
    table: Table, names: Sequence[str], chosen: Series, problems: Problems
) -> tuple[np.ndarray, list[str], str]:
    """The columns as float64 [T, F], and their decimal sign; every cell that is no finite number is a problem."""
    columns, notes = [], list[str]()
    held = {name: texts(table, name) for name in names}
    read = {name: numbers_of(cells, chosen.decimal, table.delimiter) for name, cells in held.items()}
    signs = {name: numbers.decimal for name, numbers in read.items()}
    doubt = points_in_doubt(signs, lambda name: thousands_or_decimals(held[name].tolist()))
    if chosen.decimal == "auto" and table.delimiter and doubt:
        raise problems.fail(table.file, f"column {one_line(doubt[0], 60)!r}", doubt[1], "give --decimal . or ,")
    decimal: str = chosen.decimal
    if decimal == "auto":
        decimal = next((sign for sign in ",." if sign in signs.values()), "auto")
    sign = " with a decimal comma" if chosen.decimal == "," else ""
    for name, cells in held.items():
        numbers = read[name]
        if numbers.unsure:
            raise problems.fail(table.file, f"column {one_line(name, 60)!r}", numbers.unsure, "give --decimal . or ,")
        notes += [f"{one_line(name, 60)}: {note}" for note in [*numbers.notes, *lost_digits(cells, numbers, "")]]
        for row in np.flatnonzero(~(numbers.ok & np.isfinite(numbers.values))).tolist():
            cell = one_line(cells[row], 40)
            what = f"is {cell!r}, not a number{sign}" if cell else "is empty"
            remedy = "fill it, or name the columns to learn by --columns"
            place = f"{table.place(row)}, column {one_line(name, 60)!r}"
            problems.found.append(Problem(table.file, place, what, remedy, skippable=False))
        columns.append(numbers.values)
    if problems.found:
        raise DataError(problems.found)
    return np.stack(columns, 1), notes, decimal


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """Files with the columns that were learned: (tensor [T, F] of float64 in their order of training, facts of the
    dates or None) of each."""
    found = Inputs([], [])
    header = describe["header"].replace("auto", "")
    for given in paths:
        problems = Problems()
        try:
            if given == "-":
                table = from_bytes(sys.stdin.buffer.read(), "stdin", ".csv", problems, header)
            elif not fits(Path(given)):
                raise problems.fail(given, "", "is not such a file", f"give {ACCEPTS}")
            else:
                table = load(Path(given), problems, header)
            if problems.found:
                raise DataError(problems.found)
            dates = describe["date"]
            chosen = Series(columns=tuple(describe["columns"]), decimal=describe["decimal"],
                            date=dates["name"] if dates and dates["name"] in table.columns else "",
                            dates=describe.get("dates", ""))  # fmt: skip
            _known(table, chosen.columns, LEARNED, problems)
            axis = _axis(table, chosen, problems) if chosen.date else None
            told = _blank_lines(table, problems)
            values, notes, _ = _values(table, chosen.columns, chosen, problems)
            if len(table) < 2:
                raise problems.fail(given, "", f"has {len(table)} rows", "give 2 or more")
        except DataError as error:
            found.refused += error.problems
            continue
        found.names.append(given)
        found.values.append((torch.from_numpy(values), axis.facts() if axis else None))
        found.tell(len(found) - 1, [*told, *notes, *table.notes])
    return found
