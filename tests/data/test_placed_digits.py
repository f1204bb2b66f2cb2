"""Digits that are turned, moved, cluttered and overlapped: each by NumPy and SciPy, and no picture in two splits."""

import numpy as np
import pytest
import scipy.ndimage
import torch

from deepcanon.cli import main
from deepcanon.data import DataError, open_data
from deepcanon.data.drawn import Streams
from deepcanon.data.tasks import multi_digits
from deepcanon.data.tasks._placed import Pictures, base_set, offsets, paste, warp
from deepcanon.data.tasks.cluttered_digits import scatter_pieces

SETS = {"rotated-digits": 8, "rts-digits": 12, "cluttered-digits": 17, "multi-digits": 10}


def opened(name, seed=0, **options):
    return open_data(("images",), name, seed=seed, options={"images": {"base": "digits", **options}})


def oracle_warp(picture, degrees, scale, place, side):
    """Every pixel of the canvas, sampled by SciPy where it comes from; zero outside."""
    height, angle = picture.shape[0], np.deg2rad(degrees)
    canvas = np.arange(side) - (side - 1) / 2
    down, right = np.meshgrid(canvas - place[0], canvas - place[1], indexing="ij")
    x = (np.cos(angle) * right - np.sin(angle) * down) / scale
    y = (np.sin(angle) * right + np.cos(angle) * down) / scale
    middle, padded = (height - 1) / 2, np.pad(picture, 1)
    return scipy.ndimage.map_coordinates(padded, [y + middle + 1, x + middle + 1], order=1, mode="constant")


def test_warping_samples_where_scipy_does():
    rng = np.random.default_rng(0)
    pictures = rng.integers(256, size=(6, 1, 9, 9))
    degrees, scale = rng.uniform(-180, 180, 6), rng.uniform(0.7, 1.3, 6)
    places = rng.uniform(-3, 3, (6, 2))
    given = (torch.from_numpy(one) for one in (degrees, scale, places))
    found = warp(torch.from_numpy(pictures).to(torch.uint8), *given, 14)
    for picture, *pose, ours in zip(pictures, degrees, scale, places, found.numpy(), strict=True):
        expected = oracle_warp(picture[0].astype(float), *pose, 14)
        assert np.abs(ours[0] - expected).max() <= 0.51, "rounded to whole grey levels"


def test_an_angle_turns_anticlockwise_as_seen():
    picture = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
    picture[0, 0, 2, 4] = 200  # at three o'clock
    turned = warp(picture, torch.tensor([90.0]), torch.ones(1), torch.zeros(1, 2), 5)
    assert turned[0, 0, 0, 2] == 200 and turned.sum() == 200, "at twelve"
    moved = warp(picture, torch.zeros(1), torch.ones(1), torch.tensor([[1.0, -2.0]]), 5)
    assert moved[0, 0, 3, 2] == 200


def test_pasting_is_a_slice():
    rng = np.random.default_rng(1)
    pictures = torch.from_numpy(rng.integers(1, 256, size=(4, 1, 3, 3))).to(torch.uint8)
    places = torch.tensor([[0, 0], [-2, 4], [4, 1], [5, 5]])
    found = paste(pictures, places, 7)
    for picture, (down, right), ours in zip(pictures, (places + 2).tolist(), found, strict=True):
        expected = torch.zeros(1, 12, 12, dtype=torch.uint8)
        expected[:, down : down + 3, right : right + 3] = picture
        assert torch.equal(ours, expected[:, 2:9, 2:9])


def test_a_cut_is_a_slice():
    rng = np.random.default_rng(1)
    base = Pictures(torch.from_numpy(rng.integers(1, 256, size=(4, 1, 5, 5))).to(torch.uint8), torch.zeros(4).long())
    rows, places = (
        torch.tensor([[3, 0, 3], [1, 2, 2]]),
        torch.tensor([[[0, 0], [2, 1], [2, 2]], [[1, 0], [0, 2], [2, 0]]]),
    )
    found = base.cut(rows, places, 3)
    assert found.shape == (2, 3, 3, 3)
    for row, (down, right), ours in zip(
        rows.flatten(), places.flatten(0, 1).tolist(), found.flatten(0, 1), strict=True
    ):
        assert torch.equal(ours, base.x[row, 0, down : down + 3, right : right + 3])


def test_of_pieces_that_overlap_the_brighter_pixel_stays():
    rng = np.random.default_rng(2)
    canvas = torch.from_numpy(rng.integers(256, size=(3, 1, 8, 8))).to(torch.uint8)
    pieces = torch.from_numpy(rng.integers(256, size=(3, 5, 2, 2))).to(torch.uint8)
    places = torch.from_numpy(rng.integers(0, 7, size=(3, 5, 2)))
    expected = canvas.clone().numpy()
    for image in range(3):
        for piece, (down, right) in zip(pieces[image].numpy(), places[image].tolist(), strict=True):
            under = expected[image, 0, down : down + 2, right : right + 2]
            under[:] = np.maximum(under, piece)
    np.testing.assert_array_equal(scatter_pieces(canvas, pieces, places), expected)


def test_a_partner_is_of_another_class_and_any_of_them_is_as_likely():
    y = torch.tensor([2, 0, 1, 0, 2, 2])
    order, counts = y.argsort(stable=True), y.bincount()
    for row in range(6):
        others = (y != y[row]).nonzero()[:, 0]
        shares = (torch.arange(len(others)) + 0.5) / len(others)
        found = multi_digits.partners(y[row].expand(len(others)), shares, order, counts)
        assert sorted(found.tolist()) == others.tolist()


