"""t-SNE: points in the plane whose neighbourhoods are those of the data, by gradient descent on a divergence.

Papers: van der Maaten and Hinton 2008, "Visualizing data using t-SNE" (JMLR 9); early exaggeration by 12 for 250 steps
and the learning rate: Belkina et al. 2019; sparse P: van der Maaten 2014, "Accelerating t-SNE using tree-based
algorithms" (JMLR 15); repulsion on a grid: Linderman et al. 2019 (arXiv 1712.09005); new points: Policar et al. 2023.

N points x_i in D dimensions, y_i in the map (two dimensions), perplexity u.

    p_{j|i} = exp(-b_i |x_i - x_j|^2) / sum_{k != i} exp(-b_i |x_i - x_k|^2),    p_{i|i} = 0           (1)
    b_i such that 2^{H_i} = u,   H_i = -sum_j p_{j|i} log2 p_{j|i}             by bisection            (2)
    p_ij = (p_{j|i} + p_{i|j}) / (2 N)                                                                 (3)
    w_ij = 1 / (1 + |y_i - y_j|^2),   q_ij = w_ij / Z,   Z = sum_{k != l} w_kl   Student, one degree   (4)
    C = KL(P || Q) = sum p_ij log p_ij + sum p_ij log(1 + |y_i - y_j|^2) + log Z                       (5)
    dC/dy_i = 4 sum_j (a p_ij - q_ij) w_ij (y_i - y_j),    a = exaggeration, then 1                    (6)
    gain_i: + 0.2 where the gradient points against the last move, else times 0.8, at least 0.01       (7)
    move = momentum move - rate gain dC/dy,   y <- y + move                                            (8)
    C_i = KL(p_{.|i} || w_i. / Z_i),   Z_i = sum_j w_ij,   for a new point i among fitted points j     (9)
    dC_i/dy_i = 2 sum_j (a p_{j|i} - w_ij / Z_i) w_ij (y_i - y_j)                                     (10)

Two forms of (6). Exact: P is dense, 200 MB of float64 for N = 5,000. Interpolated, for maps in the plane: (1) and (2)
over the 3 u nearest neighbours, found exactly, so that P is sparse, and C is that of the sparse P; Z and the repulsion
sum_j w_ij^2 (y_i - y_j) are the potential and its gradient on a grid (`parts.plane_field`), a few per cent from the
exact force. `method="auto"` takes the exact form below `EXACT` points.

Departures
- C of (5) is always that of P itself; the paper's early values would be of the exaggerated P.
- Exaggeration 12, where the paper has 4 for 50 steps; rate N / (4 a) in these first steps, then N, at least 50, where
  it has 100; momentum 0.8 in all steps, where it begins with 0.5.
- New points are placed one by one by (9) among `NEW_NEIGHBOURS` neighbours; a row that was fitted keeps its place.
- The start is the first two principal components, scaled to a standard deviation of 1e-4; the paper's is noise of
  that size, which here is `init="random"`.

    >>> import torch
    >>> from deepcanon.representation import TSNE
    >>> from deepcanon.parts.neighbourhoods import neighbour_accuracy
    >>> noise, cluster = torch.randn(60, 5, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3
    >>> y = TSNE(perplexity=10.0, max_iter=200).fit_transform(noise + 5 * cluster[:, None])
    >>> bool(neighbour_accuracy(y, cluster) > 0.9)  # a third, were the points where they please
    True
"""

import functools
import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.estimators import Estimator, rows_of
from deepcanon.parts.nearest import nearest
from deepcanon.parts.neighbourhoods import squared_distances
from deepcanon.parts.pair_blocks import PairBlocks
from deepcanon.parts.plane_field import GridField, exact_field

__all__ = [
    "TSNE", "Descent", "conditional_probabilities", "interpolated_gradient", "joint_probabilities", "new_places",
    "sparse_probabilities", "tsne_cost", "tsne_gradient", "tsne_update",
]  # fmt: skip

