"""Rectifiers value by value, in NumPy float64, and their derivatives by central differences."""

import math

import numpy as np


def each(function, *arrays):
    """A function of numbers on every entry."""
    return np.array([function(*values) for values in zip(*map(np.ravel, arrays), strict=True)]).reshape(arrays[0].shape)


def rectifier(z, slope):
    return each(lambda v, a: v if v > 0 else a * v, z, np.broadcast_to(slope, z.shape))


def elu(z, alpha=1.0):
    return each(lambda v: v if v > 0 else alpha * (math.exp(v) - 1), z)


def derivative(function, z, step=1e-6):
    """Of a function of arrays, entry by entry; wrong within `step` of a bend."""
    return (function(z + step) - function(z - step)) / (2 * step)


def maxout(z, pieces):
    units = z.shape[-1] // pieces
    found = np.full((*z.shape[:-1], units), -np.inf)
    for k in range(pieces):
        for j in range(units):
            found[..., j] = np.maximum(found[..., j], z[..., k * units + j])
    return found


def maxout_layer(params, x, pieces):
    return maxout(x @ params["linear.weight"].T + params["linear.bias"], pieces)
