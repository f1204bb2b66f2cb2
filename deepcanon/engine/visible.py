"""Visible units of a Boltzmann machine from the data of a run, samples for a user, and a map of a density in the plane.

Binary units are drawn from pixels: with new noise in each step of training, with the same noise in each evaluation.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from deepcanon.engine.figures import Heat
from deepcanon.engine.run import Run
from deepcanon.parts.visible_units import VisibleUnits

__all__ = ["SEEDS", "Visible", "density_figure", "density_map"]

SEEDS = {"train": 0, "valid": 1, "test": 2}


class Visible:
    """Where the visible units of a recipe come from.

    Args:
        run: of the recipe.
        units: from raw values to units and back.
        shape: of one raw input, (C, H, W) or (F,).
    """

    def __init__(self, run: Run, units: VisibleUnits, shape: Sequence[int]) -> None:
        self.run, self.units, self.shape = run, units, shape

    def batch(self, size: int) -> Tensor:
        """This process's units of the step's batch, `size` in all."""
        run = self.run
        raw = run.batch(run.data["train"], size).x
        return self.units.units(raw, lambda count: run.rand("pixels", (size, count)))

    def rows(self, split: str, count: int | None = None) -> Tensor:
        """Units of the first `count` examples of a split (all), with the same noise in each call."""
        random, raw = torch.Generator().manual_seed(SEEDS[split]), self.run.data[split].x[slice(count)]
        return self.units.units(self.run.to(raw), functools.partial(torch.rand, len(raw), generator=random))

    def raw(self, units: Tensor) -> Tensor:
        """Raw values of units: pixels, or numbers."""
        return self.units.raw(units, self.shape).cpu()

    def samples(self, units: Tensor) -> Tensor | list[dict[str, Any]]:
        """What `generate` gives: pictures, or a record for each point."""
        raw = self.raw(units)
        if len(self.shape) == 3:
            return raw
        return [{"text": " ".join(f"{value:.4f}" for value in row), "point": row} for row in raw.tolist()]


def density_figure(energy: Callable[[Tensor], Tensor], caption: str) -> Heat:
    """`density_map` as a figure."""
    axes = "first coordinate, -2.2 to 2.2", "second coordinate, 2.2 to -2.2"
    return Heat(density_map(energy), *axes, unit="share of the largest density", caption=caption)


def density_map(energy: Callable[[Tensor], Tensor], reach: float = 2.2, points: int = 111) -> Tensor:
    """exp(-energy) over the square from -reach to reach, as a share of its largest value; the first row is the top.

    Args:
        energy: from points [N, 2] to [N].

    Returns:
        [points, points].
    """
    line = torch.linspace(-reach, reach, points)
    found = energy(torch.cartesian_prod(-line, line).flip(1))
    return (found.min() - found).exp().view(points, points)
