"""Sparse coding: inputs as sums of few atoms of a learned dictionary; codes by FISTA, atoms by coordinate descent.

Papers: Olshausen and Field 1996, "Emergence of simple-cell receptive field properties by learning a sparse code for
natural images"; Beck and Teboulle 2009, "A fast iterative shrinkage-thresholding algorithm" (codes); Mairal, Bach,
Ponce and Sapiro 2009, "Online dictionary learning for sparse coding" (atoms); Lee, Battle, Raina and Ng 2006,
"Efficient sparse coding algorithms" (the problem with norms below one). The smooth L1 is that of UFLDL.

N examples of F features, K atoms, K above or below F; x [F], s [K] are rows, D [K, F] holds an atom a row, lambda is
the penalty, L the largest eigenvalue of D D^T.

    J(s, D) = 1/2 |x - s D|^2 + lambda sum_j h(s_j),   h(s) = |s|  or  sqrt(s^2 + eps)                   (1)
    s_k = shrink(y - (1/L) (y D - x) D^T, lambda / L)                                                    (2)
    shrink(v, t) = argmin_z 1/2 (z - v)^2 + t h(z);   sign(v) max(|v| - t, 0) for |s|                    (3)
    t' = (1 + sqrt(1 + 4 t^2)) / 2,   y = s_k + ((t - 1) / t') (s_k - s_(k-1));   t = 1 again where
         (y - s_k) . (s_k - s_(k-1)) > 0: the momentum points uphill                                    (4)
    KKT: v = max_j of |g_j + lambda sign s_j| where s_j is not 0, max(|g_j| - lambda, 0) where it is,
         over lambda;   g = (s D - x) D^T                                                                (5)
    A = sum s^T s,   B = sum s^T x,   old sums times (1 - 1/n)^r at mini-batch n                         (6)
    d_j <- (B_j - A_j D + A_jj d_j) / A_jj,   then d_j / max(|d_j|, 1)  (ball)  or  d_j / |d_j|  (sphere)  (7)

Without a bound on the norm of the atoms, D grows and s shrinks until the penalty vanishes. With the sphere, (7) is
the exact minimum too, since all points of it have the same A_jj |d|^2.

Departures
- Olshausen and Field take -sum exp(-s^2), log(1 + s^2) or |s| for h, conjugate gradients for the codes, and a rule
  that holds the variance of each code for the norm. Restarts are O'Donoghue and Candes 2015; `fista` has none.
- lambda is absolute: choose it in units of the data's standard deviation (for unit atoms 1 to 1.2 of them is usual;
  Olshausen and Field have 0.14 with log(1 + s^2)). A tolerance of (5) is a share of lambda.

    >>> import torch
    >>> from deepcanon.representation import SparseCoding
    >>> x = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    >>> model = SparseCoding(12, penalty=0.5, rounds=10).fit(x)
    >>> codes = model.transform(x)
    >>> tuple(codes.shape), bool((codes == 0).double().mean() > 0.3)
    ((200, 12), True)
"""

import math
import warnings
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.estimators import Estimator, rows_of

__all__ = [
    "Codes", "SparseCoding", "fista", "infer_codes", "kkt_violation", "shrink", "sparse_coding_objective",
    "update_dictionary",
]  # fmt: skip

ENTRIES = 1 << 17
"""Codes that are computed at once: they stay in the cache."""
LOOK, NEWTON = 5, 20
"""Steps between two checks of (5); Newton steps in (3) for the smooth penalty."""
NORMS = ("ball", "sphere")
Inputs = Float[Tensor, "batch features"]
Atoms = Float[Tensor, "atoms features"]
Sparse = Float[Tensor, "batch atoms"]
Each = Float[Tensor, "batch"]


class Codes(NamedTuple):
    """Codes, what (5) is for each example, and how many steps it took."""

    codes: Sparse
    violation: Each
    steps: Int[Tensor, "batch"]


