"""Naive Bayes, a generative classifier: Gaussian, Bernoulli or multinomial features given the class, fitted by counts.

Papers: Ng and Jordan 2002, "On discriminative vs. generative classifiers: a comparison of logistic regression and naive
Bayes"; McCallum and Nigam 1998, "A comparison of event models for naive Bayes text classification" (Bernoulli and
multinomial). Merging of moments: Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise algorithm".

N examples x with F features and class c of K; N_c examples, sums s_c and squares S_c about the mean belong to class c.

    log p(x, c) = log p(c) + sum_f log p(x_f | c),   p(c) = N_c / N                              (1)
    gaussian:     x_f | c ~ N(mu_cf, v_cf),   mu_cf = s_cf / N_c,   v_cf = S_cf / N_c + smoothing * max_f v_f   (2)
                  or v_f = sum_c S_cf / N + smoothing * max_f v_f, shared by the classes     (2')
    bernoulli:    P(x_f = 1 | c) = theta_cf = (s_cf + smoothing) / (N_c + 2 smoothing)           (3)
    multinomial:  theta_cf = (s_cf + smoothing) / (sum_f s_cf + F smoothing),   sum_f x_f log theta_cf   (4)
    log p(c | x) = log p(x, c) - log p(x),   log p(x) = logsumexp_c log p(x, c)                  (5)
    bits per dimension = -log p(x) / (F ln 2)                                                    (6)
    merge: s = s1 + s2,   S = S1 + S2 + (N1 N2 / N)(mu1 - mu2)^2, class by class                  (7)
    telling: theta_cf log(theta_cf / mean_{d != c} theta_df), f's share of the KL of c from the others     (8)
    z_cf = (mean of n samples of class c - theta_cf) / sqrt(v_cf / n), of the size 1 for a right sampler   (9)

With (2') and with (3) the log odds of two classes are linear in x: these are the generative twins of logistic
regression. What is maximised is the likelihood of x and c together (the logarithm of the product of p is the sum of
the logarithms), where a discriminative classifier maximises that of c given x.

Departures
- Smoothing is scikit-learn's: in (2) its share of the largest variance of any feature (1e-9: a constant feature does
  no harm), in (3) and (4) a count (Laplace's 1 by default). Ng and Jordan's analysis has none.
- (3) takes features in [0, 1]: a value in between is the probability of a 1, which gives the expectation of (3) and (1)
  over binary draws; with `threshold` features become 1 above it and 0 elsewhere.
- (4) leaves out the multinomial coefficient, which is the same for all classes: its log p(x) is that of one order of
  the draws.
- Everything is computed in float64, float32 some rows at a time. Where probabilities are 0 and smoothing is 0, log p is
  a large negative number, not minus infinity.
- The square of (2) is multiplied out where that loses no digits (`gaussian_log`). (3) and (4) take sparse counts.

    >>> import torch
    >>> from deepcanon.foundations import NaiveBayes
    >>> x, y = torch.tensor([[0.0, 1], [0, 0], [1, 1], [1, 0]]), torch.tensor([0, 0, 1, 1])
    >>> model = NaiveBayes("bernoulli").fit(x, y)
    >>> model.theta_[:, 0].tolist(), [round(v, 4) for v in model.predict_proba(x)[0].tolist()]
    ([0.25, 0.75], [0.75, 0.25])
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.class_gaussians import gaussian_log
from deepcanon.parts.class_moments import ROWS, ClassMoments, class_moments, merge_classes
from deepcanon.parts.estimators import Estimator, labels_of, rows_of
from deepcanon.parts.noise import normal
from deepcanon.parts.row_blocks import row_blocks
from deepcanon.parts.sparse_rows import csr_rows, is_csr, is_sparse, rows_times, with_values

__all__ = ["ClassMoments", "NaiveBayes", "bits_per_dimension", "class_moments", "gaussian_log", "merge_classes",
           "sample_z", "telling_features"]  # fmt: skip

BAD = "Input X contains NaN or infinity, or numbers that are too large"
DEFAULT_SMOOTHING = {"gaussian": 1e-9, "bernoulli": 1.0, "multinomial": 1.0}


def bits_per_dimension(log_likelihood: Float[Tensor, "batch"], features: int) -> Float[Tensor, "batch"]:
    """Equation (6), from log p(x) in nats."""
    if features < 1:
        raise ValueError(f"{features} features have no likelihood per dimension")
    return -log_likelihood / (features * math.log(2))  # (6)


def telling_features(theta: Float[Tensor, "classes features"]) -> Float[Tensor, "classes features"]:
    """Equation (8), of probabilities: large where a feature is frequent in a class and rarer in the others."""
    if theta.ndim != 2 or len(theta) < 2:
        raise ValueError(f"probabilities {tuple(theta.shape)}: at least two classes are needed")
    others, floor = (theta.sum(0) - theta) / (len(theta) - 1), torch.finfo(theta.dtype).tiny
    return theta * (theta.clamp_min(floor) / others.clamp_min(floor)).log()  # (8)


class NaiveBayes(Estimator):
    """Fitted by counting, with the API of scikit-learn: `fit` returns self, what is learned ends in `_`.

    Args:
        distribution: of a feature given the class: "gaussian" (2), "bernoulli" (3) or "multinomial" (4).
        smoothing: None takes 1e-9 (gaussian) or 1.
        share_variance: gaussian: equation (2') instead of (2).
        threshold: bernoulli: features above it count as 1, others as 0; None takes them as probabilities in [0, 1].

    Attributes:
        log_prior_ [K], theta_ [K, F] (means or probabilities), variance_ [K, F] (gaussian; else of a single draw)
        and classes_ [K], buffers. n_features_in_: F.
    """

    LEARNED = ("log_prior_", "theta_", "variance_", "classes_")

    def __init__(
        self,
        distribution: Literal["gaussian", "bernoulli", "multinomial"] = "gaussian",
        *,
        smoothing: float | None = None,
        threshold: float | None = None,
        share_variance: bool = False,
    ) -> None:
        super().__init__()
        self.distribution, self.smoothing = distribution, smoothing
        self.threshold, self.share_variance = threshold, share_variance

    @classmethod
    def usual(
        cls,
        kind: str,
        distribution: str = "auto",
        *,
        smoothing: float | None = None,
        share_variance: bool = True,
        binarize: bool = False,
    ) -> "NaiveBayes":
        """For features of "images" (pixels in [0, 1]), "tables" (columns) or "documents" (word counts).

        Args:
            distribution: "auto" takes multinomial for documents, otherwise gaussian.
            smoothing: None takes 0.1 (gaussian: small samples need more than `fit` adds by itself) or 1.
            binarize: bernoulli: features above one half count as 1, as those of documents do anyway.
        """
        if distribution == "auto":
            distribution = "multinomial" if kind == "documents" else "gaussian"
        if kind == "documents" and distribution == "gaussian":
            raise ValueError("word counts are not gaussian: use multinomial or bernoulli")
        if smoothing is None:
            smoothing = 0.1 if distribution == "gaussian" else 1.0
        threshold = 0.5 if binarize or kind == "documents" else None
        return cls(distribution, smoothing=smoothing, threshold=threshold, share_variance=share_variance)  # type: ignore[arg-type]

    def fit(self, X, y) -> "NaiveBayes":
        """Learn from [N, F] and labels [N] (whole numbers, as arrays or tensors)."""
        inputs = self._rows(X)
        places, names = labels_of(y, inputs.shape[0], "NaiveBayes")
        if not all(isinstance(name, int | float) for name in names):
            raise ValueError(f"labels are whole numbers, not names such as {names[0]!r}: number the classes first")
        places, scatter = places.to(inputs.device), self.distribution == "gaussian"
        prepare = None if scatter else self.features  # which leaves those of a gaussian as they are
        seen = class_moments(inputs, places, len(names), prepare=prepare, scatter=scatter)
        if not bool(seen.sums.isfinite().all()):
            raise ValueError(BAD)
        return self.fit_moments(seen, torch.tensor(names, dtype=torch.int64))

    def fit_moments(
        self, seen: ClassMoments, classes: Int[Tensor, "classes"] | None = None, *, answers: bool = True
    ) -> "NaiveBayes":
        """Learn from moments of `features`, gathered over batches and processes.

        Args:
            answers: whether it will be asked soon: then the first answer takes as long as others.
        """
        kind, smoothing = self.distribution, self.smoothing
        if kind not in DEFAULT_SMOOTHING:
            raise ValueError(f"distribution is 'gaussian', 'bernoulli' or 'multinomial', not {kind!r}")
        smoothing = DEFAULT_SMOOTHING[kind] if smoothing is None else smoothing
        if not (smoothing >= 0 and math.isfinite(smoothing)):
            raise ValueError(f"smoothing must be a finite number of at least 0, got {smoothing}")
        count, sums, scatter = seen
        empty = (count == 0).nonzero().flatten().tolist()
        if empty:
            raise ValueError(f"no examples of class {', '.join(map(str, empty[:10]))}: every class needs at least one")
        each, total = count[:, None], count.sum()
        if kind == "gaussian":
            if scatter is None or (whole := seen.together().scatter) is None:
                raise ValueError("gaussian features have variances: gather moments with scatter=True")
            theta = sums / each
            inner = (scatter.sum(0) / total).expand_as(scatter) if self.share_variance else scatter / each
            variance = inner + smoothing * whole.max() / total  # (2), (2')
            if not bool((variance > 0).all()):
                row, column = (variance <= 0).nonzero()[0].tolist()
                what = f"feature {column} is constant in a class of {int(count[row])} sample(s): no variance to fit"
                raise ValueError(f"{what}; leave it out, or give a smoothing above 0 where some feature varies")
        else:
            slots = sums.sum(1, keepdim=True) if kind == "multinomial" else each
            room = sums.shape[1] if kind == "multinomial" else 2
            theta = (sums + smoothing) / (slots + room * smoothing)  # (3), (4)
            if not math.isfinite(float(theta.sum())):  # probabilities, whose sum is finite if they are
                raise ValueError("a class has no counts at all: give a smoothing above 0")
            variance = theta * (1 - theta)
        self.log_prior_, self.theta_, self.variance_ = (count / total).log(), theta, variance
        self.classes_ = torch.arange(len(count), device=count.device) if classes is None else classes.to(count.device)
        if answers:
            self._log_given()
        return self

    def _load_from_state_dict(self, state_dict, prefix, *rest) -> None:
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if all(name in state_dict for name in (f"{prefix}{buffer}" for buffer in self.LEARNED)):
            self._log_given()

    def features(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """What is counted: inputs above the threshold as 1 (bernoulli), or inputs as they are, checked.

        A sparse CSR tensor keeps its places; what it leaves out is 0.
        """
        self._check(inputs)
        return self._counted(inputs)

    def _counted(self, inputs: Tensor) -> Tensor:
        if self.distribution != "bernoulli" or self.threshold is None:
            return inputs
        values = inputs.values() if is_csr(inputs) else inputs
        ones = (values > self.threshold).to(values.dtype)
        return ones if values is inputs else with_values(inputs, lambda _: ones)

    def _check(self, inputs: Tensor) -> None:
        values = inputs.values() if is_csr(inputs) else inputs
        threshold = self.threshold if self.distribution == "bernoulli" else None
        if threshold is not None and threshold < 0 and values is not inputs:
            raise ValueError(f"with the threshold {threshold:g} zeros of a sparse matrix would count as 1")
        if self.distribution == "gaussian" or not values.numel():
            return
        low = float(values.min())  # NaN if there is one; infinity is seen in sums and answers
        if math.isnan(low) or (threshold is not None and math.isinf(float(values.max()))):
            raise ValueError(BAD)
        if low < 0 and self.distribution == "multinomial":
            raise ValueError("Negative values in data passed to NaiveBayes (multinomial): features are counts")
        if self.distribution == "bernoulli" and threshold is None and not 0 <= low <= float(values.max()) <= 1:
            raise ValueError("Bernoulli features lie in [0, 1]: scale them, or give a threshold")

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """log p(x, c), equation (1), of inputs that `features` has checked, or of what it gives."""
        self.check_fitted(self.n_features_in_, tuple(inputs.shape))
        if self.distribution == "bernoulli" and self.threshold is not None and not is_csr(inputs):
            inputs = inputs > self.threshold
        given = self._log_given()(inputs if is_csr(inputs) else inputs.to(self.theta_.dtype))
        return self.log_prior_ + given  # (1)

    def _log_given(self) -> Callable[[Tensor], Tensor]:
        """log p(x | c) as a function of rows: what depends on the model alone is computed once for a state."""
        if self.distribution == "gaussian":
            return self.derived("gaussian", lambda: gaussian_log(self.theta_, self.variance_))  # (2)
        if self.distribution == "bernoulli":
            return self.derived("bernoulli", lambda: _bernoulli_log(self.theta_))  # (3)
        return self.derived("multinomial", lambda: rows_times(_log(self.theta_)))  # (4)

    def _rows(self, X) -> Float[Tensor, "batch features"]:
        """Inputs as a tensor whose values `features` checks: float64, float32 as it is, or sparse counts."""
        if not is_sparse(X):
            return rows_of(X, "NaiveBayes", narrow=True)
        if self.distribution == "gaussian":
            raise TypeError("a gaussian takes dense data; convert a sparse matrix with .toarray() first")
        return csr_rows(X)

    def predict_joint_log_proba(self, X) -> Float[Tensor, "batch classes"]:
        """log p(x, c), equation (1), of rows that are checked; a tensor."""
        self.check_fitted()
        x = self._rows(X).to(self.theta_.device)
        self.check_fitted(self.n_features_in_, tuple(x.shape))
        given, found = self._log_given(), []
        for rows in [x] if is_csr(x) else row_blocks(x, torch.float64, 2 * ROWS):
            found.append(given(self._counted(rows)))  # first: a product waits less for memory than a comparison
            self._check(rows)
        joint = torch.cat(found).add_(self.log_prior_)
        if not math.isfinite(float(joint.sum())) and not bool(joint.isfinite().all()):
            raise ValueError(BAD)
        return joint

    def predict_log_proba(self, X):
        """log p(c | x), equation (5); an array gives an array, a tensor a tensor."""
        joint = self.predict_joint_log_proba(X)
        log = joint - joint.logsumexp(1, keepdim=True)  # (5)
        return log if isinstance(X, Tensor) else log.cpu().numpy()

    def predict_proba(self, X):
        log = self.predict_log_proba(X)
        return log.exp() if isinstance(X, Tensor) else np.exp(log)

    def predict(self, X):
        """The most probable class, by its own number."""
        found = self.classes_[self.predict_joint_log_proba(X).argmax(1)]
        return found if isinstance(X, Tensor) else found.cpu().numpy()

    def score_samples(self, X):
        """log p(x) in nats, equation (5): a density for gaussian, a probability otherwise."""
        log = self.predict_joint_log_proba(X).logsumexp(1)
        return log if isinstance(X, Tensor) else log.cpu().numpy()

    def sample(
        self, labels: Int[Tensor, "batch"], *, draws: int = 100, generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch features"]:
        """Draw x given the place of its class; `draws` is the number of words of a multinomial sample."""
        self.check_fitted()
        if labels.ndim != 1 or not bool(((labels >= 0) & (labels < len(self.theta_))).all()):
            raise ValueError(f"labels are places 0..{len(self.theta_) - 1} in one row, got {tuple(labels.shape)}")
        theta = self.theta_[labels]
        if self.distribution == "gaussian":
            return theta + self.variance_[labels].sqrt() * normal(theta.shape, theta, generator, theta.dtype)
        there = theta if generator is None else theta.to(generator.device)
        if self.distribution == "bernoulli":
            return torch.bernoulli(there, generator=generator).to(theta.device)
        words = torch.multinomial(there, draws, replacement=True, generator=generator).to(theta.device)
        return torch.zeros_like(theta).scatter_add_(1, words, torch.ones_like(words, dtype=theta.dtype))

    @property
    def n_features_in_(self) -> int:
        self.check_fitted()
        return self.theta_.shape[1]


def sample_z(
    model: NaiveBayes, *, samples: int = 200, draws: int = 1, generator: torch.Generator | None = None
) -> Float[Tensor, ""]:
    """Root mean square of equation (9) over classes and features that vary; `draws` as in `NaiveBayes.sample`."""
    labels = torch.arange(len(model.theta_), device=model.theta_.device).repeat_interleave(samples)
    drawn = model.sample(labels, draws=draws, generator=generator).view(len(model.theta_), samples, -1)
    error = (model.variance_ / (samples * draws)).sqrt()
    gap = drawn.mean(1) / draws - model.theta_
    return (gap[error > 0] / error[error > 0]).square().mean().sqrt()  # (9)


def _bernoulli_log(theta: Float[Tensor, "classes features"]) -> Callable[[Tensor], Tensor]:
    """Equation (3) as one product; as two where a probability is 0 or 1, since 0 log 0 is 0."""
    there, gone = _log(theta), _log(1 - theta)
    if not torch.compiler.is_compiling() and bool(((theta > 0) & (theta < 1)).all()):
        odds, none = rows_times(there - gone), gone.sum(1)
        return lambda x: odds(x) + none

    def both(x: Tensor) -> Tensor:
        if is_csr(x):
            raise ValueError("sparse counts have no probabilities of 0 or 1 here: give a smoothing above 0")
        return x @ there.T + (1 - x) @ gone.T

    return both


def _log(theta: Float[Tensor, "classes features"]) -> Tensor:
    """log theta, where that of 0 is finite, so that 0 log 0 is 0."""
    return theta.log().clamp_min(torch.finfo(theta.dtype).min / 1e10)
