"""Delaunay triangulation: points drawn in the unit square, and the triangles whose circles hold no other point.

Each set has between `--fewest` and `--most` points (5 and 5), alike in a batch; with `--beyond` the test has sets of so
many points too. A triangle is told as the numbers of its corners, rising; the triangles stand in the order of the
centres of their inscribed circles, from left to right. The floor is that of a model which names no triangle.

Source: Vinyals, Fortunato and Jaitly 2015, "Pointer Networks" (arXiv:1506.03134), section 3.2.
"""

from typing import Any

from ..known import Known
from . import Task
from ._point_sets import point_sets, sizes_of

__all__ = ["KIND", "draw"]

KIND = "point_sets"


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sets of points without end, with the triangles of their Delaunay triangulations."""
    reasons = ("no triangle", "the triangulation itself")
    known = (Known("accuracy", 0.0, 1.0, "", reasons), Known("coverage", 0.0, 1.0, "", reasons))
    beyond = (options["beyond"],) if options.get("beyond") else ()
    return point_sets("delaunay", seed, sizes_of(options, 5, 5, 100), known, beyond)
