"""Principal component analysis with PCA and ZCA whitening, exact, from moments that can be streamed.

Papers: Hotelling 1933, "Analysis of a complex of statistical variables into principal components"; Bell and
Sejnowski 1997, "The independent components of natural scenes are edge filters" (ZCA). The notation is that of
the UFLDL notes. The merge of moments is Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise
algorithm for computing sample variances".

N examples of D features, K components; x is a row, mu the mean row.

    mu     = (1/N) sum x,      S = sum (x - mu)(x - mu)^T,      Sigma = S / N                   (1)
    Sigma  = U diag(lambda) U^T,   lambda_1 >= ... >= lambda_D >= 0                               (2)
    z      = U_K^T (x - mu)                                        the code                       (3)
    z_i / sqrt(lambda_i + eps)                                     PCA whitening                  (4)
    U_K (z_i / sqrt(lambda_i + eps))_i                             ZCA whitening: rotated back    (5)
    x_hat  = mu + U_K z,   mean |x - x_hat|^2 = sum_{i > K} lambda_i on the fitted data           (6)
    merge: mu = (N1 mu1 + N2 mu2) / N,   S = S1 + S2 + (N1 N2 / N)(mu1 - mu2)(mu1 - mu2)^T        (7)
    pool:  mu = sum_p N_p mu_p / N,      S = sum_p S_p + N_p (mu_p - mu)(mu_p - mu)^T             (8)
    z_i / sqrt(tr(Sigma) / K)              one scale for all: rotated and scaled, not whitened    (9)

Departures
- Sign: an eigenvector is known up to its sign; we make its largest entry by magnitude positive (the notes leave
  it to the solver). Two fits on one data set are then equal.
- Sigma divides by N, as in the notes; scikit-learn divides by N - 1, so that its `explained_variance_` is ours
  times N / (N - 1).
- `eps` is 0 by default (the notes suggest 1e-5): whitened data then have the identity as covariance, exactly.
  Directions without variance (lambda <= 1e-12 lambda_1) give 0 instead of amplified rounding.
- Statistics and components are float64 whatever the inputs: the covariance squares the condition number.

    >>> import numpy as np
    >>> from deepcanon.representation import PCA
    >>> x = np.random.default_rng(0).normal(size=(500, 4)) @ np.diag([3.0, 2.0, 1.0, 0.1])
    >>> z = PCA(n_components=3, whiten="pca").fit_transform(x)
    >>> bool(np.allclose(z.T @ z / 500, np.eye(3)))
    True
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PCA", "Moments", "decompose", "merge", "moments", "pooled_moments", "zca_matrix"]

NO_VARIANCE = 1e-12
ROWS = 2048


class Moments(NamedTuple):
    """What a fit needs to know of the data: N, mu and S of equation (1), in float64."""

    examples: Tensor
    mean: Float[Tensor, "features"]
    scatter: Float[Tensor, "features features"]


def moments(inputs: Float[Tensor, "batch features"]) -> Moments:
    """Moments of one batch; an empty batch has count 0 and leaves a merge as it was."""
    if inputs.ndim != 2:
        raise ValueError(f"expected [batch, features], got {tuple(inputs.shape)}")
    x = inputs.to(torch.float64)
    mean = x.sum(0) / max(len(x), 1)
    scatter = x.new_zeros(x.shape[1], x.shape[1])
    for rows in x.split(ROWS):  # (1), by rows that stay in the cache
        scatter = scatter.add_(_square(rows - mean)) if not x.requires_grad else scatter + _square(rows - mean)
    return Moments(x.new_tensor(float(len(x))), mean, scatter)


def _square(x: Float[Tensor, "rows features"]) -> Float[Tensor, "features features"]:
    """x^T x. On a CPU NumPy sees that the product is symmetric and does half the work; torch does not."""
    if x.requires_grad or x.device.type != "cpu":
        return x.T @ x
    array = x.numpy()
    return torch.from_numpy(array.T @ array)


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of two disjoint parts of the data together, equation (7)."""
    if first.mean.shape != second.mean.shape:
        raise ValueError(f"moments of {len(first.mean)} and {len(second.mean)} features do not merge")
    count = first.examples + second.examples
    share = second.examples / count.clamp_min(1)
    gap = second.mean - first.mean
    scatter = first.scatter + second.scatter + first.examples * share * torch.outer(gap, gap)
    return Moments(count, first.mean + share * gap, scatter)


