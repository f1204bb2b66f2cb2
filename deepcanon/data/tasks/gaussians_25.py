"""25 Gaussians on a grid: points in the plane, to measure how many modes a generator covers.

Centres at -4, -2, 0, 2, 4 in both coordinates, with equal chances, and normal noise of 0.05 around them: so far apart
that the entropy is log 25 + log(2 pi e 0.05^2) nats. A single Gaussian needs the variance 8 + 0.05^2 in each
coordinate. Of the points themselves a share 1 - exp(-9/2) = 0.9889 lies within three standard deviations of a centre.

Source: Metz et al. 2016 (arXiv:1611.02163); VEEGAN (arXiv:1705.07761). The points are the same for every seed.

>>> from deepcanon.data.tasks.gaussians_25 import CENTRES
>>> CENTRES[:2].tolist()
[[-4.0, -4.0], [-4.0, -2.0]]
"""

import math
from typing import Any

import torch

from ..drawn import Streams
from ..known import Known
from ..splits import Split
from . import Task

__all__ = ["CENTRES", "KIND", "SPREAD", "draw"]

KIND = "tables"
SPREAD = 0.05
SIZES = {"train": 50_000, "valid": 2_500, "test": 2_500}
_SIDE = torch.arange(-4.0, 5.0, 2.0)
CENTRES = torch.cartesian_prod(_SIDE, _SIDE)
"""Of the Gaussians, [25, 2]."""


def draw(seed: int, options: dict[str, Any]) -> Task:
    """A finite set."""
    generator, splits = Streams(0).generator("gaussians-25"), {}
    for split, count in SIZES.items():
        chosen = torch.randint(len(CENTRES), (count,), generator=generator)
        splits[split] = Split(CENTRES[chosen] + SPREAD * torch.randn(count, 2, generator=generator))
    around = math.log(2 * math.pi * math.e)
    known = Known(
        "nll", around + math.log(8 + SPREAD**2), math.log(25) + around + 2 * math.log(SPREAD), "nats",
        ("the best single Gaussian", "entropy of the source"),
    )  # fmt: skip
    return Task(splits, (known,), {"columns": ["x", "y"]}, {"centres": CENTRES, "sigma": SPREAD})
