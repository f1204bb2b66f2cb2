"""Convex hulls: points drawn in the unit square, and which of them are the corners of their hull, counter-clockwise.

Each set has between `--fewest` and `--most` points (5 and 10), alike in a batch; the test has sets of 20 points too, or
of `--beyond`, on which a model shows whether it has learned the rule. The floor is that of a model
which names no polygon.

Source: Vinyals, Fortunato and Jaitly 2015, "Pointer Networks" (arXiv:1506.03134), section 3.1.
"""

from typing import Any

from ..known import Known
from . import Task
from ._point_sets import point_sets, sizes_of

__all__ = ["KIND", "draw"]

KIND = "point_sets"


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sets of points without end, with the corners of their hulls."""
    reasons = ("no polygon", "the hull itself")
    known = (Known("accuracy", 0.0, 1.0, "", reasons), Known("area", 0.0, 1.0, "", reasons))
    return point_sets("hull", seed, sizes_of(options, 5, 10, 500), known, (options.get("beyond") or 20,))