def pooled_moments(part: Moments, add: Callable[[Tensor], Tensor]) -> Moments:
    """Moments of the parts that several processes hold, equation (8); `add` sums a tensor over the processes."""
    count = add(part.examples)
    mean = add(part.examples * part.mean) / count
    gap = part.mean - mean
    return Moments(count, mean, add(part.scatter + part.examples * torch.outer(gap, gap)))


def decompose(
    covariance: Float[Tensor, "features features"], kept: int | None = None
) -> tuple[Float[Tensor, "kept"], Float[Tensor, "kept features"]]:
    """The largest eigenvalues, never negative, and their eigenvectors as rows, sign fixed, equation (2)."""
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"expected a square covariance, got {tuple(covariance.shape)}")
    if covariance.requires_grad or covariance.device.type != "cpu":
        values, vectors = torch.linalg.eigh(covariance)
    else:  # NumPy's solver takes a fifth less time
        values, vectors = (torch.from_numpy(part) for part in np.linalg.eigh(covariance.numpy()))
    first = len(values) - (len(values) if kept is None else kept)
    values, rows = values[first:].flip(0).clamp_min(0), vectors[:, first:].flip(1).T.contiguous()
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return values, rows * torch.where(largest < 0, -1.0, 1.0)


def zca_matrix(pca: "PCA", eps: float = 0.0) -> Float[Tensor, "features features"]:
    """U diag(lambda + eps m)^(-1/2) U^T of (5) from all components; m is the mean eigenvalue, so `eps` has no unit.

    Raises:
        ValueError: the data do not vary.
    """
    values, rows = pca.explained_variance_, pca.components_
    if not bool(values.max() > 0):
        raise ValueError("the inputs do not vary: there is nothing to whiten")
    scales = torch.where(values > NO_VARIANCE * values.max(), (values + eps * values.mean()).rsqrt(), 0.0)
    return rows.T @ (scales[:, None] * rows)


class NotFitted(ValueError, AttributeError):
    """Raised when an estimator is used before `fit`; both types, as scikit-learn's own."""


