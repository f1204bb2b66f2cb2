r"""Bags of words: linear classifiers of the words that a document contains, whatever their order.

Papers: Pang and Lee, "Seeing stars", ACL 2005 (the sentences of film reviews); Wang and Manning, "Baselines and
bigrams: simple, good sentiment and topic classification", ACL 2012 (binarised counts, NBSVM).

Legend: N documents; f_i the words of document i [F], 0 or 1; c_i its class of K; N_c documents of class c; y_i = 1 if
c_i is class c, else -1; alpha the smoothing; lambda the penalty (C = 1 / lambda); |.|_1 the sum of the sizes. F are the
words (or sequences of words) of the training documents: others have weight 0.

(1) f_if = 1 if word f occurs in document i, however often, else 0
(2) log theta_c = log(p_c / |p_c|_1),  p_c = alpha + sum_{i: c_i = c} f_i
(3) naive Bayes (multinomial):  score_c = log(N_c / N) + f . log theta_c
(4) logistic regression:  score_c = w_c . f + b_c,  the minimum of lambda/2 |w|^2 + sum_i log(1 + exp(-y_i score(f_i)))
(5) log-count ratio:  r_c = log theta_c - log theta of all other classes together
(6) NBSVM:  the minimum of lambda/2 |w|^2 + sum_i max(0, 1 - y_i (w . (r o f_i) + b))^2,  o element by element
(7) its score_c = w' . (r_c o f) + b,  w' = (1 - beta) |w|_1 / F + beta w: between naive Bayes and the support vector
    machine

The order of the words is nowhere: documents of the same words have the same score to the last bit, since the sums are
taken in the order of the words' numbers.

Departures: (4) and (6) are written for two classes; of more each is separated from the rest. A score is taken as a
logit, also the margin (7), which is not one. With two classes (4) and (6) are solved once, for the second; each class
has half of the score. (6) leaves the bias without a penalty, where the paper's solver, LIBLINEAR, has one.

>>> counts = torch.tensor([[2.0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 3, 0]])
>>> model = BagClassifier("nbsvm").fit(counts, torch.tensor([0, 0, 1, 1]))
>>> model(torch.tensor([[5.0, 0, 1], [0, 1, 0]])).argmax(1).tolist()
[0, 1]
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.estimators import Estimator
from deepcanon.parts.lbfgs import LBFGS

__all__ = ["BagClassifier", "log_shares"]

METHODS = ("naive-bayes", "logistic", "nbsvm")
ITERATIONS, HISTORY = 1_000, 20  # of L-BFGS


class _Places(NamedTuple):
    """Where the ones of (1) are: document and word of each, documents and words in all."""

    document: Int[Tensor, "ones"]
    word: Int[Tensor, "ones"]
    shape: tuple[int, int]

    def products(self, weight: Float[Tensor, "features classes"]) -> Float[Tensor, "documents classes"]:
        """f_i . w for all documents."""
        return weight.new_zeros(self.shape[0], weight.shape[1]).index_add_(0, self.document, weight[self.word])

    def sums(self, shares: Float[Tensor, "documents classes"]) -> Float[Tensor, "features classes"]:
        """sum_i shares_i f_i."""
        return shares.new_zeros(self.shape[1], shares.shape[1]).index_add_(0, self.word, shares[self.document])


def _places(counts: Tensor) -> _Places:
    if counts.ndim != 2:
        raise ValueError(f"counts {tuple(counts.shape)} are not [documents, words]")
    if counts.is_sparse:
        counts = counts.coalesce()
        document, word = counts.indices()[:, counts.values() > 0]
        return _Places(document, word, (counts.shape[0], counts.shape[1]))
    document, word = (counts > 0).nonzero(as_tuple=True)
    return _Places(document, word, (counts.shape[0], counts.shape[1]))


def log_shares(present: Float[Tensor, "classes features"], smoothing: float = 1.0) -> Float[Tensor, "classes features"]:
    """log theta of (2), from the number of documents of each class in which each word occurs."""
    if present.ndim != 2:
        raise ValueError(f"numbers of documents {tuple(present.shape)} are not [classes, words]")
    p = present + smoothing
    return (p / p.sum(1, keepdim=True)).log()  # (2)


class BagClassifier(Estimator):
    """Linear in the words that a document contains, fitted by counting or to the minimum of a convex loss.

    Counts [documents, words] are dense or sparse; only whether they are above 0 matters. All is float64.

    Args:
        method: "naive-bayes" (3), "logistic" (4) or "nbsvm" (7).
        smoothing: alpha.
        penalty: lambda.
        beta: of (7); 1 is the support vector machine alone.
        tolerance: the largest entry of the gradient of (4) or (6), sums over documents, at which L-BFGS ends.

    Attributes:
        weight_ [K, F], bias_ [K]: score = weight_ f + bias_. n_features_in_: F.
    """

    LEARNED = ("weight_", "bias_")

    def __init__(
        self,
        method: str = "nbsvm",
        *,
        smoothing: float = 1.0,
        penalty: float = 1.0,
        beta: float = 0.25,
        tolerance: float = 1e-2,
    ) -> None:
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
        if smoothing <= 0 or penalty <= 0 or not 0 <= beta <= 1:
            raise ValueError(f"smoothing {smoothing} and penalty {penalty} must be above 0, beta {beta} in [0, 1]")
        self.method, self.smoothing, self.penalty = method, smoothing, penalty
        self.beta, self.tolerance = beta, tolerance

    @torch.no_grad()
    def fit(self, counts: Float[Tensor, "documents words"], labels: Int[Tensor, "documents"]) -> "BagClassifier":
        """From documents and their classes 0 .. K-1, each of which has at least one."""
        places = _places(counts)
        if labels.shape != (len(counts),) or not len(labels):
            raise ValueError(f"labels {tuple(labels.shape)} and counts {tuple(counts.shape)} do not fit")
        number = torch.bincount(labels)
        if len(number) < 2 or bool((number == 0).any()):
            raise ValueError(f"each of two classes or more needs a document, not {number.tolist()}")
        member = torch.nn.functional.one_hot(labels, len(number)).double()
        present = places.sums(member)
        known = present.sum(1) > 0  # the words of the training documents
        # From here on only they exist.
        renumbered = known.cumsum(0) - 1
        places = _Places(places.document, renumbered[places.word], (places.shape[0], int(known.sum())))
        weight, bias = self._fitted(places, member, present[known].T)
        self.weight_ = weight.new_zeros(len(number), len(known))
        self.weight_[:, known], self.bias_ = weight, bias
        return self

    def _fitted(self, places: _Places, member: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        theta = log_shares(present, self.smoothing)
        if self.method == "naive-bayes":
            return theta, (member.sum(0) / len(member)).log()  # (3)
        two = len(theta) == 2
        sides = 2 * (member[:, 1:] if two else member) - 1
        if self.method == "logistic":
            scale = torch.ones_like(sides[:1]).expand(places.shape[1], -1)
        else:
            others = log_shares(present.sum(0) - present, self.smoothing)
            scale = (theta - others)[1:].T if two else (theta - others).T  # (5)
        objective = self.penalty, self.method == "nbsvm"
        weight, bias = _minimum(places, sides, scale, *objective, self.tolerance)
        if self.method == "nbsvm":
            weight = (1 - self.beta) * weight.abs().mean(0) + self.beta * weight  # (7)
        weight = (weight * scale).T
        return (torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2) if two else (weight, bias)

    def forward(self, counts: Float[Tensor, "documents words"]) -> Float[Tensor, "documents classes"]:
        """The score of each class."""
        self.check_fitted()
        self.check_fitted(self.n_features_in_, tuple(counts.shape))
        if counts.is_sparse:
            return _places(counts).products(self.weight_.T) + self.bias_
        return (counts > 0).to(self.weight_.dtype) @ self.weight_.T + self.bias_  # (1)

    @property
    def n_features_in_(self) -> int:
        self.check_fitted()
        return self.weight_.shape[1]


def _minimum(
    places: _Places, sides: Tensor, scale: Tensor, penalty: float, hinge: bool, tolerance: float
) -> tuple[Tensor, Tensor]:
    """w [F, K] and b [K] of (4), or with `hinge` of (6), on inputs scale o f: sums over the classes, one by one.

    Args:
        sides: y, [N, K].
        scale: r, [F, K].
    """
    weight, bias = torch.nn.Parameter(torch.zeros_like(scale)), torch.nn.Parameter(torch.zeros_like(sides[0]))
    optimizer = LBFGS([weight, bias], history=HISTORY, iterations=ITERATIONS, tolerance=tolerance)

    def closure() -> Tensor:
        w = weight.detach()
        margin = sides * (places.products(w * scale) + bias.detach())
        if hinge:
            short = (1 - margin).clamp(min=0)
            loss, slope = short.square().sum(), -2 * sides * short  # (6)
        else:
            loss, slope = torch.nn.functional.softplus(-margin).sum(), -sides * (-margin).sigmoid()  # (4)
        weight.grad, bias.grad = penalty * w + places.sums(slope) * scale, slope.sum(0)
        return 0.5 * penalty * w.square().sum() + loss

    optimizer.step(closure)
    return weight.detach(), bias.detach()
