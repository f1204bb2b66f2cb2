"""A look at one column: what its cells say, each distinct text examined once where pyarrow holds them."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .columns import (
    MISSING,
    Decimal,
    Numbers,
    distinct,
    is_missing,
    lost_digits,
    numbers_of,
    thousands_or_decimals,
)
from .table_cells import ArrowCells, Cells, may_be_number, names_in

__all__ = ["Look"]


class Look:
    """The cells of one column, and what was found of them so far.

    A column that pyarrow holds is cast as a whole if its cells are plain numbers and words for missing cells. Any other
    is examined word by word: `words` are its different cells in the order in which they come, `codes` the place of each
    row's. A column that NumPy holds has a word for each row, and no codes.

    Args:
        gaps: words that mean a missing cell, for the cast.
    """

    def __init__(self, cells: Cells, gaps: Sequence[str] = ()) -> None:
        self.cells = cells.whole() if isinstance(cells, ArrowCells) else cells
        self.gaps = gaps
        self.typed = isinstance(cells, np.ndarray) and cells.dtype.kind == "f"
        self._numbers: dict[tuple[Decimal, str], tuple[Numbers, Numbers]] = {}

    @cached_property
    def _words(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.cells.words() if isinstance(self.cells, ArrowCells) else (names_in(self.cells), None)

    def spread(self, of_words: np.ndarray) -> np.ndarray:
        """From a value of each word to one of each row."""
        codes = self._words[1]
        return of_words if codes is None else of_words[codes]

    @cached_property
    def _plain(self) -> Numbers | None:
        return self.cells.plain((*MISSING, *self.gaps)) if isinstance(self.cells, ArrowCells) else None

    def numbers(self, decimal: Decimal, delimiter: str) -> Numbers:
        """The cells as numbers, in the notation of `decimal` (see `numbers_of`)."""
        if isinstance(self.cells, np.ndarray) and self.typed:
            return Numbers(self.cells, ~np.isnan(self.cells))
        if isinstance(self.cells, ArrowCells) and (plain := self._plain):
            commas = decimal == ","  # then a point is not a decimal sign, and a column without digits holds no numbers
            if not commas or (np.isfinite(plain.values).any() and not self.cells.has_point()):
                return plain
        if (decimal, delimiter) not in self._numbers:
            words = numbers_of(self._words[0], decimal, delimiter)
            rows = Numbers(self.spread(words.values), self.spread(words.ok), words.notes, words.unsure, words.decimal)
            self._numbers = {(decimal, delimiter): (words, rows)}
        return self._numbers[decimal, delimiter][1]

    def are(self, words: Sequence[str]) -> np.ndarray:
        """Which cells are one of the words, in any case; of typed numbers, which are missing."""
        if isinstance(self.cells, np.ndarray) and self.typed:
            return np.isnan(self.cells)
        if isinstance(self.cells, ArrowCells) and (plain := self._plain):
            if plain.ok.all() and not any(may_be_number(word) for word in words):
                return np.zeros(len(self.cells), dtype=bool)
            return self.cells.among(words)
        return self.spread(is_missing(self._words[0], words))

    def _words_of(self, rows: np.ndarray) -> np.ndarray:
        words, codes = self._words
        return words[rows] if codes is None else words[np.bincount(codes[rows], minlength=len(words)) > 0]

    def distinct(self, rows: np.ndarray) -> list[str]:
        """The different cells of some rows, given by a mask: see `columns.distinct`."""
        return distinct(self._words_of(rows))

    def count(self, rows: np.ndarray) -> int:
        """How many different cells some rows have, given by a mask."""
        return len(set(self._words_of(rows).tolist()))

    def places(self, among: Sequence[str]) -> np.ndarray:
        """The place of each cell in a list, -1 if it is not there."""
        at = {word: place for place, word in enumerate(among)}
        return self.spread(np.array([at.get(word, -1) for word in self._words[0].tolist()], dtype=np.int64))

    def each(self, said: Callable[[str], Any]) -> np.ndarray:
        """The result of a function for each cell."""
        return self.spread(np.array([said(word) for word in self._words[0].tolist()]))

    def thousands_or_decimals(self) -> str:
        """See `columns.thousands_or_decimals`; typed numbers cannot be read in two ways."""
        if self.typed or (isinstance(self.cells, ArrowCells) and not self.cells.has_point()):
            return ""
        cells: Iterable[str] = self.cells if isinstance(self.cells, ArrowCells) else self.cells.tolist()
        return thousands_or_decimals(cells)

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """The cells of a few rows as text."""
        if isinstance(self.cells, ArrowCells):
            return self.cells.take(rows).text()
        return names_in(self.cells[rows])

    def lost_digits(self, numbers: Numbers, option: str) -> list[str]:
        """What cells say beyond their value as a float64: see `columns.lost_digits`."""
        if self.typed:
            return []
        if isinstance(self.cells, ArrowCells) and numbers is self._plain:
            rows = _doubtful(self.cells, numbers.values)
            few = Numbers(numbers.values[rows], numbers.ok[rows])
            return lost_digits(self.of_rows(rows), few, option) if len(rows) else []
        found = next((words for words, rows in self._numbers.values() if rows is numbers), numbers)
        return lost_digits(self._words[0], found, option)


def _doubtful(cells: ArrowCells, values: np.ndarray) -> np.ndarray:
    """Rows of plain numbers whose text may say more than their value: with a zero first, or beyond 2^53."""
    held, starts, sizes = cells.starts()
    rows = np.flatnonzero((sizes > 1) & (values == np.rint(values)))
    zeros = rows[held[starts[rows]] == ord("0")]
    return np.union1d(zeros, np.flatnonzero(np.abs(values) >= 2**53))
