"""Where each pixel of a picture comes from under an affine map: the grid of a sampler.

Paper: Jaderberg et al. 2015, "Spatial Transformer Networks" (arXiv:1506.02025), equation 1.

Coordinates (x, y) run from -1 to 1 over the picture, y downwards.

    >>> import torch
    >>> from deepcanon.parts.affine_points import affine_points
    >>> affine_points(torch.eye(2, 3)[None], (1, 2))
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
"""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["affine_points"]


def affine_points(
    theta: Float[Tensor, "batch 2 3"], size: tuple[int, int], *, align_corners: bool = False
) -> Float[Tensor, "batch height width 2"]:
    """Where in the input each pixel of an output of `size` comes from, as (x, y) from -1 to 1: theta (x', y', 1).

    Equal to `torch.nn.functional.affine_grid`, which multiplies matrices of two columns, one for each picture; here all
    pictures share one product. The points lie in memory as [batch, 2, height, width].

    Args:
        theta: the maps, from output to input coordinates.
        size: (height, width) of the output.
        align_corners: whether -1 and 1 are the centres of the outer pixels, not their outer edges.

    Raises:
        ValueError: theta has another shape.
    """
    if theta.ndim != 3 or theta.shape[1:] != (2, 3):
        raise ValueError(f"expected maps [batch, 2, 3], got {tuple(theta.shape)}")
    ends = [1.0 if align_corners else 1 - 1 / extent for extent in size]
    down, right = (
        torch.linspace(-end, end, extent, device=theta.device, dtype=theta.dtype) if extent > 1 else theta.new_zeros(1)
        for end, extent in zip(ends, size, strict=True)
    )
    y, x = torch.meshgrid(down, right, indexing="ij")
    target = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    return (theta @ target).view(-1, 2, *size).permute(0, 2, 3, 1)
