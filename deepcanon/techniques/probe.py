"""What a code is worth for classes that it was not learned from: a linear classifier on it, and one on raw inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.foundations.softmax_regression import fit_softmax

__all__ = ["layer_probes", "probe"]

DECAY, STEPS = 1e-4, 100


def probe(
    data: Any, classes: Sequence[int], prepare: Callable[[Tensor], Tensor], code: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Accuracies of softmax regression on the test examples of some classes.

    Args:
        data: a data set with labelled splits "train" and "test".
        classes: the numbers of two classes or more, in rising order.
        prepare: from raw inputs to prepared ones [N, D].
        code: from prepared inputs to codes [N, K].

    Returns:
        probe: from codes; probe_raw: from prepared inputs; probe_gain: the difference.
    """
    kept, seen = torch.tensor(classes), []
    for split in (data["train"], data["test"]):
        labels = torch.as_tensor(split.y)
        rows = torch.isin(labels, kept).nonzero()[:, 0]
        seen.append((prepare(split.take(rows).x), torch.searchsorted(kept, labels[rows])))
    (x, y), (unseen, wanted) = seen
    found = {}
    for name, function in (("probe", code), ("probe_raw", nn.Identity())):
        rows, others = (function(part).cpu().double() for part in (x, unseen))
        linear = fit_softmax(rows, y, len(kept), decay=DECAY, iterations=STEPS)
        found[name] = (linear(others).argmax(1) == wanted).double().mean()
    return {**found, "probe_gain": found["probe"] - found["probe_raw"]}


def layer_probes(
    known: Sequence[Tensor], labels: Tensor, asked: Sequence[Tensor], wanted: Tensor, classes: int, decay: float = 0.01
) -> list[float]:
    """The accuracy of a linear classifier on each layer's features, in order (Alain and Bengio 2016).

    Features are standardised by those that it learns from.

    Args:
        known, labels: features [N, F] of each layer and classes [N] that it learns from.
        asked, wanted: those that it is measured on.
    """
    found = []
    for rows, others in zip(known, asked, strict=True):
        mean, spread = rows.mean(0), rows.std(0).clamp_min(1e-6)
        linear = fit_softmax((rows - mean) / spread, labels, classes, decay=decay, iterations=STEPS)
        found.append((linear((others - mean) / spread).argmax(1) == wanted).double().mean().item())
    return found
