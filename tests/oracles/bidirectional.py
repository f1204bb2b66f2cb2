"""Bidirectional layers in NumPy float64, row by row: only the real steps of a row are read, from both ends."""

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def lstm_step(x, h, c, w_ih, w_hh, b_ih, b_hh):
    i, f, g, o = np.split(w_ih @ x + b_ih + w_hh @ h + b_hh, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, h, c, w_ih, w_hh, b_ih, b_hh):
    (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(w_ih @ x + b_ih, 3), np.split(w_hh @ h + b_hh, 3)
    z = sigmoid(i_z + h_z)
    return (1 - z) * np.tanh(i_n + sigmoid(i_r + h_r) * h_n) + z * h, c


def module(params, x, lengths=None, cell="lstm", residual=False):
    """All layers from zero states: outputs, and last hidden vectors and memories [2 layers, batch, hidden]."""
    step = {"lstm": lstm_step, "gru": gru_step}[cell]
    lengths = [x.shape[1]] * len(x) if lengths is None else lengths
    ends, number = [], 0
    while f"weight_ih_l{number}" in params:
        halves = []
        for end in (f"_l{number}", f"_l{number}_reverse"):
            weights = [params[name + end] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            size = weights[1].shape[1]
            out, last = np.zeros((*x.shape[:2], size)), np.zeros((2, len(x), size))
            for row, length in enumerate(lengths):
                h = c = np.zeros(size)
                for t in range(length) if not end.endswith("reverse") else range(length - 1, -1, -1):
                    h, c = step(x[row, t], h, c, *weights)
                    out[row, t] = h
                last[:, row] = h, c
            halves.append(out)
            ends.append(last)
        both = np.concatenate(halves, 2)
        x = both + x if residual and number else both
        number += 1
    return x, np.stack(ends, 1)
