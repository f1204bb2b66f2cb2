"""What the columns of a table are: numbers or categories, what is missing, the target; also for later tables.

What a column is, is decided once, printed, and kept in the facts, so that `predict` reads later tables in the same way.
"""

import difflib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepcanon.options import Tables

from .columns import MISSING, PLAIN, SAMPLE, Decimal, Numbers, first, points_in_doubt
from .errors import DataError, Problems, one_line
from .looks import Look
from .table_cells import Table
from .text_remarks import look_like_months, may_mean_missing, meant_as_numbers, remarks_on_text, too_many_categories

__all__ = ["Feature", "Reading", "Source", "as_trained", "feature_of", "kinds_note", "target_of"]

MOST_CATEGORIES = 20
"""A column of text with more different values than this is one-hot encoded only if --categories names it."""
LARGEST = 1e150
"""Numbers beyond this cannot be squared."""
SKIP = "correct it, or leave such rows out with --skip-bad"
WORDS = "correct it, leave such rows out with --skip-bad, or list the words for a missing cell with --missing"


@dataclass
class Source:
    """How a column becomes features; `facts` is what is kept of it."""

    name: str
    categories: list[str] | None = None
    fill: float | str | None = None
    indicator: bool = False
    decimal: str = ""

    def facts(self) -> dict[str, Any]:
        kept: dict[str, Any] = {"name": self.name}
        if self.categories is not None:
            kept["categories"] = self.categories
        if self.fill is not None:
            kept["fill"] = self.fill
        if self.indicator:
            kept["indicator"] = True
        if self.decimal:
            kept["decimal"] = self.decimal
        return kept

    def names(self) -> list[str]:
        own = [self.name] if self.categories is None else [f"{self.name}={c}" for c in self.categories]
        return own + ([f"{self.name} is missing"] if self.indicator else [])


