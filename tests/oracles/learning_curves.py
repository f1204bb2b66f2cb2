"""Smoothing as a weighted mean, the trend by the normal equations, Fisher's test by its alternating sum, and the
minimum of a range test by what is about as good."""

import math

import numpy as np


def smooth(values, keep):
    """sum_s keep^(t-s) x_s / sum_s keep^(t-s) over the finite x_s, s <= t."""
    found = []
    for t in range(len(values)):
        pairs = [(keep ** (t - s), values[s]) for s in range(t + 1) if math.isfinite(values[s])]
        found.append(sum(w * x for w, x in pairs) / sum(w for w, _ in pairs) if pairs else math.nan)
    return np.array(found)


def trend(values):
    """Change of the least-squares line over the whole vector, its standard error, and the noise around it."""
    design = np.stack([np.ones(len(values)), np.arange(len(values))], 1)
    solved = np.linalg.solve(design.T @ design, design.T @ values)
    rest = values - design @ solved
    variance = rest @ rest / (len(values) - 2)
    covariance = variance * np.linalg.inv(design.T @ design)
    reach = len(values) - 1
    return solved[1] * reach, math.sqrt(covariance[1, 1]) * reach, math.sqrt(variance)


def periodicity(values, first):
    """The largest share of the power in one frequency first..(n-1)/2 of the detrended odd-length vector, and its p."""
    n = len(values) - (len(values) + 1) % 2
    x = np.asarray(values[len(values) - n :], dtype=float)
    x = x - np.polyval(np.polyfit(np.arange(n), x, 1), np.arange(n))
    power = np.array([abs(sum(v * np.exp(-2j * np.pi * k * t / n) for t, v in enumerate(x))) ** 2
                      for k in range(first, (n - 1) // 2 + 1)])  # fmt: skip
    g, m = power.max() / power.sum(), len(power)
    p = sum((-1) ** (j - 1) * math.comb(m, j) * (1 - j * g) ** (m - 1) for j in range(1, min(m, int(1 / g)) + 1))
    return g, min(1.0, max(0.0, p))


def rates(steps, lowest, highest):
    return np.array([math.exp(math.log(lowest) + (math.log(highest) - math.log(lowest)) * s / (steps - 1))
                     for s in range(steps)])  # fmt: skip


def best(rates, losses, keep):
    """The geometric mean of the rates, weighted by how many standard errors their loss lies above the smallest."""
    curve = smooth(losses, keep)
    place = int(np.argmin(curve))
    newest = losses[place // 2 : place + 1]
    second = sorted((a - 2 * b + c) ** 2 for a, b, c in zip(newest, newest[1:], newest[2:], strict=False))
    middle = second[(len(second) - 1) // 2]
    # Of a normal number of variance 6 s^2, half of the squares lie below 6 s^2 times the squared upper quartile.
    quartile = 0.6744897501960817
    error = math.sqrt(middle / 6) / quartile * math.sqrt((1 - keep) / (1 + keep))
    return math.exp(np.average(np.log(rates), weights=np.exp(-(curve - curve[place]) / (3 * error))))


def steepest(rates, losses, keep):
    """The middle of the third of the points up to the smoothed minimum whose straight line falls fastest."""
    end = int(np.argmin(smooth(losses, keep))) + 1
    size, x = end // 3, np.log(rates[:end])
    slopes = [np.polyfit(x[a : a + size], losses[a : a + size], 1)[0] for a in range(end - size + 1)]
    first = int(np.argmin(slopes))
    return math.exp(x[first : first + size].mean())
