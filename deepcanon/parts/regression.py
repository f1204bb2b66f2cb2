"""Measures of predicted numbers, and the band around them.

n rows of K outputs: predictions m, targets y; sigma_k is the standard deviation of normal noise.

    mse = mean (y - m)^2,   R^2 = 1 - sum (y - m)^2 / sum (y - mean y)^2                           (1)
    nll = mean (1/2) (log(2 pi sigma_k^2) + (y - m)^2 / sigma_k^2)   in nats                       (2)

    >>> import torch
    >>> from deepcanon.parts.regression import regression_measures
    >>> found = regression_measures(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [4.0]]), torch.ones(1))
    >>> {name: round(value.item(), 4) for name, value in found.items()}
    {'mse': 1.0, 'nll': 1.4189, 'r2': 0.75}
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["regression_measures"]


def regression_measures(
    means: Float[Tensor, "batch outputs"], targets: Float[Tensor, "batch outputs"], variance: Float[Tensor, "outputs"]
) -> dict[str, Tensor]:
    """Equations (1) and (2); without r2 if the targets do not vary."""
    if means.ndim != 2 or targets.shape != means.shape or variance.shape != means.shape[1:]:
        shapes = [tuple(part.shape) for part in (means, targets, variance)]
        raise ValueError(f"predictions, targets and variances of shapes {shapes} do not fit")
    squares, whole = (targets - means).square(), (targets - targets.mean(0)).square().sum()
    wide = variance.clamp_min(torch.finfo(variance.dtype).tiny)
    nll = 0.5 * ((2 * math.pi * wide).log() + squares / wide)  # (2)
    found = {"mse": squares.mean(), "nll": nll.mean()}
    return found | {"r2": 1 - squares.sum() / whole} if whole > 0 else found  # (1)
