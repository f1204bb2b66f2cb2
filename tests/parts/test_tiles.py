import pytest
import torch

from deepcanon.parts.tiles import side_by_side, signed_tiles


def test_zero_is_grey_and_every_tile_uses_the_whole_range():
    rows = torch.tensor([[0.0, -1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0], [10.0, 0.0, 0.0, -10.0]])
    tiles = signed_tiles(rows, (1, 2, 2))
    assert tiles.dtype == torch.uint8 and tiles.shape == (3, 1, 2, 2)
    assert tiles.flatten(1).tolist() == [[128, 0, 191, 128], [128] * 4, [255, 128, 128, 0]]
    assert signed_tiles(rows, (1, 2, 2), together=True)[0].flatten().tolist() == [128, 115, 134, 128]
    with pytest.raises(ValueError, match="no tiles"):
        signed_tiles(rows, (1, 2, 3))


def test_versions_of_an_image_lie_beside_each_other():
    pixels = torch.randint(0, 256, (5, 1, 3, 4), dtype=torch.uint8)
    x = pixels.flatten(1).float() / 255
    both = side_by_side((x, 2 * x.double() - 1), (1, 3, 4))
    assert both.dtype == torch.uint8 and both.shape == (10, 1, 3, 4)
    assert torch.equal(both[0::2], pixels), "what was an image is the same image again"
    assert torch.equal(both[1::2].long(), (2 * pixels.long() - 255).clamp_min(0)), "below 0 is black"
    with pytest.raises(ValueError, match="no versions"):
        side_by_side((x, x[:2]), (1, 3, 4))
