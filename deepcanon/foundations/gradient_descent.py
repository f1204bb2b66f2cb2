"""Gradient descent: on the whole training set or on mini-batches, the order of an epoch and its mean loss.

Papers: Robbins and Monro 1951, "A stochastic approximation method" (Ann. Math. Statist. 22); Bengio 2012, "Practical
recommendations for gradient-based training of deep architectures" (arXiv:1206.5533).

theta parameters, eta learning rate, lambda decay, L_i the loss of example i of n; B a batch of |B| examples.

    theta <- theta - eta (g + lambda theta),  g = (1/|B|) sum_{i in B} dL_i/dtheta     (1)  |B| = n is batch descent
    an epoch: a fresh permutation of 0..n-1 cut into pieces of |B|; the last may be short   (2)
    mean loss of an epoch = sum_B |B| L_B / sum_B |B|                                  (3)  not the mean of the L_B
    on a quadratic with eigenvalues in [m, M]: best eta = 2 / (m + M),
    and the error shrinks by (M - m) / (M + m) at each step                            (4)

The rate belongs to the MEAN gradient: with the sum over a batch instead, eta must be divided by |B|.

Departures: Robbins and Monro let eta fall as 1/t so that (1) converges under noise; here eta is what the caller sets
(`learning_rate_decay` holds schedules). Examples are drawn without replacement, as is usual, where their theorem
draws them independently. `lambda` is zero unless asked for, and is the L2 penalty of `weight_decay`.

    >>> import torch
    >>> from deepcanon.foundations import GradientDescent
    >>> x = torch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = GradientDescent([x], lr=0.25)
    >>> loss = optimizer.step(lambda: x.square().sum().backward())
    >>> x.tolist()
    [0.5, -1.0]
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from deepcanon.parts.optimizers import Optimizer

__all__ = ["DescentRate", "GradientDescent", "best_descent_rate", "epoch_batches", "epoch_mean"]


class DescentRate(NamedTuple):
    """Equation (4)."""

    rate: float
    contraction: float


def best_descent_rate(smallest: float, largest: float) -> DescentRate:
    """Equation (4): the rate that contracts fastest where all curvatures lie in [smallest, largest]."""
    if not 0 < smallest <= largest < math.inf:
        raise ValueError(f"curvatures from {smallest} to {largest}: 0 < smallest <= largest is needed")
    return DescentRate(2 / (smallest + largest), (largest - smallest) / (largest + smallest))  # (4)


def epoch_batches(
    examples: int, batch: int, *, shuffle: bool = True, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Equation (2): each example exactly once, in a new order at each call; in file order without `shuffle`."""
    if examples < 1 or batch < 1:
        raise ValueError(f"{examples} examples in batches of {batch}: both must be positive")
    order = torch.randperm(examples, generator=generator) if shuffle else torch.arange(examples)
    return list(order.split(batch))  # (2)


def epoch_mean(means: Sequence[float] | Tensor, counts: Sequence[int] | Tensor) -> float:
    """Equation (3): the mean over examples from the means of batches and their sizes."""
    values = torch.as_tensor(means, dtype=torch.float64)
    weights = torch.as_tensor(counts, dtype=torch.float64)
    if values.ndim != 1 or values.shape != weights.shape or not len(values):
        raise ValueError(f"means {tuple(values.shape)} and counts {tuple(weights.shape)} do not fit")
    if not bool((weights > 0).all()):
        raise ValueError("a batch without examples has no mean")
    return float((values * weights).sum() / weights.sum())  # (3)


class GradientDescent(Optimizer):
    """Equation (1) on whatever gradient the caller has computed. No state; sparse gradients touch their rows only.

    Args:
        params: tensors, or groups of them with options of their own.
        lr: eta; may be changed between steps in `param_groups`.
        weight_decay: lambda, added to the gradient as lambda theta.
    """

    def __init__(self, params: Any, lr: float, *, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch; the group's options are checked."""
        for name in ("lr", "weight_decay"):
            value = param_group.get(name, self.defaults[name])
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value}: it must be finite and not negative")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update of every parameter that has a gradient; returns what the closure returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rate, decay = group["lr"], group["weight_decay"]
            sparse = [p for p in group["params"] if p.grad is not None and p.grad.is_sparse]
            dense = [p for p in group["params"] if p.grad is not None and not p.grad.is_sparse]
            if sparse and decay:
                raise ValueError("weight decay needs dense gradients: it moves every row")
            for parameter in sparse:
                parameter.add_(parameter.grad, alpha=-rate)  # (1)
            if dense:
                gradients = [p.grad for p in dense]
                if decay:
                    gradients = list(torch._foreach_add(gradients, dense, alpha=decay))
                torch._foreach_add_(dense, gradients, alpha=-rate)  # (1)
        return loss