EXACT = 2_000
"""From so many points on `method="auto"` interpolates."""
ENTRIES = 1 << 18
"""Numbers in a block of rows: it stays in the cache."""
HALVINGS = 100
NEW_NEIGHBOURS, NEW_PERPLEXITY, NEW_STEPS, NEW_EXAGGERATION = 15, 5.0, 250, 1.5
NEW_RATE, NEW_MOMENTUM, LONGEST = 0.1, 0.8, 0.25
"""Of the descent of new points; no gradient is longer than `LONGEST`."""


class Descent(NamedTuple):
    """What the descent carries from step to step: the map, the last move and the gains of equations (7), (8)."""

    y: Float[Tensor, "points dims"]
    move: Float[Tensor, "points dims"]
    gain: Float[Tensor, "points dims"]


def _blocks(count: int) -> list[slice]:
    size = max(1, ENTRIES // max(count, 1))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def conditional_probabilities(
    distances: Float[Tensor, "rows points"],
    own: Int[Tensor, "rows"] | None,
    perplexity: float,
    tolerance: float = 1e-10,
) -> Float[Tensor, "rows points"]:
    """p_{j|i} of equation (1) for rows of squared distances; `own` is each row's place among them, None if nowhere."""
    rows, points = distances.shape
    others = points - (own is not None)
    if not 1 <= perplexity <= others:
        raise ValueError(f"perplexity {perplexity:g} does not lie in 1..{others}, the number of other points")
    wanted = math.log(perplexity)
    d = distances.to(torch.float64).clone()
    if own is not None:
        d[torch.arange(rows), own] = torch.inf
    d = d - d.amin(1, keepdim=True)  # the nearest at 0: equation (1) does not change, and nothing underflows
    finite = torch.where(d.isinf(), 0.0, d)
    low, high = d.new_zeros(rows), d.new_full((rows,), torch.inf)
    b = 1 / finite.sum(1).div(others).clamp_min(1e-300)
    for _ in range(HALVINGS):
        weight = torch.exp(-b[:, None] * d)
        total, spread = weight.sum(1), weight.mul_(finite)
        mean = spread.sum(1) / total
        gap = total.log() + b * mean - wanted  # H in nats
        if bool((gap.abs() <= tolerance).all()):
            break
        low, high = torch.where(gap > 0, b, low), torch.where(gap > 0, high, b)  # (2)
        halved = torch.where(high.isinf(), 2 * b, (low + high) / 2)
        slope = b.square() * (torch.linalg.vecdot(spread, finite) / total - mean.square())  # -dH / d log b
        newton = b * torch.exp((gap / slope).clamp(-2, 2))
        b = torch.where((newton > low) & (newton < high), newton, halved).clamp_max(1e300)
    weight = torch.exp(-b[:, None] * d)
    return weight.div_(weight.sum(1, keepdim=True))


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


def sparse_probabilities(
    x: Float[Tensor, "points features"], perplexity: float = 30.0, dtype: torch.dtype = torch.float32
) -> PairBlocks:
    """P of equation (3) with the conditional probabilities of the 3 u nearest neighbours only."""
    found = nearest(x, x, min(len(x) - 1, max(1, int(3 * perplexity))), others=True)
    weights = torch.empty(found.which.shape, dtype=dtype, device=x.device)
    for rows, distances in zip(weights.split(1024), found.distance.split(1024), strict=True):
        rows.copy_(conditional_probabilities(distances, None, perplexity, tolerance=1e-8))
    return PairBlocks(found.which, weights)


def tsne_gradient(
    y: Float[Tensor, "points dims"],
    p: Float[Tensor, "points points"] | PairBlocks,
    exaggeration: float = 1.0,
    cost: bool = True,
) -> tuple[Float[Tensor, ""] | None, Float[Tensor, "points dims"]]:
    """C of equation (5) less its constant sum p log p, and the gradient of equation (6), in the form of P.

    Without `cost` the interpolated form leaves out C, a third of its time.
    """
    if isinstance(p, PairBlocks):
        return interpolated_gradient(y, p, exaggeration, cost)
    if p.ndim != 2 or p.shape != (len(y), len(y)):
        raise ValueError(f"P {tuple(p.shape)} does not fit a map {tuple(y.shape)}")
    ones = torch.cat([y, torch.ones_like(y[:, :1])], 1)
    pull, push, total, logs = torch.empty_like(ones), torch.empty_like(ones), y.new_zeros(()), y.new_zeros(())
    for rows in _blocks(len(y)):
        away = squared_distances(y[rows], y).add_(1)
        logs = logs + torch.dot(p[rows].reshape(-1), away.log().reshape(-1))
        w = away.reciprocal_()  # (4)
        w[torch.arange(len(w)), torch.arange(rows.start, rows.stop)] = 0
        pull[rows] = (p[rows] * w) @ ones  # sum_j p_ij w_ij y_j, and sum_j p_ij w_ij next to it
        total = total + w.sum()
        push[rows] = w.square_() @ ones
    force = exaggeration * (pull[:, -1:] * y - pull[:, :-1]) - (push[:, -1:] * y - push[:, :-1]) / total
    return logs + total.log(), 4 * force  # (5), (6)


