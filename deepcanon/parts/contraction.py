"""The factor by which a method shrinks a distance in each step, measured where neither start nor rounding count.

    slope = -log(d_T / d_{T/2}) / (T - T/2),   d_t the distance after t steps, T the last with all its digits      (1)

>>> import torch
>>> from deepcanon.parts.contraction import measured_slope
>>> round(measured_slope(0.5 ** torch.arange(20.0)), 4)
0.6931
"""

import math

from jaxtyping import Float
from torch import Tensor

__all__ = ["VANISHED", "measured_slope"]

VANISHED = 1e-280
"""Below it float64 numbers lose their digits."""


def measured_slope(distances: Float[Tensor, "steps"]) -> float:
    """Equation (1): minus the log of the contraction per step; infinite if the second half has no step."""
    gone = ((distances <= VANISHED) | ~distances.isfinite()).nonzero()
    last = (int(gone[0]) if len(gone) else len(distances)) - 1
    half = last // 2
    if last <= half:
        return math.inf
    return -math.log(float(distances[last] / distances[half])) / (last - half)  # (1)
