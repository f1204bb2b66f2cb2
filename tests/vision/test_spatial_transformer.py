"""The spatial transformer: torch's and SciPy's samplers, gradients by finite differences, and modules that are idle."""

import importlib

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
from oracles import spatial_transformer as oracle
from torch import nn

from deepcanon.data import open_data
from deepcanon.data.tasks._placed import paste
from deepcanon.vision import SpatialTransformer
from deepcanon.vision.spatial_transformer import affine_maps, affine_points, bilinear_sample, spread, turned_by


def rotation(degrees):
    return affine_maps(torch.deg2rad(torch.as_tensor(degrees))[:, None], "rotation")


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("outside", ["zeros", "border"])
def test_sampler_equals_torch_on_values_and_gradients(align_corners, outside):
    torch.manual_seed(0)
    results = []
    images, theta = torch.randn(3, 2, 6, 5).double(), torch.randn(3, 2, 3).double()
    outer = torch.randn(3, 2, 4, 7).double()
    for ours in (True, False):
        x, maps = images.clone().requires_grad_(), theta.clone().requires_grad_()
        if ours:
            points = affine_points(maps, (4, 7), align_corners=align_corners)
            found = bilinear_sample(x, points, align_corners=align_corners, outside=outside)
        else:
            points = F.affine_grid(maps, [3, 2, 4, 7], align_corners=align_corners)
            found = F.grid_sample(x, points, "bilinear", outside, align_corners)
        (found * outer).sum().backward()
        results.append((points, found, x.grad, maps.grad))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)


def test_gradient_to_theta_equals_finite_differences_of_the_oracle():
    rng = np.random.default_rng(1)
    images, theta, outer = (
        rng.normal(size=(1, 2, 5, 6)),
        rng.normal(size=(1, 2, 3)) * 0.5,
        rng.normal(size=(1, 2, 4, 4)),
    )
    maps = torch.from_numpy(theta).requires_grad_()
    found = bilinear_sample(torch.from_numpy(images), affine_points(maps, (4, 4)))
    (found * torch.from_numpy(outer)).sum().backward()
    numerical = np.zeros_like(theta)
    for index in np.ndindex(theta.shape):
        values = []
        for step in (1e-6, -1e-6):
            moved = theta.copy()
            moved[index] += step
            values.append((oracle.sample(images, oracle.points(moved, (4, 4))) * outer).sum())
        numerical[index] = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(maps.grad.numpy(), numerical, atol=1e-6)
    assert np.abs(numerical).min() > 1e-3, "every entry of theta moves the picture"


@pytest.mark.parametrize("degrees", [-90.0, -30.0, 17.0, 45.0, 90.0])
def test_pure_rotations_are_those_of_scipy(degrees):
    rng = np.random.default_rng(2)
    picture = np.pad(rng.normal(size=(7, 7)), 3)
    expected = scipy.ndimage.rotate(picture, degrees, reshape=False, order=1, mode="constant")
    points = affine_points(rotation([degrees]).double(), picture.shape)
    found = bilinear_sample(torch.from_numpy(picture)[None, None], points)[0, 0].numpy()
    inside = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-6)


def test_a_map_goes_from_the_output_to_the_input():
    """Planted toy: the map is taken for one from input to output; a window to the right then shows the left."""
    picture = torch.zeros(1, 1, 4, 4)
    picture[0, 0, 1, 3] = 1
    right = torch.tensor([[[1.0, 0, 0.5], [0, 1, 0]]])  # looks a quarter of the width to the right
    assert bilinear_sample(picture, affine_points(right, (4, 4)))[0, 0].nonzero().tolist() == [[1, 2]]
    toy = -right + torch.tensor([[[2.0, 0, 0], [0, 2, 0]]])  # the inverse, as a toy would apply it
    assert bilinear_sample(picture, affine_points(toy, (4, 4))).sum() == 0
    turned = bilinear_sample(picture, affine_points(rotation([90.0]), (4, 4)))
    assert turned[0, 0].round().nonzero().tolist() == [[0, 1]], "anticlockwise as seen"


@pytest.mark.parametrize("maps", ["affine", "rotation", "attention"])
@pytest.mark.parametrize("localiser", ["connected", "convolutional"])
def test_it_starts_as_the_identity_with_a_last_layer_that_can_learn(maps, localiser):
    torch.manual_seed(3)
    module, images = SpatialTransformer(1, (8, 9), localiser=localiser, maps=maps), torch.rand(4, 1, 8, 9)
    torch.testing.assert_close(module(images), images, atol=1e-5, rtol=0)
    assert not module.pose.weight.any()
    module(images).square().sum().backward()
    assert module.pose.weight.grad.abs().max() > 1e-4 and not module.localiser[-2].weight.grad.any()


