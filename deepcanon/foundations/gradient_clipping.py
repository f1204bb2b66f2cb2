"""Clipping of gradients by one global norm: a bound on the step that keeps its direction; by value for comparison.

Paper: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks" (arXiv:1211.5063),
algorithm 1.

g_1 ... g_P are the gradients of all parameters of a model, after every micro-batch has been added and any loss scale
divided out; c is the limit.

    n   = sqrt(sum_p ||g_p||^2)                                                        (1)
    g_p <- g_p c / max(n, c)                                                           (2)
    g_p <- max(-c, min(c, g_p))       entry by entry: by value                         (3)

(2) multiplies all gradients by one number: their direction stays; n, their norm before clipping, is returned.
(3) does not keep it, nor does clipping each parameter by its own norm. A norm that is infinite or NaN has no direction
left: (2) would silently make zeros and NaNs of it, so it raises FloatingPointError and changes nothing.

`deepcanon.parts.clipping.clip_in_step` is (2) inside a fused optimizer's own pass, which saves reading and writing
every gradient once more.

Departures: the common formula "if n > c then g c / n" is (2) with its two cases in one; torch.nn.utils.clip_grad_norm_
adds 1e-6 to n. The update is clipped through its gradient, not after the optimizer has made a step of it.

    >>> import torch
    >>> from deepcanon.foundations import clip_gradients_
    >>> weight, bias = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))
    >>> (3 * weight[0] + 4 * bias.sum()).backward()
    >>> norm = clip_gradients_([weight, bias], limit=1.0)
    >>> print(f"{norm:.1f}", weight.grad, bias.grad)
    5.0 tensor([0.6000, 0.0000]) tensor([0.8000])
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "Clipped",
    "clip_gradients_",
    "clipped",
    "clipped_by_value",
    "global_norm",
]


class Clipped(NamedTuple):
    """Gradients after clipping, and their global norm before it."""

    gradients: list[Tensor]
    norm: Tensor


def global_norm(gradients: Sequence[Tensor]) -> Float[Tensor, ""]:
    """The Euclidean norm of all entries together, as the norm of the gradients' norms."""
    if not gradients:
        raise ValueError("there are no gradients to take a norm of (was backward called?)")
    first = gradients[0]
    norms = [torch.linalg.vector_norm(gradient).to(first.device) for gradient in gradients]
    return torch.linalg.vector_norm(torch.stack(norms))  # (1)


def _factor(gradients: Sequence[Tensor], limit: float) -> tuple[Tensor, Tensor]:
    """(c / max(n, c), n).

    Raises:
        FloatingPointError: n is not finite.
    """
    if not (limit > 0 and math.isfinite(limit)):
        raise ValueError(f"gradients are clipped at a positive number, not at {limit}")
    norm = global_norm(gradients)
    if not torch.isfinite(norm):
        bad = [i for i, gradient in enumerate(gradients) if not torch.isfinite(gradient).all()]
        where = f"gradients {bad} of {len(gradients)} are not finite" if bad else "the sum of squares overflows"
        raise FloatingPointError(f"the norm of the gradients is {norm.item()}: {where}")
    return limit / norm.clamp(min=limit), norm


def clipped(gradients: Sequence[Tensor], limit: float) -> Clipped:
    """Equation (2): new gradients of a global norm of `limit` at most."""
    factor, norm = _factor(gradients, limit)
    return Clipped([gradient * factor.to(gradient) for gradient in gradients], norm)  # (2)


@torch.no_grad()
def clip_gradients_(parameters: Iterable[Tensor], limit: float) -> Float[Tensor, ""]:
    """Equation (2) in the `.grad` of parameters, those without one left out; returns the norm before it."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    factor, norm = _factor(gradients, limit)
    for gradient in gradients:
        gradient.mul_(factor.to(gradient))  # (2)
    return norm


def clipped_by_value(gradients: Sequence[Tensor], limit: float) -> Clipped:
    """Equation (3): each entry by itself, which turns the direction."""
    _, norm = _factor(gradients, limit)
    return Clipped([gradient.clamp(-limit, limit) for gradient in gradients], norm)  # (3)
