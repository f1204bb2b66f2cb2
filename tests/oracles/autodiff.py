"""A function with fan-out, broadcasting and a matrix product, and its derivatives by the complex step."""

import numpy as np

STEP = 1e-30


def function(x, w, b):
    """x [m, n], w [n, k], b [k]; x and b are used three times."""
    h = np.tanh(x @ w + b)
    return (np.exp(-h * h) * b).sum() + (x * x).sum() / (1 + (b * b).sum()) + (h[0] * b[::-1]).sum()


def gradient(*inputs):
    """Of the function, one array per input."""
    found = [np.zeros_like(x) for x in inputs]
    for which, x in enumerate(inputs):
        for index in np.ndindex(x.shape):
            moved = [a.astype(complex) for a in inputs]
            moved[which][index] += 1j * STEP
            found[which][index] = function(*moved).imag / STEP
    return found


def along(inputs, tangents):
    """Derivative of the function along the tangents."""
    return function(*(x + 1j * STEP * t for x, t in zip(inputs, tangents, strict=True))).imag / STEP