def test_only_the_window_is_read_and_nothing_is_padded():
    module = SpatialTransformer(1, (12, 12), output_size=(5, 6), maps="attention")
    with torch.no_grad():
        module.pose.bias.copy_(torch.tensor([0.5, 0.5, -0.5]))
    pictures = torch.rand(1, 1, 12, 12)
    other = pictures.clone()
    other[:, :, 7:] = other[:, :, :, :5] = 0.3
    assert module(pictures).shape == (1, 1, 5, 6)
    torch.testing.assert_close(module(pictures), module(other))


def test_an_idle_module_leaves_all_of_the_spread_and_one_that_works_leaves_none():
    """Planted toy of the usual kind: a localiser that stays at the identity while the classifier does the work."""
    data = open_data(("images",), "rotated-digits", options={"images": {"base": "digits"}})
    degrees, labels = data.truth["test/degrees"], data["test"].y
    before = spread(degrees, labels)
    assert before > 45
    idle, works = rotation(torch.zeros(len(labels))), rotation(-degrees)
    assert spread(degrees + turned_by(idle), labels) / before == 1
    assert spread(degrees + turned_by(works), labels) / before < 1e-5
    torch.testing.assert_close(turned_by(rotation(degrees) * 0.6), degrees, atol=1e-3, rtol=0)
    apart = rotation(-degrees + 40.0 * labels)  # each class has an upright position of its own
    assert spread(degrees + turned_by(apart), labels) / before < 1e-5
    upright = bilinear_sample(data["test"].x.double(), affine_points(works.double(), (8, 8)))
    base = open_data(("images",), "digits")["test"].x.double()
    error = (upright - base).abs().mean() / (data["test"].x.double() - base).abs().mean()
    assert error < 0.6, "that map does set the pictures upright"


def test_a_window_that_follows_the_digit_leaves_no_spread_of_places():
    """The convention of `truth` and that of theta are one: the map from the truth gives the picture itself."""
    data = open_data(("images",), "cluttered-digits", options={"images": {"base": "digits"}})
    place, side = data.truth["test/place"], 17
    scale = torch.full((len(place), 1), 8 / side)
    maps = affine_maps(torch.cat([scale, place.flip(1) * 2 / side], 1), "attention")
    window = bilinear_sample(data["test"].x.float(), affine_points(maps, (8, 8)))
    corner = (place + (side - 8) / 2).round().long()
    expected = torch.stack([
        x[:, r : r + 8, c : c + 8] for x, (r, c) in zip(data["test"].x, corner.tolist(), strict=True)
    ])  # fmt: skip
    torch.testing.assert_close(window, expected.float(), atol=1e-2, rtol=0)
    moved = place - maps[:, :, 2].flip(1) * side / 2
    assert moved.std() < 1e-3 < place.std()
    assert paste(expected[:1], corner[:1], side).shape == (1, 1, side, side)


def test_verify_compares_networks_of_equal_size():
    recipe = importlib.import_module("deepcanon.recipes.spatial_transformer")
    for run, size in (("rotated", (28, 28)), ("cluttered", (60, 60))):
        counts = []
        for name in (run, f"{run}-plain"):
            maker = object.__new__(recipe.Recipe)
            maker.config = recipe.PRESETS[f"verify:{name}"][0]
            counts.append(sum(p.numel() for p in maker.network(1, 10, size).parameters()))
        assert abs(counts[0] / counts[1] - 1) < 0.01, (run, counts)


def test_wrong_shapes_are_named():
    module = SpatialTransformer(1, (8, 8))
    with pytest.raises(ValueError, match=r"\[batch, 1, 8, 8\] pictures, got \(2, 1, 8, 9\)"):
        module(torch.zeros(2, 1, 8, 9))
    with pytest.raises(ValueError, match="rotation maps are of 1 numbers"):
        affine_maps(torch.zeros(2, 6), "rotation")
    with pytest.raises(ValueError, match="3 x 8 pixels are too few"):
        SpatialTransformer(1, (3, 8), localiser="convolutional")
    assert isinstance(module.pose, nn.Linear)
