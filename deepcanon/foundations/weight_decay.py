"""Weight decay: the L2 penalty, decoupled decay, which parameters decay, and ridge regression in closed form.

Papers: Krogh and Hertz 1992, "A simple weight decay can improve generalization" (NIPS 4); Loshchilov and Hutter 2017,
"Decoupled weight decay regularization" (arXiv:1711.05101); Hoerl and Kennard 1970, "Ridge regression".

w the decayed parameters, b the others, L the mean loss, lambda the decay, eta the rate.

    J = L + (lambda / 2) sum w^2                          the factor 1/2 is the convention      (1)
    dJ/dw = dL/dw + lambda w                                                                    (2)
    w <- (1 - eta lambda) w, then the optimizer's step on dL/dw alone         decoupled         (3)
    ridge: J = (1 / 2n) |X w + b - y|^2 + (lambda / 2) |w|^2
    w = (X_c^T X_c / n + lambda I)^-1 X_c^T y_c / n,   b = mean(y) - mean(X) w                  (4)  c: centred

Under plain gradient descent (2) and (3) are the same step. Under an adaptive method they are not: (2) goes through the
division by the gradient's size, so that weights with large gradients hardly decay, while (3) shrinks all alike.
Biases and the scales and shifts of normalisation layers do not decay: they cannot overfit by growing, and pulling a
scale to zero silences its unit. `decay_groups` leaves out every parameter of fewer than two axes and all of a layer
normalisation; embeddings have two axes and decay.

Departures: none in the equations; the exclusion is today's custom, not Krogh and Hertz's, who decay everything.

Seen on linear students with noisy targets, decay helps by hiding directions that the data do not determine: for
weights drawn with variance tau^2 and noise sigma^2 the best lambda is sigma^2 / (n tau^2).

    >>> import torch
    >>> from deepcanon.foundations import l2_penalty
    >>> from deepcanon.foundations.weight_decay import decay_groups
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    >>> decayed, free = decay_groups(net, 0.01)
    >>> [tuple(p.shape) for p in decayed["params"]], len(free["params"]), free["weight_decay"]
    ([(3, 4)], 3, 0.0)
    >>> l2_penalty([torch.tensor([3.0, 4.0])], 0.1).item()
    1.25
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Ridge", "decay_groups", "l2_gradients", "l2_penalty", "ridge_solution", "shrink_"]


class Ridge(NamedTuple):
    """Equation (4): weight [K, F], bias [K]."""

    weight: Tensor
    bias: Tensor


def _check(decay: float) -> None:
    if not 0 <= decay < math.inf:
        raise ValueError(f"a decay is finite and not negative, {decay} is not")


def l2_penalty(weights: Iterable[Tensor], decay: float) -> Float[Tensor, ""]:
    """The second term of (1), differentiable."""
    _check(decay)
    squares = [weight.square().sum() for weight in weights]
    if not squares:
        raise ValueError("no weights to penalise")
    return 0.5 * decay * torch.stack(squares).sum()  # (1)


def l2_gradients(weights: list[Tensor], gradients: list[Tensor], decay: float) -> list[Tensor]:
    """Equation (2): new gradients; the given ones are unchanged."""
    _check(decay)
    if [w.shape for w in weights] != [g.shape for g in gradients]:
        raise ValueError(f"weights {[tuple(w.shape) for w in weights]} and gradients "
                         f"{[tuple(g.shape) for g in gradients]} do not fit")  # fmt: skip
    return list(torch._foreach_add(gradients, weights, alpha=decay)) if weights else []  # (2)


@torch.no_grad()
def shrink_(weights: Iterable[Tensor], rate: float, decay: float) -> None:
    """The first half of (3), in place; call it before the step of any optimizer that has no decay of its own."""
    _check(decay)
    if not 0 <= rate * decay < 1:
        raise ValueError(f"rate {rate} times decay {decay} must lie in [0, 1): weights would change their sign")
    every = list(weights)
    if every:
        torch._foreach_mul_(every, 1 - rate * decay)  # (3)


def decay_groups(
    module: nn.Module, decay: float, *, exclude: Callable[[str, nn.Parameter], bool] | None = None
) -> list[dict[str, Any]]:
    """Two groups for an optimizer: what decays, and biases and normalisation, which do not.

    Args:
        module: whose parameters that take gradients are divided, each once.
        decay: lambda of the first group.
        exclude: (name, parameter) -> whether it is free; replaces the rule by number of axes and kind of layer.
    """
    _check(decay)
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    seen: set[int] = set()
    for path, layer in module.named_modules():
        normalises = isinstance(layer, nn.LayerNorm | nn.RMSNorm)  # whose scales may have several axes
        for name, parameter in layer.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            full = f"{path}.{name}".lstrip(".")
            spared = exclude(full, parameter) if exclude else normalises or parameter.ndim < 2
            (free if spared else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": decay}, {"params": free, "weight_decay": 0.0}]


def ridge_solution(
    inputs: Float[Tensor, "batch features"], targets: Float[Tensor, "batch outputs"], decay: float
) -> Ridge:
    """Equation (4); the bias is not penalised. Without decay the columns must be independent."""
    _check(decay)
    if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets) or not len(inputs):
        raise ValueError(f"inputs {tuple(inputs.shape)} and targets {tuple(targets.shape)} do not fit")
    if not bool(inputs.isfinite().all() and targets.isfinite().all()):
        raise ValueError("inputs and targets must be finite")
    centre, middle = inputs.mean(0), targets.mean(0)
    x, y = inputs - centre, targets - middle
    # Least squares on [X_c; sqrt(n lambda) I]: the same minimum as (4), without squaring the condition number.
    eye = math.sqrt(decay * len(x)) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    rows = torch.cat([x, eye]) if decay else x
    if not decay and int(torch.linalg.matrix_rank(x)) < x.shape[1]:
        raise ValueError(f"{len(x)} examples do not determine {x.shape[1]} weights: give a positive decay")
    goal = torch.cat([y, y.new_zeros(x.shape[1], y.shape[1])]) if decay else y
    weight = torch.linalg.lstsq(rows, goal).solution.T  # (4)
    return Ridge(weight, middle - weight @ centre)
