"""Central differences entry by entry, and the relative error of a gradient that is off by a known factor."""

import numpy as np


def waves(x):
    return (np.sin(x) * x).sum()


def central_differences(function, x, step):
    found = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        found[index] = (function(above) - function(below)) / (2 * step)
    return found


def error_of_factor(factor):
    """|factor g - g| / max(|factor g|, |g|) for any g."""
    return abs(factor - 1) / max(abs(factor), 1)
