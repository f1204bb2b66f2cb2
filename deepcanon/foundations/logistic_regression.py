"""Logistic regression: two classes, the loss from logits by log-sigmoid, L2, and separable data, which have no maximum.

Papers: Cox 1958, "The regression analysis of binary sequences"; Albert and Anderson 1984, "On the existence of maximum
likelihood estimates in logistic regression models" (separation). Exercise: UFLDL tutorial, logistic regression.

n examples x_i with F features and label y_i of {0, 1}; weight w [F], bias b; lambda is the decay.

    a_i     = w . x_i + b                                              logit                    (1)
    p_i     = 1 / (1 + exp(-a_i))                                      probability of class 1   (2)
    l_i     = -y_i log sigmoid(a_i) - (1 - y_i) log sigmoid(-a_i)      never log of a rounded p (3)
    J(w, b) = (1/n) sum_i l_i + (lambda / 2) |w|^2                     the bias is free         (4)
    dJ/dw   = (1/n) sum_i (p_i - y_i) x_i + lambda w,   dJ/db = (1/n) sum_i (p_i - y_i)         (5)
    separated:  (2 y_i - 1) a_i > 0 for every i                                                 (6)

J is convex. scikit-learn's C weighs the sum of the losses against |w|^2 / 2, so that lambda = 1 / (C n).

Where (6) holds and lambda is 0, scaling w and b up lowers J for ever: the likelihood has no maximum, and a fit that
waits for one does not end. A single (w, b) with (6) proves it, so that `separates` is a certificate and not a guess;
every descent finds one on separable data, at the latest when the sum of the losses has fallen below log 2.

Departures
- Labels are 0 and 1 throughout; -1 and 1, which other texts use with l = log(1 + exp(-y a)), are refused.
- Classes that touch (some examples on the plane itself, of both classes) have no maximum either, but no certificate
  (6): there only the limit of iterations ends a fit without decay.

    >>> import torch
    >>> from deepcanon.foundations import LogisticRegression
    >>> from deepcanon.foundations.logistic_regression import separates
    >>> model, x, y = LogisticRegression(1), torch.tensor([[1.0], [2.0]]), torch.tensor([0, 1])
    >>> round(model.objective(x, y).item(), 4), bool(separates(model(x), y)), bool(separates(x[:, 0] - 1.5, y))
    (0.6931, False, True)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn

from deepcanon.parts.row_blocks import row_blocks

__all__ = [
    "LogisticRegression", "decay_of_c", "logistic_both", "logistic_gradient", "logistic_loss", "logistic_objective",
    "separates",
]  # fmt: skip

ROWS = 2048  # of a block: with one output the calls take longer than in a product with many


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 1 or labels.shape != logits.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit: one each per row")
    if not len(labels):
        raise ValueError("no examples: logits of shape (0,)")
    if labels.device.type != "cpu" and not labels.is_floating_point():
        return  # values are not checked on a GPU, since that would wait for it
    low, high = labels.aminmax()
    if labels.is_floating_point() or low < 0 or high > 1:
        raise ValueError(f"labels are the integers 0 and 1, not {labels.dtype} from {low.item()} to {high.item()}")


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b; on the CPU by NumPy, whose BLAS multiplies a matrix by a vector at twice the speed of torch's or more."""
    if a.device.type != "cpu" or a.requires_grad or b.requires_grad or a.element_size() < 4:
        return a @ b
    return torch.from_numpy(a.numpy() @ b.numpy())


def _check(weight: Tensor, bias: Tensor, inputs: Tensor) -> None:
    if weight.ndim != 1 or bias.ndim != 0:
        raise ValueError(f"weight {tuple(weight.shape)} and bias {tuple(bias.shape)} are not [features] and one number")
    if inputs.ndim != 2 or inputs.shape[1] != len(weight):
        raise ValueError(f"inputs {tuple(inputs.shape)} do not fit weight {tuple(weight.shape)}")


def decay_of_c(c: float, examples: int) -> float:
    """The lambda of equation (4) that equals scikit-learn's C on this many examples; infinite C means no decay."""
    if not c > 0 or examples < 1:
        raise ValueError(f"C must be above 0 and examples at least 1, got C = {c} and {examples} examples")
    return 1 / (c * examples)


