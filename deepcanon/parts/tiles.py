"""Rows of numbers as small pictures: filters, atoms, components, templates; images next to their reconstructions.

pixel = 127.5 + 127.5 w / max |w|          0 is grey, the largest weight of a tile black or white         (1)

>>> import torch
>>> from deepcanon.parts.tiles import signed_tiles
>>> signed_tiles(torch.tensor([[-2.0, 0.0, 1.0, 2.0]]), (1, 2, 2)).flatten().tolist()
[0, 128, 191, 255]
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor

__all__ = ["scattered_tiles", "side_by_side", "signed_tiles"]


def signed_tiles(
    rows: Num[Tensor, "tiles features"], shape: Sequence[int], *, together: bool = False
) -> UInt8[Tensor, "tiles channels height width"]:
    """Equation (1) for each row, or with one scale for all of them (`together`); shape is (C, H, W)."""
    if rows.ndim != 2 or rows.shape[1] != torch.Size(shape).numel() or len(shape) != 3:
        raise ValueError(f"rows {tuple(rows.shape)} are not tiles of {tuple(shape)}")
    rows = rows.detach().float().cpu()
    largest = rows.abs().max() if together else rows.abs().amax(1, keepdim=True)
    pixels = 127.5 + 127.5 * rows / largest.clamp_min(1e-12)  # (1)
    return pixels.round().to(torch.uint8).view(-1, *shape)


def side_by_side(
    versions: Sequence[Num[Tensor, "images features"]], shape: Sequence[int]
) -> UInt8[Tensor, "tiles channels height width"]:
    """Versions of the same images with values in [0, 1], cut off outside: the first image in each, then the second."""
    if any(rows.ndim != 2 or rows.shape != versions[0].shape for rows in versions):
        raise ValueError(f"{[tuple(rows.shape) for rows in versions]} are not versions of the same images")
    pixels = [(255 * rows.detach().clamp(0, 1)).round().to(torch.uint8) for rows in versions]
    return torch.stack(pixels, 1).cpu().view(-1, *shape)


def scattered_tiles(
    images: UInt8[Tensor, "images channels height width"], places: Float[Tensor, "images two"], side: int = 512
) -> UInt8[Tensor, "channels rows columns"]:
    """The images at their places in the plane, on white: in each cell of a grid the first one that falls into it.

    Args:
        side: pixels of the longer side at most, as long as that leaves 16 cells; more than 40 are never made.
    """
    if images.ndim != 4 or places.shape != (len(images), 2) or not len(images):
        raise ValueError(f"images {tuple(images.shape)} and places {tuple(places.shape)} do not fit")
    channels, height, width = images.shape[1:]
    cells = max(16, min(40, side // max(height, width)))
    span = (places.amax(0) - places.amin(0)).max().clamp_min(1e-30)
    at = ((places - places.amin(0)) / span * (cells - 0.001)).long().clamp(0, cells - 1)
    canvas = torch.full((cells, cells, channels, height, width), 255, dtype=torch.uint8)
    for (column, row), image in zip(at.flip(0).tolist(), images.flip(0), strict=True):
        canvas[cells - 1 - row, column] = image
    return canvas.permute(2, 0, 3, 1, 4).reshape(channels, cells * height, cells * width)
