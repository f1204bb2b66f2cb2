"""A vector of whole numbers that is too long for memory: written once into the cache, read from there in pieces.

A row of the cache's file (`cache.Kept`) holds `ROW` numbers, so that kill-safe writing, checksums, the limit and the
place are the cache's own. Reading a piece reads its rows by position; the rows used last stay in memory, at most
`HELD` bytes of them, since the next window of a stream mostly lies in the same row.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import cache
from .errors import DataError, Problem

__all__ = ["ROW", "Vector", "blocks", "kept_vector"]

ROW = 1 << 14
"""Numbers in a row."""
HELD = 64 << 20
"""Bytes of rows that a vector keeps in memory."""
REMEDY = "restore it, or remove that file of the cache and start again"

Pieces = Callable[[], Iterator[np.ndarray]]


def blocks(pieces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same numbers in pieces of `ROW`; the last one is filled up with zeros."""
    held: list[np.ndarray] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count >= ROW:
            joined = np.concatenate(held)
            whole = count - count % ROW
            yield from joined[:whole].reshape(-1, ROW)
            held, count = [joined[whole:]], count - whole
    if count:
        joined = np.concatenate(held)
        yield np.concatenate([joined, np.zeros(ROW - count, joined.dtype)])


class Vector:
    """Whole numbers [length] on disk.

    Args:
        store: their rows.
        length: how many there are; the last row may hold fewer.
        again: the pieces that the rows were made of, for a row that is damaged.
    """

    def __init__(self, store: cache.Kept, length: int, again: Pieces) -> None:
        self.store, self.length, self.dtype = store, length, store.dtype
        self._again = again
        self._held: OrderedDict[int, np.ndarray] = OrderedDict()
        self._most = max(8, HELD // store.row_bytes)

    def __len__(self) -> int:
        return self.length

    def read(self, start: int, stop: int) -> np.ndarray:
        """The numbers from `start` up to `stop`, which must lie within."""
        if not 0 <= start <= stop <= self.length:
            raise IndexError(f"{start} to {stop} do not lie within {self.length} numbers")
        found, done = np.empty(stop - start, self.dtype), 0
        while done < len(found):
            row, place = divmod(start + done, ROW)
            part = self._row(row)[place : place + len(found) - done]
            found[done : done + len(part)] = part
            done += len(part)
        return found

    def take(self, places: np.ndarray) -> np.ndarray:
        """The numbers at these places, in the shape of `places`."""
        rows, inside = np.divmod(places, ROW)
        found = np.empty(places.shape, self.dtype)
        for row in np.unique(rows).tolist():
            here = rows == row
            found[here] = self._row(row)[inside[here]]
        return found

    def pieces(self, start: int, stop: int, size: int = 1 << 20) -> Iterator[np.ndarray]:
        """The numbers from `start` up to `stop`, at most `size` at a time."""
        for at in range(start, stop, size):
            yield self.read(at, min(at + size, stop))

    def _row(self, row: int) -> np.ndarray:
        if row in self._held:
            self._held.move_to_end(row)
            return self._held[row]
        try:
            values = self.store.read([row])[0]
        except cache.Damaged:
            values = self._mended(row)
        self._held[row] = values
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return values

    def _mended(self, row: int) -> np.ndarray:
        """A damaged row, from what it was made of; it is written again.

        Raises:
            DataError: that has changed, so that the numbers are lost.
        """
        for place, values in enumerate(blocks(self._again())):
            if place == row and self.store.mend(row, values):
                print(f"{self.store.path} is damaged at row {row}: it was read from the text again", file=sys.stderr)
                return np.ascontiguousarray(values, self.dtype)
        what = f"is damaged at row {row}, and the text it was made of has changed"
        raise DataError(Problem(str(self.store.path), "", what, REMEDY, skippable=False))


def kept_vector(key: str, most: int, dtype: Any, pieces: Pieces, say: Callable[[str], None]) -> tuple[Vector, bool]:
    """The vector of a key, made now if it is not on disk.

    Args:
        most: its numbers are at most so many.
        pieces: gives them; it is not called if they are there.
        say: takes a line about what was found damaged, or is waited for.

    Returns:
        the vector, and whether it was made now.

    Raises:
        cache.NotKept: the cache is off, there is no room, or the system refuses.
    """

    def make(writer: cache.Writer) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        length, rows = 0, 0

        def counting() -> Iterator[np.ndarray]:
            nonlocal length
            for piece in pieces():
                length += len(piece)
                yield piece

        for rows, values in enumerate(blocks(counting()), 1):
            writer.write(rows - 1, values)
        writer.shorten(rows)
        return {}, {"length": length}

    store, made = cache.kept(key, -(-most // ROW), (ROW,), dtype, make, say)
    return Vector(store, store.about["length"], pieces), made
