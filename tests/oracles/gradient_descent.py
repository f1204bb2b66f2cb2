"""Gradient descent coordinate by coordinate, and the mean of an epoch example by example."""

import numpy as np


def path(start, gradients, rate, decay=0.0):
    """Positions after each step for given gradients [steps, n]."""
    positions, here = [], start.copy()
    for gradient in gradients:
        here = np.array([x - rate * (g + decay * x) for x, g in zip(here, gradient, strict=True)])
        positions.append(here)
    return np.array(positions)


def epoch_mean(losses, sizes):
    """Mean over examples: each batch's mean is written out for each of its examples."""
    return np.mean(np.concatenate([np.full(int(size), loss) for loss, size in zip(losses, sizes, strict=True)]))


def best_rate(smallest, largest):
    """Contraction is max |1 - rate h|; where the two ends are equal, the maximum is least. Golden-section search."""
    low, high = 0.0, 2 / largest
    ratio = (np.sqrt(5) - 1) / 2

    def worst(rate):
        return max(abs(1 - rate * smallest), abs(1 - rate * largest))

    for _ in range(200):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if worst(a) < worst(b) else (a, high)
    return np.array([(low + high) / 2, worst((low + high) / 2)])
