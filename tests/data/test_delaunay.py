"""Delaunay triangulations against SciPy's and a plain circumcircle test; order, several ones, and the generated set."""

import itertools

import numpy as np
import pytest
from scipy.spatial import Delaunay

from deepcanon.data import delaunay
from deepcanon.data.delaunay import most_triangles, triangulations


def listed(triangles):
    return [tuple(row) for row in triangles.tolist() if row[0] >= 0]


@pytest.mark.parametrize("size", [3, 4, 5, 8, 12, 13, 40])
def test_triangles_are_those_of_scipy(size):
    points = np.random.default_rng(size).random((40, size, 2))
    triangles, unique = triangulations(points)
    assert unique.all() and triangles.shape == (40, most_triangles(size), 3)
    for one, found in zip(points, triangles, strict=True):
        theirs = {tuple(sorted(simplex)) for simplex in Delaunay(one).simplices.tolist()}
        assert set(listed(found)) == theirs and len(listed(found)) == len(theirs)


def test_no_point_lies_inside_the_circle_of_a_triangle():
    """The centre of the circle from the two bisectors, not from eq. (1)."""
    points = np.random.default_rng(1).random((10, 9, 2))
    for one, found in zip(points, triangulations(points)[0], strict=True):
        for triple in itertools.combinations(range(9), 3):
            a, b, c = one[list(triple)]
            centre = np.linalg.solve([b - a, c - a], [(b @ b - a @ a) / 2, (c @ c - a @ a) / 2])
            inside = np.linalg.norm(one - centre, axis=1) < np.linalg.norm(a - centre) - 1e-12
            assert (triple in listed(found)) == (not np.delete(inside, triple).any())


def test_triangles_stand_in_the_order_of_their_inscribed_circles():
    """The centre is as far from each of the three sides; a triangle is told by its numbers, rising."""
    points = np.random.default_rng(2).random((20, 10, 2))
    for one, found in zip(points, triangulations(points)[0], strict=True):
        centres = []
        for row in listed(found):
            assert list(row) == sorted(row)
            a, b, c = one[list(row)]
            units = [(q - p) / np.linalg.norm(q - p) for p, q in ((a, b), (b, c), (c, a))]
            normals = [
                np.array([-u[1], u[0]]) * np.sign((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) for u in units
            ]
            system = np.array([[*normal, -1] for normal in normals])  # n . (x - p) = r for the three sides
            centres.append(tuple(np.linalg.solve(system, [n @ p for n, p in zip(normals, (a, b, c), strict=True)])[:2]))
        assert centres == sorted(centres)


def test_one_of_several_triangulations_is_given_and_told():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), -1).reshape(-1, 2)
    for points, count in ((square, 2), (grid, 18)):
        triangles, unique = triangulations(points[None])
        assert not unique[0] and len(listed(triangles[0])) == count
        shape = points[triangles[0, :count]]
        areas = np.abs(np.linalg.det(shape[:, 1:] - shape[:, :1])) / 2
        assert areas.min() > 0 and areas.sum() == pytest.approx(np.ptp(points, axis=0).prod())  # they cover it once
    moved = square + [[0, 0], [0, 0], [0.1, 0], [0, 0]]
    assert triangulations(np.stack([square, moved]))[1].tolist() == [False, True]


def test_points_on_a_line_have_no_triangles_and_two_are_refused():
    for size in (4, 20):
        line = np.stack([np.arange(size) / 4, np.arange(size) / 2], 1)
        triangles, unique = triangulations(line[None])
        assert not listed(triangles[0]) and not unique[0]
    assert listed(triangulations(np.array([[[0, 0], [1, 0], [2, 0], [1, 1.0]]]))[0][0]) == [(0, 1, 3), (1, 2, 3)]
    with pytest.raises(ValueError, match="2 points have no triangles"):
        triangulations(np.zeros((1, 2, 2)))


def test_many_sets_are_taken_some_at_a_time(monkeypatch):
    points = np.random.default_rng(3).random((30, 6, 2))
    whole, parts = triangulations(points)[0], []
    each = delaunay._by_definition
    monkeypatch.setattr(delaunay, "BYTES", 20 * 6 * 8 * 4)
    monkeypatch.setattr(delaunay, "_by_definition", lambda p, t: parts.append(len(p)) or each(p, t))
    assert np.array_equal(triangulations(points)[0], whole) and max(parts) == 4 and sum(parts) == 30
