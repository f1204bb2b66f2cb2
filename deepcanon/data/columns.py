"""Columns of a table as text, and what their cells say: numbers in several notations, categories, missing cells.

A cell stays the file's text until it is known what its column is: 007 and 7 are two classes, and a
number is read as float64. What was removed from a number ($, %, thousands separators) is reported.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .errors import one_line
from .number_signs import SAME, bare

__all__ = ["MISSING", "Numbers", "distinct", "first", "is_missing", "is_written_number", "looks_like_dates",
           "lost_digits", "numbers_of", "points_in_doubt", "text_array", "thousands_or_decimals"]  # fmt: skip

TEXT = np.dtypes.StringDType()

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-")
"""Words that mean a missing cell in a column of numbers, in any case; in a column of text only the empty cell does."""

PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|infinity)", re.I)
THOUSANDS = {
    ".": re.compile(r"[+-]?\d{1,3}(?:[,'\u00a0\u202f ]\d{3})+(?:\.\d+)?"),
    ",": re.compile(r"[+-]?\d{1,3}(?:[.'\u00a0\u202f ]\d{3})+(?:,\d+)?"),
}
GERMAN = re.compile(
    r"[+-]?(?:\d{1,3}(?:[.'\u00a0\u202f ]\d{3})+,\d+|\d*,(?!\d{3}$)\d+|0,\d+|\d{4,},\d+)(?:[eE][+-]?\d+)?"
)
"""What only a decimal comma explains."""
LAKHS = re.compile(r"[+-]?\d{1,2}(?:,\d{2})*,\d{2},\d{3}(?:\.\d+)?")
"""Thousands, and then pairs of digits, as in 12,34,567 of India."""
UNSURE = re.compile(r"[+-]?\d{1,3},\d{3}")
POINTED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
DATES = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([T ].*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( .*)?|\d{4}/\d{1,2}/\d{1,2}( .*)?"
    r"|\w{0,2}?\d{1,4} ?[年년] ?\d{1,2} ?[月월].*"
)
SAMPLE = 2000  # cells that are examined first to decide the notation of a column

Decimal = Literal["auto", ".", ","]


def text_array(cells: Sequence[str]) -> np.ndarray:
    """Cells as an array of text, without blanks around them."""
    return np.strings.strip(np.array(list(cells), dtype=TEXT))


def is_missing(cells: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """Which cells are one of the words, in any case."""
    lower = np.strings.lower(cells)
    found = np.zeros(len(cells), dtype=bool)
    for word in words:
        found |= lower == word.lower()
    return found


def distinct(cells: np.ndarray) -> list[str]:
    """The different cells: as numbers if all are, otherwise as text in order, equal numbers by notation."""
    found = sorted(set(cells.tolist()))
    if found and all(PLAIN.fullmatch(cell) for cell in found):
        found.sort(key=lambda cell: (float(cell), cell))
    return found


def first(mask: np.ndarray) -> int:
    """The first place that is true."""
    return int(np.argmax(mask))


def looks_like_dates(cells: np.ndarray) -> bool:
    """Whether nearly all of the cells are dates."""
    some = [cell for cell in cells[:SAMPLE].tolist() if cell]
    return bool(some) and sum(bool(DATES.fullmatch(cell)) for cell in some) >= 0.9 * len(some)


@dataclass
class Numbers:
    """A column read as numbers.

    Attributes:
        values: float64 [N], NaN where a cell is not a number.
        ok: which cells are numbers.
        notes: what was removed or understood, in words.
        unsure: why the notation cannot be decided ("" if it can).
        decimal: the sign that was decided, if not all cells are plain numbers.
    """

    values: np.ndarray
    ok: np.ndarray
    notes: list[str] = field(default_factory=list)
    unsure: str = ""
    decimal: str = ""


def numbers_of(cells: np.ndarray, decimal: Decimal = "auto", delimiter: str = "") -> Numbers:
    """The cells as numbers, in the notation that they are written in.

    Args:
        decimal: the decimal sign; "auto" takes a comma only if a cell can mean nothing else.
        delimiter: between the cells of the file. A quoted 1,234 in a file of commas is read as 1234; elsewhere it may
            be 1.234 as well, and is left unsure.
    """
    nothing = Numbers(np.full(len(cells), np.nan), np.zeros(len(cells), dtype=bool))
    found = nothing if decimal == "," else _plain(cells)
    left = ~found.ok
    rest = [cell for cell in cells[left].tolist() if any(c.isdigit() for c in cell)]
    if not rest:
        return found
    if decimal == "auto" and any(GERMAN.fullmatch(bare(cell, {})) for cell in rest):
        decimal, found, left = ",", nothing, np.ones(len(cells), dtype=bool)
    mark = "," if decimal == "," else "."
    found.values[left], found.notes = _written(cells[left].tolist(), mark)
    pointed = _has_points(cells, found.ok)
    found.ok = ~np.isnan(found.values)
    found.notes = [note + _one_without(note, cells, found) for note in found.notes]
    found.decimal = mark if found.notes else ""
    doubtful = next((cell for cell in rest if UNSURE.fullmatch(bare(cell, {}))), None)
    if decimal == "auto" and doubtful and delimiter != "," and not pointed:
        text = bare(doubtful, {})
        found.unsure = f"{doubtful} may be {text.replace(',', '')} or {text.replace(',', '.')}"
    return found


def _one_without(note: str, cells: np.ndarray, numbers: Numbers) -> str:
    """Of a sign that stands for a unit, a number other than 0 that is written without it: its unit may be another."""
    sign, removed, _ = note.partition(" removed")
    if not removed or " " in sign:  # words, such as "thousands separators"
        return ""
    with_it = np.zeros(len(cells), dtype=bool)
    for same in SAME.get(sign, (sign,)):
        with_it |= np.strings.find(cells, same) >= 0
    others = np.flatnonzero(numbers.ok & (numbers.values != 0) & ~with_it)
    return f"; {one_line(cells[others[0]], 40)} has none" if len(others) else ""


def _has_points(cells: np.ndarray, ok: np.ndarray) -> bool:
    """Whether a number is written with a point."""
    return bool((np.strings.find(cells, ".")[ok] >= 0).any())


def thousands_or_decimals(cells: Iterable[str]) -> str:
    """A number such as 2.137, if every number with a point may have it between thousands; "" if one cannot."""
    found = ""
    for cell in cells:
        if "." in cell and any(c.isdigit() for c in cell):
            if not POINTED.fullmatch(bare(cell, {})):
                return ""
            found = found or cell
    return found


def points_in_doubt(signs: Mapping[str, str], doubtful: Callable[[str], str]) -> tuple[str, str] | None:
    """Of columns of one file, a column and why its points may stand between thousands: another has decimal commas.

    Args:
        signs: the decimal sign that was decided, by column.
        doubtful: of a column, the cell that `thousands_or_decimals` finds.
    """
    commas = next((name for name, sign in signs.items() if sign == ","), None)
    pointed = [name for name, sign in signs.items() if sign != ","] if commas is not None else []
    for name in pointed:
        if cell := doubtful(name):
            why = f"{cell} may be {cell.replace('.', '')}, since column {one_line(commas, 60)} has commas"
            return name, why
    return None


def lost_digits(cells: np.ndarray, numbers: Numbers, option: str) -> list[str]:
    """What cells say beyond their value as a float64: leading zeros, digits beyond the sixteenth.

    Args:
        option: that keeps them; "" if none does.
    """
    notes, whole, keeps = [], np.strings.isdecimal(cells), f"; {option} keeps {{}}" if option else ""
    zeros = np.strings.startswith(cells, "0") & whole & (np.strings.str_len(cells) > 1)
    if zeros.any():
        code = one_line(cells[first(zeros)], 40)
        notes.append(f"{code} is read as a number, without its leading zeros{keeps.format('them')}")
    short = np.strings.str_len(cells) < 100
    places = np.flatnonzero(whole & short & numbers.ok & (np.abs(numbers.values) >= 2**53))
    rounded = next((i for i in places.tolist() if int(cells[i]) != int(numbers.values[i])), None)
    if rounded is not None:
        code = one_line(cells[rounded], 40)
        notes.append(f"{code} is rounded to {numbers.values[rounded]:.0f}{keeps.format('its digits')}")
    return notes


def _plain(cells: np.ndarray) -> Numbers:
    """Numbers as programs write them. Python's 1_000 and digits of other alphabets are not."""
    odd = (np.strings.find(cells, "_") >= 0) | (cells == "")
    try:
        if not odd.any():
            values = cells.astype(np.float64)
            return _checked(cells, values)
    except ValueError:
        pass
    values = np.full(len(cells), np.nan)
    if len(cells) > SAMPLE:  # a column of text is recognised before every cell is examined
        some = cells[:: len(cells) // SAMPLE].tolist()
        if not any(PLAIN.fullmatch(cell) for cell in some):
            places = [i for i, cell in enumerate(cells.tolist()) if cell and (cell[0].isdigit() or cell[0] in "+-.iI")]
            for place in places:
                if PLAIN.fullmatch(cells[place]) and cells[place].isascii():
                    values[place] = float(cells[place])
            return Numbers(values, ~np.isnan(values))
    for place, cell in enumerate(cells.tolist()):
        if PLAIN.fullmatch(cell) and cell.isascii():
            values[place] = float(cell)
    return Numbers(values, ~np.isnan(values))


def _checked(cells: np.ndarray, values: np.ndarray) -> Numbers:
    """Values that NumPy read, without those that it should not have (other alphabets, NaN)."""
    lengths = np.strings.str_len(cells)
    ok = ~np.isnan(values)
    if lengths.max(initial=0) != 0:
        encoded = np.strings.encode(cells.astype(f"U{int(lengths.max())}"), "utf-8") if lengths.max() < 64 else None
        if encoded is None or (np.strings.str_len(encoded) != lengths).any():
            ok &= np.array([cell.isascii() for cell in cells.tolist()], dtype=bool)
    return Numbers(np.where(ok, values, np.nan), ok)


def _written(cells: list[str], mark: str) -> tuple[np.ndarray, list[str]]:
    """Values of cells with the decimal sign `mark`, NaN where there is none, and what was removed."""
    found: dict[str, str] = {}
    values = np.full(len(cells), np.nan)
    for place, cell in enumerate(cells):
        signs: dict[str, str] = {}
        text = bare(cell, signs)
        if THOUSANDS[mark].fullmatch(text) or (mark == "." and LAKHS.fullmatch(text)):
            signs.setdefault("thousands separators removed", cell)
            text = re.sub(r"['\u00a0\u202f ]" + ("|," if mark == "." else r"|\."), "", text)
        if mark == "," and "," in text and "." not in text:
            signs.setdefault("decimal commas", cell)
            text = text.replace(",", ".")
        elif mark == "," and "." in text:
            continue  # a point that is neither
        if PLAIN.fullmatch(text) and text.isascii():
            values[place] = float(text)
            for what, shown in signs.items():
                found.setdefault(what, shown)
    return values, [f"{what} (first: {cell})" for what, cell in found.items()]


def is_written_number(cell: str) -> bool:
    """Whether a cell is a number in one of the notations."""
    if not any(c.isdigit() for c in cell):
        return False
    return any(not np.isnan(_written([cell], mark)[0][0]) for mark in ".,")


def name_of_number(value: Any) -> str:
    """A typed number as a class: 3.0 of a column of floating point numbers is "3"."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
