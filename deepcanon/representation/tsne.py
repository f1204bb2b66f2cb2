"""Exact t-SNE: points in the plane whose neighbourhoods are those of the data, by gradient descent on a divergence.

Papers: van der Maaten and Hinton 2008, "Visualizing data using t-SNE" (JMLR 9); early exaggeration by 12 for 250 steps
and its learning rate: Belkina et al. 2019, as scikit-learn takes them.

N points x_i in D dimensions, y_i in the map (two dimensions), perplexity u.

    p_{j|i} = exp(-b_i |x_i - x_j|^2) / sum_{k != i} exp(-b_i |x_i - x_k|^2),    p_{i|i} = 0           (1)
    b_i such that 2^{H_i} = u,   H_i = -sum_j p_{j|i} log2 p_{j|i}             by bisection            (2)
    p_ij = (p_{j|i} + p_{i|j}) / (2 N)                                                                 (3)
    w_ij = 1 / (1 + |y_i - y_j|^2),   q_ij = w_ij / Z,   Z = sum_{k != l} w_kl   Student, one degree   (4)
    C = KL(P || Q) = sum p_ij log p_ij + sum p_ij log(1 + |y_i - y_j|^2) + log Z                       (5)
    dC/dy_i = 4 sum_j (a p_ij - q_ij) w_ij (y_i - y_j),    a = exaggeration, then 1                    (6)
    gain_i: + 0.2 where the gradient points against the last move, else times 0.8, at least 0.01       (7)
    move = momentum move - rate gain dC/dy,   y <- y + move;    momentum 0.5 while a > 1, then 0.8     (8)

P is dense: N = 5,000 takes 200 MB in float64, 100 in float32. Rows are processed in blocks that stay in the cache.
There is no map of points that were not fitted.

Departures
- C of (5) is always that of P itself; the paper's early values would be of the exaggerated P.
- Exaggeration 12 and rate N / 48 (at least 50), where the paper has 4 for 50 steps and 100.
- The start is the first two principal components, scaled to a standard deviation of 1e-4; the paper's is noise of
  that size, which here is `init="random"`.

    >>> import torch
    >>> from deepcanon.representation import TSNE
    >>> from deepcanon.representation.tsne import neighbour_accuracy
    >>> noise, cluster = torch.randn(60, 5, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3
    >>> y = TSNE(perplexity=10.0, max_iter=200).fit_transform(noise + 5 * cluster[:, None])
    >>> bool(neighbour_accuracy(y, cluster) > 0.9)  # a third, were the points where they please
    True
"""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.estimators import Estimator, rows_of

__all__ = [
    "TSNE", "Descent", "conditional_probabilities", "joint_probabilities", "neighbour_accuracy", "squared_distances",
    "trustworthiness", "tsne_cost", "tsne_gradient", "tsne_update",
]  # fmt: skip

ENTRIES = 1 << 18
"""Numbers in a block of rows: it stays in the cache."""
HALVINGS = 100


class Descent(NamedTuple):
    """What the descent carries from step to step: the map, the last move and the gains of equations (7), (8)."""

    y: Float[Tensor, "points dims"]
    move: Float[Tensor, "points dims"]
    gain: Float[Tensor, "points dims"]


