"""What an intractable normalising constant needs: all states of a few binary units, and the mean of AIS weights.

    states: row n holds the binary digits of n, the lowest first                                          (1)
    log Z = log Z_0 + log mean w,   w the weights of annealed importance sampling, one for each of N chains
    its interval: log(mean w -+ 3 std(w) / sqrt(N)),   its relative error: std(w) / (mean(w) sqrt(N))      (2)

The logarithm of a mean is too low on average, since rare large weights are missed; the interval of (2) does not show
weights that no chain has seen. Compare with enumeration where that is possible.

    >>> import torch
    >>> from deepcanon.parts.partition import binary_states, mean_weight
    >>> binary_states(2).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    >>> mean_weight(torch.zeros(5)).log_mean.item()
    0.0
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["MeanWeight", "binary_states", "mean_weight"]

MOST = 24  # units whose states fit into memory


class MeanWeight(NamedTuple):
    """Log of the mean weight, of it less and plus three standard errors, and the standard error as a share of it."""

    log_mean: Float[Tensor, "*estimates"]
    low: Float[Tensor, "*estimates"]
    high: Float[Tensor, "*estimates"]
    error: Float[Tensor, "*estimates"]


def binary_states(units: int, numbers: Int[Tensor, "rows"] | None = None) -> Int[Tensor, "states units"]:
    """Equation (1) for all states, or for those with these numbers."""
    if numbers is None:
        if not 0 <= units <= MOST:
            raise ValueError(
                f"2^{units} states do not fit into memory: {MOST} units at most, or some numbers at a time"
            )
        numbers = torch.arange(2**units)
    return (numbers[:, None] >> torch.arange(units, device=numbers.device)) & 1


def mean_weight(log_weights: Float[Tensor, "*estimates chains"]) -> MeanWeight:
    """Equation (2) over the last axis."""
    chains = log_weights.shape[-1]
    if chains < 2:
        raise ValueError(f"{chains} chains: an interval needs two")
    top = log_weights.amax(-1)
    w = (log_weights - top[..., None]).exp()
    mean, error = w.mean(-1), w.std(-1) / math.sqrt(chains)
    low, high = (top + (mean + sign * 3 * error).clamp_min(0).log() for sign in (-1, 1))
    return MeanWeight(top + mean.log(), low, high, error / mean)
