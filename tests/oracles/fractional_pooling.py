"""Fractional pooling by loops over regions, in NumPy float64, with the paper's borders (pixels from 1)."""

import itertools
import math

import numpy as np


def pseudorandom(size, count, u):
    """a_i = ceil(alpha (i + u)), moved so that a_0 = 1; alpha = (a_n - a_0) / n."""
    alpha = (size - 1) / count
    a = [math.ceil(alpha * (i + u)) for i in range(count + 1)]
    return [value - a[0] + 1 for value in a]


def pooled(x, rows, columns, overlapping):
    """Regions [a_{i-1}, a_i] or [a_{i-1}, a_i - 1], borders counted from 1."""
    less = 0 if overlapping else 1
    out = np.zeros((*x.shape[:2], len(rows) - 1, len(columns) - 1))
    for i, j in itertools.product(range(len(rows) - 1), range(len(columns) - 1)):
        region = x[:, :, rows[i] - 1 : rows[i + 1] - less, columns[j] - 1 : columns[j + 1] - less]
        out[:, :, i, j] = region.max((2, 3))
    return out
