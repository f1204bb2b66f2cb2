"""Patches of pictures as the rows that models of natural images take.

y = x - mean(x)            the mean over the pixels of each patch: its brightness, not what a filter is for   (1)

>>> import torch
>>> from deepcanon.parts.patches import without_mean
>>> without_mean(torch.tensor([[[1.0, 3.0]]])).tolist()
[[-1.0, 1.0]]
"""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["WithoutMean", "without_mean"]


def without_mean(patches: Float[Tensor, "patches *pixels"]) -> Float[Tensor, "patches features"]:
    """Equation (1), each patch as a row."""
    rows = patches.flatten(1)
    return rows - rows.mean(1, keepdim=True)  # (1)


class WithoutMean(nn.Module):
    """Equation (1) as a layer."""

    def forward(self, inputs: Float[Tensor, "patches *pixels"]) -> Float[Tensor, "patches features"]:
        return without_mean(inputs)
