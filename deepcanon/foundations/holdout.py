r"""Held-out evaluation: honest splits, the interval of an accuracy, McNemar's test, the "rule of 30" and its errors.

Papers: Dietterich 1998, "Approximate statistical tests for comparing supervised classification learning algorithms"
(Neural Computation 10); McNemar 1947 (Psychometrika 12); Wilson 1927 (JASA 22). The rule of 30 is a rule of thumb from
V. Vanhoucke's Udacity course: a change that affects 30 examples of the validation set, one way or another, is usually
significant. Its own example (80 % becomes 81 % on 3,000 examples) counts the NET change, and so do we.

n held-out examples; two classifiers; b = examples that only the first gets right, c = only the second; m = b + c.
k right of n, z = the normal quantile of the level (1.96 for 95 %), phi the characteristic function of one example.

    Wilson:       (k + z^2/2) / (n + z^2)  +-  z / (n + z^2) sqrt(k (n - k) / n + z^2 / 4)                   (1)
    McNemar:      p = min(1, 2 P(Binomial(m, 1/2) >= max(b, c)))       exact                                 (2)
                  p = P(chi^2_1 >= (|b - c| - 1)^2 / m)                with continuity correction            (3)
    rule of 30:   the change is real if |b - c| >= 30                                                        (4)
    an example changes by +1 with probability u, by -1 with d, else not:  phi(t) = 1 - u - d + u e^it + d e^-it
    P(b - c = s) = 1/N sum_j phi(2 pi j / N)^n e^(-2 pi i j s / N),   any N > 2 n                            (5)

Two equal models have u = d = q/2 with q the rate at which exactly one of them is right. (5) then gives the rule's rate
of false positives. It depends on n q, the expected number of examples on which they differ, and hardly on n:

    n q              30     100     200     226     300     1,000    3,000
    P(|b-c| >= 30)   0.00   0.32    3.7     5.0     8.8     35.1     59.0     per cent (n = 30,000)

So the rule keeps its level of 5 % up to about 226 changed examples; two retrainings of one network that differ in 10 %
of 3,000 validation examples already give 8.8 %, and of 30,000 give 59 %. McNemar's test, which divides by m, is right
throughout: use the rule where models differ little, the test where they differ much.

Splits come before any statistic. `stratified_split` draws by class; `group_split` keeps all examples of a group (a
speaker, a document) on one side. `feature_leak` and `group_leak` show how much breaking either rule leaks.

Departures: (3) is 0, not 1/m, for b = c; m = 0 gives p = 1. (3) is Dietterich's; (2) is for small m, where (3) errs.

    >>> import torch
    >>> from deepcanon.foundations import mcnemar, wilson_interval
    >>> from deepcanon.foundations.holdout import detection_rate
    >>> [round(float(bound), 4) for bound in wilson_interval(2400, 3000)]
    [0.7853, 0.8139]
    >>> round(float(mcnemar(165, 135)), 4), round(float(detection_rate(3000, 0.05, 0.05, threshold=30)), 4)
    (0.0939, 0.0885)
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

__all__ = [
    "Leak",
    "count_changes",
    "detection_rate",
    "feature_leak",
    "group_leak",
    "group_split",
    "largest_disagreement",
    "mcnemar",
    "net_change_distribution",
    "simulate_calls",
    "simulate_changes",
    "stratified_split",
    "wilson_interval",
]

Counts = Num[Tensor, "..."] | int
DRAWS = 4_000_000  # random numbers at a time


class Leak(NamedTuple):
    """Held-out accuracies on labels of pure chance: no honest classifier exceeds 1/2 on average."""

    honest: Tensor
    leaking: Tensor


def wilson_interval(correct: Counts, total: Counts, level: float = 0.95) -> tuple[Tensor, Tensor]:
    """Equation (1): lower and upper bound of an accuracy from `correct` of `total` independent examples."""
    k, n = _counts(correct), _counts(total)
    if bool((n < 1).any()) or bool((k < 0).any()) or bool((k > n).any()):
        raise ValueError("an accuracy needs 0 <= correct <= total and at least one example")
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, {level} does not")
    z = torch.special.ndtri(torch.tensor(0.5 + level / 2, dtype=torch.float64))
    centre = (k + z.square() / 2) / (n + z.square())
    half = z / (n + z.square()) * (k * (n - k) / n + z.square() / 4).sqrt()
    return (centre - half).clamp_min(0), (centre + half).clamp_max(1)  # (1)


def count_changes(
    first_right: Bool[Tensor, "examples"], second_right: Bool[Tensor, "examples"]
) -> tuple[Int[Tensor, ""], Int[Tensor, ""]]:
    """b and c: the examples that only the first, and only the second, of two classifiers gets right."""
    if first_right.shape != second_right.shape or first_right.ndim != 1:
        raise ValueError(f"the answers {tuple(first_right.shape)} and {tuple(second_right.shape)} are not of one set")
    return (first_right & ~second_right).sum(), (second_right & ~first_right).sum()


def mcnemar(only_first: Counts, only_second: Counts, method: Literal["exact", "chi-square"] = "exact") -> Tensor:
    """Two-sided p-value that two classifiers err equally often, by (2) or (3); of any shape."""
    b, c = torch.broadcast_tensors(_counts(only_first), _counts(only_second))
    if bool((b < 0).any()) or bool((c < 0).any()):
        raise ValueError("counts of examples cannot be negative")
    if method == "chi-square":
        statistic = ((b - c).abs() - 1).clamp_min(0).square() / (b + c).clamp_min(1)
        return torch.special.erfc((statistic / 2).sqrt())  # (3): a chi-square of one degree is a squared normal
    if method != "exact":
        raise ValueError(f"method is 'exact' or 'chi-square', not {method!r}")
    p = torch.ones_like(b)
    for m in (b + c).unique().tolist():
        here = b + c == m
        heads = torch.arange(m + 1, dtype=torch.float64, device=b.device)
        constant = torch.lgamma(heads[-1] + 1) - m * torch.log(heads.new_tensor(2.0))
        pmf = (constant - torch.lgamma(heads + 1) - torch.lgamma(m - heads + 1)).exp()
        tail = pmf.flip(0).cumsum(0).flip(0)
        p[here] = (2 * tail[torch.maximum(b, c)[here].long()]).clamp_max(1)  # (2)
    return p


def net_change_distribution(examples: int, up: float, down: float, device=None) -> Float[Tensor, "changes"]:
    """Equation (5): the probabilities of b - c = -n, ..., n."""
    _check_rates(examples, up, down)
    size = 2 * examples + 1
    angle = 2 * torch.pi * torch.arange(size, dtype=torch.float64, device=device) / size
    phi = torch.complex(1 - (up + down) * (1 - angle.cos()), (up - down) * angle.sin())
    pmf = torch.fft.fft(phi.pow(examples)).real / size  # (5); place s holds b - c = s, and -s stands at size - s
    return pmf.roll(examples).clamp_min(0)


def detection_rate(examples: int, up: float, down: float, threshold: int = 30, device=None) -> Float[Tensor, ""]:
    """Exact probability that rule (4) calls a change real; with up = down, its rate of false positives."""
    if threshold < 1:
        raise ValueError(f"a threshold of {threshold} examples would call everything a change")
    pmf = net_change_distribution(examples, up, down, device)
    if threshold > examples:
        return pmf.new_zeros(())
    return pmf[: examples - threshold + 1].sum() + pmf[examples + threshold :].sum()  # (4)


def largest_disagreement(examples: int, threshold: int = 30, level: float = 0.05) -> int:
    """The most examples n q on which two equal models may be expected to differ with false positives <= `level`."""
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, {level} does not")
    low, high = 0, examples  # the rate rises with the number of changes
    while low < high:
        middle = (low + high + 1) // 2
        share = middle / (2 * examples)
        low, high = (middle, high) if detection_rate(examples, share, share, threshold) <= level else (low, middle - 1)
    return low


def simulate_changes(
    examples: int, rates: list[tuple[float, float]], trials: int, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, "rates trials"], Int[Tensor, "rates trials"]]:
    """Draws b and c example by example, for each (up, down) of `rates`, which share their random numbers."""
    for up, down in rates:
        _check_rates(examples, up, down)
    ups, downs = (torch.zeros(len(rates), trials, dtype=torch.int64) for _ in range(2))
    rows = max(1, DRAWS // examples)
    for start in range(0, trials, rows):
        drawn = torch.rand(min(rows, trials - start), examples, generator=generator)
        for place, (up, down) in enumerate(rates):
            ups[place, start : start + rows] = (drawn < up).sum(1)
            downs[place, start : start + rows] = (drawn >= 1 - down).sum(1)
    return ups, downs


def simulate_calls(
    examples: int,
    rates: list[tuple[float, float]],
    trials: int,
    *,
    threshold: int = 30,
    level: float = 0.05,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "rates"], Float[Tensor, "rates"]]:
    """How many trials call two simulated models different, by rule (4) and by test (2)."""
    ups, downs = simulate_changes(examples, rates, trials, generator)
    by_rule = (ups - downs).abs() >= threshold  # (4)
    by_test = mcnemar(ups, downs) <= level
    return by_rule.double().sum(1), by_test.double().sum(1)


def stratified_split(
    labels: Int[Tensor, "examples"], share: float, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, "train"], Int[Tensor, "held"]]:
    """Indices to train on and to hold out: of every class the same share, to the nearest example."""
    _check_split(labels, share)
    kept, held = [], []
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        count = min(round(share * len(rows)), len(rows) - 1)  # a class that is never trained on cannot be learned
        held.append(rows[:count])
        kept.append(rows[count:])
    return torch.cat(kept).sort().values, torch.cat(held).sort().values


def group_split(
    groups: Int[Tensor, "examples"], share: float, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, "train"], Int[Tensor, "held"]]:
    """Indices to train on and to hold out, no group on both sides; whole groups are held out in random order.

    The held-out share is as near to `share` as that order of groups allows; each side has one group at least.
    """
    _check_split(groups, share)
    names, member, sizes = groups.unique(return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError("a split by group needs at least two groups")
    order = torch.randperm(len(names), generator=generator)
    distance = (sizes[order].cumsum(0)[:-1] - share * len(groups)).abs()
    held = torch.isin(member, order[: int(distance.argmin()) + 1])
    return (~held).nonzero()[:, 0], held.nonzero()[:, 0]


def feature_leak(
    generator: torch.Generator | None = None, *, examples: int = 200, features: int = 500, chosen: int = 10
) -> Leak:
    """The leak of choosing features before the split: random features, labels of chance, the nearer class mean.

    The `chosen` features whose class means differ most are taken from the training half, or from all examples.
    """
    if not 1 <= chosen <= features:
        raise ValueError(f"{chosen} of {features} features cannot be chosen")
    x = torch.randn(examples, features, generator=generator)
    y = torch.randint(2, (examples,), generator=generator)
    train, held = stratified_split(y, 0.5, generator)
    found = []
    for seen in (train, torch.arange(examples)):
        gap = x[seen][y[seen] == 1].mean(0) - x[seen][y[seen] == 0].mean(0)
        best = gap.abs().topk(chosen).indices
        means = torch.stack([x[train][y[train] == label][:, best].mean(0) for label in (0, 1)])
        found.append((torch.cdist(x[held][:, best], means).argmin(1) == y[held]).double().mean())
    return Leak(*found)


def group_leak(generator: torch.Generator | None = None, *, groups: int = 40, copies: int = 8) -> Leak:
    """The leak of groups on both sides of the split: near copies of points, labels of chance, the nearest neighbour.

    The split is by group, or by example.
    """
    group = torch.arange(groups).repeat_interleave(copies)
    points = torch.randn(groups, 4, generator=generator)[group]
    x = points + 0.01 * torch.randn(len(group), 4, generator=generator)
    y = torch.randint(2, (groups,), generator=generator)[group]
    found = []
    for split, keys in ((group_split, group), (stratified_split, y)):
        train, held = split(keys, 0.5, generator)
        found.append((y[train][torch.cdist(x[held], x[train]).argmin(1)] == y[held]).double().mean())
    return Leak(*found)


def _counts(value: Counts) -> Float[Tensor, "..."]:
    return torch.as_tensor(value, dtype=torch.float64)


def _check_rates(examples: int, up: float, down: float) -> None:
    if examples < 1:
        raise ValueError(f"{examples} examples: at least one is needed")
    if not (up >= 0 and down >= 0 and up + down <= 1):
        raise ValueError(f"rates of change {up} up and {down} down are not shares of one set")


def _check_split(keys: Tensor, share: float) -> None:
    if keys.ndim != 1 or len(keys) < 2:
        raise ValueError(f"a split needs one key for each of at least two examples, got {tuple(keys.shape)}")
    if not 0 < share < 1:
        raise ValueError(f"the share to hold out lies between 0 and 1, {share} does not")
