"""Independent component analysis: FastICA with symmetric decorrelation, and the orthogonal natural gradient.

Papers: Hyvarinen 1999, "Fast and robust fixed-point algorithms for independent component analysis" (the fixed point,
the functions G, negentropy); Bell and Sejnowski 1995, "An information-maximization approach to blind separation", and
1997; Amari, Cichocki and Yang 1996, "A new learning algorithm for blind signal separation" (natural gradient, the
index). Whitening and the constraint are written as in the UFLDL notes.

N examples of D features, K components, K <= D; x is a row, mu the mean, z the white data, s the sources.

    z = V (x - mu),    V = diag(lambda)^(-1/2) U^T,    E[z z^T] = I        full whitening              (1)
    s = W z,    W W^T = I:    W <- (W W^T)^(-1/2) W                        symmetric decorrelation     (2)
    W <- E[g(s) z^T] - diag(E[g'(s)]) W,   then (2)                        fixed point                 (3)
    W <- W - eta (C - C^T) W,   C = diag(kappa) E[g(s) s^T],   then (2)    natural gradient            (4)
         kappa_i = sign(E[g'(s_i)] - E[g(s_i) s_i])         +1 peaked sources, -1 flat ones
    g: tanh(s) of G = log cosh s;   s exp(-s^2 / 2);   s^3                                             (5)
    c_i = sqrt(N) |E[exp(-s_i^2 / 2)] - sqrt(1/2)| / d                     root of negentropy          (6)
    index of P = W V A:  (1 / 2K(K-1)) (sum_i (sum_j |p_ij| / max_j |p_ij| - 1) + the same of P^T)     (7)

At most one source may be Gaussian. In (6), d is the standard deviation of exp(-nu^2 / 2) for Gaussian nu, given that
the sample's variance is one, so that c_i is a number of standard errors. Gaussian noise, rotated so that it looks least
Gaussian, reached 3.3 at most for K = 2, 5.6 for K = 10 and 11.8 for K = 64; a source counts as Gaussian below 2 + (4/3)
sqrt(K), and two such sources as `unidentifiable_`, with a warning.

Departures
- Rows are never rescaled one by one: that would leave them correlated, and several would find the same source.
- Sources are sorted by (6), and the largest entry of each row of `components_` is positive: the model leaves order and
  sign open. Variances divide by N.
- The fixed point starts on each `stride`-th example and ends on all of them. The result is the same, in half the time.
- Directions without variance (lambda <= 1e-12 lambda_1) are dropped, where the notes add eps to lambda.
- (4) keeps W orthogonal, where the maximum-likelihood form of the notes lets it be any matrix.

    >>> import numpy as np
    >>> from deepcanon.representation import ICA
    >>> random = np.random.default_rng(0)
    >>> sources, mixing = random.laplace(size=(5000, 3)), random.normal(size=(3, 3))
    >>> found = ICA().fit_transform(sources @ mixing.T)
    >>> bool((abs(np.corrcoef(found.T, sources.T)[:3, 3:]).max(0) > 0.99).all())
    True
"""

import math
import warnings
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from deepcanon.parts.estimators import Estimator, rows_of

from .pca import Moments, decompose, moments

__all__ = [
    "ICA", "Sums", "amari_index", "bell_sum", "decorrelate", "fixed_point", "fixed_point_sums", "natural_gradient",
    "nongaussianity",
]  # fmt: skip

NO_VARIANCE = 1e-12
ENTRIES = 1 << 16
"""Numbers in a block of white data: it stays in the cache."""
FUNCTIONS = ("logcosh", "exp", "cube")
GAUSSIAN_DEVIATION = math.sqrt(1 / math.sqrt(3) - 1 / 2 - 1 / 16)
"""Of exp(-nu^2 / 2): its variance, less the part that follows nu^2, since sources have variance one."""
ROWS_A_SOURCE, FIRST_UPDATES = 250, 30
"""Examples for each source that the first updates need to be useful, and the most that they take."""


class Sums(NamedTuple):
    """What an update needs of the data: sums over examples, so that blocks and processes can be added."""

    examples: Tensor
    product: Float[Tensor, "components features"]
    slope: Float[Tensor, "components"]


