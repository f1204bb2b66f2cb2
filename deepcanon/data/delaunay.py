r"""Delaunay triangulations of sets of points in the plane, and the order in which their triangles are told.

Sources: Delaunay 1934; Vinyals, Fortunato and Jaitly 2015 (arXiv:1506.03134), section 3.2, for the order. Sets of up to
`FEW` points are triangulated by definition, many at once; larger ones by SciPy, whose answer is checked.

Legend: a, b, c the corners of a triangle, counter-clockwise; d another point; a' = a - d, and so b', c'.

(1) in(a, b, c, d) = |a'|^2 (b' x c') + |b'|^2 (c' x a') + |c'|^2 (a' x b'): positive if d lies inside the circle
    through a, b and c, 0 if it lies on it
(2) a triangle belongs to the triangulation if no point lies inside its circle; it is the only one if none lies on one
(3) the triangles in the order of the centres of their inscribed circles, (|bc| a + |ca| b + |ab| c) / (|bc| + |ca| +
    |ab|), by x and then y; each as the numbers of its corners, rising

>>> points = np.array([[[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [3.0, 3.0]]])
>>> triangles, unique = triangulations(points)
>>> triangles.tolist(), unique.tolist()
([[[0, 1, 2], [1, 2, 3], [-1, -1, -1]]], [True])
"""

from itertools import combinations

import numpy as np
from numpy import ndarray

__all__ = ["most_triangles", "triangulations"]

FEW = 12
BYTES = 1 << 25
"""Of the values of eq. (1), which are made for some sets at a time."""
SURE = 1e-14
"""Of the sum of the sizes of the terms of eq. (1), from which on its sign is not that of rounding."""


def most_triangles(points: int) -> int:
    """The triangles of so many points whose hull has three corners; others have fewer."""
    return 2 * points - 5


def triangulations(points: ndarray) -> tuple[ndarray, ndarray]:
    """The triangles [N, T, 3] of sets of points [N, P, 2] in the order of eq. (3), -1 after the last; and of each set
    whether it has only one triangulation [N].

    T is `most_triangles(P)`. Of points on one line there are no triangles.

    Raises:
        ValueError: fewer than three points.
    """
    count, size, _ = points.shape
    if size < 3:
        raise ValueError(f"{size} points have no triangles: give three or more")
    triangles, unique = np.full((count, most_triangles(size), 3), -1), np.zeros(count, dtype=bool)
    if size <= FEW:
        triples = np.array(list(combinations(range(size), 3)))
        some = max(1, BYTES // (len(triples) * size * 8))
        for first in range(0, count, some):
            part = slice(first, first + some)
            triangles[part], unique[part] = _by_definition(points[part], triples)
    for row in np.flatnonzero(~unique).tolist():  # large ones, and those with one of several triangulations
        found, unique[row] = _by_scipy(points[row])
        triangles[row, : len(found)] = found
        triangles[row, len(found) :] = -1
    return triangles, unique


def _by_definition(points: ndarray, triples: ndarray) -> tuple[ndarray, ndarray]:
    """Eq. (2) of every triple [M, 3] of each set: as many triangles as fit, and whether no point lies on a circle."""
    size = points.shape[1]
    rows = np.ascontiguousarray(points.transpose(1, 2, 0))  # sets last: what is gathered lies side by side
    x, y = (rows[:, None, axis] - rows[None, :, axis] for axis in (0, 1))  # [i, d, N], point i as d sees it
    squares, there = x * x + y * y, x[:, None] * y[None]  # [i, j, d, N]
    back = there.swapaxes(0, 1)
    crosses, sizes = there - back, np.abs(there) + np.abs(back)
    circle, terms = 0.0, 0.0
    for one, left, right in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        square, pair = squares[triples[:, one]], (triples[:, left], triples[:, right])
        circle, terms = circle + square * crosses[pair], terms + square * sizes[pair]
    turn = _turns(points, triples)
    circle = circle * np.sign(turn).T[:, None]
    empty = (turn != 0) & ~(circle > SURE * terms).any(1).T
    corner = (triples[:, :, None] == np.arange(size)).any(1)[..., None]
    on_one = ((np.abs(circle) <= SURE * terms) & ~corner).any(1).T & empty
    return _in_order(points, triples, empty)[:, : most_triangles(size)], ~on_one.any(1) & empty.any(1)


def _by_scipy(points: ndarray) -> tuple[ndarray, bool]:
    """The triangles of one set, and whether each is alone: every corner across an edge lies outside of its circle."""
    from scipy.spatial import Delaunay, QhullError

    try:
        found = Delaunay(points)
    except QhullError:  # all on one line
        return np.empty((0, 3), dtype=np.int64), False
    triangles = found.simplices.astype(np.int64)
    rows, corners = np.nonzero(found.neighbors >= 0)
    across = triangles[found.neighbors[rows, corners]].sum(1) - triangles[rows].sum(1) + triangles[rows, corners]
    circle, terms = _in_circle(*(points[triangles[rows, corner]] - points[across] for corner in range(3)))
    turn = _turns(points[None], triangles)[0]
    alone = bool((circle * np.sign(turn[rows]) < -SURE * terms).all() and turn.all() and not len(found.coplanar))
    every = np.ones((1, len(triangles)), dtype=bool)
    return _in_order(points[None], np.sort(triangles, 1), every)[0], alone


def _in_circle(a: ndarray, b: ndarray, c: ndarray) -> tuple[ndarray, ndarray]:
    """Eq. (1) of corners [..., 2] as the other point sees them, and the sum of the sizes of its terms."""
    value, terms = np.zeros(a.shape[:-1]), np.zeros(a.shape[:-1])
    for one, left, right in ((a, b, c), (b, c, a), (c, a, b)):
        square = (one * one).sum(-1)
        there, back = left[..., 0] * right[..., 1], left[..., 1] * right[..., 0]
        value += square * (there - back)
        terms += square * (np.abs(there) + np.abs(back))
    return value, terms


def _turns(points: ndarray, triples: ndarray) -> ndarray:
    """Twice the signed areas [N, M] of triangles, positive if they run counter-clockwise."""
    a, b, c = (points[:, triples[:, corner]] for corner in range(3))
    return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])


def _in_order(points: ndarray, triples: ndarray, chosen: ndarray) -> ndarray:
    """The chosen triangles of each set by eq. (3), [N, M, 3], -1 after the last."""
    corners = [points[:, triples[:, corner]] for corner in range(3)]
    sides = [_length(corners[1] - corners[2]), _length(corners[2] - corners[0]), _length(corners[0] - corners[1])]
    around = sides[0] + sides[1] + sides[2]
    across, upwards = (
        sum(side * corner[..., axis] for side, corner in zip(sides, corners, strict=True)) / around for axis in (0, 1)
    )
    order = np.lexsort((upwards, across, ~chosen), axis=-1)
    return np.where(np.take_along_axis(chosen, order, 1)[..., None], triples[order], -1)


def _length(way: ndarray) -> ndarray:
    return np.sqrt(way[..., 0] ** 2 + way[..., 1] ** 2)
