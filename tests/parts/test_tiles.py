import pytest
import torch

from deepcanon.parts.tiles import signed_tiles


def test_zero_is_grey_and_every_tile_uses_the_whole_range():
    rows = torch.tensor([[0.0, -1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0], [10.0, 0.0, 0.0, -10.0]])
    tiles = signed_tiles(rows, (1, 2, 2))
    assert tiles.dtype == torch.uint8 and tiles.shape == (3, 1, 2, 2)
    assert tiles.flatten(1).tolist() == [[128, 0, 191, 128], [128] * 4, [255, 128, 128, 0]]
    assert signed_tiles(rows, (1, 2, 2), together=True)[0].flatten().tolist() == [128, 115, 134, 128]
    with pytest.raises(ValueError, match="no tiles"):
        signed_tiles(rows, (1, 2, 3))
