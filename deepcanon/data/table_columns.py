"""What the columns of a table are: numbers or categories, what is missing, the target; and that for later tables.

What a column is, is decided once, printed, and kept in the facts, so that `predict` reads later tables in the same way.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepcanon.options import Tables

from .cells import Table, names_in
from .columns import MISSING, distinct, is_missing, looks_like_dates, numbers_of
from .errors import DataError, Problems, one_line

__all__ = ["Feature", "Reading", "Source", "as_trained", "feature_of", "kinds_note", "target_of"]

MOST_CATEGORIES = 20
"""A column of text with more different values than this is one-hot encoded only if --categories names it."""
LARGEST = 1e150
"""Numbers beyond this cannot be squared."""
SKIP = "correct it, or leave such rows out with --skip-bad"


@dataclass
class Source:
    """How a column becomes features; `facts` is what is kept of it."""

    name: str
    categories: list[str] | None = None
    fill: float | str | None = None
    indicator: bool = False

    def facts(self) -> dict[str, Any]:
        kept: dict[str, Any] = {"name": self.name}
        if self.categories is not None:
            kept["categories"] = self.categories
        if self.fill is not None:
            kept["fill"] = self.fill
        if self.indicator:
            kept["indicator"] = True
        return kept

    def names(self) -> list[str]:
        own = [self.name] if self.categories is None else [f"{self.name}={c}" for c in self.categories]
        return own + ([f"{self.name} is missing"] if self.indicator else [])


@dataclass
class Reading:
    """A table that is being read: its options, its problems, the rows that cannot be used, what is to be told."""

    table: Table
    options: Tables
    problems: Problems
    bad: np.ndarray = field(init=False)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bad = np.zeros(len(self.table), dtype=bool)

    def fail(self, name: str, what: str, remedy: str) -> DataError:
        return self.problems.fail(self.table.file, f"column {one_line(name, 60)}" if name else "header", what, remedy)

    def mark(self, name: str, rows: np.ndarray, what: str, remedy: str = SKIP) -> None:
        """Notes a problem of some rows; {cell} in its text stands for the cell."""
        for row in np.flatnonzero(rows).tolist():
            place = f"{self.table.place(row)}, column {one_line(name, 60)}"
            self.problems.add(
                self.table.file, place, what.format(cell=repr(one_line(self.table.name(name, row), 40))), remedy
            )
        self.bad |= rows

    def column(self, name: str, option: str) -> np.ndarray:
        """A column that an option names."""
        if name not in self.table.columns:
            known = list(self.table.columns)
            near = difflib.get_close_matches(name, known, 1)
            columns = f"columns are {one_line(', '.join(known), 150)}"
            remedy = f"did you mean {one_line(near[0], 60)}?" if near else columns
            raise self.fail("", f"has no column {one_line(name, 60)!r} for --{option}", remedy)
        return self.table.columns[name]

    def missing(self, name: str, numeric: bool) -> np.ndarray:
        """Which cells are missing: those that hold one of the words; of a column of text the empty ones."""
        cells, words = self.table.columns[name], self.options.missing
        if cells.dtype.kind == "f":
            return np.isnan(cells)
        return is_missing(cells, ("", *words) if words else MISSING if numeric else ("",))

    def numbers(self, name: str) -> tuple[np.ndarray, np.ndarray, list[str], str]:
        """(values, which are numbers, what was taken off, why it is unsure) of a column."""
        cells = self.table.columns[name]
        if cells.dtype.kind == "f":
            return cells, ~np.isnan(cells), [], ""
        found = numbers_of(cells, self.options.decimal, self.table.delimiter)
        return found.values, found.ok, found.notes, found.unsure

    def numeric(self, name: str, values: np.ndarray, ok: np.ndarray, unsure: str, missing: np.ndarray) -> np.ndarray:
        """The values of a column of numbers; what is not one is a problem of its row."""
        if unsure:
            remedy = "say --decimal , or --decimal . to tell which"
            raise self.fail(name, f"holds numbers that can be read in two ways ({unsure})", remedy)
        self.mark(name, ~ok & ~missing, "{cell} is not a number")
        self.mark(name, ok & ~missing & ~(np.abs(values) <= LARGEST), "{cell} is not finite")
        return np.where(ok & ~missing, values, 0.0)


@dataclass
class Feature:
    """A column on its way to features."""

    source: Source
    missing: np.ndarray
    values: np.ndarray | None = None  # of a column of numbers
    codes: np.ndarray | None = None  # of a column of categories: the place of each cell, -1 if missing
    notes: list[str] = field(default_factory=list)

    def fill_from(self, train: np.ndarray, impute: bool) -> None:
        """Fills missing cells by the training rows' median, or their most frequent category."""
        if not impute:
            return
        there = train[~self.missing[train]]
        self.source.indicator = bool(self.missing.any())
        if self.values is not None:
            value = float(np.median(self.values[there])) if len(there) else 0.0
            self.source.fill = value
            self.values = np.where(self.missing, value, self.values)
        elif self.codes is not None and self.source.categories:
            counts = np.bincount(self.codes[there], minlength=len(self.source.categories))
            self.source.fill = self.source.categories[int(counts.argmax())]
            self.codes = np.where(self.missing, int(counts.argmax()), self.codes)
        if self.source.indicator:
            filled = f"{self.source.fill:g}" if isinstance(self.source.fill, float) else self.source.fill
            self.notes.append(
                f"column {one_line(self.source.name, 60)}: {int(self.missing.sum())} missing cells filled with "
                f"{filled} of the training rows, and told by a column of their own"
            )

    def blocks(self, rows: np.ndarray) -> list[np.ndarray]:
        """The features [N, K] of some rows."""
        own = self.values[rows, None] if self.values is not None else self._one_hot(rows)
        return [own, self.missing[rows, None].astype(np.float64)] if self.source.indicator else [own]

    def _one_hot(self, rows: np.ndarray) -> np.ndarray:
        codes, categories = self.codes, self.source.categories or []
        found = np.zeros((len(rows), len(categories)))
        if codes is not None:
            known = codes[rows] >= 0
            found[np.flatnonzero(known), codes[rows][known]] = 1
        return found


