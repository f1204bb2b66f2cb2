"""The composition by a tensor in NumPy float64: a triple loop."""

import numpy as np
from oracles.recursive_network import by_height


def compose(b, c, weight, bias, tensor):
    """tanh(h^T V^k h + W h + bias) with h = [b; c]."""
    h, p = np.concatenate([b, c]), np.empty(len(bias))
    for k in range(len(bias)):
        p[k] = bias[k] + weight[k] @ h
        for i in range(len(h)):
            for j in range(len(h)):
                p[k] += h[i] * tensor[k, i, j] * h[j]
    return np.tanh(p)


def network(params, trees):
    weights = params["weight"], params["bias"], params["tensor"]
    return np.stack(by_height(trees, lambda word: params["vectors"][word], lambda b, c: compose(b, c, *weights)))
