"""Elman's network in NumPy float64, a row and a step at a time, with backpropagation through time written out."""

import numpy as np


def layer(x, h, w_x, w_h, bias, mask=None):
    """All outputs, 0 where the mask is False, and the last hidden vectors."""
    outputs, h = np.zeros((*x.shape[:2], h.shape[1])), h.copy()
    for row in range(len(x)):
        for t in range(x.shape[1]):
            if mask is None or mask[row, t]:
                h[row] = outputs[row, t] = np.tanh(w_x @ x[row, t] + w_h @ h[row] + bias)
    return outputs, h


def backward(x, h, w_x, w_h, bias, d_outputs, d_last):
    """Gradients of sum(outputs * d_outputs) + sum(last * d_last) with respect to x, h, w_x, w_h and the bias."""
    outputs, _ = layer(x, h, w_x, w_h, bias)
    d_x, d_h, d_w_x, d_w_h, d_b = (np.zeros_like(value) for value in (x, h, w_x, w_h, bias))
    for row in range(len(x)):
        d = d_last[row]
        for t in reversed(range(x.shape[1])):
            before = outputs[row, t - 1] if t else h[row]
            slope = (d + d_outputs[row, t]) * (1 - outputs[row, t] ** 2)
            d_x[row, t] = w_x.T @ slope
            d_w_x += np.outer(slope, x[row, t])
            d_w_h += np.outer(slope, before)
            d_b += slope
            d = w_h.T @ slope
        d_h[row] = d
    return d_x, d_h, d_w_x, d_w_h, d_b


def example(seed=0):
    """(x, h, w_x, w_h, bias), d_outputs, d_last of two sequences of 12 steps, 4 inputs and 3 units."""
    rng = np.random.default_rng(seed)
    leaves = [rng.normal(size=shape) for shape in ((2, 12, 4), (2, 3), (3, 4), (3, 3), (3,))]
    return leaves, rng.normal(size=(2, 12, 3)), rng.normal(size=(2, 3))


def streams(text, count):
    """Inputs and targets of each stream, token by token."""
    length = (len(text) - 1) // count
    rows = np.array([[text[r * length + i] for i in range(length + 1)] for r in range(count)])
    return rows[:, :-1], rows[:, 1:]


def window(step, length, size):
    """Start, stop and whether it is the first, by walking through the streams."""
    start = 0
    for _ in range(step):
        start = start + size if start + size < length else 0
    return start, min(start + size, length), start == 0
