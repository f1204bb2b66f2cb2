r"""Points of the plane: convex hulls, shortest tours, areas, and whether a polygon crosses itself.

Sources: Andrew 1979, the monotone chain; Held and Karp 1962 and Bellman 1962, dynamic programming for tours.

Legend: points p_0 .. p_{n-1} in a set; a polygon is a list of their numbers, closed from the last to the first.

(1) turn(a, b, c) = (b - a) x (c - a): positive if c lies to the left of the way from a to b
(2) hull: the points sorted by (x, y), from which one pass keeps those that turn left, below and above; numbers from the
    lowest on, counter-clockwise; a point on an edge is not a corner
(3) tour: C(S, j), the length of the shortest way from p_0 through all of S that ends in j, is the least over k in S
    without j of C(S without j, k) + |p_k - p_j|; of the two directions the one whose second number is
    lower

>>> square = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.4]])
>>> convex_hull(square), area(square[convex_hull(square)]), shortest_tours(square[None, :4]).tolist()
([0, 2, 1, 3], 1.0, [[0, 2, 1, 3]])
"""

import math
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

__all__ = ["LONGEST_TOUR", "area", "convex_hull", "is_simple", "length", "shortest_tours"]

LONGEST_TOUR = 13
"""Points of a tour that is solved exactly."""
BYTES = 1 << 25
"""Of the table of eq. (3) and of the ways to one size of S, which are made for some sets at a time."""


def _turn(a: list[float], b: list[float], c: list[float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])  # (1)


def convex_hull(points: Float[ndarray, "points 2"]) -> list[int]:
    """The corners of the hull, eq. (2); fewer than three if all points lie on one line."""
    rows = points.tolist()
    order = sorted(range(len(rows)), key=rows.__getitem__)
    chains = []
    for way in (order, order[::-1]):
        chain: list[int] = []
        for place in way:
            while len(chain) > 1 and _turn(rows[chain[-2]], rows[chain[-1]], rows[place]) <= 0:
                chain.pop()
            chain.append(place)
        chains.append(chain[:-1])
    hull = chains[0] + chains[1]
    first = hull.index(min(hull))
    return hull[first:] + hull[:first]


def shortest_tours(points: Float[ndarray, "sets points 2"]) -> Int[ndarray, "sets points"]:
    """A shortest closed tour of each set, eq. (3).

    Raises:
        ValueError: fewer than three points, or more than `LONGEST_TOUR`.
    """
    count, size, _ = points.shape
    if not 3 <= size <= LONGEST_TOUR:
        raise ValueError(f"tours of {size} points are not solved exactly, only of 3 to {LONGEST_TOUR}")
    widest = math.comb(size - 1, size // 2) * (size - 1) * (size - 2) // 2
    some = max(1, BYTES // (8 * widest + ((size - 1) * 9 << size - 1)))
    return np.concatenate([_tours(points[start : start + some]) for start in range(0, max(count, 1), some)])


def _tours(points: ndarray) -> ndarray:
    """The tours of some sets, whose table of eq. (3) fits in memory: all S of one size at once."""
    count, size, _ = points.shape
    away = np.linalg.norm(points[:, :, None] - points[:, None], axis=3).transpose(1, 2, 0)  # [from, to, sets]
    rest = size - 1  # point j + 1 is bit j
    best = np.full((1 << rest, rest, count), np.inf)
    before = np.zeros((1 << rest, rest, count), dtype=np.int8)
    alone = np.arange(rest)
    best[1 << alone, alone] = away[0, 1:]
    for many in range(2, size):
        inside = np.array(list(combinations(range(rest), many)))  # [S, j]
        among = (1 << inside).sum(1)[:, None]
        others = inside[:, [[k for k in range(many) if k != last] for last in range(many)]]  # [S, j, k]
        ways = best[(among ^ 1 << inside)[:, :, None], others] + away[others + 1, inside[:, :, None] + 1]
        choice = ways.argmin(2)[:, :, None]
        best[among, inside] = np.take_along_axis(ways, choice, 2)[:, :, 0]
        before[among, inside] = np.take_along_axis(others[..., None], choice, 2)[:, :, 0]
    every, sets = np.full(count, (1 << rest) - 1), np.arange(count)
    last = (best[-1] + away[1:, 0]).argmin(0)
    tours = np.zeros((count, size), dtype=np.int64)
    for place in range(rest, 0, -1):
        tours[:, place] = last + 1
        earlier = before[every, last, sets]
        every, last = every ^ (1 << last), earlier.astype(np.int64)
    turned = tours[:, 1] > tours[:, -1]
    tours[turned, 1:] = tours[turned, :0:-1]
    return tours


def area(polygon: Float[ndarray, "corners 2"]) -> float:
    """The signed area of a polygon: positive if it runs counter-clockwise."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def length(polygon: Float[ndarray, "corners 2"]) -> float:
    """The length of a closed way."""
    return float(np.linalg.norm(polygon - np.roll(polygon, -1, 0), axis=1).sum())


def is_simple(polygon: Float[ndarray, "corners 2"]) -> bool:
    """Whether no two edges of a polygon touch, apart from neighbours at their common corner."""
    rows, size = polygon.tolist(), len(polygon)
    if size < 3:
        return False
    for first in range(size):
        a, b, after = rows[first], rows[(first + 1) % size], rows[(first + 2) % size]
        back = (b[0] - a[0]) * (after[0] - b[0]) + (b[1] - a[1]) * (after[1] - b[1]) <= 0
        if back and _side(a, b, after) == 0:  # the next edge runs back over this one, or one of them is a point
            return False
        for second in range(first + 2, size - (first == 0)):
            if _touch(a, b, rows[second], rows[(second + 1) % size]):
                return False
    return True


def _side(a: list[float], b: list[float], c: list[float]) -> int:
    """The sign of eq. (1)."""
    turn = _turn(a, b, c)
    return (turn > 0) - (turn < 0)


def _touch(a: list[float], b: list[float], c: list[float], d: list[float]) -> bool:
    """Whether two edges have a point in common: their boxes overlap, and each lies on both sides of the other's line.

    The boxes matter where all four ends are on one line, since then the sides say nothing.
    """
    if any(max(a[k], b[k]) < min(c[k], d[k]) or max(c[k], d[k]) < min(a[k], b[k]) for k in (0, 1)):
        return False
    return _side(a, b, c) * _side(a, b, d) <= 0 and _side(c, d, a) * _side(c, d, b) <= 0
