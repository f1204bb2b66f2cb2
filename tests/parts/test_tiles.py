import jaxtyping
import pytest
import torch

from deepcanon.parts.tiles import scattered_tiles, side_by_side, signed_tiles


def test_zero_is_grey_and_every_tile_uses_the_whole_range():
    rows = torch.tensor([[0.0, -1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0], [10.0, 0.0, 0.0, -10.0]])
    tiles = signed_tiles(rows, (1, 2, 2))
    assert tiles.dtype == torch.uint8 and tiles.shape == (3, 1, 2, 2)
    assert tiles.flatten(1).tolist() == [[128, 0, 191, 128], [128] * 4, [255, 128, 128, 0]]
    assert signed_tiles(rows, (1, 2, 2), together=True)[0].flatten().tolist() == [128, 115, 134, 128]
    with pytest.raises(ValueError, match="not tiles"):
        signed_tiles(rows, (1, 2, 3))


def test_versions_of_an_image_lie_next_to_each_other():
    pixels = torch.randint(0, 256, (5, 1, 3, 4), dtype=torch.uint8)
    x = pixels.flatten(1).float() / 255
    both = side_by_side((x, 2 * x.double() - 1), (1, 3, 4))
    assert both.dtype == torch.uint8 and both.shape == (10, 1, 3, 4)
    assert torch.equal(both[0::2], pixels), "what was an image is the same image again"
    assert torch.equal(both[1::2].long(), (2 * pixels.long() - 255).clamp_min(0)), "below 0 is black"
    with pytest.raises(ValueError, match="not versions"):
        side_by_side((x, x[:2]), (1, 3, 4))


def test_images_lie_at_their_places_and_the_first_on_top(monkeypatch):
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 2, 3)
    places = torch.tensor([[0.0, 0.0], [10.0, 10.0], [0.0, 10.0], [10.0, 10.0]])
    canvas = scattered_tiles(images, places, side=48)
    assert canvas.shape == (1, 16 * 2, 16 * 3) and canvas.dtype == torch.uint8
    corners = [canvas[0, row, column].item() for row, column in ((-1, 0), (0, -1), (0, 0), (-1, -1))]
    assert corners == [0, 1, 2, 255], "up is up, right is right, and where nothing lies it is white"
    assert (canvas != 255).sum() == 3 * 6
    assert scattered_tiles(images[:1], places[:1]).shape == (1, 40 * 2, 40 * 3), "one point has no span"
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the user has no run-time check of shapes
    with pytest.raises(ValueError, match="do not fit"):
        scattered_tiles(images, places[:3])