def interpolated_gradient(
    y: Float[Tensor, "points 2"], p: PairBlocks, exaggeration: float = 1.0, cost: bool = True
) -> tuple[Float[Tensor, ""] | None, Float[Tensor, "points 2"]]:
    """The same by the pairs of sparse P and a grid."""
    pull, total = p.pull(y, cost)
    field = GridField(y)()
    z = field.potential.sum(dtype=torch.float64) - len(y)  # (4), where each point also meets itself
    force = exaggeration * pull - field.push / z.to(y.dtype)
    return None if total is None else total + z.log(), 4 * force  # (5), (6)


def new_places(
    distances: Float[Tensor, "rows kept"], index: Int[Tensor, "rows kept"], y: Float[Tensor, "points dims"]
) -> Float[Tensor, "rows dims"]:
    """Places of new points in the map y, from their nearest fitted points: descent by (10) from the neighbours' median.

    Each row is placed by itself; one at distance 0 from a fitted point takes that point's place.
    """
    p = conditional_probabilities(distances, None, min(NEW_PERPLEXITY, index.shape[1])).to(y.dtype)
    neighbours = y[index]
    here = neighbours.median(1).values
    move, field = torch.zeros_like(here), GridField(y) if y.shape[1] == 2 else functools.partial(exact_field, y)
    for _ in range(NEW_STEPS):
        gaps = here[:, None] - neighbours
        weight = p / (1 + gaps.square().sum(2))
        potential, push = field(here)
        gradient = 2 * (NEW_EXAGGERATION * (weight[..., None] * gaps).sum(1) - push / potential[:, None])  # (10)
        gradient = gradient * (LONGEST / gradient.norm(dim=1, keepdim=True).clamp_min(1e-30)).clamp_max(1)
        move = NEW_MOMENTUM * move - NEW_RATE * gradient
        here = here + move
    return torch.where(distances[:, :1] == 0, neighbours[:, 0], here)


def tsne_cost(y: Float[Tensor, "points dims"], p: Float[Tensor, "points points"]) -> Float[Tensor, ""]:
    """KL(P || Q) of equation (5)."""
    return entropy_term(p).to(y.dtype) + tsne_gradient(y, p)[0]


def entropy_term(p: Float[Tensor, "points points"] | PairBlocks) -> Float[Tensor, ""]:
    """sum p log p, which does not depend on the map."""
    if isinstance(p, PairBlocks):
        return p.constant
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


