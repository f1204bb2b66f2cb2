"""Frechet distance with scipy's root of a general matrix; KL by its definition."""

import numpy as np
from scipy.linalg import sqrtm


def frechet(x, y):
    a, b = np.cov(x.T), np.cov(y.T)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))


def kl(p, q):
    return (p * np.log(p / q)).sum(-1)
