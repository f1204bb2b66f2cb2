"""A winding curve: points of a closed line that turns ten times as fast in some of its 20 dimensions as in others.

    c(t) = sum_k (a_k cos kt + b_k sin kt) / sqrt(k),   k = 1 .. 10, orthonormal a_k, b_k from the seed    (1)

t is uniform in [0, 2 pi). A denoising autoencoder learns the way back to such a line: r(u) - u points from a noisy
point u to the nearest one of the curve, the more exactly the smaller the noise (Alain and Bengio 2014, theorem 1).
The cosine between the two is 0 for a direction at random and at most 1. `truth` has the curve as 4,000 points.

>>> import torch
>>> from deepcanon.data.tasks.winding_curve import points
>>> points(torch.tensor([0.0, 0.25]), torch.eye(2)).round(decimals=4).abs().tolist()
[[1.0, 0.0], [0.0, 1.0]]
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..drawn import Noise, Streams, drawn_splits
from ..known import Known
from ..splits import Split
from . import Task

__all__ = ["KIND", "draw", "points"]

KIND = "tables"
DIMENSIONS, SUPPORT = 20, 4000
PASS, MEASURED = 10_000, 2000  # points of a pass, and of a split that is measured on


def points(
    turns: Float[Tensor, "points"], axes: Float[Tensor, "dimensions waves"]
) -> Float[Tensor, "points dimensions"]:
    """Equation (1) after these parts of a whole turn, t / (2 pi).

    Args:
        axes: a_1 .. a_K and then b_1 .. b_K as columns.
    """
    if axes.ndim != 2 or axes.shape[1] % 2:
        raise ValueError(f"axes {tuple(axes.shape)} are not [D, 2K]")
    k = torch.arange(1, axes.shape[1] // 2 + 1, dtype=turns.dtype, device=turns.device)
    angles = (2 * math.pi * turns)[:, None] * k
    waves = torch.cat([angles.cos() / k.sqrt(), angles.sin() / k.sqrt()], 1)
    return waves @ axes.T.to(waves)  # (1)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Endless points of one curve."""
    random = Streams(seed).generator("winding-curve/axes")
    axes = torch.linalg.qr(torch.randn(DIMENSIONS, DIMENSIONS, generator=random)).Q

    def example(noise: Noise, size: int) -> Split:
        return Split(points(noise.rand("points", (size, 1))[:, 0], axes))

    known = Known("cosine", 0.0, 1.0, "", ("a direction at random", "straight back, as the noise vanishes"))
    support = points(torch.linspace(0, 1, SUPPORT + 1)[:-1], axes)
    truth = {"support": support, "plane": axes[:, [0, DIMENSIONS // 2]]}
    return Task(drawn_splits(example, "winding-curve", seed, PASS, MEASURED), (known,), {}, truth)