class TSNE(Estimator):
    """A map of the fitted points, and of new points among them, with the API of scikit-learn.

    Args:
        n_components: dimensions of the map.
        perplexity: effective number of neighbours; below the number of points.
        max_iter: steps.
        exaggeration: a of (6) in the first steps.
        exaggerated: how many those are.
        learning_rate: None takes N / (4 a) in these first steps, then N, at least 50.
        init: "pca" or "random".
        method: "exact", "interpolated" (two dimensions), or "auto": exact below `EXACT` points or off the plane.
        seed: of the random start.

    Attributes:
        embedding_ [N, n_components], kl_divergence_ and points_ [N, D], buffers.
    """

    LEARNED = ("embedding_", "kl_divergence_", "points_")

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
        method: Literal["auto", "exact", "interpolated"] = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.n_components, self.perplexity, self.max_iter = n_components, perplexity, max_iter
        self.exaggeration, self.exaggerated, self.learning_rate = exaggeration, exaggerated, learning_rate
        self.init, self.method, self.seed = init, method, seed

    def form(self, points: int) -> Literal["exact", "interpolated"]:
        """The form that is used for this many points."""
        if self.method not in ("auto", "exact", "interpolated"):
            raise ValueError(f"method is 'auto', 'exact' or 'interpolated', not {self.method!r}")
        if self.method == "interpolated" and self.n_components != 2:
            raise ValueError(f"a map in {self.n_components} dimensions is not interpolated: use method='exact'")
        if self.method != "auto":
            return self.method
        return "interpolated" if points >= EXACT and self.n_components == 2 else "exact"

    def fit(self, X, y=None) -> "TSNE":
        """Map [N, D], an array or a tensor; `y` is ignored."""
        x = rows_of(X, "TSNE", at_least=3)
        p, now = self.affinities(x), self.begin(x)
        if isinstance(p, PairBlocks):
            now = Descent(*(part.float() for part in now))
        for step in range(self.max_iter):
            now, _ = self.step(now, p, step, cost=False)
        self.embedding_, self.points_ = now.y, x
        self.kl_divergence_ = entropy_term(p) + tsne_gradient(now.y, p)[0]
        return self

    def fit_transform(self, X, y=None):
        """The map of these points."""
        found = self.fit(X).embedding_
        return found if isinstance(X, Tensor) else found.cpu().numpy()

    def transform(self, X):
        """Places of rows [M, D] in the map, which stays as it is: `new_places`."""
        self.check_fitted()
        x = rows_of(X, "TSNE")
        self.check_fitted(self.points_.shape[1], x.shape)
        found = nearest(x.to(self.points_.device), self.points_, min(NEW_NEIGHBOURS, len(self.points_)))
        places = new_places(found.distance, found.which, self.embedding_)
        return places if isinstance(X, Tensor) else places.cpu().numpy()

    def affinities(
        self, x: Float[Tensor, "points features"], dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "points points"] | PairBlocks:
        """P in the form that the method takes: dense in float64, or sparse of the given type."""
        if self.form(len(x)) == "exact":
            return joint_probabilities(x, self.perplexity)
        return sparse_probabilities(x, self.perplexity, dtype)

    def begin(self, x: Float[Tensor, "points features"]) -> Descent:
        """The first map, no move, gains of one."""
        if self.init == "random":
            generator = torch.Generator().manual_seed(self.seed)
            y = 1e-4 * torch.randn(len(x), self.n_components, generator=generator, dtype=torch.float64).to(x.device)
        elif self.init == "pca":
            if not 1 <= self.n_components <= x.shape[1]:
                raise ValueError(f"{self.n_components} components of {x.shape[1]} features: use init='random'")
            centre = x.mean(0, dtype=torch.float64)
            blocks = [slice(start, start + 4096) for start in range(0, len(x), 4096)]
            scatter = sum((part := x[rows].double() - centre).mT @ part for rows in blocks)
            vectors = torch.linalg.eigh(scatter).eigenvectors[:, -self.n_components :].flip(1)
            largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
            vectors = vectors * torch.where(largest < 0, -1.0, 1.0)
            y = torch.cat([(x[rows].double() - centre) @ vectors for rows in blocks])
            y = 1e-4 * y / y[:, 0].std().clamp_min(1e-300)
        else:
            raise ValueError(f"init is 'pca' or 'random', not {self.init!r}")
        return Descent(y, torch.zeros_like(y), torch.ones_like(y))

    def step(
        self, now: Descent, p: Float[Tensor, "points points"] | PairBlocks, step: int, cost: bool = True
    ) -> tuple[Descent, Float[Tensor, ""] | None]:
        """One step from here; also the cost (less its constant) before it, which the exact form has for nothing."""
        early = step < self.exaggerated
        a = self.exaggeration if early else 1.0
        rate = self.learning_rate or max(len(p) / (4 * a if early else 1), 50.0)
        found, gradient = tsne_gradient(now.y, p, a, cost)
        return tsne_update(now, gradient, learning_rate=rate, momentum=0.8), found

    def forward(self) -> Float[Tensor, "points dims"]:
        """The map of the fitted points."""
        self.check_fitted()
        return self.embedding_
