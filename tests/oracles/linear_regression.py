"""Linear regression the long way: the singular value decomposition of centred data, and sums over examples."""

import math

import numpy as np


def fit(x, y, ridge=0.0):
    """Weights [K, F], biases and noise variances: each singular direction is shrunk by s / (s^2 + n ridge)."""
    centre, middle = x.mean(0), y.mean(0)
    u, s, rows = np.linalg.svd(x - centre, full_matrices=False)
    weight = ((rows.T * (s / (s**2 + len(x) * ridge))) @ (u.T @ (y - middle))).T
    bias = middle - weight @ centre
    return weight, bias, ((y - predict(x, weight, bias)) ** 2).sum(0) / len(x)


def predict(x, weight, bias):
    return np.array([[sum(w * v for w, v in zip(row, example, strict=True)) + b
                      for row, b in zip(weight, bias, strict=True)] for example in x])  # fmt: skip


def objective(x, y, weight, bias, ridge):
    residual = y - predict(x, weight, bias)
    return sum(float(r @ r) for r in residual) / (2 * len(x)) + ridge / 2 * float((weight**2).sum())


def gradient(x, y, weight, bias, ridge):
    """Sums of outer products over examples."""
    by_weight, by_bias = ridge * weight, np.zeros_like(bias)
    for example, residual in zip(x, y - predict(x, weight, bias), strict=True):
        by_weight = by_weight - np.outer(residual, example) / len(x)
        by_bias = by_bias - residual / len(x)
    return by_weight, by_bias


def log_likelihood(x, y, weight, bias, variance):
    residual = y - predict(x, weight, bias)
    return np.array([[math.log(math.exp(-(r**2) / (2 * v)) / math.sqrt(2 * math.pi * v))
                      for r, v in zip(row, variance, strict=True)] for row in residual])  # fmt: skip
