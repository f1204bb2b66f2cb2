import pytest
import torch

from deepcanon.parts.pixel_levels import PixelLevels, independent_nats


def test_levels_and_back():
    levels, pixels = PixelLevels(4), torch.arange(256)
    assert levels(pixels).bincount().tolist() == [64] * 4
    assert levels.raw(torch.arange(4)).tolist() == [0, 85, 170, 255]
    full = PixelLevels(256)
    assert torch.equal(full.raw(full(pixels)).long(), pixels)
    assert PixelLevels(2)(torch.tensor([127, 128])).tolist() == [0, 1]


def test_two_levels_are_drawn_with_the_brightness():
    pixels = torch.tensor([0, 51, 255]).expand(20_000, 3)
    uniform = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    mean = PixelLevels(2, drawn=True)(pixels, uniform).double().mean(0)
    assert mean[0] == 0 and mean[2] == 1 and abs(float(mean[1]) - 0.2) < 0.01
    assert PixelLevels(2, drawn=True)(pixels).double().mean(0).tolist() == [0, 0, 1]


def test_mean_chances_are_those_of_all_batches_and_never_certain():
    one, other = torch.tensor([[0, 0, 255], [0, 255, 255]]), torch.tensor([[0, 51, 255]])
    found = PixelLevels(2, drawn=True).mean_chances([one, other])
    torch.testing.assert_close(found, torch.tensor([0.25, 0.4, 0.75]))
    with pytest.raises(ValueError, match="no pictures"):
        PixelLevels(2).mean_chances([])


def test_nats_of_independent_pixels():
    values = torch.tensor([[[[0, 1]]], [[[1, 1]]]])
    found = independent_nats(values, torch.tensor([[[0.25, 0.5]]]))
    torch.testing.assert_close(found, -torch.tensor([0.75 * 0.5, 0.25 * 0.5], dtype=torch.float64).log())


@pytest.mark.parametrize("levels", [1, 257])
def test_errors(levels):
    with pytest.raises(ValueError, match="2 to 256"):
        PixelLevels(levels)
