"""Linear regression as maximum likelihood: least squares by streaming QR factorisation, and the variance of the noise.

Papers: Gauss 1809, "Theoria motus" (least squares as the most probable values under normal errors); Golub 1965,
"Numerical methods for solving linear least squares problems" (QR); Demmel, Grigori, Hoemmen and Langou 2012,
arXiv:0808.2664 (the factors of parts merge). Exercise: UFLDL tutorial, linear regression.

n examples x_i with F features, targets y_i with K outputs; weights W [K, F], bias b [K]; lambda is the ridge.

    y_i = W x_i + b + e_i,   e_ik ~ N(0, sigma_k^2)                                             (1)
    log p(y_ik | x_i) = -(1/2) log(2 pi sigma_k^2) - (y_ik - W_k . x_i - b_k)^2 / (2 sigma_k^2)  (2)
    J(W, b)  = (1/2n) sum_ik (y_ik - W_k . x_i - b_k)^2 + (lambda / 2) sum W^2                  (3)
    dJ/dW = -(1/n) sum_i r_i x_i^T + lambda W,   dJ/db = -(1/n) sum_i r_i,   r_i = y_i - W x_i - b  (4)
    normal equations   (X_c^T X_c / n + lambda I) W^T = X_c^T Y_c / n,   b = mean y - W mean x    (5)
    [1 X Y] = Q R:     R's block below the first row holds the R factor of centred X, and Q^T Y_c  (6)
    merge:             R of parts together = R factor of [R_1; R_2]                             (7)
    sigma_k^2 = (1/n) sum_i r_ik^2                                                              (8)

The W and b that maximise (2) minimise (3) at lambda = 0; sum or mean of squares changes the learning rate of a descent,
not the minimum. `coef_`, `intercept_` and `variance_` are the maximum of (2) in all three.

Departures
- The normal equations (5) are solved by (6), whose error grows with the condition number of X; forming X^T X would
  square it. Where they have no unique solution (fewer examples than weights, a constant column, dependent columns)
  and lambda is 0, `fit` refuses and names the reason; the notes leave that to the solver.
- sigma^2 divides by n, as the maximum of the likelihood does; the unbiased estimate divides by n - F - 1.
- The bias is never penalised. scikit-learn's Ridge has alpha = n lambda.

    >>> import torch
    >>> from deepcanon.foundations import LinearRegression
    >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LinearRegression().fit(x, torch.tensor([1.0, 3.0, 5.0, 7.5]))
    >>> [round(float(v), 3) for v in (model.coef_, model.intercept_, model.variance_)]
    [2.15, 0.9, 0.019]
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deepcanon.parts.estimators import Estimator, rows_of

__all__ = [
    "LinearRegression", "Triangle", "linear_both", "linear_gradient", "linear_objective", "merge_triangles",
    "solve_triangle", "triangle",
]  # fmt: skip


class Triangle(NamedTuple):
    """What a fit needs to know of the data: n and the factor R of equation (6), in float64."""

    examples: Tensor
    factor: Float[Tensor, "columns columns"]


def _check(weight: Tensor, bias: Tensor, inputs: Tensor, targets: Tensor) -> None:
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(f"weight {tuple(weight.shape)} and bias {tuple(bias.shape)} do not fit")
    if inputs.ndim != 2 or inputs.shape[1] != weight.shape[1]:
        raise ValueError(f"inputs {tuple(inputs.shape)} do not fit weight {tuple(weight.shape)}")
    if targets.shape != (len(inputs), len(weight)):
        raise ValueError(f"targets {tuple(targets.shape)} are not [{len(inputs)}, {len(weight)}]: one row per input")


def linear_objective(
    weight: Float[Tensor, "outputs features"],
    bias: Float[Tensor, "outputs"],
    inputs: Float[Tensor, "batch features"],
    targets: Float[Tensor, "batch outputs"],
    *,
    ridge: float = 0.0,
) -> Tensor:
    """Equation (3)."""
    _check(weight, bias, inputs, targets)
    residuals = targets - F.linear(inputs, weight, bias)
    return 0.5 * residuals.square().sum() / len(inputs) + 0.5 * ridge * weight.square().sum()  # (3)


def linear_gradient(
    weight: Float[Tensor, "outputs features"],
    bias: Float[Tensor, "outputs"],
    inputs: Float[Tensor, "batch features"],
    targets: Float[Tensor, "batch outputs"],
    *,
    ridge: float = 0.0,
) -> tuple[Float[Tensor, "outputs features"], Float[Tensor, "outputs"]]:
    """Equation (4): the gradient of (3) in weight and bias, without autograd."""
    _check(weight, bias, inputs, targets)
    residuals = (targets - F.linear(inputs, weight, bias)) / len(inputs)
    return ridge * weight - residuals.T @ inputs, -residuals.sum(0)  # (4)


def linear_both(
    weight: Float[Tensor, "outputs features"],
    bias: Float[Tensor, "outputs"],
    inputs: Float[Tensor, "batch features"],
    targets: Float[Tensor, "batch outputs"],
    *,
    ridge: float = 0.0,
) -> tuple[Tensor, Float[Tensor, "outputs features"], Float[Tensor, "outputs"]]:
    """Equation (3) and its gradients (4) with one product for both."""
    _check(weight, bias, inputs, targets)
    residuals, count = targets - F.linear(inputs, weight, bias), len(inputs)
    objective = 0.5 * residuals.square().sum() / count + 0.5 * ridge * weight.square().sum()  # (3)
    residuals = residuals / count
    return objective, ridge * weight - residuals.T @ inputs, -residuals.sum(0)  # (4)


def triangle(inputs: Float[Tensor, "batch features"], targets: Float[Tensor, "batch outputs"]) -> Triangle:
    """The factor R of equation (6) of one batch, in float64; rows of zeros fill it up where examples are few."""
    if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets):
        raise ValueError(f"inputs {tuple(inputs.shape)} and targets {tuple(targets.shape)} are not two tables of rows")
    x, y = inputs.to(torch.float64), targets.to(torch.float64)
    return Triangle(x.new_tensor(float(len(x))), _factor(torch.cat([x.new_ones(len(x), 1), x, y], 1)))  # (6)


def _factor(rows: Float[Tensor, "rows columns"]) -> Float[Tensor, "columns columns"]:
    columns = rows.shape[1]
    factor = torch.linalg.qr(rows, mode="r").R
    # A factor is known up to the sign of its rows; with a diagonal that is not negative it is unique.
    factor = factor * torch.where(factor.diagonal() < 0, -1.0, 1.0).to(factor)[:, None]
    return F.pad(factor, (0, 0, 0, columns - len(factor)))


def merge_triangles(*parts: Triangle) -> Triangle:
    """Of disjoint parts of the data together, equation (7)."""
    if len({part.factor.shape for part in parts}) != 1:
        raise ValueError(f"factors of shapes {[tuple(part.factor.shape) for part in parts]} do not merge")
    return Triangle(
        torch.stack([part.examples for part in parts]).sum(), _factor(torch.cat([part.factor for part in parts]))
    )


def solve_triangle(
    seen: Triangle, features: int, *, ridge: float = 0.0
) -> tuple[Float[Tensor, "outputs features"], Float[Tensor, "outputs"], Float[Tensor, "outputs"]]:
    """Weight, bias and noise variance, equations (5) and (8).

    Raises:
        ValueError: the normal equations have no unique solution; the text says why.
    """
    factor, examples, split = seen.factor, float(seen.examples), 1 + features
    if not 1 <= features <= len(factor) - 2:
        raise ValueError(f"{features} features and a target do not fit a factor {tuple(factor.shape)}")
    if not (ridge >= 0 and math.isfinite(ridge)):
        raise ValueError(f"ridge must be a finite number of at least 0, got {ridge}")
    if ridge == 0:
        _refuse_singular(seen, features)
    inner, along = factor[1:split, 1:split], factor[1:split, split:]
    outputs = along.shape[1]
    if ridge > 0:  # the same factorisation of [X_c; sqrt(n lambda) I], whose squares are those of (3)
        penalty = math.sqrt(examples * ridge) * torch.eye(features).to(factor)
        stacked = _factor(torch.cat([torch.cat([inner, along], 1), F.pad(penalty, (0, outputs))]))
        inner, along = stacked[:features, :features], stacked[:features, features:]
    weight = torch.linalg.solve_triangular(inner, along, upper=True)  # (5)
    bias = (factor[0, split:] - factor[0, 1:split] @ weight) / factor[0, 0]
    residual = factor[1:, split:] - factor[1:, 1:split] @ weight
    return weight.T.contiguous(), bias, residual.square().sum(0) / examples  # (8)


def _refuse_singular(seen: Triangle, features: int) -> None:
    examples, remedy = int(seen.examples), "give a ridge above 0"
    if examples <= features:
        what = f"{examples} sample(s) do not determine {features} weights and a bias"
        raise ValueError(f"singular design: {what}; {remedy}")
    whole = seen.factor[:, 1 : 1 + features]
    spread, tiny = whole[1:].norm(dim=0), max(examples, features) * torch.finfo(whole.dtype).eps
    constant = (spread <= tiny * whole.norm(dim=0)).nonzero().flatten().tolist()
    if constant:
        columns = ", ".join(map(str, constant[:10])) + (", ..." if len(constant) > 10 else "")
        raise ValueError(f"singular design: constant features (columns {columns}); leave them out or {remedy}")
    values = torch.linalg.svdvals(whole[1:] / spread)
    if values[-1] <= tiny * values[0]:
        which = torch.linalg.svd(whole[1:] / spread).Vh[-1].abs()
        columns = ", ".join(str(c) for c in (which > 0.01 * which.max()).nonzero().flatten().tolist()[:10])
        raise ValueError(f"singular design: features depend linearly on each other (columns {columns}); {remedy}")


class LinearRegression(Estimator):
    """Least squares with the API of scikit-learn: `fit` returns self, what is learned ends in `_`.

    Args:
        ridge: lambda of equation (3); 0 is plain least squares.

    Attributes:
        coef_ [F] or [K, F], intercept_ [] or [K], variance_ [] or [K] (the noise's, equation (8)) and
        n_samples_seen_: buffers in float64. n_features_in_: F. Targets of one dimension leave out K.
    """

    LEARNED = ("coef_", "intercept_", "variance_", "n_samples_seen_")

    def __init__(self, *, ridge: float = 0.0) -> None:
        super().__init__()
        self.ridge = ridge

    def fit(self, X, y) -> "LinearRegression":
        """Learn from inputs [n, F] and targets [n] or [n, K], arrays or tensors."""
        inputs = rows_of(X, "LinearRegression")
        if y is None:
            raise ValueError("LinearRegression requires y to be passed, but the target y is None")
        y = y if isinstance(y, Tensor) else np.asarray(y)
        if y.ndim not in (1, 2) or len(y) != len(inputs):
            raise ValueError(f"y has shape {tuple(y.shape)}, but a row for each of {len(inputs)} samples is needed")
        try:
            targets = rows_of(y if y.ndim == 2 else y.reshape(-1, 1), "LinearRegression")
        except ValueError as error:
            raise ValueError(str(error).replace("Input X", "Input y")) from None
        return self.fit_triangle(triangle(inputs, targets.to(inputs.device)), inputs.shape[1], flat=y.ndim == 1)

    def fit_triangle(self, seen: Triangle, features: int, *, flat: bool = False) -> "LinearRegression":
        """Learn from a factor that was gathered over batches and processes; `flat` leaves out the axis of outputs."""
        return self.keep(*solve_triangle(seen, features, ridge=self.ridge), seen.examples, flat=flat)

    def keep(
        self,
        weight: Float[Tensor, "outputs features"],
        bias: Float[Tensor, "outputs"],
        variance: Float[Tensor, "outputs"],
        examples: Tensor,
        *,
        flat: bool = False,
    ) -> "LinearRegression":
        """Take what another solver found as the fit; copies, so that the solver may proceed."""
        learned = [value.detach().clone() for value in (weight, bias, variance)]
        self.coef_, self.intercept_, self.variance_ = [value[0] for value in learned] if flat else learned
        self.n_samples_seen_ = examples.clone()
        return self

    def objective(self, inputs: Float[Tensor, "batch features"], targets: Float[Tensor, "batch outputs"]) -> Tensor:
        """Equation (3) at the fit."""
        weight = self.coef_.reshape(targets.shape[1], -1)
        return linear_objective(weight, self.intercept_.reshape(-1), inputs, targets, ridge=self.ridge)

    def distance(self, other: "LinearRegression") -> Tensor:
        """Norm of the difference of all weights and intercepts from those of `other`, relative to the latter's."""
        here, there = (torch.cat([fit.coef_.flatten(), fit.intercept_.flatten()]) for fit in (self, other))
        return (here - there).norm() / there.norm()

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch *outputs"]:
        """The mean of y, equation (1)."""
        self.check_fitted(self.n_features_in_, tuple(inputs.shape))
        if self.coef_.ndim == 1:
            return inputs.to(self.coef_.dtype) @ self.coef_ + self.intercept_
        return F.linear(inputs.to(self.coef_.dtype), self.coef_, self.intercept_)

    def predict(self, X):
        """Predictions of y's shape; an array gives an array, a tensor a tensor."""
        self.check_fitted()
        outputs = self(rows_of(X, "LinearRegression").to(self.coef_.device))
        return outputs if isinstance(X, Tensor) else outputs.cpu().numpy()

    def log_likelihood(
        self, inputs: Float[Tensor, "batch features"], targets: Float[Tensor, "batch *outputs"]
    ) -> Tensor:
        """Equation (2) in nats, for every entry of `targets`."""
        means = self(inputs)
        if targets.shape != means.shape:
            raise ValueError(f"targets {tuple(targets.shape)} do not fit predictions {tuple(means.shape)}")
        variance = self.variance_
        return -0.5 * (2 * math.pi * variance).log() - (targets - means).square() / (2 * variance)  # (2)

    def score(self, X, y) -> float:
        """R^2: the share of y's variance that the fit explains, mean over outputs."""
        means, wanted = torch.as_tensor(self.predict(X)), torch.as_tensor(y).to(torch.float64)
        rest, whole = (wanted - means).square().sum(0), (wanted - wanted.mean(0)).square().sum(0)
        return (1 - rest / whole).mean().item()

    @property
    def n_features_in_(self) -> int:
        self.check_fitted()
        return self.coef_.shape[-1]
