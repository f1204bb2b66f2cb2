"""The feed-forward language model of Bengio et al. (2003), word by word."""

import numpy as np


def forward(params, history):
    out = []
    for words in np.atleast_2d(history):
        x = np.concatenate([params["embedding.weight"][w] for w in words])
        h = np.tanh(params["hidden.bias"] + params["hidden.weight"] @ x)
        u = params["output.weight"]
        y = params["output.bias"] + u[:, : len(h)] @ h
        if u.shape[1] > len(h):
            y = y + u[:, len(h) :] @ x
        out.append(y)
    return np.array(out)


def nll(features, weight, bias, targets):
    total = 0.0
    for f, t in zip(features, targets, strict=True):
        y = weight @ f + bias
        total += np.log(np.exp(y - y.max()).sum()) + y.max() - y[t]
    return total / len(targets)


def mixture_weight(p, q):
    """By bisection of the derivative of the log likelihood, which is concave."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        slope = ((p - q) / (middle * p + (1 - middle) * q)).mean()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2
