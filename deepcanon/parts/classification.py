"""Measures of a classifier from logits and labels, and the pictures that explain them.

Every measure is exact on whole tensors; `nll` is in nats and averages over examples.

    >>> import torch
    >>> from deepcanon.parts.classification import confusion, measures
    >>> logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    >>> measures(logits, labels)["accuracy"], confusion(logits, labels).tolist()
    (0.5, [[1, 0], [1, 0]])
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["balanced_error", "balanced_weights", "by_class", "confident_mistakes", "confusion", "cross_entropy",
           "measures", "records", "roc", "roc_area"]  # fmt: skip


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit")


def measures(logits: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"]) -> dict[str, float]:
    """Mean negative log-likelihood in nats, and accuracy and error as shares of 1.

    Of two classes also "auc", the area under the ROC curve of the second one, where examples of both are there.
    """
    _check(logits, labels)
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    found = {
        "nll": F.cross_entropy(logits.double(), labels).item(),
        "accuracy": accuracy,
        "error": 1 - accuracy,
    }
    if logits.shape[1] == 2 and 0 < labels.sum() < len(labels):
        found["auc"] = roc_area(logits[:, 1].double() - logits[:, 0].double(), labels)
    return found


def roc(
    scores: Float[Tensor, "batch"], labels: Int[Tensor, "batch"]
) -> tuple[Float[Tensor, "points"], Float[Tensor, "points"], Float[Tensor, "points"]]:
    """The ROC curve of two classes (Fawcett 2006, "An introduction to ROC analysis", algorithm 1).

    Args:
        scores: higher for class 1; equal ones are one point of the curve.
        labels: 0 and 1, both among them.

    Returns:
        False and true positive rates from (0, 0) to (1, 1), and the threshold of each: a score of at least that much
        means class 1.

    Raises:
        ValueError: the shapes do not fit, or a class is missing.
    """
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores {tuple(scores.shape)} and labels {tuple(labels.shape)} must be vectors of one length")
    positive = int(labels.sum())
    if not 0 < positive < len(labels):
        raise ValueError("a ROC curve needs examples of both classes")
    order = scores.argsort(descending=True)
    scores, hits = scores[order], labels[order].double().cumsum(0)
    last = torch.cat([scores[1:] != scores[:-1], torch.ones(1, dtype=torch.bool, device=scores.device)])
    true, place = hits[last], torch.arange(1, len(scores) + 1, device=scores.device)[last]
    rates = (place - true) / (len(labels) - positive), true / positive
    zero, none = rates[0].new_zeros(1), scores.new_full((1,), torch.inf)
    return torch.cat([zero, rates[0]]), torch.cat([zero, rates[1]]), torch.cat([none, scores[last]])


def roc_area(scores: Float[Tensor, "batch"], labels: Int[Tensor, "batch"]) -> float:
    """The area under the ROC curve: the probability that class 1 scores above class 0, ties counted half."""
    false, true, _ = roc(scores, labels)
    return torch.trapezoid(true, false).item()


def confusion(logits: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"]) -> Int[Tensor, "true guessed"]:
    """Counts: row = true class, column = guessed class."""
    _check(logits, labels)
    classes = logits.shape[1]
    return torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2).reshape(classes, classes)


def confident_mistakes(
    logits: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"], count: int = 36
) -> Int[Tensor, "mistakes"]:
    """Indices of the wrong answers, the most confident first."""
    _check(logits, labels)
    probability, guess = logits.softmax(1).max(1)
    wrong = (guess != labels).nonzero().flatten()
    return wrong[probability[wrong].argsort(descending=True, stable=True)[:count]]


def by_class(counts: Int[Tensor, "classes classes"]) -> tuple[Float[Tensor, "classes"], Float[Tensor, "classes"]]:
    """Precision and recall of each class from a confusion matrix (row = true class); NaN where nothing was counted."""
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"a confusion matrix is square, this is {tuple(counts.shape)}")
    right = counts.diagonal().double()
    return right / counts.sum(0), right / counts.sum(1)


def balanced_error(logits: Float[Tensor, "batch classes"], labels: Int[Tensor, "batch"]) -> float:
    """One minus the mean recall of the classes that occur: every class has equal weight, whatever its size."""
    recall = by_class(confusion(logits, labels))[1]
    return 1 - recall[recall.isfinite()].mean().item()


def cross_entropy(
    logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, "batch"],
    label_smoothing: float = 0.0,
    weights: Float[Tensor, "classes"] | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats, in fp32 even where the network computes in half precision.

    Args:
        weights: of each class. The weighted losses are divided by the number of examples, not by the sum of their
            weights as in torch, so that the mean over parts of a batch is that over the whole.
    """
    _check(logits, labels)
    wide = torch.promote_types(logits.dtype, torch.float32)
    if weights is None:
        return F.cross_entropy(logits.to(wide), labels, label_smoothing=label_smoothing)
    if weights.shape != logits.shape[1:]:
        raise ValueError(f"weights {tuple(weights.shape)} and logits {tuple(logits.shape)} do not fit")
    each = F.cross_entropy(logits.to(wide), labels, label_smoothing=label_smoothing, reduction="none")
    return (each * weights[labels].to(wide)).mean()


def balanced_weights(counts: Int[Tensor, "classes"]) -> Float[Tensor, "classes"]:
    """N / (K n_k) for each of K classes with n_k of N examples: their mean over the examples is 1."""
    if counts.ndim != 1 or not bool((counts > 0).all()):
        raise ValueError("every class needs an example to be weighted by its size")
    return counts.sum() / (len(counts) * counts.double())


def records(logits: Float[Tensor, "batch classes"], classes: Sequence[str]) -> list[dict]:
    """One answer per row: the most probable class and the probability of every class."""
    if logits.ndim != 2 or logits.shape[1] != len(classes):
        raise ValueError(f"logits {tuple(logits.shape)} and {len(classes)} classes do not fit")
    probabilities = logits.double().softmax(1).cpu()
    return [
        # The lengths are equal (above); to check them again takes a quarter of the time of an answer.
        {"label": classes[best], "probabilities": dict(zip(classes, row, strict=False))}
        for best, row in zip(probabilities.argmax(1).tolist(), probabilities.tolist(), strict=True)
    ]
