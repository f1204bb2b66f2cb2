"""Logistic regression from its definition: one example at a time, with math's own exponential."""

import math

import numpy as np


def logits(x, weight, bias):
    return np.array([sum(w * v for w, v in zip(weight, example, strict=True)) + bias for example in x])


def probability(a):
    return 1 / (1 + math.exp(-a)) if a >= 0 else math.exp(a) / (1 + math.exp(a))


def losses(a, y):
    """log(1 + exp(-s a)) for the sign s of the label, without overflow."""
    signed = [(2 * int(label) - 1) * float(value) for value, label in zip(a, y, strict=True)]
    return np.array([math.log1p(math.exp(-m)) if m >= 0 else -m + math.log1p(math.exp(m)) for m in signed])


def objective(x, y, weight, bias, decay):
    return losses(logits(x, weight, bias), y).mean() + decay / 2 * float(weight @ weight)


def gradient(x, y, weight, bias, decay):
    by_weight, by_bias = decay * weight, 0.0
    for example, label, a in zip(x, y, logits(x, weight, bias), strict=True):
        by_weight = by_weight + (probability(a) - label) * example / len(x)
        by_bias += (probability(a) - label) / len(x)
    return by_weight, by_bias


def separates(a, y):
    return all((value > 0) if label else (value < 0) for value, label in zip(a, y, strict=True))
