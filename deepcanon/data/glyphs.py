"""Outlines of letters as polygons, and their pictures: scan conversion by NumPy alone.

Rasterisers of fonts differ by version and by hinting; this one computes the same bits on every machine. It uses
additions, products, quotients and square roots of float64, which IEEE 754 defines, and whole numbers after that.

Many outlines are drawn in one call. Their vertices are concatenated in one array [P, 2]; `after` names the row
of the vertex that follows each one on its contour, `image` the picture that it belongs to.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["MITRE", "Outlines", "coverage", "embolden", "flatten", "join"]

MOVE, LINE, QUADRATIC, CUBIC, CLOSE = 1, 2, 3, 4, 79  # matplotlib.path.Path's codes
LEVELS = 8
"""Scan lines of a pixel."""
STEPS = 256
"""Parts of a pixel to which crossings are rounded along a scan line."""
MITRE = 2.0
"""Farthest that a vertex moves when the outline moves by 1: sharp corners are cut there."""


class Outlines(NamedTuple):
    """Several outlines: vertices [P, 2], the rows of the vertices before and after each, first rows [G + 1]."""

    points: np.ndarray
    before: np.ndarray
    after: np.ndarray
    starts: np.ndarray

    def gather(self, which: np.ndarray) -> tuple["Outlines", np.ndarray]:
        """The outlines `which` [B], with repeats, and the place in `which` of each vertex."""
        sizes = np.diff(self.starts)[which]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        image = np.repeat(np.arange(len(which)), sizes)
        moved = (starts[:-1] - self.starts[which])[image]
        rows = np.arange(starts[-1]) - moved
        return Outlines(self.points[rows], self.before[rows] + moved, self.after[rows] + moved, starts), image


def flatten(vertices: np.ndarray, codes: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """The contours of a path of lines and Bezier curves as polygons [N, 2], without repeated vertices.

    Args:
        tolerance: largest distance between a curve and its chords.
    """
    contours: list[list[np.ndarray]] = []
    row = 0
    while row < len(codes):
        code = int(codes[row])
        size = {QUADRATIC: 2, CUBIC: 3}.get(code, 1)
        if code == MOVE:
            contours.append([vertices[row]])
        elif code != CLOSE:
            contours[-1] += _curve(np.stack([contours[-1][-1], *vertices[row : row + size]]), tolerance)
        row += size
    found = [np.array(points) for points in contours]
    found = [points[(points != np.roll(points, 1, 0)).any(1)] for points in found]
    return [points for points in found if len(points) > 2]


def _curve(control: np.ndarray, tolerance: float) -> list[np.ndarray]:
    """Points of a Bezier curve after its first; of a curve of degree d with second differences of at most D, a chord
    of 1/k of it lies within d (d - 1) D / (8 k^2)."""
    degree = len(control) - 1
    if degree == 1:
        return [control[1]]
    bend = np.abs(control[:-2] - 2 * control[1:-1] + control[2:]).sum(1).max()
    pieces = max(1, int(np.ceil(np.sqrt(degree * (degree - 1) * bend / (8 * tolerance)))))
    points = []
    for t in np.arange(1, pieces + 1) / pieces:
        rest = control
        while len(rest) > 1:  # de Casteljau
            rest = (1 - t) * rest[:-1] + t * rest[1:]
        points.append(rest[0])
    return points


def join(outlines: Sequence[Sequence[np.ndarray]]) -> Outlines:
    """Outlines, each a list of contours, in one store; the contours are oriented so that ink lies on the same side."""
    points, before, after, starts, row = [], [], [], [0], 0
    for contours in outlines:
        clockwise = sum(_area(contour) for contour in contours) < 0
        for contour in contours:
            points.append(contour[::-1] if clockwise else contour)
            rows = row + np.arange(len(contour))
            before.append(np.roll(rows, 1))
            after.append(np.roll(rows, -1))
            row += len(contour)
        starts.append(row)
    return Outlines(np.concatenate(points), np.concatenate(before), np.concatenate(after), np.array(starts))


def _area(contour: np.ndarray) -> float:
    x, y = contour.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def embolden(outlines: Outlines, by: np.ndarray) -> np.ndarray:
    """The vertices [P, 2], moved away from the ink so that each edge moves by `by` [P], in the unit of the points.

    Contours must turn so that the ink lies to their left (x to the right, y upwards), as `join` leaves them.
    """
    points = outlines.points
    edge = points[outlines.after] - points
    x, y = edge[:, 0], edge[:, 1]
    long = np.sqrt(x * x + y * y)
    x, y = y / long, -x / long  # the outward normal of the edge that leaves each vertex
    x0, y0 = x[outlines.before], y[outlines.before]
    # both edges move by 1 if the vertex moves by (n0 + n1) / (1 + n0 n1), whose length is sqrt(2 / (1 + n0 n1))
    turn = np.maximum(1 + x0 * x + y0 * y, 2 / MITRE**2)
    return np.stack([points[:, 0] + by * (x0 + x) / turn, points[:, 1] + by * (y0 + y) / turn], 1)


def coverage(points: np.ndarray, after: np.ndarray, image: np.ndarray, count: int, side: int) -> np.ndarray:
    """The share of each pixel that lies inside its outline, float64 [count, side, side]; non-zero winding.

    Along a scan line the covered length is exact (to 1/256 pixel); of each pixel eight scan lines are taken.

    Args:
        points: vertices [P, 2] in pixels, x to the right, y downwards, (0, 0) the corner at the top left.
        image: picture of each vertex, 0 to count - 1.
    """
    x, y = points[:, 0], points[:, 1]
    # scan line s lies at (s + 1/2) / LEVELS; an edge crosses those from its upper to before its lower end
    level = np.ceil(y * LEVELS - 0.5).astype(np.int64)
    level = np.minimum(np.maximum(level, 0), side * LEVELS)
    first, last = level, level[after]
    rows = np.flatnonzero(first != last)
    first, last, end = first[rows], last[rows], after[rows]
    down = last > first
    low, crossed = np.minimum(first, last), np.abs(last - first)
    slope = (x[end] - x[rows]) / (y[end] - y[rows])
    # each edge once for every scan line that it crosses
    edge = np.repeat(np.arange(len(rows)), crossed)
    line = np.arange(len(edge)) - (np.cumsum(crossed) - crossed - low)[edge]
    offset = x[rows] - y[rows] * slope
    place = np.floor((((line + 0.5) / LEVELS) * slope[edge] + offset[edge]) * STEPS + 0.5).astype(np.int64)
    place = np.minimum(np.maximum(place, 0), side * STEPS)
    bits = int(side * STEPS).bit_length() + 1
    base = (image[rows] * (side * LEVELS) << bits) + down
    key = (line << bits) + (place << 1) + base[edge]
    key.sort()
    # from left to right: where the winding number leaves 0, ink begins, and it ends where it comes back to 0
    step = ((key & 1) << 1) - 1
    winding = np.cumsum(step)
    begins, ends = winding == step, winding == 0
    key, sign = key[begins | ends], (begins.astype(np.int64) - ends)[begins | ends]
    place = (key & ((1 << bits) - 1)) >> 1
    cell = (key >> bits) // LEVELS * (side + 2) + place // STEPS
    part = place % STEPS
    size = count * side * (side + 2)
    ink = np.bincount(cell, sign * (STEPS - part), size) + np.bincount(cell + 1, sign * part, size + 1)[:size]
    ink = np.cumsum(ink.reshape(count, side, side + 2), 2)[:, :, :side]
    return ink / (STEPS * LEVELS)
