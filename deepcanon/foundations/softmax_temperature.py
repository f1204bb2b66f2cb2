"""Softmax with a temperature: logits divided by T, its limits, and the temperature that calibrates a classifier.

Papers: Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network" (arXiv:1503.02531), section 2;
Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks" (arXiv:1706.04599), sections 2 and 4.

a: logits of K classes; T: temperature; y: the class; conf: the largest probability of a row.

    p_k(T)  = exp(a_k / T) / sum_j exp(a_j / T)                computed from (a - max a) / T     (1)
    T -> 0: all on the largest logit (equal ones share);   T -> infinity: 1 / K                  (2)
    d(-log p_y(T)) / da = (p(T) - onehot(y)) / T               the gradient shrinks with T       (3)
    T* = argmin_T  -(1/n) sum_i log p_{i, y_i}(T)              on held-out data                  (4)
    ECE = sum_bins (n_bin / n) |accuracy of the bin - mean conf of the bin|                      (5)

Scaling logits by c is the temperature 1/c. T changes no argmax, so that (4) corrects confidence and leaves accuracy as
it is. With beta = 1/T the loss (4) is convex (its second derivative is the variance of the logits under p), so that
Newton's steps, kept inside a bracket, find the minimum.

Departures: Guo et al. fit T by conjugate gradients or L-BFGS; here Newton's method on beta. Data on which every row is
right have their minimum at T = 0; the answer is then limited to `lowest`.

Shown by: softmax-regression

    >>> import torch
    >>> from deepcanon.foundations import softmax_temperature
    >>> [[round(p, 4) for p in softmax_temperature(torch.tensor([3.0, 1.0, 0.2]), t).tolist()] for t in (1.0, 0.1, 9.0)]
    [[0.836, 0.1131, 0.0508], [1.0, 0.0, 0.0], [0.3947, 0.3161, 0.2892]]
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["calibration_error", "entropy", "fit_temperature", "log_softmax_temperature", "reliability",
           "softmax_temperature"]  # fmt: skip


def softmax_temperature(logits: Float[Tensor, "... classes"], temperature: float) -> Float[Tensor, "... classes"]:
    """Equation (1) along the last axis; temperature 0 and infinity give the limits (2)."""
    shifted = _shifted(logits, temperature)
    if temperature == 0:
        top = (shifted == 0).to(shifted.dtype)
        return top / top.sum(-1, keepdim=True)  # (2)
    return (shifted / temperature).softmax(-1)  # (1)


def log_softmax_temperature(logits: Float[Tensor, "... classes"], temperature: float) -> Float[Tensor, "... classes"]:
    """The logarithm of (1), which stays finite where (1) rounds to 0; the temperature must be above 0."""
    if temperature == 0:
        raise ValueError("at temperature 0 the logarithm is minus infinity; use softmax_temperature")
    return (_shifted(logits, temperature) / temperature).log_softmax(-1)


def _shifted(logits: Tensor, temperature: float) -> Tensor:
    if logits.ndim < 1 or logits.shape[-1] < 1:
        raise ValueError(f"logits {tuple(logits.shape)} have no axis of classes")
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}")
    # The shift comes first: dividing large logits by a small temperature would overflow.
    return logits - logits.amax(-1, keepdim=True)


def entropy(probabilities: Float[Tensor, "... classes"]) -> Float[Tensor, "..."]:
    """-sum p log p in nats: 0 for a certain row, log K for a uniform one."""
    return -torch.xlogy(probabilities, probabilities).sum(-1)


def _check(rows: Tensor, labels: Tensor, what: str) -> None:
    if rows.ndim != 2 or labels.shape != rows.shape[:1] or not len(rows):
        raise ValueError(
            f"{what} {tuple(rows.shape)} and labels {tuple(labels.shape)} do not fit: rows and their classes"
        )
    if not bool(torch.isfinite(rows).all()):
        raise ValueError(f"{what} contain NaN or infinity")


def fit_temperature(
    logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, "batch"],
    *,
    lowest: float = 1e-2,
    highest: float = 1e2,
) -> float:
    """T* of equation (4), held between `lowest` and `highest`."""
    _check(logits, labels, "logits")
    if not 0 < lowest < highest:
        raise ValueError(f"the bounds must be 0 < lowest < highest, got {lowest} and {highest}")
    a = logits.detach().double()
    a = a - a.amax(1, keepdim=True)
    right = a.gather(1, labels[:, None]).squeeze(1).mean()

    def slopes(beta: float) -> tuple[float, float]:
        p = (beta * a).softmax(1)
        mean = (p * a).sum(1)
        return (mean.mean() - right).item(), ((p * a.square()).sum(1) - mean.square()).mean().item()

    low, high = 1 / highest, 1 / lowest
    if slopes(low)[0] >= 0:
        return highest
    if slopes(high)[0] <= 0:
        return lowest
    beta = min(max(1.0, low), high)
    for _ in range(200):
        slope, curvature = slopes(beta)
        low, high = (beta, high) if slope < 0 else (low, beta)
        newton = beta - slope / curvature if curvature > 0 else math.inf
        after = newton if low < newton < high else 0.5 * (low + high)
        if abs(after - beta) <= 1e-14 * beta:
            break
        beta = after
    return 1 / beta


def reliability(
    probabilities: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"], bins: int = 15
) -> tuple[Int[Tensor, "bins"], Float[Tensor, "bins"], Float[Tensor, "bins"]]:
    """Examples, mean confidence and accuracy of each bin of confidence ((b-1)/bins, b/bins]; 0 in an empty bin."""
    _check(probabilities, labels, "probabilities")
    if bins < 1:
        raise ValueError(f"at least one bin is needed, got {bins}")
    confidence, guess = probabilities.double().max(1)
    place = (torch.ceil(confidence * bins) - 1).long().clamp(0, bins - 1)
    counts = torch.bincount(place, minlength=bins)

    def mean(values: Tensor) -> Tensor:
        return torch.zeros(bins, dtype=torch.float64).to(values).index_add(0, place, values) / counts.clamp_min(1)

    return counts, mean(confidence), mean((guess == labels).double())


def calibration_error(
    probabilities: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"], bins: int = 15
) -> float:
    """The expected calibration error, equation (5)."""
    counts, confidence, accuracy = reliability(probabilities, labels, bins)
    return ((counts.double() / len(labels)) * (accuracy - confidence).abs()).sum().item()  # (5)
