"""Highway layers by loops over units, in NumPy float64."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def layer(x, params, prefix="", units=None):
    """One layer: for every row and unit the gate mixes what is transformed and what is carried."""
    weights = {
        name: params[prefix + name] for name in ("transform.weight", "transform.bias", "gate.weight", "gate_bias")
    }
    units = units or (lambda z: max(z, 0.0))
    y, gates = np.empty_like(x), np.empty_like(x)
    for row, values in enumerate(x):
        for j in range(x.shape[1]):
            h = units(weights["transform.weight"][j] @ values + weights["transform.bias"][j])
            t = sigmoid(weights["gate.weight"][j] @ values + weights["gate_bias"][j])
            carried = (1 - t) * values[j]
            y[row, j], gates[row, j] = t * h + carried, t
    return y, gates


def outputs(params, x):
    return layer(x, params)[0]


def gates(params, x, layers):
    found = []
    for place in range(layers):
        x, t = layer(x, params, f"{place}.")
        found.append(t)
    return np.stack(found)
