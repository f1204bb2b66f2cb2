"""Losses of classifiers by name: (logits [N, K], labels [N]) -> mean over the examples, at least in float32."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepcanon.foundations.losses import sigmoid_squared_error
from deepcanon.parts.classification import cross_entropy

__all__ = ["LOSSES"]


def squared(logits: Tensor, labels: Tensor) -> Tensor:
    """Half the squared error of sigmoid outputs, summed over the classes."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    wanted = nn.functional.one_hot(labels, wide.shape[1]).to(wide)
    return sigmoid_squared_error(wide, wanted, reduction="none").sum(1).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross-entropy": cross_entropy, "squared": squared}
