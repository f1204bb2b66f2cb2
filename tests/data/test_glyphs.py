"""Scan conversion of outlines against a count of sample points, whose winding numbers are computed one by one."""

import numpy as np
import pytest

from deepcanon.data.glyphs import CLOSE, CUBIC, LINE, MOVE, QUADRATIC, coverage, embolden, flatten, join

SQUARE = np.array([[2.25, 3.0], [6.75, 3.0], [6.75, 5.5], [2.25, 5.5]])


def winding(contours, places):
    """The winding number [M] of polygons around points [M, 2]: the sum of the angles that the edges are seen under."""
    total = np.zeros(len(places))
    for contour in contours:
        a, b = contour[None] - places[:, None], np.roll(contour, -1, 0)[None] - places[:, None]
        total += np.arctan2(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(-1)).sum(1)
    return np.rint(total / (2 * np.pi)).astype(int)


def counted(contours, side, fine=32):
    """The share of fine x fine points of each pixel that the winding number is not 0 around."""
    at = (np.arange(side * fine) + 0.5) / fine
    inside = winding(contours, np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)) != 0
    return inside.reshape(side, fine, side, fine).mean((1, 3))


def drawn(pictures, side):
    store = join(pictures)
    _, image = store.gather(np.arange(len(pictures)))
    return coverage(store.points, store.after, image, len(pictures), side)


def test_a_rectangle_covers_its_area_exactly():
    (picture,) = drawn([[SQUARE]], 8)
    columns = np.clip(np.minimum(np.arange(8) + 1, 6.75) - np.maximum(np.arange(8), 2.25), 0, 1)
    rows = np.clip(np.minimum(np.arange(8) + 1, 5.5) - np.maximum(np.arange(8), 3.0), 0, 1)
    assert np.array_equal(picture, rows[:, None] * columns)


@pytest.mark.parametrize("seed", range(4))
def test_polygons_that_cross_themselves_have_the_coverage_that_is_counted(seed):
    random = np.random.default_rng(seed)
    pictures = [[random.uniform(-1, 9, (n, 2)) for n in random.integers(3, 9, 3)] for _ in range(5)]
    found = drawn(pictures, 8)
    for picture, contours in zip(found, pictures, strict=True):
        oracle = counted(contours, 8)
        assert np.abs(picture - oracle).max() < 0.08 and abs(picture.mean() - oracle.mean()) < 0.003


def test_a_star_is_filled_and_a_hole_is_not():
    turn = np.arange(5) * 4 * np.pi / 5
    star = 4 + 3.9 * np.stack([np.sin(turn), np.cos(turn)], 1)
    ring = [SQUARE, (SQUARE - 4.25) / 2 + 4.25]
    filled, alike, hollow = drawn([[star], ring, [ring[0], ring[1][::-1]]], 8)
    assert filled[4, 4] == 1 and alike[4, 4] == 1 and hollow[4, 4] == 0.125  # the hole ends at 4.875
    assert hollow.sum() == pytest.approx(4.5 * 2.5 * 3 / 4, abs=0.02)


def test_a_picture_does_not_depend_on_its_neighbours_nor_on_the_order_of_its_contours():
    random = np.random.default_rng(7)
    pictures = [[random.uniform(0, 8, (5, 2)), random.uniform(0, 8, (4, 2))] for _ in range(6)]
    together = drawn(pictures, 8)
    for picture, contours in zip(together, pictures, strict=True):
        assert np.array_equal(picture, drawn([contours], 8)[0])
        assert np.array_equal(picture, drawn([contours[::-1]], 8)[0])


@pytest.mark.parametrize("flipped", [False, True], ids=["as-it-is", "turned-round"])
def test_ink_grows_by_the_same_length_on_every_side(flipped):
    outer, inner = SQUARE * [1, 2], (SQUARE * [1, 2] - [4.5, 8.5]) / 2 + [4.5, 8.5]
    contours = [outer, inner[::-1]]
    store = join([[c[::-1] if flipped else c for c in contours]])
    grown = embolden(store, np.full(len(store.points), 0.25))
    corners = {tuple(point) for point in grown}
    for sign, square in ((1, outer), (-1, inner)):
        low, high = square.min(0) - sign * 0.25, square.max(0) + sign * 0.25
        assert {(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])} <= corners


def test_sharp_corners_stay_within_twice_the_growth():
    needle = join([[np.array([[0.0, 0.0], [9.0, 0.1], [0.0, 0.2]])]])
    moved = embolden(needle, np.full(3, 0.5)) - needle.points
    assert np.sqrt((moved**2).sum(1)).max() <= 1.0 + 1e-12


@pytest.mark.parametrize("codes", [[MOVE, QUADRATIC, QUADRATIC, CLOSE], [MOVE, CUBIC, CUBIC, CUBIC, LINE, CLOSE]])
def test_curves_become_chords_within_the_tolerance(codes):
    vertices = np.array([[0.0, 0.0], [1.0, 3.0], [4.0, -2.0], [5.0, 1.0], [5.0, 0.0], [0.0, 0.0]])[: len(codes)]
    degree = 2 if QUADRATIC in codes else 3
    (polygon,) = flatten(vertices, np.array(codes), 0.01)
    t = np.linspace(0, 1, 500)[:, None]
    weights = [(1 - t) ** 2, 2 * t * (1 - t), t**2]
    if degree == 3:
        weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
    curve = sum(w * p for w, p in zip(weights, vertices, strict=False))
    a = polygon
    along = np.roll(polygon, -1, 0) - a
    share = ((curve[:, None] - a) * along).sum(-1) / (along**2).sum(-1)
    distance = np.sqrt(((curve[:, None] - a - share.clip(0, 1)[..., None] * along) ** 2).sum(-1)).min(1)
    assert distance.max() <= 0.01 and len(polygon) < 40
    assert (polygon != np.roll(polygon, 1, 0)).any(1).all()