def feature_of(reading: Reading, name: str) -> Feature:
    """What a column is: numbers if at least half of its cells are, else categories."""
    declared = name in reading.options.categories
    values, ok, notes, unsure = reading.numbers(name)
    as_numbers = reading.missing(name, numeric=True)
    numeric = not declared and 2 * (ok & ~as_numbers).sum() >= max(1, (~as_numbers).sum())
    if not numeric and not declared and as_numbers.all():
        numeric = True  # nothing but missing cells
    missing = as_numbers if numeric else reading.missing(name, numeric=False)
    if not reading.options.impute:
        words = " (an empty cell)" if not numeric or not reading.options.missing else ""
        reading.mark(
            name, missing, "is missing: {cell}" if numeric else f"is missing{words}",
            "fill it in, leave such rows out with --skip-bad, fill such cells with --impute, or say with --missing "
            "which words mean a missing cell",
        )  # fmt: skip
    place = f"column {one_line(name, 60)}: "
    if numeric:
        filled = reading.numeric(name, values, ok, unsure, missing)
        cells = names_in(reading.table.columns[name])
        codes_like = np.strings.startswith(cells, "0") & np.strings.isdecimal(cells) & (np.strings.str_len(cells) > 1)
        if codes_like.any():
            first = one_line(cells[codes_like][0], 40)
            notes.append(
                f"{first} is read as a number, without its zeros; --categories {one_line(name, 60)} keeps them"
            )
        return Feature(Source(name), missing, values=filled, notes=[place + note for note in notes])
    cells = names_in(reading.table.columns[name])
    categories = distinct(cells[~missing])
    if len(categories) > MOST_CATEGORIES and not declared:
        what = f"is text with {len(categories)} different values, more than {MOST_CATEGORIES}"
        if looks_like_dates(cells[~missing]):
            what = f"holds dates ({one_line(cells[~missing][0], 40)})"
        elif len(categories) == (~missing).sum():
            what += ", each once: an identifier"
        raise reading.fail(name, what, f"leave it out with --ignore {one_line(name, 60)}, or turn it into numbers")
    at = {category: code for code, category in enumerate(categories)}
    codes = np.array([at.get(cell, -1) for cell in cells.tolist()])
    told = []
    if not reading.options.missing:
        for word in (word for word in categories if word.lower() in MISSING):
            told.append(f"{place}{word!r} is a category; --missing {word} takes it for a missing cell")
    return Feature(Source(name, categories), missing, codes=np.where(missing, -1, codes), notes=told)


