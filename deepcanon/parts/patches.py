"""Patches of pictures as the rows that models of natural images take.

y = x - mean(x)            the mean over the pixels of each patch: its brightness, which no filter should model (1)
z = (y - m) W              m and W from the training patches, such as the matrix of ZCA: uncorrelated pixels   (2)

The way back from z is exact where W has full rank; the mean of a patch is lost, and half of the range stands for it.

>>> import torch
>>> from deepcanon.parts.patches import without_mean
>>> without_mean(torch.tensor([[[1.0, 3.0]]])).tolist()
[[-1.0, 1.0]]
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .standardize import Standardize

__all__ = ["Whitened", "WithoutMean", "patch_rows", "without_mean"]

GREY = 0.5


def without_mean(patches: Float[Tensor, "patches *pixels"]) -> Float[Tensor, "patches features"]:
    """Equation (1), each patch as a row."""
    rows = patches.flatten(1)
    return rows - rows.mean(1, keepdim=True)  # (1)


def patch_rows(scale: float, *, centred: bool = True, shift: Tensor | None = None) -> nn.Sequential:
    """The layers from raw inputs to rows: divided by `scale` (255 for pixels), and by (1) if `centred`.

    Args:
        shift: subtracted first, for each column of a table; in float64 where columns are large and their spread small.
    """
    place = torch.zeros(()) if shift is None else torch.as_tensor(shift)
    size = torch.full_like(place, scale, dtype=torch.float32)
    return nn.Sequential(Standardize(place, size), nn.Flatten(), *([WithoutMean()] if centred else []))


class Whitened(nn.Module):
    """Equation (2) as a layer.

    Args:
        centre: m [D].
        matrix: W [D, K].
    """

    def __init__(self, centre: Tensor, matrix: Tensor) -> None:
        super().__init__()
        if matrix.ndim != 2 or centre.shape != matrix.shape[:1]:
            raise ValueError(f"a centre {tuple(centre.shape)} does not fit a matrix {tuple(matrix.shape)}")
        self.centre: Tensor
        self.matrix: Tensor
        self.register_buffer("centre", centre)
        self.register_buffer("matrix", matrix)

    def forward(self, inputs: Float[Tensor, "patches features"]) -> Float[Tensor, "patches codes"]:
        """The codes of patches."""
        return (inputs - self.centre) @ self.matrix  # (2)

    def inverse(self, codes: Float[Tensor, "patches codes"]) -> Float[Tensor, "patches features"]:
        """The patches of codes; less m of least length, if W drops directions as it does the mean's."""
        lost = max(self.matrix.shape) * torch.finfo(self.matrix.dtype).eps  # rounding, not a direction
        back = torch.linalg.pinv(self.matrix.double(), rtol=lost)
        return (codes.double() @ back).to(codes) + self.centre.to(codes)


class WithoutMean(nn.Module):
    """Equation (1) as a layer."""

    def forward(self, inputs: Float[Tensor, "patches *pixels"]) -> Float[Tensor, "patches features"]:
        """The patches as rows, each without its own mean."""
        return without_mean(inputs)

    def inverse(self, rows: Float[Tensor, "patches features"]) -> Float[Tensor, "patches features"]:
        """Patches in [0, 1] around middle grey, since their own mean is not known."""
        return rows + GREY
