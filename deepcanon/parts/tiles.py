"""Rows of numbers as small pictures: filters, atoms, components, templates; images beside their reconstructions.

pixel = 127.5 + 127.5 w / max |w|          0 is grey, the largest weight of a tile black or white         (1)

>>> import torch
>>> from deepcanon.parts.tiles import signed_tiles
>>> signed_tiles(torch.tensor([[-2.0, 0.0, 1.0, 2.0]]), (1, 2, 2)).flatten().tolist()
[0, 128, 191, 255]
"""

from collections.abc import Sequence

import torch
from jaxtyping import Num, UInt8
from torch import Tensor

__all__ = ["side_by_side", "signed_tiles"]


def signed_tiles(
    rows: Num[Tensor, "tiles features"], shape: Sequence[int], *, together: bool = False
) -> UInt8[Tensor, "tiles channels height width"]:
    """Equation (1) for each row, or with one scale for all of them (`together`); shape is (C, H, W)."""
    if rows.ndim != 2 or rows.shape[1] != torch.Size(shape).numel() or len(shape) != 3:
        raise ValueError(f"rows {tuple(rows.shape)} are no tiles of {tuple(shape)}")
    rows = rows.detach().float().cpu()
    largest = rows.abs().max() if together else rows.abs().amax(1, keepdim=True)
    pixels = 127.5 + 127.5 * rows / largest.clamp_min(1e-12)  # (1)
    return pixels.round().to(torch.uint8).view(-1, *shape)


def side_by_side(
    versions: Sequence[Num[Tensor, "images features"]], shape: Sequence[int]
) -> UInt8[Tensor, "tiles channels height width"]:
    """Versions of the same images with values in [0, 1], cut off outside: the first image in each, then the second."""
    if any(rows.ndim != 2 or rows.shape != versions[0].shape for rows in versions):
        raise ValueError(f"{[tuple(rows.shape) for rows in versions]} are no versions of the same images")
    pixels = [(255 * rows.detach().clamp(0, 1)).round().to(torch.uint8) for rows in versions]
    return torch.stack(pixels, 1).cpu().view(-1, *shape)
