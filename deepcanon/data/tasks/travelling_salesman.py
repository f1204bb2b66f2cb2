"""Travelling salesman: points drawn in the unit square, and a shortest closed tour through all of them.

Each set has between `--fewest` and `--most` points (5 and 5), at most 13, alike in a batch. Tours are found by dynamic
programming, begin at point 0 and run towards the lower of its two neighbours. A tour in a random order is right, up to
direction, in one of (n - 1)! / 2 sets of n points.

Source: Vinyals, Fortunato and Jaitly 2015, "Pointer Networks" (arXiv:1506.03134), section 3.3.
"""

import math
from typing import Any

from deepcanon.parts.plane import LONGEST_TOUR

from ..known import Known
from . import Task
from ._point_sets import point_sets, sizes_of

__all__ = ["KIND", "draw"]

KIND = "point_sets"


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sets of points without end, with shortest tours."""
    sizes = sizes_of(options, 5, 5, LONGEST_TOUR)
    chance = sum(2 / math.factorial(size - 1) for size in sizes) / len(sizes)
    known = Known("accuracy", chance, 1.0, "", ("a tour in a random order", "a shortest tour"))
    return point_sets("tour", seed, sizes, (known,))