@dataclass
class Reading:
    """A table that is being read: its options, its problems, the rows that cannot be used, what is to be reported.

    Attributes:
        later: of a trained model, whose verbs have none of the options.
        decimals: of each column of numbers the sign that was decided, if not all cells are plain.
    """

    table: Table
    options: Tables
    problems: Problems
    bad: np.ndarray = field(init=False)
    notes: list[str] = field(default_factory=list)
    later: bool = False
    decimals: dict[str, str] = field(default_factory=dict)
    last: tuple[str, Look] | None = None

    def __post_init__(self) -> None:
        self.bad = np.zeros(len(self.table), dtype=bool)

    def look(self, name: str) -> Look:
        """The `Look` at a column; only the last one is kept, to save memory."""
        if self.last is None or self.last[0] != name:
            self.last = name, Look(self.table.columns[name], self.options.missing)
        return self.last[1]

    def fail(self, name: str, what: str, remedy: str) -> DataError:
        return self.problems.fail(self.table.file, f"column {one_line(name, 60)}" if name else "header", what, remedy)

    def mark(self, name: str, rows: np.ndarray, what: str, remedy: str = SKIP) -> None:
        """Notes a problem of some rows; {cell} in its text stands for the cell."""
        if not rows.any():
            return
        for row in np.flatnonzero(rows).tolist():
            place = f"{self.table.place(row)}, column {one_line(name, 60)}"
            self.problems.add(
                self.table.file, place, what.format(cell=repr(one_line(self.table.name(name, row), 40))), remedy
            )
        self.bad |= rows

    def column(self, name: str, option: str) -> Look:
        """The column that an option names."""
        if name not in self.table.columns:
            known = list(self.table.columns)
            near = difflib.get_close_matches(name, known, 1)
            columns = f"columns are {one_line(', '.join(known), 150)}"
            remedy = f"did you mean {one_line(near[0], 60)}?" if near else columns
            raise self.fail("", f"has no column {one_line(name, 60)!r} for --{option}", remedy)
        return self.look(name)

    def missing(self, name: str, numeric: bool) -> np.ndarray:
        """Which cells are missing: those that hold one of the words; of a column of text the empty ones.

        In a column of numbers a word such as -999 means the number, however a cell writes it.
        """
        words = self.options.missing
        found = self.look(name).are(("", *words) if words else MISSING if numeric else ("",))
        marks = [float(word) for word in words if PLAIN.fullmatch(word)] if numeric else []
        return found | np.isin(self.numbers(name).values, marks) if marks else found

    def words_kept(self, name: str, kept: list[str], what: str) -> list[str]:
        """Notes on words that would mean a missing cell in a column of numbers, and are values of this one."""
        words = [] if self.options.missing else [word for word in kept if may_mean_missing(word)]
        place = f"column {one_line(name, 60)}: "
        said = [
            f"{place}{word!r} is {what}; --missing {shlex.quote(word)} takes it for a missing cell" for word in words
        ]
        plural = "categories" if what == "a category" else "classes"
        return said + remarks_on_text([word for word in kept if word not in words], plural, place)

    def numbers(self, name: str, decimal: Decimal | None = None) -> Numbers:
        """The numbers of a column, in the notation of `decimal` or of the options."""
        return self.look(name).numbers(decimal or self.options.decimal, self.table.delimiter)

    def numeric(self, name: str, numbers: Numbers, missing: np.ndarray) -> np.ndarray:
        """The values of a column of numbers; what is not one is a problem of its row."""
        if numbers.unsure:
            raise self.unsure(name, numbers.unsure)
        self.decimals[name] = numbers.decimal
        values, ok = numbers.values, numbers.ok
        good = np.abs(values) <= LARGEST
        if good.all() and not missing.any():
            return values
        self.mark(name, ~ok & ~missing, "{cell} is not a number", "correct it" if self.later else WORDS)
        self.mark(name, ok & ~missing & ~good, "{cell} is not finite", "correct it" if self.later else SKIP)
        return np.where(ok & ~missing, values, 0.0)

    def unsure(self, name: str, why: str) -> DataError:
        remedy = "use --decimal , or --decimal . to say which"
        return self.fail(name, f"holds numbers that can be read in two ways ({why})", remedy)

    def check_points(self) -> None:
        """Where one column of a file has decimal commas, the points of another may stand between thousands.

        Where no column has, a file of semicolons may be of a program that writes commas: that is told.

        Raises:
            DataError: there are commas, and points that can be read in two ways.
        """
        if self.options.decimal != "auto":
            return
        if doubt := points_in_doubt(self.decimals, lambda name: self.look(name).thousands_or_decimals()):
            raise self.unsure(*doubt)
        if "," in self.decimals.values() or self.table.delimiter != ";":
            return
        for name in self.decimals:
            if cell := self.look(name).thousands_or_decimals():
                shown, whole = one_line(name, 60), cell.replace(".", "")
                self.notes.append(
                    f"column {shown}: {cell} is read with a decimal point; --decimal , reads it as {whole}"
                )


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
                f"{filled} of the training rows; an extra column marks them"
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
    look, numbers = reading.look(name), reading.numbers(name)
    as_numbers = reading.missing(name, numeric=True)
    numeric = not declared and 2 * (numbers.ok & ~as_numbers).sum() >= max(1, (~as_numbers).sum())
    if as_numbers.all():
        shown = one_line(name, 60)
        raise reading.fail(name, "has no value in any row", f"leave it out with --ignore {shown}")
    missing = as_numbers if numeric else reading.missing(name, numeric=False)
    if not reading.options.impute:
        words = " (an empty cell)" if not numeric or not reading.options.missing else ""
        reading.mark(
            name, missing, "is missing: {cell}" if numeric else f"is missing{words}",
            "fill it in, leave such rows out with --skip-bad, fill such cells with --impute, or list the words "
            "for a missing cell with --missing",
        )  # fmt: skip
    place = f"column {one_line(name, 60)}: "
    if numeric:
        filled = reading.numeric(name, numbers, missing)
        notes = [*numbers.notes, *look.lost_digits(numbers, f"--categories {one_line(name, 60)}")]
        if not look.typed and look_like_months(cells := look.of_rows(np.flatnonzero(~missing)[:SAMPLE]).tolist()):
            notes.append(
                f"looks like months and is read as numbers ({cells[0]}); --ignore {one_line(name, 60)} leaves it out"
            )
        return Feature(
            Source(name, decimal=numbers.decimal), missing, values=filled, notes=[place + note for note in notes]
        )
    categories = look.distinct(~missing)
    if len(categories) > MOST_CATEGORIES and not declared:
        some, each_once = look.of_rows(np.flatnonzero(~missing)[:SAMPLE]), len(categories) == (~missing).sum()
        raise reading.fail(name, *too_many_categories(name, categories, MOST_CATEGORIES, some, bool(each_once)))
    codes = look.places(categories)
    told = reading.words_kept(name, categories, "a category")
    return Feature(Source(name, categories), missing, codes=np.where(missing, -1, codes), notes=told)


def kinds_note(columns: list[Feature]) -> str:
    hot = [f"{c.source.name} ({len(c.source.categories)})" for c in columns if c.source.categories is not None]
    return f"one-hot encoded, with their numbers of categories: {one_line(', '.join(hot), 150)}" if hot else ""


