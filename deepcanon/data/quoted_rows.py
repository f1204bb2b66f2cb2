"""Rows of a .csv, in which a cell with a line break or the sign between cells stands in quotes, or of a .tsv, in which
a quotation mark is an ordinary character."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import Problems, one_line

__all__ = ["SIGNS", "cells_of", "is_quoted", "quoted_rows", "told_sign"]

SIGNS = (",", ";", "\t", "|")
"""What may lie between the cells of a .csv, the likeliest first."""
LONGEST = 1 << 30  # characters of a cell: a whole book is one


def is_quoted(path: Path) -> bool:
    """Whether cells may stand in quotes, as in a .csv or .csv.gz."""
    return path.name.lower().removesuffix(".gz").endswith(".csv")


def cells_of(line: str, sign: str) -> list[str]:
    """The cells of a line of a .csv, without blanks around them; none of a blank line.

    Raises:
        csv.Error: a cell is too long, or quotes are not right.
    """
    with _long_cells():
        return [cell.strip() for cell in next(csv.reader([line], delimiter=sign), [])]


def told_sign(path: Path, sign: str) -> list[str]:
    """The note on a sign that the ending of a file's name does not say."""
    usual = "," if is_quoted(path) else "\t"
    return [] if sign == usual else [f"cells lie between {'tabs' if sign == chr(9) else sign}"]


def quoted_rows(path: Path, text: str, sign: str, problems: Problems) -> Iterator[tuple[int, Sequence[str]]]:
    """(number of its first line, cells) of each row, from the first line that is not blank; a blank line has no cells.

    Raises:
        DataError: a row's quotes are not right.
    """
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    how: dict[str, bool | int] = {"strict": True} if is_quoted(path) else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(io.StringIO("\n".join(lines[first:]), newline=""), delimiter=sign, **how)  # type: ignore[arg-type]
    end = 0
    try:
        with _long_cells():
            for cells in reader:
                start, end = end + 1, reader.line_num
                yield first + start, cells
    except csv.Error as error:
        what = f"is not a valid row ({one_line(error, 100)})"
        remedy = 'put a text with quotation marks between quotes, each mark doubled ("")'
        raise problems.fail(path, f"line {first + end + 1}", what, remedy) from None


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells may be as long as a book meanwhile; Python's own limit is 128 KiB."""
    before = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
