"""The tokens before each place of a text, as rows of equal length.

>>> import torch
>>> histories(torch.tensor([5, 6, 7]), torch.arange(3), 2, 0).tolist()
[[0, 0], [0, 5], [5, 6]]
"""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["histories"]


def histories(tokens: Any, places: Int[Tensor, "places"], length: int, border: int) -> Int[Tensor, "places length"]:
    """The `length` tokens before each place; `border` stands where the text has not begun.

    Args:
        tokens: [time], which a tensor of places can index.
    """
    if length < 1 or places.ndim != 1:
        raise ValueError(f"{length} tokens before each of {tuple(places.shape)} places are not rows")
    at = places[:, None] + torch.arange(-length, 0, device=places.device)
    return torch.where(at < 0, border, tokens[at.clamp(min=0)])
