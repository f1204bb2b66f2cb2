"""Composed tent maps against one wide layer: what depth gives, as numbers and as a figure.

Source: Telgarsky 2016, "Benefits of depth in neural networks" (arXiv:1602.04485).
"""

from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.foundations.depth_versus_width import (
    TentNetwork,
    fit_one_layer,
    least_squared_error,
    linear_pieces,
    tent_bends,
)

__all__ = ["Tents"]

CAPTION = "Tents of a deep network, and one wide layer's best fit: it has too few pieces to follow."


class Tents(nn.Module):
    """A deep network that equals the composed tents, and the best fit to it by one hidden layer so far.

    Args:
        tents: how many are composed; the deep network has two hidden units for each.
        units: hidden units of the one layer.

    Attributes:
        error: mean squared error of the best fit, [] in float64; infinite before the first one.
    """

    error: Tensor

    def __init__(self, tents: int, units: int) -> None:
        super().__init__()
        self.tents, self.units = tents, units
        self.deep = TentNetwork(tents, dtype=torch.float64)
        self.wide = nn.Sequential(nn.Linear(1, units), nn.ReLU(), nn.Linear(units, 1)).double()
        self.register_buffer("error", torch.tensor(torch.inf, dtype=torch.float64))
        self.grid = torch.linspace(0, 1, 32 * 2**tents + 1, dtype=torch.float64)[:, None]

    def fit(self, generator: torch.Generator) -> Tensor:
        """Fits the one layer from another start and keeps the better fit; returns `error`."""
        bends = tent_bends(self.tents, self.units, generator=generator)
        found, error = fit_one_layer(self.grid, self.deep(self.grid), bends)
        if error < self.error:
            self.wide.load_state_dict(found.state_dict())
            self.error.fill_(error)
        return self.error.clone()

    def findings(self) -> dict[str, Any]:
        """Pieces and units of both networks, errors of the wide one, and the lower bound of its squared error."""
        gap = (self.wide(self.grid) - self.deep(self.grid)).abs().detach()
        return {
            "deep_pieces": linear_pieces(self.deep.layers),
            "deep_units": sum(self.deep.hidden),
            "wide_pieces": linear_pieces(self.wide),
            "wide_largest": gap.amax(),
            "wide_squared": gap.square().mean(),
            "wide_squared_bound": least_squared_error(self.tents, self.units + 1),
        }

    def figure(self) -> Panels:
        """The tents, and the best fit over them."""
        x, goal, wide = self.grid[:, 0], *(net(self.grid).detach()[:, 0] for net in (self.deep, self.wide))
        deep = f"{self.tents} layers of 2 units: {linear_pieces(self.deep.layers)} linear pieces"
        best = f"best fit of one layer of {self.units}: {linear_pieces(self.wide)} linear pieces"
        upper = Plot([Line(goal, x, colour=1)], "x", "composed tents", deep)
        lines = [Line(goal, x, "tents", colour=-1), Line(wide, x, "fit", colour=0)]
        lower = Plot(lines, "x", "f(x)", best, y_range=(-0.3, 1.3))
        return Panels([upper, lower], columns=1, caption=CAPTION)
