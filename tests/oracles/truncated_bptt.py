"""Truncated backpropagation in NumPy float64: every loss is sent back alone, step by step, as far as it may go."""

import numpy as np


def forward(x, start, w_x, w_h, bias):
    hidden = [start]
    for t in range(x.shape[1]):
        hidden.append(np.tanh(x[:, t] @ w_x.T + hidden[-1] @ w_h.T + bias))
    return np.stack(hidden, 1)


def bptt(x, start, w_x, w_h, bias, errors, k1=None, k2=None):
    """Gradients in w_x, w_h, bias, x and start; the loss of step t goes back to k2 steps before its pass's end."""
    time = x.shape[1]
    k1 = time if k1 is None else k1
    k2 = time if k2 is None else k2
    h = forward(x, start, w_x, w_h, bias)
    d_w_x, d_w_h, d_b, d_x, d_start = (np.zeros_like(v) for v in (w_x, w_h, bias, x, start))
    for loss in range(time):
        end = min((loss // k1 + 1) * k1, time)  # of the pass that this loss belongs to
        last = max(0, end - k2)  # how far back it reads
        for row in range(len(x)):
            flowing = errors[row, loss]
            for t in range(loss, last - 1, -1):
                slope = flowing * (1 - h[row, t + 1] ** 2)
                d_w_x += np.outer(slope, x[row, t])
                d_w_h += np.outer(slope, h[row, t])
                d_b += slope
                d_x[row, t] += w_x.T @ slope
                flowing = w_h.T @ slope
            if last == 0:
                d_start[row] += flowing
    return d_w_x, d_w_h, d_b, d_x, d_start


def passes(time, k1, k2):
    """(first, counted, stop) by walking through the steps."""
    found, counted = [], 0
    for t in range(1, time + 1):
        if t - counted == k1 or t == time:
            found.append((max(0, t - k2), counted, t))
            counted = t
    return np.array(found)
