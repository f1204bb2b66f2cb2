"""Squared error and cross-entropy from logits, with closed-form gradients: why a saturated unit stops learning.

Papers: Solla, Levin and Fleisher 1988, "Accelerated learning in layered neural networks" (Complex Systems 2); Golik,
Doetsch and Ney 2013, "Cross-entropy vs. squared error training: a theoretical and experimental comparison"
(Interspeech).

z: logits; t in [0, 1]: target of a sigmoid unit, y = 1 / (1 + exp(-z)); of a softmax row p = softmax(z) the label c
picks the one-hot row e_c.

    sigmoid, cross-entropy    L = -t log y - (1 - t) log(1 - y)     dL/dz   = y - t                         (1)
    sigmoid, squared error    L = (1/2) (y - t)^2                   dL/dz   = (y - t) y (1 - y)             (2)
    softmax, cross-entropy    L = -log p_c                          dL/dz   = p - e_c                       (3)
    softmax, squared error    L = (1/2) |p - e_c|^2                 dL/dz_j = p_j (r_j - p . r), r = p - e_c (4)
    no squashing              L = (1/2) |z - e_c|^2                 dL/dz   = z - e_c                       (5)
    (2) / (1)                 y (1 - y) = 1 / (2 + 2 cosh z), whatever the target                           (6)

By (6) a unit that is surely wrong learns nothing from squared error: at z = 10 with t = 0 its gradient is 4.5396e-5
times that of cross-entropy, and it falls like exp(-|z|). The same holds row by row for (4) against (3). (5) does not
saturate, but punishes outputs that are right and large.

Everything is computed from logits, so that nothing overflows and no logarithm of 0 is taken: log(1 + exp) by
`softplus`, and y (1 - y) as sigmoid(z) sigmoid(-z), which keeps its digits where 1 - y would round to 0. `reduction` is
torch's: the mean is over entries for (1) and (2), over rows for (3) to (5); the gradient is that of the reduced loss.

Departures: the factor 1/2 of the squared errors is the papers'; `torch.nn.functional.mse_loss` has none and averages
over the columns too. Labels are 0 and 1, not -1 and 1: other targets are refused.

    >>> import torch
    >>> from deepcanon.foundations import losses
    >>> z, t = torch.tensor([10.0], dtype=torch.float64), torch.tensor([0.0], dtype=torch.float64)
    >>> ratio = losses.sigmoid_squared_error_gradient(z, t) / losses.sigmoid_cross_entropy_gradient(z, t)
    >>> f"{ratio.item():.4e}"
    '4.5396e-05'
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "gradient_ratio",
    "least_squares",
    "least_squares_gradient",
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_gradient",
    "sigmoid_squared_error",
    "sigmoid_squared_error_gradient",
    "softmax_cross_entropy",
    "softmax_cross_entropy_gradient",
    "softmax_squared_error",
    "softmax_squared_error_gradient",
]

Entries = Float[Tensor, "..."]
Rows = Float[Tensor, "batch classes"]
Labels = Int[Tensor, "batch"]


def sigmoid_cross_entropy(logits: Entries, targets: Entries, *, reduction: str = "mean") -> Entries:
    """Equation (1)."""
    _check_targets(logits, targets)
    return _reduce(F.softplus(logits) - targets * logits, reduction)  # (1): log(1 + exp z) - t z


def sigmoid_cross_entropy_gradient(logits: Entries, targets: Entries, *, reduction: str = "mean") -> Entries:
    """Right half of equation (1)."""
    _check_targets(logits, targets)
    return _share(logits.sigmoid() - targets, logits.numel(), reduction)  # (1)


def sigmoid_squared_error(logits: Entries, targets: Entries, *, reduction: str = "mean") -> Entries:
    """Equation (2)."""
    _check_targets(logits, targets)
    return _reduce(0.5 * (logits.sigmoid() - targets).square(), reduction)  # (2)


def sigmoid_squared_error_gradient(logits: Entries, targets: Entries, *, reduction: str = "mean") -> Entries:
    """Right half of equation (2)."""
    _check_targets(logits, targets)
    slope = logits.sigmoid() * (-logits).sigmoid()  # y (1 - y), equation (6)
    return _share((logits.sigmoid() - targets) * slope, logits.numel(), reduction)  # (2)


def gradient_ratio(logits: Entries) -> Entries:
    """Equation (6), measured on the gradients themselves: that of (2) over that of (1), for targets of 0."""
    targets = torch.zeros_like(logits)
    squared = sigmoid_squared_error_gradient(logits, targets, reduction="sum")
    return squared / sigmoid_cross_entropy_gradient(logits, targets, reduction="sum")


def softmax_cross_entropy(logits: Rows, labels: Labels, *, reduction: str = "mean") -> Float[Tensor, "..."]:
    """Equation (3)."""
    _check_labels(logits, labels)
    nll = logits.logsumexp(1) - logits.gather(1, labels[:, None]).squeeze(1)  # (3)
    return _reduce(nll, reduction)


def softmax_cross_entropy_gradient(logits: Rows, labels: Labels, *, reduction: str = "mean") -> Rows:
    """Right half of equation (3)."""
    return _share(logits.softmax(1) - _one_hot(logits, labels), len(logits), reduction)  # (3)


def softmax_squared_error(logits: Rows, labels: Labels, *, reduction: str = "mean") -> Float[Tensor, "..."]:
    """Equation (4)."""
    residual = logits.softmax(1) - _one_hot(logits, labels)
    return _reduce(0.5 * residual.square().sum(1), reduction)  # (4)


def softmax_squared_error_gradient(logits: Rows, labels: Labels, *, reduction: str = "mean") -> Rows:
    """Right half of equation (4)."""
    p = logits.softmax(1)
    residual = p - _one_hot(logits, labels)
    gradient = p * (residual - (p * residual).sum(1, keepdim=True))  # (4)
    return _share(gradient, len(logits), reduction)


def least_squares(outputs: Rows, labels: Labels, *, reduction: str = "mean") -> Float[Tensor, "..."]:
    """Equation (5)."""
    return _reduce(0.5 * (outputs - _one_hot(outputs, labels)).square().sum(1), reduction)  # (5)


def least_squares_gradient(outputs: Rows, labels: Labels, *, reduction: str = "mean") -> Rows:
    """Right half of equation (5)."""
    return _share(outputs - _one_hot(outputs, labels), len(outputs), reduction)  # (5)


def _reduce(values: Tensor, reduction: str) -> Tensor:
    _check_reduction(values.numel(), reduction)
    return values if reduction == "none" else getattr(values, reduction)()


def _share(gradient: Tensor, count: int, reduction: str) -> Tensor:
    """The gradient of the sum, or its share of the mean."""
    _check_reduction(count, reduction)
    return gradient / count if reduction == "mean" else gradient


def _one_hot(logits: Tensor, labels: Tensor) -> Tensor:
    _check_labels(logits, labels)
    return torch.zeros_like(logits).scatter(1, labels[:, None], 1.0)


def _check_reduction(count: int, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is mean, sum or none, not {reduction!r}")
    if reduction == "mean" and not count:
        raise ValueError("the mean over no example is not defined: the batch is empty")


def _check_targets(logits: Tensor, targets: Tensor) -> None:
    if logits.shape != targets.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} do not fit")
    if targets.numel() and not (targets.min() >= 0 and targets.max() <= 1):
        raise ValueError(
            f"targets of a sigmoid lie in [0, 1], these reach from {targets.min():g} to {targets.max():g}; "
            "labels -1 and 1 become (label + 1) / 2"
        )


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit")
    if labels.numel() and not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise ValueError(
            f"labels of {logits.shape[1]} classes are 0 to {logits.shape[1] - 1}, "
            f"these reach from {labels.min()} to {labels.max()}"
        )
