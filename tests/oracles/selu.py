"""SELU from its two conditions, its moments by quadrature, and alpha-dropout by counting masks; NumPy float64."""

import itertools
import math

import numpy as np

NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)


def expectation(function, mean, variance):
    """E f(z) of z ~ N(mean, variance), by quadrature on both sides of the bend at 0."""
    s, total = math.sqrt(variance), 0.0
    for low, high in ((mean - 12 * s, 0.0), (0.0, mean + 12 * s)):
        if low < high:
            z = (high - low) / 2 * NODES + (high + low) / 2
            density = np.exp(-((z - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
            total += (high - low) / 2 * float(WEIGHTS @ (density * function(z)))
    return total


def constants():
    """(lambda, alpha) from E = 0 and E of squares = 1 for standard normal z: the first is linear in alpha."""
    positive = expectation(lambda z: np.maximum(z, 0), 0, 1)
    negative = expectation(lambda z: np.where(z < 0, 1 - np.exp(np.minimum(z, 0)), 0), 0, 1)
    alpha = positive / negative
    square = expectation(lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))) ** 2, 0, 1)
    return square**-0.5, alpha


LAMBDA, ALPHA = constants()


def selu(z):
    return np.array([LAMBDA * (v if v > 0 else ALPHA * (math.exp(v) - 1)) for v in z.ravel()]).reshape(z.shape)


def moments(mean, variance):
    """Mean and variance of selu(z), entry by entry."""
    found = []
    for m, v in zip(mean, variance, strict=True):
        first = expectation(selu, m, v)
        found.append((first, expectation(lambda z: selu(z) ** 2, m, v) - first**2))
    return tuple(np.array(column) for column in zip(*found, strict=True))


def affine(p):
    """a and b that keep mean 0 and variance 1 of a unit that is alpha' with probability p."""
    saturated = -LAMBDA * ALPHA
    mean = p * saturated  # of x where kept, alpha' elsewhere
    variance = (1 - p) + p * saturated**2 - mean**2
    a = variance**-0.5
    return a, -a * mean


def dropped(x, kept, p):
    a, b = affine(p)
    saturated = -LAMBDA * ALPHA
    return np.array([a * (v if k else saturated) + b for v, k in zip(x.ravel(), kept.ravel(), strict=True)]).reshape(
        x.shape
    )


def average(x, p):
    """The mean over all masks of a short row."""
    total = np.zeros_like(x)
    for mask in itertools.product((False, True), repeat=len(x)):
        share = math.prod(1 - p if k else p for k in mask)
        total += share * dropped(x, np.array(mask), p)
    return total