def _check(dictionary: Tensor, inputs: Tensor, penalty: float, eps: float, codes: Tensor | None = None) -> None:
    if dictionary.ndim != 2 or inputs.ndim != 2 or dictionary.shape[1] != inputs.shape[1]:
        raise ValueError(f"a dictionary {tuple(dictionary.shape)} does not fit inputs {tuple(inputs.shape)}")
    if codes is not None and tuple(codes.shape) != (len(inputs), len(dictionary)):
        raise ValueError(f"codes {tuple(codes.shape)} are not [{len(inputs)}, {len(dictionary)}]")
    if not (penalty > 0 and eps >= 0 and math.isfinite(penalty) and math.isfinite(eps)):
        raise ValueError(f"the penalty is above 0 and eps is not below it, got {penalty} and {eps}")


def _largest(dictionary: Tensor) -> Tensor:
    """L of equation (2), never rounded down."""
    wide = dictionary.double()
    found = torch.linalg.eigvalsh(wide @ wide.mT)[-1] * (1 + 1e-6)
    return torch.where(found > 0, found, torch.ones_like(found)).to(dictionary.dtype)


def shrink(values: Tensor, threshold: float | Tensor, eps: float = 0.0) -> Tensor:
    """Equation (3); with eps above 0 for sqrt(z^2 + eps), by Newton steps that come from below."""
    size = values.abs()
    if eps == 0:
        return values.sign() * (size - threshold).clamp_min(0)
    z = (size - threshold).clamp_min(0)
    for _ in range(NEWTON):  # z + t z / sqrt(z^2 + eps) is concave above 0: no step goes too far
        root = (z.square() + eps).sqrt()
        z = z - (z + threshold * z / root - size) / (1 + threshold * eps / root**3)
    return values.sign() * z


def sparse_coding_objective(codes: Sparse, dictionary: Atoms, inputs: Inputs, penalty: float, eps: float = 0.0) -> Each:
    """J of equation (1) for each example."""
    _check(dictionary, inputs, penalty, eps, codes)
    size = codes.abs() if eps == 0 else (codes.square() + eps).sqrt()
    return 0.5 * (inputs - codes @ dictionary).square().sum(1) + penalty * size.sum(1)


def kkt_violation(codes: Sparse, dictionary: Atoms, inputs: Inputs, penalty: float, eps: float = 0.0) -> Each:
    """Equation (5) for each example, a share of the penalty; with eps above 0, the slope of (1)."""
    _check(dictionary, inputs, penalty, eps, codes)
    return _violation(codes, (codes @ dictionary - inputs) @ dictionary.mT / penalty, eps)


def _violation(codes: Tensor, slope: Tensor, eps: float) -> Tensor:
    """(5), the slope in units of lambda."""
    if eps > 0:
        return (slope + codes / (codes.square() + eps).sqrt()).abs().amax(1)
    side = codes.sign()
    return ((slope + side).abs() - (1 - side.abs())).amax(1).clamp_min(0)  # (5)


def fista(
    dictionary: Atoms, inputs: Inputs, penalty: float, steps: int = 100, eps: float = 0.0, largest: Tensor | None = None
) -> Sparse:
    """Codes after a fixed number of steps from zero, without restarts: the same work for all data, which exports."""
    _check(dictionary, inputs, penalty, eps)
    largest = _largest(dictionary) if largest is None else largest
    same = torch.eye(len(dictionary), dtype=dictionary.dtype, device=dictionary.device)
    keep, pull = same - dictionary @ dictionary.mT / largest, inputs @ dictionary.mT / largest
    codes = y = torch.zeros_like(pull)
    t = 1.0
    for _ in range(steps):
        new = shrink(y @ keep + pull, penalty / largest, eps)  # (2)
        later = (1 + math.sqrt(1 + 4 * t * t)) / 2
        codes, y, t = new, new + (t - 1) / later * (new - codes), later  # (4)
    return codes


