"""The distance of a reconstruction from the data: summed over features, averaged over examples.

x [N, D] the data, y [N, D] the reconstruction, a [N, D] its logits (y = sigmoid(a) for data in [0, 1], or y = a).

    squared        E_n = sum_d (y_nd - x_nd)^2                                                            (1)
    cross-entropy  E_n = -sum_d x_nd log y_nd + (1 - x_nd) log(1 - y_nd) = sum_d softplus(a_nd) - x_nd a_nd  (2)

Papers state these sums. Averaged over 784 features they would weigh 784 times less against a penalty on codes or
weights, so that a penalty of the right formula would have the wrong effect.

    >>> import torch
    >>> from deepcanon.parts.reconstruction import cross_entropy_of, squared_error_of
    >>> squared_error_of(torch.zeros(2, 3), torch.ones(2, 3))
    tensor(3.)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["cross_entropy_of", "reconstruction_loss", "squared_error_of"]


def _reduced(errors: Tensor, reduction: str) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is mean, sum or none, not {reduction!r}")
    return errors if reduction == "none" else errors.mean() if reduction == "mean" else errors.sum()


def _check(first: Tensor, second: Tensor) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(f"reconstruction {tuple(first.shape)} and data {tuple(second.shape)} are not one [N, D]")


def squared_error_of(
    reconstruction: Float[Tensor, "batch features"], data: Float[Tensor, "batch features"], reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """Equation (1); "none" gives one number for each example. Computed in fp32 or better."""
    _check(reconstruction, data)
    wide = torch.promote_types(reconstruction.dtype, torch.float32)
    return _reduced((reconstruction.to(wide) - data.to(wide)).square().sum(1), reduction)


def cross_entropy_of(
    logits: Float[Tensor, "batch features"], data: Float[Tensor, "batch features"], reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """Equation (2) in nats, from logits; data lie in [0, 1]."""
    _check(logits, data)
    wide = torch.promote_types(logits.dtype, torch.float32)
    logits, data = logits.to(wide), data.to(wide)
    return _reduced((F.softplus(logits) - data * logits).sum(1), reduction)


def reconstruction_loss(
    logits: Float[Tensor, "batch features"],
    data: Float[Tensor, "batch features"],
    output: str = "sigmoid",
    objective: str = "squared",
) -> Float[Tensor, ""]:
    """Equation (1) or (2) from the output layer's logits, as a mean over the examples, in fp32 or better.

    Args:
        output: "sigmoid" or "linear": how logits become the reconstruction.
        objective: "squared" or, with a sigmoid, "cross-entropy".
    """
    if output not in ("sigmoid", "linear") or objective not in ("squared", "cross-entropy"):
        raise ValueError(f"output is sigmoid or linear, objective squared or cross-entropy: {output!r}, {objective!r}")
    if objective == "cross-entropy":
        if output == "linear":
            raise ValueError("the cross-entropy is that of a sigmoid output")
        return cross_entropy_of(logits, data)
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return squared_error_of(wide.sigmoid() if output == "sigmoid" else wide, data)
