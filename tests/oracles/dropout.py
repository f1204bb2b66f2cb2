"""Dropout by counting: every mask of a layer's inputs, with its probability, and the moments that follow."""

import itertools

import numpy as np


def moments(x, weight, bias, p):
    """Mean and variance of W (r * x / (1 - p)) + b over all 2^n masks r, for each row of x."""
    means, variances = [], []
    for row in x:
        outputs, shares = [], []
        for mask in itertools.product((0, 1), repeat=len(row)):
            kept = sum(mask)
            shares.append((1 - p) ** kept * p ** (len(row) - kept))
            outputs.append([sum(w * v * r / (1 - p) for w, v, r in zip(unit, row, mask, strict=True)) + b
                            for unit, b in zip(weight, bias, strict=True)])  # fmt: skip
        outputs, shares = np.array(outputs), np.array(shares)[:, None]
        assert abs(shares.sum() - 1) < 1e-12
        mean = (shares * outputs).sum(0)
        means.append(mean)
        variances.append((shares * (outputs - mean) ** 2).sum(0))
    return np.array(means), np.array(variances)


def masked(x, kept, p):
    """Equation (2), value by value."""
    return np.array([v / (1 - p) if k else 0.0 for v, k in zip(x.ravel(), kept.ravel(), strict=True)]).reshape(x.shape)


def max_norm(weight, limit):
    """The projection of each unit's incoming weights onto the ball of radius `limit`."""
    result = weight.copy()
    for unit in range(len(weight)):
        length = np.sqrt(sum(w * w for w in weight[unit].ravel()))
        if length > limit:
            result[unit] = weight[unit] / length * limit
    return result