@torch.no_grad()
def infer_codes(
    dictionary: Atoms, inputs: Inputs, penalty: float, *,
    eps: float = 0.0, tolerance: float = 1e-4, max_iter: int = 2000, start: Sparse | None = None,
) -> Codes:  # fmt: skip
    """Minimal (1) for each example: FISTA from `start` or 0, with restarts, until (5) is at most `tolerance`."""
    _check(dictionary, inputs, penalty, eps, start)
    if max_iter < 1 or not tolerance >= 0:
        raise ValueError(f"max_iter is 1 or more and the tolerance not below 0, got {max_iter} and {tolerance}")
    if not bool(torch.isfinite(inputs.sum() + dictionary.sum())):
        raise ValueError("the inputs or the dictionary hold NaN or infinity")
    count, atoms = len(inputs), len(dictionary)
    largest, wide = _largest(dictionary).double(), dictionary.double()
    same = torch.eye(atoms, dtype=wide.dtype, device=wide.device)
    keep, edge = (same - wide @ wide.mT / largest).to(inputs.dtype), float(penalty / largest)
    pulls = inputs @ (wide / largest).to(inputs.dtype).mT
    found = torch.zeros_like(pulls) if start is None else start.to(pulls.dtype).clone()
    violation, steps = pulls.new_zeros(count), torch.zeros(count, dtype=torch.long, device=pulls.device)
    # A pool of examples: row i of it works on example rows[i], and one that has converged makes room for the next.
    rows = torch.arange(min(count, max(64, ENTRIES // max(atoms, 1))), device=pulls.device)
    following = len(rows)
    pull, codes, y = pulls[rows], found[rows], found[rows]
    new, step = torch.empty_like(codes), torch.empty_like(codes)
    t, age = codes.new_ones(len(rows), 1), 0 * rows
    while len(rows):
        for _ in range(min(LOOK, max_iter)):
            torch.mm(y, keep, out=new).add_(pull)
            if eps == 0:
                new.sub_(torch.clamp(new, -edge, edge, out=step))  # (2), (3)
            else:
                new.copy_(shrink(new, edge, eps))
            torch.sub(new, codes, out=step)
            uphill = y.sub_(new).mul_(step).sum(1, keepdim=True) > 0
            later = (4 * t * t + 1).sqrt_().add_(1).mul_(0.5)
            torch.addcmul(new, ((t - 1) / later).masked_fill_(uphill, 0), step, out=y)  # (4)
            t, codes, new = later.masked_fill_(uphill, 1), new, codes
        age += min(LOOK, max_iter)
        torch.mm(codes, keep, out=new).add_(pull).sub_(codes).mul_(-1 / edge)  # g / lambda
        gap = _violation(codes, new, eps)
        ready = ((gap <= tolerance) | (age >= max_iter)).nonzero()[:, 0]
        found[rows[ready]], violation[rows[ready]], steps[rows[ready]] = codes[ready], gap[ready], age[ready]
        fresh = torch.arange(following, min(following + len(ready), count), device=rows.device)
        following += len(fresh)
        places, spare = ready[: len(fresh)], ready[len(fresh) :]
        rows[places], pull[places], codes[places], t[places], age[places] = fresh, pulls[fresh], found[fresh], 1, 0
        y[places] = found[fresh]
        if len(spare):
            left = torch.ones_like(rows, dtype=torch.bool).index_fill_(0, spare, False)
            rows, pull, codes, y, t, age = (part[left] for part in (rows, pull, codes, y, t, age))
            new, step = new[: len(rows)], step[: len(rows)]
    return Codes(found, violation, steps)


@torch.no_grad()
def update_dictionary(
    dictionary: Atoms, scatter: Float[Tensor, "atoms atoms"], product: Atoms, *, norm: str = "ball", sweeps: int = 1
) -> Atoms:
    """Equation (7) over all atoms in turn, `sweeps` times, from A and B of (6); unused atoms stay as they are."""
    if product.shape != dictionary.shape or scatter.shape != (len(dictionary), len(dictionary)):
        shapes = f"A {tuple(scatter.shape)}, B {tuple(product.shape)}, dictionary {tuple(dictionary.shape)}"
        raise ValueError(f"sums and dictionary do not fit: {shapes}")
    if norm not in NORMS:
        raise ValueError(f"norm is one of {', '.join(NORMS)}, not {norm!r}")
    found, uses = dictionary.clone(), scatter.diagonal().tolist()
    least = 1e-5 * max(uses, default=0.0)  # below, (7) is rounding error in single precision
    for _ in range(sweeps):
        for j, use in enumerate(uses):
            if use <= least:
                continue
            atom = found[j] + (product[j] - scatter[j] @ found) / use  # (7)
            length = float(atom.norm())
            found[j] = atom / (max(length, 1.0) if norm == "ball" else max(length, 1e-30))
    return found


class SparseCoding(Estimator):
    """A dictionary with the API of scikit-learn. `fit` alternates over all examples, `partial_fit` takes one
    mini-batch; `transform` infers codes to convergence, calling the module takes a fixed number of FISTA's steps.

    Args:
        n_atoms: K; None takes as many as there are features.
        penalty: lambda of (1). eps: 0 for |s|, above 0 for the smooth penalty.
        norm: "ball" (at most 1) or "sphere" (1).
        tolerance: of (5), for the codes. max_iter: steps of FISTA at most.
        rounds: alternations of `fit` at most; it ends when one lowers the objective by a share below `change`.
        sweeps: over the atoms for each update. forget: r of (6).
        unrolled: steps when the module is called.
        first_atoms: [K, F], to start with; random examples otherwise, by the seed.

    Attributes:
        dictionary_ [K, F], scatter_ [K, K] and product_ [K, F] (A and B), largest_ (L), n_iter_ (updates): buffers.
        objective_: mean of (1) over the examples at the end of `fit`. n_features_in_.
    """

    LEARNED = ("dictionary_", "scatter_", "product_", "largest_", "n_iter_")

    def __init__(
        self, n_atoms: int | None = None, *, penalty: float = 1.0, eps: float = 0.0,
        norm: Literal["ball", "sphere"] = "ball", tolerance: float = 1e-4, max_iter: int = 2000, rounds: int = 200,
        change: float = 1e-5, sweeps: int = 1, forget: float = 8.0, unrolled: int = 100, first_atoms=None,
        seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.n_atoms, self.penalty, self.eps, self.norm, self.tolerance = n_atoms, penalty, eps, norm, tolerance
        self.max_iter, self.rounds, self.change, self.sweeps, self.forget = max_iter, rounds, change, sweeps, forget
        self.unrolled, self.first_atoms, self.seed, self.objective_ = unrolled, first_atoms, seed, math.nan

    def fit(self, X, y=None) -> "SparseCoding":
        """Learn from [N, F], an array or a tensor; `y` is ignored."""
        x = rows_of(X, "SparseCoding")
        self.begin(x)
        codes, before = None, math.inf
        for _ in range(self.rounds):
            codes = self.infer(x, codes).codes
            missed = x - codes @ self.dictionary_
            self.absorb(codes.mT @ codes, codes.mT @ x, keep=0.0)
            idle = (codes == 0).all(0).nonzero()[:, 0][: len(x)]
            if len(idle):  # what the others explain worst replaces an unused atom
                worst = missed.square().sum(1).topk(len(idle)).indices
                self.dictionary_[idle] = F.normalize(x[worst], dim=1, eps=1e-30)
                self.largest_ = _largest(self.dictionary_)
            now = self.score_of(codes, x)
            if before - now <= self.change * abs(now) and not len(idle):
                break
            before = now
        self.objective_ = self.score_of(self.infer(x, codes).codes, x)
        return self

    def score_of(self, codes: Sparse, inputs: Inputs) -> float:
        """Mean of (1) over the examples."""
        return float(sparse_coding_objective(codes, self.dictionary_, inputs, self.penalty, self.eps).mean())

    def partial_fit(self, X, y=None) -> "SparseCoding":
        """One mini-batch: codes, sums, atoms."""
        x = rows_of(X, "SparseCoding")
        if self.dictionary_ is None:
            self.begin(x)
        codes = self.infer(x.to(self.dictionary_)).codes
        return self.absorb(codes.mT @ codes, codes.mT @ x.to(codes))

    def begin(self, examples: Inputs) -> "SparseCoding":
        """The first atoms: random examples of length 1, or noise where there are too few."""
        atoms = examples.shape[1] if self.n_atoms is None else self.n_atoms
        if atoms < 1 or min(self.rounds, self.sweeps, self.unrolled) < 1:
            raise ValueError("n_atoms, rounds, sweeps and unrolled are 1 or more")
        if self.norm not in NORMS:
            raise ValueError(f"norm is one of {', '.join(NORMS)}, not {self.norm!r}")
        generator, shape = torch.Generator().manual_seed(self.seed), (atoms, examples.shape[1])
        if self.first_atoms is None:
            first = torch.randn(shape, generator=generator, dtype=torch.float64).to(examples)
            some = examples[torch.randperm(len(examples), generator=generator)[:atoms].to(examples.device)]
            first[: len(some)] = torch.where(some.norm(dim=1, keepdim=True) > 0, some, first[: len(some)])
        else:
            first = torch.as_tensor(self.first_atoms).to(examples)
            if tuple(first.shape) != shape:
                raise ValueError(f"first_atoms {tuple(first.shape)} are not {shape}")
        self.dictionary_ = F.normalize(first, dim=1, eps=1e-30)
        self.scatter_, self.product_ = first.new_zeros(atoms, atoms), torch.zeros_like(first)
        self.largest_, self.n_iter_ = _largest(self.dictionary_), torch.tensor(0, device=first.device)
        return self

    def absorb(self, scatter: Float[Tensor, "atoms atoms"], product: Atoms, keep: float | None = None):
        """(6) and (7) from the sums of a mini-batch, which may come from several processes; `keep` for (1 - 1/n)^r."""
        self.check_fitted()
        keep = (1 - 1 / (int(self.n_iter_) + 1)) ** self.forget if keep is None else keep
        self.scatter_, self.product_ = keep * self.scatter_ + scatter, keep * self.product_ + product  # (6)
        options: dict[str, Any] = {"norm": self.norm, "sweeps": self.sweeps}
        self.dictionary_ = update_dictionary(self.dictionary_, self.scatter_, self.product_, **options)
        self.largest_, self.n_iter_ = _largest(self.dictionary_), self.n_iter_ + 1
        return self

    def infer(self, inputs: Inputs, start: Tensor | None = None) -> Codes:
        """Codes to convergence."""
        self.check_fitted(self._features, inputs.shape)
        options: dict[str, Any] = {"eps": self.eps, "tolerance": self.tolerance, "max_iter": self.max_iter}
        return infer_codes(self.dictionary_, inputs, self.penalty, start=start, **options)

    def forward(self, inputs: Inputs) -> Sparse:
        """The codes after `unrolled` of FISTA's steps; it must be fitted."""
        self.check_fitted(self._features, inputs.shape)
        x = inputs.to(self.dictionary_.dtype)
        return fista(self.dictionary_, x, self.penalty, self.unrolled, self.eps, self.largest_)

    def transform(self, X):
        """Codes [N, K]; an array gives an array, a tensor a tensor."""
        self.check_fitted()
        found = self.infer(rows_of(X, "SparseCoding").to(self.dictionary_))
        if late := int((found.violation > self.tolerance).sum()):
            warnings.warn(f"the codes of {late} examples did not converge in {self.max_iter} steps", stacklevel=2)
        return found.codes if isinstance(X, Tensor) else found.codes.cpu().numpy()

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)

    def inverse_transform(self, X):
        """From codes back to features: s D."""
        self.check_fitted()
        codes = rows_of(X, "SparseCoding").to(self.dictionary_)
        if codes.shape[1] != len(self.dictionary_):
            raise ValueError(f"X has {codes.shape[1]} columns, but there are {len(self.dictionary_)} atoms")
        found = codes @ self.dictionary_
        return found if isinstance(X, Tensor) else found.cpu().numpy()

    @property
    def _features(self) -> int | None:
        return None if self.dictionary_ is None else self.dictionary_.shape[1]

    @property
    def n_features_in_(self) -> int:
        self.check_fitted()
        return self.dictionary_.shape[1]
