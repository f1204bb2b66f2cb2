"""Clipping with every gradient flattened into one long vector."""

import numpy as np


def global_norm(gradients):
    return np.sqrt(sum(float(entry) ** 2 for gradient in gradients for entry in gradient.ravel()))


def clipped(gradients, limit):
    long = np.concatenate([gradient.ravel() for gradient in gradients])
    norm = np.sqrt(long @ long)
    if norm > limit:
        long = long / norm * limit
    pieces, start = [], 0
    for gradient in gradients:
        pieces.append(long[start : start + gradient.size].reshape(gradient.shape))
        start += gradient.size
    return pieces, norm


def by_value(gradients, limit):
    return [np.minimum(np.maximum(gradient, -limit), limit) for gradient in gradients], global_norm(gradients)