def logistic_loss(logits: Float[Tensor, "batch"], labels: Int[Tensor, "batch"], *, reduction: str = "mean") -> Tensor:
    """Equation (3), in nats."""
    _check_labels(logits, labels)
    losses = -torch.where(labels == 1, F.logsigmoid(logits), F.logsigmoid(-logits))  # (3)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is mean, sum or none, not {reduction!r}")
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def logistic_objective(
    weight: Float[Tensor, "features"],
    bias: Float[Tensor, ""],
    inputs: Float[Tensor, "batch features"],
    labels: Int[Tensor, "batch"],
    *,
    decay: float = 0.0,
) -> Tensor:
    """Equation (4)."""
    _check(weight, bias, inputs)
    return logistic_loss(inputs @ weight + bias, labels) + 0.5 * decay * weight.square().sum()  # (1), (4)


def logistic_gradient(
    weight: Float[Tensor, "features"],
    bias: Float[Tensor, ""],
    inputs: Float[Tensor, "batch features"],
    labels: Int[Tensor, "batch"],
    *,
    decay: float = 0.0,
) -> tuple[Float[Tensor, "features"], Float[Tensor, ""]]:
    """Equation (5): the gradient of (4) in weight and bias, without autograd."""
    _check(weight, bias, inputs)
    logits = inputs @ weight + bias  # (1)
    _check_labels(logits, labels)
    residual = (logits.sigmoid() - labels) / len(labels)  # (2)
    return residual @ inputs + decay * weight, residual.sum()  # (5)


def logistic_both(
    weight: Float[Tensor, "features"],
    bias: Float[Tensor, ""],
    inputs: Num[Tensor, "batch features"],
    labels: Int[Tensor, "batch"],
    *,
    decay: float = 0.0,
) -> tuple[Tensor, Float[Tensor, "features"], Float[Tensor, ""]]:
    """Equation (4), in float64, and its gradient (5) from one pass over the rows, some rows at a time.

    Inputs may be whole numbers, such as the bytes of pictures: they take a quarter of the memory and less time to read.
    On the CPU NumPy multiplies: limit the threads of its BLAS as you want.
    """
    _check(weight, bias, inputs)
    _check_labels(labels.new_zeros(len(inputs), dtype=inputs.dtype), labels)
    slopes, sums, parts = torch.zeros_like(weight), torch.zeros_like(bias), []
    for x, y in zip(row_blocks(inputs, weight.dtype, ROWS), labels.split(ROWS), strict=True):
        parts.append(_product(x, weight).add_(bias))  # (1)
        residual = parts[-1].sigmoid() - y  # (2)
        slopes += _product(residual, x)
        sums += residual.sum()
    logits, count = torch.cat(parts), len(inputs)
    loss = -F.logsigmoid(torch.where(labels == 1, logits, -logits)).sum(dtype=torch.float64) / count  # (3)
    return loss + 0.5 * decay * weight.square().sum(), slopes / count + decay * weight, sums / count  # (4), (5)


def separates(logits: Float[Tensor, "batch"], labels: Int[Tensor, "batch"]) -> Bool[Tensor, ""]:
    """Equation (6): whether these logits have every example on its own side, which proves that (w, b) separates."""
    _check_labels(logits, labels)
    return torch.where(labels == 1, logits, -logits).amin() > 0  # (6)


class LogisticRegression(nn.Module):
    """The logit of class 1; it starts at zero (J is convex: every start has the same minimum).

    Args:
        features: D, values of an input.
    """

    def __init__(self, features: int, *, device=None, dtype=None) -> None:
        super().__init__()
        if features < 1:
            raise ValueError(f"{features} features do not make a classifier")
        self.weight = nn.Parameter(torch.zeros(features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros((), device=device, dtype=dtype))

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch"]:
        """The logit of class 1 for each row."""
        _check(self.weight, self.bias, inputs)
        return inputs @ self.weight + self.bias  # (1)

    def pair(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch two"]:
        """Logits (0, a) of both classes: their softmax is (1 - p, p)."""
        logits = self(inputs)
        return torch.stack([torch.zeros_like(logits), logits], 1)

    def objective(self, inputs: Tensor, labels: Tensor, *, decay: float = 0.0) -> Tensor:
        """Equation (4) at the present parameters."""
        return logistic_objective(self.weight, self.bias, inputs, labels, decay=decay)