def target_of(reading: Reading, name: str) -> tuple[np.ndarray, list[str] | None, str]:
    """Targets as places in the class names, or as numbers (then there are no names); and how that was decided."""
    kind: str = reading.options.target_kind
    look, numbers = reading.look(name), reading.numbers(name)
    values, ok = numbers.values, numbers.ok
    missing = reading.missing(name, numeric=True)
    there = ~missing
    whole_column_is_numbers = bool(there.any()) and bool(ok[there].all())
    if not whole_column_is_numbers:
        missing = reading.missing(name, numeric=False)
        there = ~missing
    fractions = whole_column_is_numbers and bool((values[there] != np.round(values[there])).any())
    only_number = kind == "number" or (kind == "numbers" and ok[there].any()) or (kind == "auto" and fractions)
    count = 0 if only_number else look.count(there)
    remedy = "use --target-kind classes, or choose the column to predict with --target"
    # "numbers" and "labels" are what the recipe predicts, where the user did not say what the target is.
    if kind == "numbers":
        kind, decided = "number" if ok[there].any() else "classes", "which the recipe predicts"
    elif kind == "labels":
        kind, decided = "classes", "which the recipe predicts"
        if whole_column_is_numbers and count > MOST_CATEGORIES:
            raise reading.fail(name, f"holds {count} different numbers, and the recipe predicts classes", remedy)
    elif kind == "auto":
        few = count <= max(2, min(MOST_CATEGORIES, int(there.sum()) // 2))
        mostly = 2 * ok[there].sum() >= there.sum()
        whole = whole_column_is_numbers and not fractions
        text = not whole_column_is_numbers and not (mostly and count > MOST_CATEGORIES)
        kind = "classes" if (whole and few) or text else "number"
        decided = "as its cells look"
    else:
        decided = "as asked for"
    reading.mark(name, missing, "is missing", "fill it in, or leave such rows out with --skip-bad")
    if kind == "number":
        y = reading.numeric(name, numbers, missing)
        told = [*numbers.notes, *look.lost_digits(numbers, "--target-kind classes")]
        reading.notes += [f"column {one_line(name, 60)}: {note}" for note in told]
        return y, None, f"a number ({decided}; --target-kind classes takes its values for classes)"
    if count > max(MOST_CATEGORIES, int(there.sum()) // 2):
        what = f"has {count} different values in {int(there.sum())} rows: too many for classes"
        said, otherwise = meant_as_numbers(look.distinct(there)) or ("", "")
        remedy = remedy.replace("use --target-kind classes", otherwise).removeprefix(", or ")
        raise reading.fail(name, what + f" ({said.format('text')})" * bool(said), remedy)
    found = look.distinct(there)
    reading.notes += reading.words_kept(name, found, "a class")
    y = np.maximum(look.places(found), 0)
    otherwise = f" ({decided}; --target-kind number takes them for numbers)" if whole_column_is_numbers else ""
    return y, found, f"{len(found)} class{'es' * (len(found) > 1)}{otherwise}"


def as_trained(reading: Reading, source: dict[str, Any], notes: dict[int, list[str]]) -> Iterator[np.ndarray]:
    """The features that training made of a column, in the notation that it had; what is understood is noted by row."""
    name, fill, remedy = source["name"], source.get("fill"), "fill it in"
    categories = source.get("categories")
    missing = reading.missing(name, numeric=categories is None)
    if fill is None:
        reading.mark(name, missing, "is missing", remedy)
    else:
        shown = f"{fill:g}" if isinstance(fill, float) else fill
        for row in np.flatnonzero(missing).tolist():
            notes.setdefault(row, []).append(f"column {one_line(name, 60)}: is missing, filled with {shown}")
    if categories is None:
        numbers = reading.numbers(name, source.get("decimal"))
        numbers.unsure = numbers.unsure if numbers.ok.any() else ""
        filled = reading.numeric(name, numbers, missing)
        for note in numbers.notes:
            notes.setdefault(first(numbers.ok), []).append(f"column {one_line(name, 60)}: {note}")
        yield np.where(missing, 0.0 if fill is None else float(fill), filled)[:, None]
    else:
        look = reading.look(name)
        places = look.places(categories)
        unknown = np.flatnonzero((places < 0) & ~missing)
        known = one_line(", ".join(categories), 100) if len(unknown) else ""
        for row, cell in zip(unknown.tolist(), look.of_rows(unknown).tolist(), strict=True):
            notes.setdefault(row, []).append(
                f"column {one_line(name, 60)}: {one_line(cell, 40)!r} is unknown (known are {known}), taken as none"
            )
        if fill is not None:
            places[missing] = categories.index(fill) if fill in categories else -1
        hot = np.zeros((len(places), len(categories)))
        hot[np.flatnonzero(places >= 0), places[places >= 0]] = 1
        yield hot
    if source.get("indicator"):
        yield missing[:, None].astype(np.float64)
