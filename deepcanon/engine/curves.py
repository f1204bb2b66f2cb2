"""Learning curves of several methods: their errors with ever more examples, over many small tasks that are drawn.

A recipe composes one: it draws the tasks, trains every arm at every size and stores the errors; what follows from them
stands here. The first arm is compared with the others together: at each size with that other arm which is best on
average, so that the options of the others (a penalty, say) are tuned and those of the first are not.
"""

from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.engine.comparison import interval

__all__ = ["LearningCurves"]


class LearningCurves(nn.Module):
    """Errors [tasks, sizes, arms], NaN until they are known.

    Args:
        tasks: how many are drawn.
        sizes: training examples, rising.
        arms: names of the methods, two at least.
    """

    def __init__(self, tasks: int, sizes: list[int], arms: list[str]) -> None:
        super().__init__()
        self.sizes, self.arms = list(sizes), list(arms)
        self.errors: Tensor
        self.register_buffer("errors", torch.full((tasks, len(sizes), len(arms)), torch.nan, dtype=torch.float64))

    def known(self) -> Tensor:
        """The errors of the tasks so far."""
        return self.errors[~self.errors.isnan().flatten(1).any(1)].cpu()

    def gaps(self) -> list[tuple[float, float, float]]:
        """(mean, low, high) at each size: error of the first arm minus that of the best other one."""
        errors = self.known()
        best = 1 + errors[:, :, 1:].mean(0).argmin(1)
        return [interval((errors[:, i, 0] - errors[:, i, arm]).tolist()) for i, arm in enumerate(best)]

    def verdict(self) -> dict[str, float]:
        """The differences with few and with many examples, and how many examples make the mean change its sign."""
        if len(self.known()) < 2:
            return {}
        gaps, sizes = self.gaps(), self.sizes
        found = {"few": gaps[0][0], "few_high": gaps[0][2], "many": gaps[-1][0], "many_low": gaps[-1][1]}
        for (a, _, _), (b, _, _), small, large in zip(gaps, gaps[1:], sizes, sizes[1:], strict=False):
            if a < 0 <= b:
                return found | {"crossing": small * (large / small) ** (a / (a - b))}
        return found

    def figures(self) -> dict[str, Any]:
        """The curves of all arms, and the difference with its 95 % interval; nothing before the second task."""
        from matplotlib.figure import Figure

        errors, sizes = self.known(), self.sizes
        if len(errors) < 2:
            return {}
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for arm, name in enumerate(self.arms):
            bar = 1.96 * errors[:, :, arm].std(0) / len(errors) ** 0.5
            left.errorbar(sizes, errors[:, :, arm].mean(0), bar, marker=".", capsize=2, label=name)
        left.set(xscale="log", xlabel="training examples", ylabel="error (valid)")
        left.legend(fontsize=8)
        gap, low, high = zip(*self.gaps(), strict=True)
        right.plot(sizes, gap, ".-", sizes, [0] * len(sizes), "k-")
        right.fill_between(sizes, low, high, alpha=0.3)
        place = self.verdict().get("crossing")
        title = f"they cross at {place:.0f} examples" if place else "they do not cross from below"
        right.set(xscale="log", xlabel="training examples", ylabel=f"{self.arms[0]} minus the best other", title=title)
        for axes in (left, right):
            axes.set_xticks(sizes, [f"{n:,}" for n in sizes], fontsize=8)
            axes.minorticks_off()
        return {"learning-curves": figure}
