"""What the words of translations looked at: measured over a split, and drawn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from deepcanon.engine.figures import Heat
from deepcanon.parts.attention import coverage_loss, doubly_stochastic_loss

__all__ = ["ALIGNED", "Looks", "alignment_figure"]

COLUMNS = 60  # words of a source in a picture, at most
ALIGNED = "The words of the source that each word looked at: a good translator's bright cells follow the words."


class Looks:
    """Sums over the sentences of a split, portion by portion, of weights [batch, steps, places].

    Args:
        known: the place that each word of the target stands for, from the words of the source; None if not known.
    """

    def __init__(self, known: Callable[[Sequence[str]], Sequence[int]] | None) -> None:
        self.known = known
        self.uneven = self.again = 0.0
        self.places = self.steps = self.found = self.asked = 0

    def add(self, weights: Tensor, steps: Tensor, real: Tensor) -> None:
        """How evenly the places were looked at, and what was looked at again.

        Args:
            steps: which steps are real [batch, steps].
            real: which places are [batch, places].
        """
        weights = weights.double()
        self.uneven += float(doubly_stochastic_loss(weights, steps, real).sum())
        self.again += float(coverage_loss(weights, steps).sum())
        self.places += int(real.sum())
        self.steps += int(steps.sum())

    def compare(self, weights: Tensor, sources: Sequence[Sequence[str]]) -> None:
        """How many words look most at the word that they stand for, if that is known."""
        if self.known is None:
            return
        for most, words in zip(weights.argmax(2).tolist(), sources, strict=True):
            truth = self.known(words)
            self.found += sum(a == b for a, b in zip(most, truth, strict=False))
            self.asked += len(truth)

    def measured(self) -> dict[str, float]:
        """`uneven`, `coverage_loss` and `alignment`; nothing of a model that does not look."""
        if not self.places:
            return {}
        found = {"uneven": self.uneven / self.places, "coverage_loss": self.again / self.steps}
        return {**found, "alignment": self.found / self.asked} if self.asked else found


def alignment_figure(aligned: Mapping[str, Any], title: str = "") -> Heat:
    """The weights [target, source] of a translation, with its words on the axes: of a long source with those that were
    looked at most."""
    weights, source = torch.tensor(aligned["weights"]), aligned["source"]
    if len(source) > COLUMNS:
        places = weights.sum(0).topk(COLUMNS).indices.sort().values
        weights, source = weights[:, places], [source[place] for place in places.tolist()]
    return Heat(
        weights, "source", "target", title, x_names=source, y_names=aligned.get("marked", aligned["target"]),
        limits=(0, 1), unit="weight", caption=ALIGNED,
    )  # fmt: skip
