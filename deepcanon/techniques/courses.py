"""How networks fare that are trained side by side at several rates: norms and losses over the steps, and who diverges.

Source of the criterion: Pascanu, Mikolov and Bengio 2013 (arXiv:1211.5063), section 2.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from deepcanon.engine.figures import Panels, Plot, Text
from deepcanon.engine.shown import columns, curves

__all__ = ["LOST", "Courses"]

LOST = 1e6  # stands for an error that is larger, or not finite
KEPT = 0.98  # of the smoothed loss in each step, so that it looks back over about 50
CURVES = "Norms and errors by rate: unclipped networks diverge, clipped ones keep learning."
ERRORS = "The last errors by arm and rate."


class Courses(nn.Module):
    """Largest norm and mean loss of each network in each of `bins` equal parts of the training.

    Args:
        arms: names of the ways of training.
        rates: learning rates; each arm has a network for each, in this order.
        bins: points of a curve.

    Attributes:
        diverged: [networks], whether the smoothed loss was ever above twice its first value.
        stopped: [networks], whether a gradient was not finite, so that the network takes no further step.
    """

    norms: Tensor
    losses: Tensor
    counts: Tensor
    smooth: Tensor
    first: Tensor
    diverged: Tensor
    stopped: Tensor

    def __init__(self, arms: Sequence[str], rates: Sequence[float], bins: int = 200) -> None:
        super().__init__()
        self.arms, self.rates, self.bins, count = arms, rates, bins, len(arms) * len(rates)
        for name in ("norms", "losses", "counts"):
            self.register_buffer(name, torch.zeros(bins, count))
        for name in ("smooth", "first"):
            self.register_buffer(name, torch.zeros(count))
        for name in ("diverged", "stopped"):
            self.register_buffer(name, torch.zeros(count, dtype=torch.bool))

    def stop(self, network: int) -> None:
        """The gradient of this network is not finite and cannot be clipped: its training ends."""
        self.stopped[network] = self.diverged[network] = True

    def add(self, step: int, steps: int, network: int, norm: Tensor, loss: Tensor) -> None:
        """A step of one network, of `steps` in all."""
        place = step * self.bins // steps
        self.norms[place, network] = self.norms[place, network].maximum(norm.cpu())
        self.losses[place, network] += loss.clamp(max=LOST)
        self.counts[place, network] += 1

    def follow(self, step: int, losses: Tensor) -> Tensor:
        """The losses [networks] of a step; returns the lowest smoothed loss of each arm."""
        losses = losses.float().nan_to_num(LOST, LOST).clamp(max=LOST)
        self.first = losses.clone() if step == 0 else self.first
        self.smooth = losses.clone() if step == 0 else KEPT * self.smooth + (1 - KEPT) * losses
        self.diverged = self.diverged | (self.smooth > 2 * self.first)
        return self.smooth.masked_fill(self.stopped, LOST).view(len(self.arms), -1).amin(1)

    def errors(self, found: Tensor) -> Tensor:
        """Errors [networks] as [arms, rates]; `LOST` where there is none."""
        found = found.cpu().nan_to_num(LOST, LOST).masked_fill(self.stopped, LOST)
        return found.clamp(max=LOST).view(len(self.arms), -1)

    def figure(self, steps: int, limit: float, levels: Mapping[str, float]) -> Panels:
        """Norms and errors over the steps, a panel for each arm.

        Args:
            steps: of the whole training.
            limit: on the norm.
            levels: errors to compare with, by name.
        """
        places, plots = (torch.arange(self.bins) + 0.5) / self.bins * steps, []
        means = self.losses / self.counts  # NaN where a network took no step
        norm = ("largest norm before clipping", self.norms, {"limit": limit}, (0.1 * limit, 1e5))
        error = ("mean squared error", means, levels, (1e-2, 10))
        names = [f"rate {rate:g}" for rate in self.rates]
        for y, values, marked, span in (norm, error):
            for arm, some in zip(self.arms, values.split(len(names), 1), strict=True):
                lines = curves(dict(zip(names, some.T, strict=True)), places)
                plots.append(Plot(lines, "step", y, arm, "y", levels=marked, y_range=span))
        return Panels(plots, columns=2, caption=CURVES)

    def table(self, errors: Tensor, title: str) -> Text:
        """Errors [arms, rates] of all networks, and which have diverged."""
        rows, places = [], [(arm, rate) for arm in self.arms for rate in self.rates]
        for (arm, rate), error, over, lost in zip(places, errors.flatten(), self.diverged, self.stopped, strict=True):
            word = "not finite" if lost else "diverged" if over else ""
            rows.append((arm, f"{rate:g}", f"{error:.4g}", word))
        return columns(("arm", "rate", "error", ""), rows, ERRORS, before=[title])
