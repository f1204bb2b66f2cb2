"""Two small densities that a model of densities can be measured on: bars and stripes, and Gaussians on a circle.

bars and stripes: rows or columns of a picture, with equal chances, each of them on or off with equal chances;
the entropy of 4 x 4 pixels is (28/32) ln 32 + (4/32) ln 16 = 3.379 nats: two pictures are rows and columns  (1)
circle: a centre radius (cos a, sin a), a = 2 pi k / K, with equal chances, and normal noise around it       (2)
moments of (2): mean 0, and radius^2 / 2 + spread^2 as the variance of either coordinate                     (3)

>>> from deepcanon.parts.densities import bars_and_stripes
>>> bars_and_stripes(2).flatten(1).tolist()[:3]
[[0.0, 0.0, 0.0, 0.0], [255.0, 255.0, 0.0, 0.0], [0.0, 0.0, 255.0, 255.0]]
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .partition import binary_states

__all__ = ["BARS", "CIRCLE", "Drawn", "bars_and_stripes", "circle_of_gaussians", "density_map"]

CENTRES, RADIUS, SPREAD = 8, 2.0, 0.4
POINTS = 10_000  # that are measured


def bars_and_stripes(side: int = 4) -> Float[Tensor, "pictures 1 side side"]:
    """The 2^(side + 1) equally likely pictures of (1) as pixels 0 and 255: all rows, then all columns."""
    rows = binary_states(side).to(torch.get_default_dtype())[:, :, None].expand(-1, -1, side)
    return 255 * torch.cat([rows, rows.mT])[:, None]


def circle_of_gaussians(
    uniform: Float[Tensor, "points"],
    normal: Float[Tensor, "points 2"],
    *,
    centres: int = CENTRES,
    radius: float = RADIUS,
    spread: float = SPREAD,
) -> Float[Tensor, "points 2"]:
    """Points of (2) from numbers in [0, 1) and normal noise."""
    angles = 2 * math.pi / centres * (centres * uniform).floor()
    return radius * torch.stack([angles.cos(), angles.sin()], 1) + spread * normal


class Drawn(NamedTuple):
    """A density that needs no data.

    Attributes:
        facts: as of `visible_units.unit_statistics`, but exact.
        examples: that are counted as a pass over the data.
        draw: from numbers in [0, 1) [N] and normal noise [N, 2] to examples.
        measured: the examples to measure on, all there are or POINTS.
    """

    facts: dict[str, Any]
    examples: int
    draw: Callable[[Tensor, Tensor], Tensor]
    measured: Callable[[torch.Generator], Tensor]


@functools.cache
def _bars(device: torch.device, dtype: torch.dtype) -> Tensor:
    return bars_and_stripes().to(device, dtype)


def _circle(generator: torch.Generator) -> Tensor:
    chosen = torch.rand(POINTS, generator=generator)
    return circle_of_gaussians(chosen, torch.randn(POINTS, 2, generator=generator))


def _moments(shape: list[int], scale: float, mean: float) -> dict[str, Any]:
    scales, means = torch.full((shape[0],), scale), torch.full((math.prod(shape),), mean)
    return {"shape": shape, "gaussian": len(shape) == 1, "shift": 0 * scales, "scale": scales, "mean": means}


CIRCLE = Drawn(
    _moments([2], math.sqrt(RADIUS**2 / 2 + SPREAD**2), 0.0),  # (3)
    POINTS,
    circle_of_gaussians,
    _circle,
)
"""Eight Gaussians on a circle."""

BARS = Drawn(
    _moments([1, 4, 4], 255.0, 0.5),
    POINTS,
    lambda uniform, normal: _bars(uniform.device, torch.get_default_dtype())[(32 * uniform).long()],
    lambda generator: bars_and_stripes(),
)
"""Bars and stripes of 4 x 4 pixels."""


def density_map(
    energy: Callable[[Tensor], Tensor], reach: float = 2.2, points: int = 111
) -> Float[Tensor, "points points"]:
    """exp(-energy) over the square from -reach to reach, as a share of its largest value; the first row is the top."""
    line = torch.linspace(-reach, reach, points)
    found = energy(torch.cartesian_prod(-line, line).flip(1))
    return (found.min() - found).exp().view(points, points)
