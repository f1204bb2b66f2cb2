"""Examples that the cells of a matrix count: how many there are of each cell, and some of them to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Examples"]


@dataclass(frozen=True)
class Examples:
    """What a matrix [rows, columns] counts.

    Attributes:
        counts: [rows, columns], how many examples belong to each cell.
        cells: [E, 2], row and column of each example that is kept.
        places: [E], the place of each among all that were counted.
        chances: [E], the probability that each was given of the class of its column.
        images: [E, H, W] or [E, C, H, W], uint8.
        texts: E of them.
        columns, values: the names of F columns, and [E, F] numbers.
    """

    counts: Any
    cells: Any
    places: Any
    chances: Any
    images: Any = None
    texts: Sequence[str] = ()
    columns: Sequence[str] = ()
    values: Any = None