def kinds_note(columns: list[Feature]) -> str:
    hot = [f"{c.source.name} ({len(c.source.categories)})" for c in columns if c.source.categories is not None]
    return f"one-hot encoded, with their numbers of categories: {one_line(', '.join(hot), 150)}" if hot else ""


def target_of(reading: Reading, name: str) -> tuple[np.ndarray, list[str] | None, str]:
    """Targets as places in the class names, or as numbers (then there are no names); and how that was decided."""
    kind: str = reading.options.target_kind
    values, ok, notes, unsure = reading.numbers(name)
    missing = reading.missing(name, numeric=True)
    there = ~missing
    whole_column_is_numbers = bool(there.any()) and bool(ok[there].all())
    cells = names_in(reading.table.columns[name])
    if not whole_column_is_numbers:
        missing = reading.missing(name, numeric=False)
        there = ~missing
    found = distinct(cells[there])
    remedy = "say --target-kind classes, or choose the column to predict with --target"
    # "numbers" and "labels" are what the recipe predicts, where the user did not say what the target is.
    if kind == "numbers":
        kind, decided = "number" if ok[there].any() else "classes", "which the recipe predicts"
    elif kind == "labels":
        kind, decided = "classes", "which the recipe predicts"
        if whole_column_is_numbers and len(found) > MOST_CATEGORIES:
            raise reading.fail(name, f"holds {len(found)} different numbers, and the recipe predicts classes", remedy)
    elif kind == "auto":
        whole = whole_column_is_numbers and bool((values[there] == np.round(values[there])).all())
        few = len(found) <= max(2, min(MOST_CATEGORIES, int(there.sum()) // 2))
        mostly = 2 * ok[there].sum() >= there.sum()
        text = not whole_column_is_numbers and not (mostly and len(found) > MOST_CATEGORIES)
        kind = "classes" if (whole and few) or text else "number"
        decided = "as its cells look"
    else:
        decided = "as asked for"
    reading.mark(name, missing, "is missing", "fill it in, or leave such rows out with --skip-bad")
    if kind == "number":
        y = reading.numeric(name, values, ok, unsure, missing)
        reading.notes += [f"column {one_line(name, 60)}: {note}" for note in notes]
        return y, None, f"a number ({decided}; --target-kind classes takes its values for classes)"
    if len(found) > max(MOST_CATEGORIES, int(there.sum()) // 2):
        what = f"has {len(found)} different values in {int(there.sum())} rows: too many for classes"
        raise reading.fail(name, what, remedy.replace("say --target-kind classes, or ", ""))
    at = {label: place for place, label in enumerate(found)}
    y = np.array([at.get(cell, 0) for cell in cells.tolist()], dtype=np.int64)
    otherwise = f" ({decided}; --target-kind number takes them for numbers)" if whole_column_is_numbers else ""
    return y, found, f"{len(found)} classes{otherwise}"


def as_trained(reading: Reading, source: dict[str, Any], notes: dict[int, list[str]]) -> Iterator[np.ndarray]:
    """The features that training made of a column."""
    name, fill, remedy = source["name"], source.get("fill"), "fill it in"
    categories = source.get("categories")
    missing = reading.missing(name, numeric=categories is None)
    if fill is None:
        reading.mark(name, missing, "is missing", remedy)
    if categories is None:
        values, ok, _, unsure = reading.numbers(name)
        filled = reading.numeric(name, values, ok, "" if not ok.any() else unsure, missing)
        yield np.where(missing, 0.0 if fill is None else float(fill), filled)[:, None]
    else:
        at = {category: place for place, category in enumerate(categories)}
        cells = names_in(reading.table.columns[name]).tolist()
        hot = np.zeros((len(cells), len(categories)))
        for row, cell in enumerate(cells):
            cell = fill if missing[row] and fill is not None else cell
            if cell in at:
                hot[row, at[cell]] = 1
            elif not missing[row]:
                known = one_line(", ".join(categories), 100)
                notes.setdefault(row, []).append(
                    f"column {one_line(name, 60)}: {one_line(cell, 40)!r} is unknown (known are {known}), taken as none"
                )
        yield hot
    if source.get("indicator"):
        yield missing[:, None].astype(np.float64)
