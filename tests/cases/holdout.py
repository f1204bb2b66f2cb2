import numpy as np
import torch
from contract.cases import Case
from oracles import holdout as oracle

from deepcanon.foundations import mcnemar, wilson_interval
from deepcanon.foundations.holdout import (
    count_changes,
    detection_rate,
    group_split,
    largest_disagreement,
    net_change_distribution,
    simulate_changes,
    stratified_split,
)

COUNTS = {"build": None, "skips": {"gradcheck": "counts carry no gradient"}}


def few(rng):
    return rng.integers(0, 40, size=12), rng.integers(0, 40, size=12)


def halves(labels):
    """Sizes by class of a stratified split, and the groups that a split by group holds out on both sides."""
    generator = torch.Generator().manual_seed(0)
    train, held = stratified_split(labels, 0.5, generator)
    kept, out = group_split(labels, 0.5, generator)
    both = torch.isin(labels[kept].unique(), labels[out].unique()).sum()
    return labels[train].bincount(minlength=4), labels[held].bincount(minlength=4), both


def moments_of_changes(trials):
    ups, downs = simulate_changes(50, [(0.5, 0.0), (0.0, 1.0), (0.3, 0.7)], trials, torch.Generator().manual_seed(0))
    return downs[0].sum(), ups[1].sum(), downs[1], ups[2] + downs[2]


FUNCTIONS = (
    Case(
        name="wilson",
        call=lambda correct, total: wilson_interval(correct, total, 0.9),
        inputs=lambda rng: (np.concatenate([[0, 30], rng.integers(31, size=6)]), np.full(8, 30)),
        oracle=lambda params, correct, total: tuple(
            np.array(
                [oracle.wilson(int(k), int(n), 0.9) for k, n in zip(correct, total, strict=True)],
            ).T
        ),
        covers=("wilson_interval",),
        **COUNTS,
    ),
    Case(
        name="mcnemar_exact",
        call=lambda b, c: mcnemar(b, c),
        inputs=few,
        oracle=lambda params, b, c: np.array(
            [oracle.mcnemar_exact(int(i), int(j)) for i, j in zip(b, c, strict=True)],
        ),
        **COUNTS,
    ),
    Case(
        name="mcnemar_chi_square",
        call=lambda b, c: mcnemar(b, c, "chi-square"),
        inputs=few,
        oracle=lambda params, b, c: np.array([oracle.mcnemar_chi_square(i, j) for i, j in zip(b, c, strict=True)]),
        **COUNTS,
    ),
    Case(
        name="net_change",
        build=None,
        call=lambda x: net_change_distribution(80, 0.07, 0.2) + 0 * x.sum(),
        inputs=lambda rng: (rng.normal(size=2),),
        oracle=lambda params, x: oracle.net_change(80, 0.07, 0.2),
        covers=("net_change_distribution",),
    ),
    Case(
        name="detection_rate",
        build=None,
        call=lambda x: [detection_rate(n, u, d, 30) for n, u, d in ((400, 0.1, 0.1), (300, 0.2, 0.1), (20, 0.5, 0.5))],
        inputs=lambda rng: (rng.normal(size=2),),
        oracle=lambda params, x: [
            oracle.detection_rate(n, u, d, 30) for n, u, d in ((400, 0.1, 0.1), (300, 0.2, 0.1), (20, 0.5, 0.5))
        ],
    ),
    Case(
        name="largest_disagreement",
        build=None,
        call=lambda x: largest_disagreement(100, 12, 0.1) + 0 * x.sum(),
        inputs=lambda rng: (rng.normal(size=2),),
        oracle=lambda params, x: max(
            k for k in range(1, 101) if oracle.detection_rate(100, k / 200, k / 200, 12) < 0.1
        ),
    ),
    Case(
        name="count_changes",
        call=count_changes,
        inputs=lambda rng: (rng.random(60) < 0.7, rng.random(60) < 0.8),
        oracle=lambda params, a, b: (
            sum(x and not y for x, y in zip(a, b, strict=True)),
            sum(y and not x for x, y in zip(a, b, strict=True)),
        ),
        **COUNTS,
    ),
    Case(
        name="simulate_changes",
        build=None,
        call=lambda x: moments_of_changes(7),
        inputs=lambda rng: (rng.normal(size=2),),
        oracle=lambda params, x: (0, 0, np.full(7, 50), np.full(7, 50)),
    ),
    Case(
        name="holdout_splits",
        call=halves,
        inputs=lambda rng: (np.repeat(np.arange(4), [2, 4, 10, 20]),),
        oracle=lambda params, labels: (np.array([1, 2, 5, 10]), np.array([1, 2, 5, 10]), 0),
        covers=("stratified_split", "group_split"),
        **COUNTS,
    ),
)
