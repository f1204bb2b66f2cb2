"""Eight Gaussians on a circle: points in the plane that no single Gaussian describes.

A centre 2 (cos a, sin a) with a = 2 pi k / 8, k = 0 .. 7 with equal chances, and normal noise of 0.4 around it. The
mean is 0, each coordinate's variance 2^2 / 2 + 0.4^2 = 2.16, and the entropy 2.9381 nats (by quadrature; if the
neighbours did not overlap it would be log 8 + log(2 pi e 0.4^2) = 3.0847).

>>> from deepcanon.data.tasks.gaussians_8 import CENTRES
>>> CENTRES[2].abs().round(decimals=4).tolist()
[0.0, 2.0]
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..splits import Split
from . import Task

__all__ = ["CENTRES", "KIND", "RADIUS", "SPREAD", "draw"]

KIND = "tables"
COUNT, RADIUS, SPREAD = 8, 2.0, 0.4
ENTROPY = 2.9381  # nats
PASS = MEASURED = 10_000  # points of a pass, and of a split that is measured on


def on_the_circle(numbers: Num[Tensor, "points"]) -> Float[Tensor, "points 2"]:
    """The centres with these numbers."""
    angles = 2 * math.pi / COUNT * numbers
    return RADIUS * torch.stack([angles.cos(), angles.sin()], 1)


CENTRES = on_the_circle(torch.arange(COUNT))
"""Of the Gaussians, [8, 2]."""


def example(noise: Noise, size: int) -> Split:
    """So many points."""
    chosen = (COUNT * noise.rand("task", (size,))).floor()
    return Split(on_the_circle(chosen) + SPREAD * noise.randn("noise", (size, 2)))


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Points without end."""
    alone = math.log(2 * math.pi * math.e * (RADIUS**2 / 2 + SPREAD**2))
    known = Known("nll", alone, ENTROPY, "nats", ("the best single Gaussian", "entropy of the source"))
    splits = drawn_splits(example, "gaussians-8", seed, PASS, MEASURED)
    return Task(splits, (known,), {"columns": ["x", "y"]}, {"centres": CENTRES, "sigma": SPREAD})