def _blocks(count: int) -> list[slice]:
    size = max(1, ENTRIES // max(count, 1))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def squared_distances(x: Float[Tensor, "rows features"], y: Float[Tensor, "points features"]) -> Tensor:
    """|x_i - y_j|^2, never negative."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"points {tuple(x.shape)} and {tuple(y.shape)} lie in different spaces")
    squares = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.addmm(squares, x, y.mT, alpha=-2).clamp_min(0)


def conditional_probabilities(
    distances: Float[Tensor, "rows points"], own: Int[Tensor, "rows"], perplexity: float, tolerance: float = 1e-10
) -> Float[Tensor, "rows points"]:
    """p_{j|i} of equation (1) for rows of squared distances; `own` is each row's place among the points."""
    rows, points = distances.shape
    if not 1 <= perplexity <= points - 1:
        raise ValueError(f"perplexity {perplexity:g} does not lie in 1..{points - 1}, the number of other points")
    wanted = math.log(perplexity)
    d = distances.to(torch.float64).clone()
    d[torch.arange(rows), own] = torch.inf
    d = d - d.amin(1, keepdim=True)  # the nearest at 0: equation (1) does not change, and nothing underflows
    finite = torch.where(d.isinf(), 0.0, d)
    low, high = d.new_zeros(rows), d.new_full((rows,), torch.inf)
    b = 1 / finite.sum(1).div(points - 1).clamp_min(1e-300)
    for _ in range(HALVINGS):
        weight = torch.exp(-b[:, None] * d)
        total = weight.sum(1)
        entropy = total.log() + b * (weight * finite).sum(1) / total  # in nats: log u is wanted
        gap = entropy - wanted
        if bool((gap.abs() <= tolerance).all()):
            break
        low, high = torch.where(gap > 0, b, low), torch.where(gap > 0, high, b)  # (2)
        b = torch.where(high.isinf(), 2 * b, (low + high) / 2)
        b = b.clamp_max(1e300)
    return weight / total[:, None]


def joint_probabilities(
    x: Float[Tensor, "points features"], perplexity: float = 30.0
) -> Float[Tensor, "points points"]:
    """P of equation (3) in float64; it sums to one."""
    if x.ndim != 2 or len(x) < 3:
        raise ValueError(f"expected three points [N, D] or more, got {tuple(x.shape)}")
    x = x.to(torch.float64)
    x = x - x.mean(0)
    p = x.new_empty(len(x), len(x))
    for rows in _blocks(len(x)):
        own = torch.arange(rows.start, rows.stop, device=x.device)
        p[rows] = conditional_probabilities(squared_distances(x[rows], x), own, perplexity)
    for rows in _blocks(len(x)):  # (3), in place: the part above the diagonal first
        columns = slice(rows.start, len(x))
        both = (p[rows, columns] + p[columns, rows].mT) / (2 * len(x))
        p[rows, columns] = both
        p[columns, rows] = both.mT
    return p


def tsne_gradient(
    y: Float[Tensor, "points dims"], p: Float[Tensor, "points points"], exaggeration: float = 1.0
) -> tuple[Float[Tensor, ""], Float[Tensor, "points dims"]]:
    """C of equation (5) less its constant sum p log p, and the gradient of equation (6)."""
    if p.ndim != 2 or p.shape != (len(y), len(y)):
        raise ValueError(f"P {tuple(p.shape)} does not fit a map {tuple(y.shape)}")
    ones = torch.cat([y, torch.ones_like(y[:, :1])], 1)
    pull, push, total, cost = torch.empty_like(ones), torch.empty_like(ones), y.new_zeros(()), y.new_zeros(())
    for rows in _blocks(len(y)):
        away = squared_distances(y[rows], y).add_(1)
        cost = cost + torch.dot(p[rows].reshape(-1), away.log().reshape(-1))
        w = away.reciprocal_()  # (4)
        w[torch.arange(len(w)), torch.arange(rows.start, rows.stop)] = 0
        pull[rows] = (p[rows] * w) @ ones  # sum_j p_ij w_ij y_j, and sum_j p_ij w_ij next to it
        total = total + w.sum()
        push[rows] = w.square_() @ ones
    force = exaggeration * (pull[:, -1:] * y - pull[:, :-1]) - (push[:, -1:] * y - push[:, :-1]) / total
    return cost + total.log(), 4 * force  # (5), (6)


def tsne_cost(y: Float[Tensor, "points dims"], p: Float[Tensor, "points points"]) -> Float[Tensor, ""]:
    """KL(P || Q) of equation (5)."""
    return entropy_term(p).to(y.dtype) + tsne_gradient(y, p)[0]


def entropy_term(p: Float[Tensor, "points points"]) -> Float[Tensor, ""]:
    """sum p log p, which does not depend on the map."""
    return torch.special.entr(p.double()).sum().neg()


def tsne_update(
    now: Descent, gradient: Float[Tensor, "points dims"], *, learning_rate: float, momentum: float
) -> Descent:
    """One step of equations (7) and (8)."""
    if gradient.shape != now.y.shape:
        raise ValueError(f"gradient {tuple(gradient.shape)} does not fit a map {tuple(now.y.shape)}")
    onward = now.move * gradient < 0
    gain = torch.where(onward, now.gain + 0.2, now.gain * 0.8).clamp_min(0.01)  # (7)
    move = momentum * now.move - learning_rate * gain * gradient  # (8)
    return Descent(now.y + move, move, gain)


def neighbour_accuracy(y: Float[Tensor, "points dims"], labels: Int[Tensor, "points"]) -> Float[Tensor, ""]:
    """The share of points whose nearest other point has their label."""
    if len(labels) != len(y) or len(y) < 2:
        raise ValueError(f"{len(labels)} labels do not fit points {tuple(y.shape)}")
    hits = y.new_zeros(())
    for rows in _blocks(len(y)):
        distance = squared_distances(y[rows].double(), y.double())
        distance[torch.arange(len(distance)), torch.arange(rows.start, rows.stop)] = torch.inf
        hits = hits + (labels[distance.argmin(1)] == labels[rows]).sum()
    return hits / len(y)


def trustworthiness(
    x: Float[Tensor, "points features"], y: Float[Tensor, "points dims"], neighbours: int = 5
) -> Float[Tensor, ""]:
    """1 less a penalty for each neighbour in the map by its rank in the list of neighbours in the data.

    Venna and Kaski 2001: 1 - 2 / (N k (2N - 3k - 1)) sum over the k nearest in the map of max(0, rank in the data - k).
    """
    count = len(x)
    if len(y) != count or not 1 <= neighbours < count / 2:
        raise ValueError(f"{neighbours} neighbours do not fit {count} and {len(y)} points: fewer than half of them")
    x, y, penalty = x.double(), y.double(), torch.zeros((), dtype=torch.float64, device=x.device)
    for rows in _blocks(count):
        own = torch.arange(rows.start, rows.stop, device=x.device)
        here, there = squared_distances(x[rows], x), squared_distances(y[rows], y)
        line = torch.arange(len(own), device=x.device)
        here[line, own], there[line, own] = -1.0, torch.inf
        rank = torch.empty_like(here, dtype=torch.long)
        rank.scatter_(1, here.argsort(dim=1, stable=True), torch.arange(count, device=x.device).expand_as(rank))
        near = there.topk(neighbours, largest=False).indices
        penalty = penalty + (rank.gather(1, near) - neighbours).clamp_min(0).sum()
    return 1 - 2 / (count * neighbours * (2 * count - 3 * neighbours - 1)) * penalty


class TSNE(Estimator):
    """The map of the fitted points, with the API of scikit-learn.

    Args:
        n_components: dimensions of the map.
        perplexity: effective number of neighbours; below the number of points.
        max_iter: steps.
        exaggeration: a of (6) in the first steps.
        exaggerated: how many those are.
        learning_rate: None takes N / (4 exaggeration), at least 50.
        init: "pca" or "random".
        seed: of the random start.

    Attributes:
        embedding_ [N, n_components] and kl_divergence_, buffers.
    """

    LEARNED = ("embedding_", "kl_divergence_")

    def __init__(
        self,
        n_components: int = 2,
        *,
        perplexity: float = 30.0,
        max_iter: int = 1000,
        exaggeration: float = 12.0,
        exaggerated: int = 250,
        learning_rate: float | None = None,
        init: Literal["pca", "random"] = "pca",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_components, self.perplexity, self.max_iter = n_components, perplexity, max_iter
        self.exaggeration, self.exaggerated, self.learning_rate = exaggeration, exaggerated, learning_rate
        self.init, self.seed = init, seed

    def fit(self, X, y=None) -> "TSNE":
        """Map [N, D], an array or a tensor; `y` is ignored."""
        x = rows_of(X, "TSNE", at_least=3)
        p = joint_probabilities(x, self.perplexity)
        now, constant = self.begin(x), entropy_term(p)
        for step in range(self.max_iter):
            now, _ = self.step(now, p, step)
        self.embedding_, self.kl_divergence_ = now.y, constant + tsne_gradient(now.y, p)[0]
        return self

    def fit_transform(self, X, y=None):
        """The map of these points; it is not defined for others."""
        found = self.fit(X).embedding_
        return found if isinstance(X, Tensor) else found.numpy()

    def begin(self, x: Float[Tensor, "points features"]) -> Descent:
        """The first map, no move, gains of one."""
        if self.init == "random":
            generator = torch.Generator().manual_seed(self.seed)
            y = 1e-4 * torch.randn(len(x), self.n_components, generator=generator, dtype=torch.float64).to(x.device)
        elif self.init == "pca":
            if not 1 <= self.n_components <= x.shape[1]:
                raise ValueError(f"{self.n_components} components of {x.shape[1]} features: use init='random'")
            centred = x.double() - x.double().mean(0)
            vectors = torch.linalg.eigh(centred.mT @ centred).eigenvectors[:, -self.n_components :].flip(1)
            largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
            y = centred @ (vectors * torch.where(largest < 0, -1.0, 1.0))
            y = 1e-4 * y / y[:, 0].std().clamp_min(1e-300)
        else:
            raise ValueError(f"init is 'pca' or 'random', not {self.init!r}")
        return Descent(y, torch.zeros_like(y), torch.ones_like(y))

    def step(self, now: Descent, p: Float[Tensor, "points points"], step: int) -> tuple[Descent, Float[Tensor, ""]]:
        """One step from here; also the cost (less its constant) before it."""
        early = step < self.exaggerated
        a = self.exaggeration if early else 1.0
        rate = self.learning_rate or max(len(p) / (4 * self.exaggeration), 50.0)
        cost, gradient = tsne_gradient(now.y, p, a)
        return tsne_update(now, gradient, learning_rate=rate, momentum=0.5 if early else 0.8), cost

    def forward(self) -> Float[Tensor, "points dims"]:
        """The map of the fitted points."""
        self.check_fitted()
        return self.embedding_
