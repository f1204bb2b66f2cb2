"""Composed tents in exact fractions, and pieces counted from the slopes on a fine grid."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from scipy import integrate


def tents(x, depth):
    """f_D entry by entry, in fractions."""
    found = []
    for value in np.ravel(x):
        t = Fraction(float(value))
        for _ in range(depth):
            t = 2 * max(t, Fraction(0)) - 4 * max(t - Fraction(1, 2), Fraction(0))
        found.append(float(t))
    return np.array(found).reshape(np.shape(x))


def network(params, x):
    """A network whose parameters are named `...N.weight`, `...N.bias`, ReLU between its layers."""
    positions = sorted({int(name.split(".")[-2]) for name in params})
    prefix = next(iter(params)).rsplit(".", 2)[0]
    for place in positions:
        x = x @ params[f"{prefix}.{place}.weight"].T + params[f"{prefix}.{place}.bias"]
        x = x if place == positions[-1] else np.maximum(x, 0)
    return x


def shallow_bends(weight, bias, low, high):
    """Where the units of one hidden layer switch."""
    return np.array(sorted(-b / w for w, b in zip(weight, bias, strict=True) if low < -b / w < high))


def parameters(sizes):
    return sum(np.zeros((after, before)).size + np.zeros(after).size for before, after in pairwise(sizes))


def multiplications(sizes):
    return sum(np.zeros((after, before)).size for before, after in pairwise(sizes))


def equal_width(inputs, outputs, depth, budget):
    """The best of all widths, one by one."""
    gaps = [abs(parameters((inputs, *[width] * depth, outputs)) - budget) for width in range(1, 2000)]
    return 1 + int(np.argmin(gaps))


def line_against_tent(height):
    """Mean squared error of the best line against a tent of this height: the normal equations, by quadrature."""

    def mean(function):
        return sum(integrate.quad(function, a, b, epsabs=1e-14)[0] for a, b in ((-1, 0), (0, 1))) / 2

    def y(x):
        return height * (1 - abs(x))

    slope, constant = mean(lambda x: x * y(x)) / mean(lambda x: x * x), mean(y)
    return mean(lambda x: (y(x) - constant - slope * x) ** 2)
