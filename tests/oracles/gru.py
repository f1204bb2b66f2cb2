"""The GRU in NumPy float64, one gate at a time, in both conventions for z and with both places of the reset."""

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def step(x, h, p, reset="after", update="keep"):
    """The new h; `p` holds weights and biases with the blocks r, z, n."""
    size = h.shape[1]

    def part(name, k):
        return p[name][k * size : (k + 1) * size]

    def into(k):
        return x @ part("weight_ih", k).T + part("bias_ih", k)

    def back(k, seen):
        return seen @ part("weight_hh", k).T + part("bias_hh", k)

    r = sigmoid(into(0) + back(0, h))
    z = sigmoid(into(1) + back(1, h))
    n = np.tanh(into(2) + (r * back(2, h) if reset == "after" else back(2, r * h)))
    return (1 - z) * n + z * h if update == "keep" else z * n + (1 - z) * h


def layer(x, h, p, mask=None, reset="after", update="keep"):
    outputs, h = np.zeros((*x.shape[:2], h.shape[1])), h.copy()
    for t in range(x.shape[1]):
        new = step(x[:, t], h, p, reset, update)
        for row in range(len(x)):
            if mask is None or mask[row, t]:
                h[row] = outputs[row, t] = new[row]
    return outputs, h


def module(params, x, mask=None, **how):
    """All layers from a zero state: outputs and last hidden vectors."""
    hidden, number = [], 0
    while f"weight_ih_l{number}" in params:
        end = f"_l{number}"
        p = {name.removesuffix(end): value for name, value in params.items() if name.endswith(end)}
        x, h = layer(x, np.zeros((len(x), p["weight_hh"].shape[1])), p, mask, **how)
        hidden.append(h)
        number += 1
    return x, np.stack(hidden)
