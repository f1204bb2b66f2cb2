"""The simple recurrence in NumPy float64, and its gradient by lag as a product of Jacobians."""

import numpy as np

UNITS = {"relu": lambda a: np.maximum(a, 0.0), "tanh": np.tanh}
SLOPES = {"relu": lambda h: (h > 0).astype(float), "tanh": lambda h: 1 - h**2}


def layer(x, h, p, mask=None, nonlinearity="relu"):
    """Outputs at every step, and the last real state; where the mask is False the state stays and the output is 0."""
    outputs, h = np.zeros((*x.shape[:2], h.shape[1])), h.copy()
    for row in range(len(x)):
        for t in range(x.shape[1]):
            if mask is None or mask[row, t]:
                into = p["weight_ih"] @ x[row, t] + p["bias_ih"]
                h[row] = UNITS[nonlinearity](into + p["weight_hh"] @ h[row] + p["bias_hh"])
                outputs[row, t] = h[row]
    return outputs, h


def module(params, x, mask=None, nonlinearity="relu"):
    """All layers from a state of zeros: outputs and last states."""
    hidden, number = [], 0
    while f"weight_ih_l{number}" in params:
        end = f"_l{number}"
        p = {name.removesuffix(end): value for name, value in params.items() if name.endswith(end)}
        x, h = layer(x, np.zeros((len(x), p["weight_hh"].shape[1])), p, mask, nonlinearity)
        hidden.append(h)
        number += 1
    return x, np.stack(hidden)


def gradient_norms(weight_ih, weight_hh, hidden, nonlinearity="relu"):
    """Norm of d sum(h_T) / d x_t of every step t of one sequence, from its outputs [T, H]."""
    through, norms = np.ones(len(weight_hh)), np.zeros(len(hidden))
    for t in reversed(range(len(hidden))):
        through = through * SLOPES[nonlinearity](hidden[t])
        norms[t] = np.linalg.norm(through @ weight_ih)
        through = through @ weight_hh
    return norms