class PCA(nn.Module):
    """Principal components with the API of scikit-learn: `fit` returns self, what is learned ends in `_`.

    Args:
        n_components: K; None keeps all that the data have.
        whiten: "none" gives equation (3), "scale" (9), "pca" (4), "zca" (5).
        eps: added to the eigenvalues under the root.

    Attributes:
        components_ [K, D], mean_ [D], explained_variance_ [K], explained_variance_ratio_ [K],
        total_variance_ (the trace of Sigma) and n_samples_seen_: buffers in float64. n_features_in_: D.
    """

    LEARNED = (
        "components_",
        "mean_",
        "explained_variance_",
        "explained_variance_ratio_",
        "total_variance_",
        "n_samples_seen_",
    )

    def __init__(
        self,
        n_components: int | None = None,
        *,
        whiten: Literal["none", "scale", "pca", "zca"] = "none",
        eps: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_components, self.whiten, self.eps = n_components, whiten, eps
        for name in self.LEARNED:
            self.register_buffer(name, None)

    def fit(self, X, y=None) -> "PCA":
        """Learn from [N, D], an array or a tensor; `y` is ignored."""
        return self.fit_moments(moments(self._read(X, at_least=2)))

    def fit_moments(self, seen: Moments) -> "PCA":
        """Learn from moments, gathered over batches and processes."""
        features, kept = len(seen.mean), self.n_components
        if self.whiten not in ("none", "scale", "pca", "zca"):
            raise ValueError(f"whiten is 'none', 'scale', 'pca' or 'zca', not {self.whiten!r}")
        kept = min(features, int(seen.examples)) if kept is None else kept
        if not 1 <= kept <= features:
            raise ValueError(f"n_components must lie in 1..{features} (the features), got {kept}")
        values, rows = decompose(seen.scatter / seen.examples, kept)  # (1), (2)
        total = (seen.scatter.diagonal().sum() / seen.examples).clamp_min(0)
        self.components_, self.explained_variance_ = rows, values
        self.explained_variance_ratio_ = self.explained_variance_ / total.clamp_min(torch.finfo(total.dtype).tiny)
        self.mean_, self.total_variance_, self.n_samples_seen_ = seen.mean.clone(), total, seen.examples.clone()
        return self

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch codes"]:
        """The codes of each row, whitened if `whiten` says so; it must be fitted."""
        self._check(inputs)
        codes = (inputs.to(self.mean_.dtype) - self.mean_) @ self.components_.T  # (3)
        if self.whiten != "none":
            codes = codes / self._scales()  # (4)
        return codes @ self.components_ if self.whiten == "zca" else codes  # (5)

    def transform(self, X):
        """Codes [N, K]; [N, D] under "zca". An array gives an array, a tensor a tensor."""
        self._fitted()
        codes = self(self._read(X))
        return codes if isinstance(X, Tensor) else codes.cpu().numpy()

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)

    def inverse_transform(self, X):
        """From codes back to features, equation (6); exact when all components are kept and eps is 0."""
        self._fitted()
        codes = self._read(X)
        width = self.mean_.shape[0] if self.whiten == "zca" else self.components_.shape[0]
        if codes.shape[1] != width:
            raise ValueError(f"X has {codes.shape[1]} columns, but the codes of this PCA have {width}")
        if self.whiten == "zca":
            codes = codes @ self.components_.T
        if self.whiten != "none":
            scales = self._scales()
            codes = codes * torch.where(scales.isinf(), 0.0, scales)
        inputs = codes @ self.components_ + self.mean_
        return inputs if isinstance(X, Tensor) else inputs.cpu().numpy()

    def squared_errors(self, X: Float[Tensor, "batch features"]) -> Float[Tensor, "batch kept"]:
        """|x - x_hat|^2 of each row when the first 0, 1, ..., K components are kept: columns 0..K."""
        self._check(X)
        centred = X.to(self.mean_.dtype) - self.mean_
        found = (centred @ self.components_.T).square().cumsum(1)
        whole = centred.square().sum(1, keepdim=True)
        return (whole - torch.cat([torch.zeros_like(whole), found], 1)).clamp_min(0)

    @property
    def n_features_in_(self) -> int:
        self._fitted()
        return len(self.mean_)

    def get_params(self, deep: bool = True) -> dict:
        return {"n_components": self.n_components, "whiten": self.whiten, "eps": self.eps}

    def set_params(self, **params) -> "PCA":
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"Invalid parameter {name!r} for estimator PCA; it has {sorted(self.get_params())}")
            setattr(self, name, value)
        return self

    def extra_repr(self) -> str:
        return f"n_components={self.n_components}, whiten={self.whiten!r}, eps={self.eps}"

    def _scales(self) -> Float[Tensor, "components"]:
        """The divisors of (4) or (9); in (4) infinite, so that the code is 0, where the data have no variance."""
        variance = self.explained_variance_
        if self.whiten == "scale":
            return (self.total_variance_ / len(variance)).sqrt().clamp_min(1e-12).expand_as(variance)
        empty = variance <= NO_VARIANCE * variance[0]
        return torch.where(empty, torch.inf, (variance + self.eps).sqrt())

    def _fitted(self) -> None:
        if self.components_ is None:
            raise NotFitted("this PCA instance is not fitted yet: call fit with data first")

    def _check(self, inputs: Tensor) -> None:
        self._fitted()
        if inputs.ndim != 2 or inputs.shape[1] != self.mean_.shape[0]:
            has = f"{inputs.shape[1]} features" if inputs.ndim == 2 else f"the shape {tuple(inputs.shape)}"
            raise ValueError(f"X has {has}, but PCA is expecting {self.mean_.shape[0]} features as input")

    def _read(self, X, at_least: int = 1) -> Float[Tensor, "batch features"]:
        if hasattr(X, "toarray"):
            raise TypeError("PCA takes dense data; convert a sparse matrix with .toarray() first")
        if not isinstance(X, Tensor):
            X = np.asarray(X)
            if np.iscomplexobj(X):
                raise ValueError("Complex data not supported")
            X = torch.from_numpy(np.require(X, np.float64, "W"))
        if X.ndim != 2:
            raise ValueError(
                f"Expected 2D array [samples, features], got shape {tuple(X.shape)}. Reshape your data: "
                "X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one sample"
            )
        if X.shape[1] == 0:
            raise ValueError(f"0 feature(s) (shape={tuple(X.shape)}) while a minimum of 1 is required.")
        if len(X) < at_least:
            raise ValueError(f"Found array with {len(X)} sample(s) while a minimum of {at_least} is required.")
        X = X.to(torch.float64)
        if not bool(torch.isfinite(X.sum())):  # one NaN or infinity is enough to spoil the sum
            raise ValueError("Input X contains NaN or infinity")
        return X if self.mean_ is None else X.to(self.mean_.device)

    def _load_from_state_dict(self, state_dict, prefix, *rest) -> None:
        # The shapes are learned: an unfitted instance takes those of the saved one.
        for name in self.LEARNED:
            saved = state_dict.get(prefix + name)
            if saved is not None and (getattr(self, name) is None or getattr(self, name).shape != saved.shape):
                setattr(self, name, torch.empty_like(saved))
        super()._load_from_state_dict(state_dict, prefix, *rest)
