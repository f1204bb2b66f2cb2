"""Intervals and paired tests by exact binomials: sums over every outcome, and the roots of a quadratic."""

import math

import numpy as np
from scipy import stats


def wilson(correct, total, level):
    """The shares p with (correct / total - p)^2 = z^2 p (1 - p) / total: z standard errors OF p away from it."""
    z, found = stats.norm.ppf(0.5 + level / 2), correct / total
    return tuple(sorted(np.roots([1 + z**2 / total, -2 * found - z**2 / total, found**2]).real))


def mcnemar_exact(b, c):
    """Both tails of Binomial(b + c, 1/2), in whole numbers."""
    m = b + c
    if m == 0:
        return 1.0
    tail = sum(math.comb(m, k) for k in range(max(b, c), m + 1))
    return min(1.0, 2 * tail / 2**m)


def mcnemar_chi_square(b, c):
    if b + c == 0:
        return 1.0
    return stats.chi2.sf(max(abs(b - c) - 1, 0) ** 2 / (b + c), 1)


def detection_rate(n, up, down, threshold):
    """P(|b - c| >= threshold): over the number m of examples that change, and which way they went."""
    total, changing = 0.0, up + down
    for m in range(n + 1):
        share = stats.binom.pmf(m, n, changing)
        if share < 1e-18:
            continue
        above = stats.binom.sf(math.ceil((m + threshold) / 2) - 1, m, up / changing)  # 2 b - m >= threshold
        below = stats.binom.cdf(math.floor((m - threshold) / 2), m, up / changing)
        total += share * (above + below)
    return total


def net_change(n, up, down):
    """The distribution of b - c on -n..n by n convolutions."""
    distribution = np.ones(1)
    for _ in range(n):
        distribution = np.convolve(distribution, [down, 1 - up - down, up])
    return distribution
