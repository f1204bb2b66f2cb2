"""Masks and the softmax over real places, one row and one place at a time, in NumPy float64."""

import math

import numpy as np


def real_positions(lengths, width):
    return np.array([[place < length for place in range(width)] for length in lengths], dtype=bool)


def masked_softmax(scores, real):
    """Scores [batch, places] or [batch, time, places]."""
    weights = np.zeros_like(scores)
    for where in np.ndindex(scores.shape[:-1]):
        counted = [place for place in range(scores.shape[-1]) if real[where[0], place]]
        if not counted:
            continue
        top = max(scores[(*where, place)] for place in counted)
        total = math.fsum(math.exp(scores[(*where, place)] - top) for place in counted)
        for place in counted:
            weights[(*where, place)] = math.exp(scores[(*where, place)] - top) / total
    return weights


def reversed_rows(x, lengths):
    found = x.copy()
    for row, length in enumerate(lengths):
        found[row, :length] = x[row, :length][::-1]
    return found
