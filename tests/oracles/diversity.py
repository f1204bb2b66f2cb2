"""Redundancy, effective rank and selectivity of units, from their definitions, pair by pair."""

import itertools
import math

import numpy as np


def mean_absolute_cosine(w):
    pairs = itertools.combinations(w.reshape(len(w), -1), 2)
    return np.mean([abs(a @ b) / math.sqrt((a @ a) * (b @ b)) for a, b in pairs])


def effective_rank(w):
    w = w.reshape(len(w), -1)
    small = w @ w.T if len(w) <= w.shape[1] else w.T @ w
    s = np.sqrt(np.clip(np.linalg.eigvalsh(small), 0, None))
    p = s / s.sum()
    return math.exp(-sum(v * math.log(v) for v in p if v > 0))


def selectivity(a):
    n = len(a)
    return np.array([(1 - (sum(abs(c)) / n) ** 2 / (sum(c**2) / n)) / (1 - 1 / n) for c in a.T])
