"""Softmax regression: multinomial logistic regression with weight decay, its gradient in closed form.

Papers: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs"; Liu and Nocedal
1989, "On the limited memory BFGS method" (the optimiser of the recipe). Exercise: UFLDL tutorial, softmax regression.

n examples x_i with F features and class y_i of K; weight W [K, F], bias b [K]; lambda is the decay.

    a_ik    = W_k . x_i + b_k                                              logits       (1)
    p_ik    = exp(a_ik - logsumexp_j a_ij)                                 shifted      (2)
    J(W, b) = -(1/n) sum_i log p_{i, y_i} + (lambda / 2) sum W^2                        (3)
    dJ/dW   = (1/n) sum_i (p_i - onehot(y_i)) x_i^T + lambda W                          (4)
    dJ/db   = (1/n) sum_i (p_i - onehot(y_i))                                           (5)

J is convex. Without decay its Hessian is singular (adding one vector to every row of W changes nothing), with
decay the minimum in W is unique; the bias is not penalised, and stays at sum zero when it starts there.

Departures: the UFLDL exercise leaves out class K's weights or penalises the bias; here all K classes keep their
rows and only W decays.

    >>> import torch
    >>> from deepcanon.foundations import SoftmaxRegression
    >>> model = SoftmaxRegression(784, 10)
    >>> round(model.objective(torch.rand(4, 784), torch.tensor([1, 2, 3, 4]), decay=1e-4).item(), 4)
    2.3026
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from deepcanon.parts.lbfgs import LBFGS, AffineRows
from deepcanon.parts.row_blocks import ROWS, row_blocks

__all__ = ["SoftmaxRegression", "fit_softmax", "softmax_both", "softmax_gradient", "softmax_objective"]


def _check(weight: Tensor, bias: Tensor, inputs: Tensor, labels: Tensor) -> None:
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(f"weight {tuple(weight.shape)} and bias {tuple(bias.shape)} do not fit")
    if inputs.ndim != 2 or inputs.shape[1] != weight.shape[1]:
        raise ValueError(f"inputs {tuple(inputs.shape)} do not fit weight {tuple(weight.shape)}")
    if labels.shape != inputs.shape[:1]:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit inputs {tuple(inputs.shape)}")


def softmax_objective(
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, "classes"],
    inputs: Float[Tensor, "batch features"],
    labels: Int[Tensor, "batch"],
    *,
    decay: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Equation (3). With reduction "none" the negative log-likelihoods alone, one per row; "sum" is n times "mean"."""
    _check(weight, bias, inputs, labels)
    logits = F.linear(inputs, weight, bias)  # (1)
    nll = torch.logsumexp(logits, 1) - logits.gather(1, labels[:, None]).squeeze(1)  # (2)
    if reduction == "none":
        return nll
    penalty = 0.5 * decay * weight.square().sum()
    if reduction == "mean":
        return nll.mean() + penalty
    if reduction == "sum":
        return nll.sum() + len(nll) * penalty
    raise ValueError(f"reduction is mean, sum or none, not {reduction!r}")


def softmax_gradient(
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, "classes"],
    inputs: Float[Tensor, "batch features"],
    labels: Int[Tensor, "batch"],
    *,
    decay: float = 0.0,
) -> tuple[Float[Tensor, "classes features"], Float[Tensor, "classes"]]:
    """Equations (4) and (5), without autograd: the gradient of the "mean" objective in weight and bias."""
    _check(weight, bias, inputs, labels)
    probabilities = F.linear(inputs, weight, bias).softmax(1)  # (2)
    residual = (probabilities - F.one_hot(labels, len(weight))) / len(labels)
    return residual.T @ inputs + decay * weight, residual.sum(0)  # (4), (5)


def softmax_both(
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, "classes"],
    inputs: Num[Tensor, "batch features"],
    labels: Int[Tensor, "batch"],
    *,
    decay: float = 0.0,
) -> tuple[Tensor, Float[Tensor, "classes features"], Float[Tensor, "classes"]]:
    """Equation (3), in float64, and its gradients (4) and (5) from one pass over the rows, some rows at a time.

    Inputs may be whole numbers, such as the bytes of pictures: they take a quarter of the memory.
    """
    _check(weight, bias, inputs, labels)
    total = inputs.new_zeros((), dtype=torch.float64)
    slopes, sums = torch.zeros_like(weight), torch.zeros_like(bias)
    for x, y in zip(row_blocks(inputs, weight.dtype), labels.split(ROWS), strict=True):
        # One column for each row: the product with few classes is faster, and so is the softmax.
        logs = torch.addmm(bias[:, None], weight, x.T).log_softmax(0)  # (1), (2)
        total -= logs.gather(0, y[None]).sum()
        residual = logs.exp().scatter_add(0, y[None], -torch.ones_like(logs[:1]))
        slopes.addmm_(residual, x)
        sums += residual.sum(1)
    nll, count = total / len(inputs), len(inputs)
    return nll + 0.5 * decay * weight.square().sum(), slopes / count + decay * weight, sums / count  # (3), (4), (5)


class SoftmaxRegression(nn.Module):
    """Logits of a linear classifier that starts at zero (J is convex: every start has the same minimum).

    Args:
        features: values of an input.
        classes: K.
    """

    def __init__(self, features: int, classes: int, *, device=None, dtype=None) -> None:
        super().__init__()
        if features < 1 or classes < 2:
            raise ValueError(f"{features} features and {classes} classes do not make a classifier")
        self.weight = nn.Parameter(torch.zeros(classes, features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(classes, device=device, dtype=dtype))

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Logits for each row."""
        return torch.addmm(self.bias[:, None], self.weight, inputs.T).T  # (1), the product of `softmax_both`

    def objective(self, inputs: Tensor, labels: Tensor, *, decay: float = 0.0) -> Tensor:
        """Equation (3) at the present parameters."""
        return softmax_objective(self.weight, self.bias, inputs, labels, decay=decay)


def fit_softmax(
    inputs: Float[Tensor, "batch features"],
    labels: Int[Tensor, "batch"],
    classes: int,
    *,
    decay: float = 0.0,
    iterations: int = 100,
) -> SoftmaxRegression:
    """The minimum of (3) by L-BFGS from zero, on all rows at once."""
    model = SoftmaxRegression(inputs.shape[1], classes, device=inputs.device, dtype=inputs.dtype)
    model.requires_grad_(False)
    weight, bias = model.weight, model.bias
    basis = AffineRows(inputs.mean(0))
    optimizer = LBFGS([weight, bias], iterations=iterations, tolerance=1e-6, basis=basis)

    def closure() -> Tensor:
        objective, weight.grad, bias.grad = softmax_both(weight, bias, inputs, labels, decay=decay)
        return objective

    optimizer.step(closure)
    weight.grad = bias.grad = None
    return model
