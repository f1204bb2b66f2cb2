"""Visible units of a Boltzmann machine from the data of a run, or from a density that is drawn, and samples for a user.

Binary units are drawn from pixels: with new noise in each step of training, with the same noise in each evaluation.
"""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepcanon.engine.run import Run
from deepcanon.parts.densities import Drawn
from deepcanon.parts.visible_units import VisibleUnits

__all__ = ["Visible"]

SEEDS = {"train": 0, "valid": 1, "test": 2}


class Visible:
    """Where the visible units of a recipe come from.

    Args:
        run: of the recipe.
        units: from raw values to units and back.
        shape: of one raw input, (C, H, W) or (F,).
        density: what is drawn if the run has no data.
    """

    def __init__(self, run: Run, units: VisibleUnits, shape: Sequence[int], density: Drawn | None = None) -> None:
        self.run, self.units, self.shape, self.density = run, units, shape, density

    @property
    def examples(self) -> int:
        """Of the training split, or of what counts as a pass over a density."""
        return len(self.run.data["train"]) if self.density is None else self.density.examples

    def batch(self, size: int) -> Tensor:
        """This process's units of the step's batch, `size` in all."""
        run = self.run
        if self.density is None:
            raw = run.batch(run.data["train"], size).x
        else:
            raw = self.density.draw(run.rand("task", (size,)), run.randn("noise", (size, 2)))
        return self.units.units(raw, lambda count: run.rand("pixels", (size, count)))

    def rows(self, split: str, count: int | None = None) -> Tensor:
        """Units of the first `count` examples of a split (all), with the same noise in each call."""
        random = torch.Generator().manual_seed(SEEDS[split])
        if self.density is None:
            raw = self.run.data[split].x[slice(count)]
        else:
            raw = self.density.measured(random)
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
