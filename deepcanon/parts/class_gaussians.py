"""Log densities of rows under a Gaussian with independent features for each class, by two products with a matrix.

log p(x | c) = -1/2 sum_f [log(2 pi v_cf) + (x_f - mu_cf)^2 / v_cf]                          (1)

>>> import torch
>>> from deepcanon.parts.class_gaussians import gaussian_log
>>> log = gaussian_log(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.ones(2, 2))
>>> [round(value, 4) for value in (log(torch.zeros(1, 2))[0] - log(torch.zeros(1, 2))[0, 0]).tolist()]
[0.0, -12.5]
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from deepcanon.parts.class_moments import ROWS

__all__ = ["gaussian_log"]

STEEP = 1e4  # squared distance of class means in variances above which (1) is not multiplied out


def gaussian_log(
    theta: Float[Tensor, "classes features"], variance: Float[Tensor, "classes features"]
) -> Callable[[Tensor], Tensor]:
    """log p(x | c) of equation (1), as a function of rows [N, F] that gives [N, K].

    About the mean g of the class means, -(x - mu)^2 / 2v is x^2 (-1 / 2v) + x (mu / v) - mu^2 / 2v: two products with a
    matrix. What is lost by that is of the size of mu^2 / v in the last digit: a feature with more than `STEEP` of it
    is taken class by class, as (1) is written, and so is every feature in a graph, which does not branch.
    """
    if theta.ndim != 2 or variance.shape != theta.shape:
        raise ValueError(f"means {tuple(theta.shape)} and variances {tuple(variance.shape)} do not fit")
    constant = -0.5 * (2 * math.pi * variance).log().sum(1)
    if torch.compiler.is_compiling():
        return lambda x: constant + _squares(x, theta, variance)
    centre = theta.mean(0)
    gap = theta - centre
    steep = (gap.square() / variance).amax(0) > STEEP
    flat, hard = (~steep).nonzero().flatten(), steep.nonzero().flatten()
    mine, v = gap.index_select(1, flat), variance.index_select(1, flat)
    tilt, bend = (mine / v).T, (-0.5 / v).T
    constant = constant + (bend.T * mine.square()).sum(1)
    means, variances = theta.index_select(1, hard), variance.index_select(1, hard)

    def multiplied_out(x: Tensor) -> Tensor:
        if len(x) > ROWS:
            return torch.cat([multiplied_out(rows) for rows in x.split(ROWS)])
        z = x - centre
        z = z.index_select(1, flat) if len(hard) else z
        log = constant + z @ tilt + z.square() @ bend
        return log + _squares(x.index_select(1, hard), means, variances) if len(hard) else log

    return multiplied_out


def _squares(x: Tensor, theta: Tensor, variance: Tensor) -> Tensor:
    # One class at a time: all at once would take their number times the memory.
    return torch.stack([-0.5 * ((x - m).square() / v).sum(1) for m, v in zip(theta, variance, strict=True)], 1)