def decorrelate(weight: Float[Tensor, "components features"]) -> Float[Tensor, "components features"]:
    """The orthonormal rows nearest to these, equation (2)."""
    if weight.ndim != 2 or len(weight) > weight.shape[1]:
        raise ValueError(f"rows of {tuple(weight.shape)} cannot be orthonormal: more components than features")
    values, vectors = torch.linalg.eigh(weight @ weight.mT)
    return (vectors * values.rsqrt()) @ vectors.mT @ weight


def fixed_point_sums(
    weight: Float[Tensor, "components features"],
    white: Float[Tensor, "batch features"],
    function: str = "logcosh",
) -> Sums:
    """N, the sum of g(s) z^T, and the sum of g'(s) of equation (3)."""
    if weight.ndim != 2 or white.ndim != 2 or weight.shape[1] != white.shape[1]:
        raise ValueError(f"weight {tuple(weight.shape)} does not fit white data {tuple(white.shape)}")
    if function not in FUNCTIONS:
        raise ValueError(f"function is one of {', '.join(FUNCTIONS)}, not {function!r}")
    product, slope = torch.zeros_like(weight), weight.new_zeros(len(weight))
    for z in _blocks(white):
        s = weight @ z.mT
        if function == "logcosh":  # (5)
            g = s.tanh_() if not s.requires_grad else s.tanh()
            slope = slope + (len(z) - g.square().sum(1))
        elif function == "exp":
            squares = s.square()
            bell = torch.exp(-0.5 * squares)
            g, slope = s * bell, slope + ((1 - squares) * bell).sum(1)
        else:
            squares = s.square()
            g, slope = s * squares, slope + 3 * squares.sum(1)
        product = product + g @ z
    return Sums(weight.new_tensor(float(len(white))), product, slope)


