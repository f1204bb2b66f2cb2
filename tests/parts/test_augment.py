"""Random changes to images, against NumPy and SciPy: geometry, colours, ranges, rows by themselves."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from scipy import ndimage

from deepcanon.parts.augment import affine_images, affine_maps, cut_out, flip_images, recolour, shift_images


def maps(degrees=0.0, scale=1.0, centre=(0.0, 0.0), size=(9, 9)):
    return affine_maps(
        torch.tensor([degrees]).double(), torch.tensor([scale]).double(), torch.tensor([centre]).double(), size
    )


@pytest.mark.parametrize("size", [(9, 9), (12, 7), (6, 11)])
@pytest.mark.parametrize("degrees", [-40.0, 25.0, 90.0])
def test_a_turn_is_scipys(size, degrees):
    """SciPy samples at matrix @ (row, column) + offset; of a picture that turns anticlockwise on the screen."""
    image = np.random.default_rng(0).normal(size=size)
    angle = np.deg2rad(degrees)
    # output (row, column) -> input: with y = -row, the input lies at the point turned back
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = (np.array(size) - 1) / 2
    expected = ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=1, mode="nearest")
    found = affine_images(torch.from_numpy(image)[None, None], maps(degrees, size=size))[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_a_quarter_turn_is_exact_and_anticlockwise():
    image = torch.arange(16.0).double().reshape(1, 1, 4, 4)
    turned = affine_images(image, maps(90.0, size=(4, 4)))
    np.testing.assert_allclose(turned[0, 0], np.rot90(image[0, 0].numpy()), atol=1e-9)


def test_a_crop_of_half_the_side_is_the_enlarged_corner():
    image = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    found = affine_images(image, maps(scale=0.5, centre=(-0.5, 0.5), size=(8, 8)))
    corner = ndimage.zoom(np.pad(image[0, 0].numpy(), 2, mode="edge"), 1, order=1)  # the border repeats
    rows = 4 + (np.arange(8) + 0.5) / 2 - 0.5
    columns = (np.arange(8) + 0.5) / 2 - 0.5
    grid = np.meshgrid(rows + 2, columns + 2, indexing="ij")
    np.testing.assert_allclose(found[0, 0], ndimage.map_coordinates(corner, grid, order=1), atol=1e-12)


def test_no_change_gives_the_same_bytes():
    images = torch.randint(0, 256, (3, 3, 6, 5), dtype=torch.uint8)
    same = affine_maps(torch.zeros(3), torch.ones(3), torch.zeros(3, 2), (6, 5))
    assert torch.equal(affine_images(images, same), images)
    assert torch.equal(recolour(images, torch.ones(3, 3)), images)
    assert torch.equal(shift_images(images, torch.zeros(3, 2, dtype=torch.int64)), images)


def test_colours_are_blends_of_the_picture():
    rng = np.random.default_rng(1)
    image, (brightness, contrast, saturation) = rng.uniform(size=(3, 4, 5)), (1.3, 0.6, 0.2)
    luma = np.array([0.299, 0.587, 0.114])
    expected = image * brightness
    mean = np.tensordot(luma, expected, 1).mean()
    expected = mean + (expected - mean) * contrast
    grey = np.tensordot(luma, expected, 1)
    expected = grey + (expected - grey) * saturation
    factors = torch.tensor([[brightness, contrast, saturation]], dtype=torch.float64)
    np.testing.assert_allclose(recolour(torch.from_numpy(image)[None], factors)[0], expected, atol=1e-12)
    one = torch.from_numpy(image[:1])[None]
    without = factors.clone()
    without[0, 2] = 1
    assert torch.equal(recolour(one, factors), recolour(one, without)), "a grey picture has no saturation"


def test_bytes_stay_in_their_range():
    images = torch.tensor([0, 100, 250], dtype=torch.uint8).reshape(1, 1, 1, 3)
    bright = recolour(images, torch.tensor([[2.0, 1.0, 1.0]]))
    assert bright.dtype == torch.uint8 and bright.flatten().tolist() == [0, 200, 255]


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_a_square_is_cut_out_and_filled_with_the_mean(side):
    images = torch.rand(2, 2, 6, 7, dtype=torch.float64)
    found = cut_out(images, torch.tensor([[0, 6], [3, 2]]), side)
    for image, changed, (row, column) in zip(images.numpy(), found.numpy(), [(0, 6), (3, 2)], strict=True):
        top, left = row - side // 2, column - side // 2
        expected = image.copy()
        for r in range(max(0, top), min(6, top + side)):
            for c in range(max(0, left), min(7, left + side)):
                expected[:, r, c] = image.astype(np.float32).mean((1, 2))
        np.testing.assert_allclose(changed, expected, atol=1e-6)
    assert int((found[1] != images[1]).any(0).sum()) == side * side


def test_what_happens_to_an_image_does_not_depend_on_the_others():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    turns = affine_maps(torch.rand(4) * 40, torch.rand(4) * 0.5 + 0.5, torch.zeros(4, 2), (8, 8))
    factors, centres = torch.rand(4, 3) + 0.5, torch.randint(0, 8, (4, 2))
    for function, given in ((affine_images, turns), (recolour, factors), (lambda x, c: cut_out(x, c, 3), centres)):
        whole = function(images, given)
        for row in range(4):
            assert torch.equal(function(images[row : row + 1], given[row : row + 1]), whole[row : row + 1])


def test_shapes_that_do_not_fit_are_named():
    images = torch.zeros(2, 1, 4, 4)
    for call in (
        lambda: shift_images(images, torch.zeros(3, 2, dtype=torch.int64)),
        lambda: flip_images(images, torch.zeros(3, dtype=torch.bool)),
        lambda: affine_images(images, torch.zeros(1, 2, 3)),
        lambda: recolour(images, torch.ones(2, 2)),
        lambda: cut_out(images[0], torch.zeros(2, 2, dtype=torch.int64), 1),
    ):
        with pytest.raises((ValueError, TypeCheckError)):
            call()
    with pytest.raises(ValueError, match="0 pixels"):
        cut_out(images, torch.zeros(2, 2, dtype=torch.int64), 0)
