"""Squared error and cross-entropy of a reconstruction, summed number by number."""

import math

import numpy as np


def squared(y, x):
    return sum((a - b) ** 2 for row, other in zip(y, x, strict=True) for a, b in zip(row, other, strict=True)) / len(x)


def cross_entropy(logits, x):
    total = 0.0
    for row, other in zip(logits, x, strict=True):
        for a, b in zip(row, other, strict=True):
            y = 1 / (1 + math.exp(-a))
            total -= b * math.log(y) + (1 - b) * math.log(1 - y)
    return np.array(total / len(x))