def _blocks(white: Tensor, width: int = 0) -> Sequence[Tensor]:
    """Rows in blocks that stay in the cache."""
    size = max(1, ENTRIES // (width or white.shape[1]))
    return (white,) if len(white) <= size else torch.Tensor.split(white, size)


def fixed_point(weight: Float[Tensor, "components features"], sums: Sums) -> Float[Tensor, "components features"]:
    """The next orthonormal weight, equation (3)."""
    return decorrelate(sums.product / sums.examples - (sums.slope / sums.examples)[:, None] * weight)


def natural_gradient(
    weight: Float[Tensor, "components features"], sums: Sums, learning_rate: float = 1.0
) -> Float[Tensor, "components features"]:
    """A step of equation (4); the sums are those of the fixed point, since E[g(s) s^T] = E[g(s) z^T] W^T."""
    both = sums.product @ weight.mT / sums.examples
    kappa = torch.sign(sums.slope / sums.examples - both.diagonal())
    c = kappa[:, None] * both
    return decorrelate(weight - learning_rate * (c - c.mT) @ weight)  # (4)


def nongaussianity(sources: Float[Tensor, "batch components"]) -> Float[Tensor, "components"]:
    """c of equation (6) for sources of mean 0; each is scaled to unit variance."""
    if sources.ndim != 2 or not len(sources):
        raise ValueError(f"expected sources [batch, components], got {tuple(sources.shape)}")
    scale = sources.square().mean(0).sqrt().clamp_min(torch.finfo(sources.dtype).tiny)
    return _standard_errors(bell_sum(torch.diag(1 / scale), sources) / len(sources), len(sources))


def bell_sum(
    weight: Float[Tensor, "components features"], white: Float[Tensor, "batch features"]
) -> Float[Tensor, "components"]:
    """The sum over the examples of exp(-s^2 / 2), where s = W z: what (6) needs of the data."""
    total = white.new_zeros(len(weight))
    for z in _blocks(white):
        total = total + torch.exp(-0.5 * (weight @ z.mT).square()).sum(1)
    return total


def _standard_errors(mean: Tensor, examples: int) -> Tensor:
    return math.sqrt(examples) * (mean - math.sqrt(0.5)).abs() / GAUSSIAN_DEVIATION  # (6)


def amari_index(product: Float[Tensor, "components components"]) -> Float[Tensor, ""]:
    """How far a product of unmixing and mixing is from a scaled permutation: 0 for one, 1 at worst, equation (7)."""
    if product.ndim != 2 or product.shape[0] != product.shape[1] or len(product) < 2:
        raise ValueError(f"expected a square product of two components or more, got {tuple(product.shape)}")
    p, k = product.abs(), len(product)
    rows = (p / p.amax(1, keepdim=True)).sum() - k
    columns = (p / p.amax(0, keepdim=True)).sum() - k
    return (rows + columns) / (2 * k * (k - 1))


class ICA(Estimator):
    """Independent components with the API of scikit-learn: `fit` returns self, what is learned ends in `_`.

    Args:
        n_components: K, at most the number of directions with variance (see RICA for more); None keeps all of them.
        algorithm: "fastica" is equation (3), "gradient" (4).
        function: of equation (5).
        whiten: False takes the centred data as white; right only if they are.
        eps: added to the variances under the root of (1).
        max_iter: updates at most.
        tolerance: largest change of a row's direction, 1 - |cosine|, at which the fit ends.
        learning_rate: of (4).
        stride: the fit begins on each stride-th example, or on more if those are few; 1 takes all at once.
        seed: of the first W.

    Attributes:
        whitening_ [K, D], mixing_ [D, K], mean_ [D], rotation_ [K, K] (W), nongaussianity_ [K], n_iter_: buffers in
        float64. components_ [K, D]: W V. gaussian_ [K], unidentifiable_, n_features_in_.
    """

    LEARNED = ("mean_", "whitening_", "dewhitening_", "rotation_", "nongaussianity_", "n_iter_")

    def __init__(
        self,
        n_components: int | None = None,
        *,
        algorithm: Literal["fastica", "gradient"] = "fastica",
        function: Literal["logcosh", "exp", "cube"] = "logcosh",
        whiten: bool = True,
        eps: float = 0.0,
        max_iter: int = 200,
        tolerance: float = 1e-4,
        learning_rate: float = 1.0,
        stride: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_components, self.algorithm, self.function, self.whiten = n_components, algorithm, function, whiten
        self.eps, self.max_iter, self.tolerance = eps, max_iter, tolerance
        self.learning_rate, self.stride, self.seed = learning_rate, stride, seed

    def fit(self, X, y=None) -> "ICA":
        """Learn from [N, D], an array or a tensor; `y` is ignored."""
        x = rows_of(X, "ICA", at_least=2)
        self.begin(moments(x))
        white = self.whitened(x)
        change, taken = math.inf, 0
        stride = min(self.stride, len(x) // (ROWS_A_SOURCE * len(self.rotation_)))
        if stride > 1:
            few = white[::stride].mT.contiguous().mT
            while change > 100 * self.tolerance and taken < min(FIRST_UPDATES, self.max_iter):
                change, taken = self.update(fixed_point_sums(self.rotation_, few, self.function)), taken + 1
            change, taken = math.inf, 0
        while change > self.tolerance and taken < self.max_iter:
            change, taken = self.update(fixed_point_sums(self.rotation_, white, self.function)), taken + 1
        if change > self.tolerance:
            warnings.warn(f"ICA did not converge in {self.max_iter} updates (change {change:.1e})", stacklevel=2)
        self.n_iter_ = torch.tensor(taken)
        self.arrange(bell_sum(self.rotation_, white) / len(white), len(white))
        if self.unidentifiable_:
            count = int(self.gaussian_.sum())
            warnings.warn(f"{count} sources look Gaussian: they cannot be told apart", stacklevel=2)
        return self

    def begin(self, seen: Moments) -> "ICA":
        """Whitening from moments, gathered over batches and processes, and the first W."""
        self._settings()
        values, rows = decompose(seen.scatter / seen.examples)
        there = int((values > NO_VARIANCE * values[0]).sum()) if float(values[0]) > 0 else 0
        kept = there if self.n_components is None else self.n_components
        if not 1 <= kept <= len(values):
            raise ValueError(f"n_components must lie in 1..{len(values)}, got {kept}: ICA cannot be overcomplete")
        if kept > there:
            raise ValueError(f"the data vary in {there} directions, {kept} components cannot be found in them")
        if self.whiten:
            scales = (values[:kept] + self.eps).sqrt()[:, None]
            self.whitening_, self.dewhitening_ = rows[:kept] / scales, (rows[:kept] * scales).mT.contiguous()  # (1)
        else:
            size = (values[:there].mean()).sqrt()  # one scale for all directions, which neither rotates nor distorts
            self.whitening_, self.dewhitening_ = rows[:kept] / size, (rows[:kept] * size).mT.contiguous()
        start = torch.randn(kept, kept, generator=torch.Generator().manual_seed(self.seed), dtype=torch.float64)
        self.rotation_ = decorrelate(start).to(values)
        self.mean_, self.nongaussianity_ = seen.mean.clone(), values.new_zeros(kept)
        self.n_iter_ = torch.tensor(0)
        return self

    def whitened(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch components"]:
        """z of equation (1); each component is contiguous in memory."""
        white = inputs.new_empty(len(self.whitening_), len(inputs), dtype=self.mean_.dtype)
        for part, rows in zip(_blocks(white.mT), _blocks(inputs, white.shape[0]), strict=True):
            torch.mm(self.whitening_, (rows - self.mean_).mT, out=part.mT)
        return white.mT

    def update(self, sums: Sums) -> float:
        """One update of W from sums over the data; returns the largest change of a direction."""
        old = self.rotation_
        if self.algorithm == "fastica":
            self.rotation_ = fixed_point(old, sums)
        else:
            self.rotation_ = natural_gradient(old, sums, self.learning_rate)
        return float((1 - (self.rotation_ * old).sum(1).abs()).abs().max())

    def arrange(self, mean_bell: Float[Tensor, "components"], examples: int) -> None:
        """Sorts the sources by (6) and fixes their signs."""
        size = _standard_errors(mean_bell, examples)
        order = size.argsort(descending=True, stable=True)
        self.nongaussianity_, self.rotation_ = size[order], self.rotation_[order]
        rows = self.components_
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
        self.rotation_ = self.rotation_ * torch.where(largest < 0, -1.0, 1.0)

    @property
    def components_(self) -> Float[Tensor, "components features"]:
        """The unmixing matrix."""
        self.check_fitted()
        return self.rotation_ @ self.whitening_

    @property
    def mixing_(self) -> Float[Tensor, "features components"]:
        """Column j is what source j adds to the data."""
        self.check_fitted()
        return self.dewhitening_ @ self.rotation_.mT

    @property
    def gaussian_(self) -> Tensor:
        """Which sources look no less Gaussian than rotated Gaussian noise."""
        self.check_fitted()
        return self.nongaussianity_ < 2 + 4 / 3 * math.sqrt(len(self.nongaussianity_))

    @property
    def unidentifiable_(self) -> bool:
        """Whether at least two sources are Gaussian, so that they cannot be told from any rotation of them."""
        return int(self.gaussian_.sum()) > 1

    @property
    def n_features_in_(self) -> int:
        self.check_fitted()
        return len(self.mean_)

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch components"]:
        """The components of each row; it must be fitted."""
        self.check_fitted()
        self.check_fitted(self.mean_.shape[0], inputs.shape)
        return (inputs.to(self.mean_.dtype) - self.mean_) @ self.components_.mT  # (1), (2)

    def transform(self, X):
        """Sources [N, K]. An array gives an array, a tensor a tensor."""
        self.check_fitted()
        sources = self(rows_of(X, "ICA").to(self.mean_.device))
        return sources if isinstance(X, Tensor) else sources.cpu().numpy()

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)

    def inverse_transform(self, X):
        """From sources back to features; exact when no direction was dropped."""
        self.check_fitted()
        sources = rows_of(X, "ICA").to(self.mean_.device)
        if sources.shape[1] != len(self.rotation_):
            raise ValueError(f"X has {sources.shape[1]} columns, but this ICA has {len(self.rotation_)} sources")
        inputs = sources @ self.mixing_.mT + self.mean_
        return inputs if isinstance(X, Tensor) else inputs.cpu().numpy()

    def _settings(self) -> None:
        if self.algorithm not in ("fastica", "gradient"):
            raise ValueError(f"algorithm is 'fastica' or 'gradient', not {self.algorithm!r}")
        if self.function not in FUNCTIONS:
            raise ValueError(f"function is one of {', '.join(FUNCTIONS)}, not {self.function!r}")
        if self.max_iter < 1 or self.stride < 1:
            raise ValueError(f"max_iter and stride must be at least 1, got {self.max_iter} and {self.stride}")
