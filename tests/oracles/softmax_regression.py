"""Softmax regression from its definition: one example at a time, in float64 with an explicit shift."""

import numpy as np


def logits(x, weight, bias):
    return np.array([[sum(w * v for w, v in zip(row, example, strict=True)) + b
                      for row, b in zip(weight, bias, strict=True)] for example in x])  # fmt: skip


def probabilities(x, weight, bias):
    rows = []
    for a in logits(x, weight, bias):
        e = np.exp(a - a.max())
        rows.append(e / e.sum())
    return np.array(rows)


def objective(x, y, weight, bias, decay):
    p = probabilities(x, weight, bias)
    return -np.mean([np.log(p[i, label]) for i, label in enumerate(y)]) + 0.5 * decay * (weight**2).sum()


def gradient(x, y, weight, bias, decay):
    """Equations (4) and (5) as sums of outer products over examples."""
    grad_weight, grad_bias = decay * weight, np.zeros_like(bias)
    for example, label, p in zip(x, y, probabilities(x, weight, bias), strict=True):
        residual = p.copy()
        residual[label] -= 1
        grad_weight = grad_weight + np.outer(residual, example) / len(x)
        grad_bias = grad_bias + residual / len(x)
    return grad_weight, grad_bias