@pytest.mark.parametrize("name", SETS)
def test_every_set_has_its_size_and_each_test_picture_once(name):
    data, base = opened(name), base_set(0, {"base": "digits"})
    assert data.facts["size"] == [SETS[name]] * 2 and data.facts["channels"] == 1
    assert len(data["test"]) == len(base.splits["test"]) and len(data["valid"]) == len(base.splits["valid"])
    if name != "multi-digits":
        assert torch.equal(data["test"].y, base.splits["test"].y)
    assert "valid" not in opened(name, valid_share=0.0)
    batch = data["train"].batch(Streams(3, 7), 50)
    assert torch.equal(batch.x, opened(name)["train"].batch(Streams(3, 7), 50).x)


def test_training_never_shows_a_held_out_picture():
    """Pictures that are only moved can be told: none of the test's is in a batch, and every one is of the base."""
    data, base = opened("multi-digits"), base_set(0, {"base": "digits"})

    def shown(parts):
        return {bytes(p[p > 0].numpy()) for pair in parts for p in pair}

    of = {name: {bytes(p[p > 0].numpy()) for p in pictures.x} for name, pictures in base.splits.items()}
    for split in ("valid", "test"):
        assert shown(data[split].parts) <= of[split]
        assert not of[split] & of["train"]
    batch = data["train"].batch(Streams(0), 500)
    assert shown(batch.parts) <= of["train"] and shown(data["train"].parts) <= of["train"]


def test_two_digits_add_up_to_their_picture_and_are_of_the_classes_named():
    data, base = opened("multi-digits"), base_set(0, {"base": "digits"})
    batch = data["train"].batch(Streams(5), 300)
    assert torch.equal(batch.x, batch.parts.int().sum(1).clamp_max(255).to(torch.uint8))
    assert (batch.parts.int().sum(1) > 255).any(), "some sums are clipped"
    classes = {bytes(p[p > 0].numpy()): y for p, y in zip(base.splits["train"].x, base.splits["train"].y, strict=True)}
    for pair, label in zip(batch.parts, batch.y.tolist(), strict=True):
        assert [int(classes[bytes(p[p > 0].numpy())]) for p in pair] == data.facts["members"][label]
    first, second = data.facts["classes"][data.facts["members"].index([3, 5])].split("+")
    assert (first, second) == ("3", "5") and len(data.facts["classes"]) == 45
    chosen = opened("multi-digits", train_examples=20)["train"]
    assert torch.equal(chosen.x, chosen.parts.int().sum(1).clamp_max(255).to(torch.uint8)), "parts stay with examples"


def test_the_likeliest_set_by_enumeration():
    counts = torch.tensor([3, 1, 2])
    labels, found = np.repeat([0, 1, 2], counts), np.zeros((3, 3))
    for i, a in enumerate(labels):
        others = [b for j, b in enumerate(labels) if b != a and j != i]
        for b in others:
            found[min(a, b), max(a, b)] += 1 / len(labels) / len(others)
    assert multi_digits.likeliest(counts) == pytest.approx(found.max(), abs=1e-12)
    assert multi_digits.likeliest(torch.full((10,), 7)) == pytest.approx(1 / 45)


def test_the_truth_is_the_pose_of_each_test_picture():
    base = base_set(4, {"base": "digits"}).splits["test"]
    turned, poses = (opened(name, seed=4) for name in ("rotated-digits", "rts-digits"))
    degrees = turned.truth["test/degrees"]
    assert degrees.abs().max() <= 90 and degrees.std() > 45
    unmoved = torch.ones(len(base)), torch.zeros(len(base), 2)
    assert torch.equal(turned["test"].x, warp(base.x, degrees, *unmoved, 8))
    pose = (poses.truth[f"test/{what}"] for what in ("degrees", "scale", "place"))
    assert torch.equal(poses["test"].x, warp(base.x, *pose, 12))
    assert poses.truth["test/scale"].min() >= 0.7 and poses.truth["test/scale"].max() <= 1.2
    cluttered = opened("cluttered-digits", seed=4)
    clear = paste(base.x, (cluttered.truth["test/place"] + 4.5).long(), 17)
    assert (cluttered["test"].x >= clear).all() and (cluttered["test"].x > clear).float().mean() > 0.02


def test_places_reach_both_ends():
    class Extreme:
        def rand(self, stream, shape):
            return torch.tensor([0.0, 1 - 2**-24]).expand(shape)

    assert offsets(Extreme(), "place", 3, 8).tolist() == [[0, 8]] * 3
    assert Pictures(torch.zeros(9, 1, 2, 2), torch.zeros(9)).some(Extreme(), "row", 2).tolist() == [0, 8]


def test_a_canvas_that_is_too_small_is_refused(capsys):
    with pytest.raises(DataError, match="canvas of 6x6 cannot hold them; give --size 8 or more"):
        opened("rts-digits", size=6)
    assert opened("multi-digits", size=12)["test"].x.shape[2:] == (12, 12)
    assert opened("rotated-digits", channels=3)["train"].batch(Streams(0), 4).x.shape == (4, 3, 8, 8)
    assert main(["train", "convnet", "--data", "rotated-digits", "--base", "digits", "--size", "5"]) == 2
    assert "give --size 8 or more" in capsys.readouterr().err
