"""Losses one example at a time from their definitions, in float64; gradients by the complex step, not by formula."""

import numpy as np

STEP = 1e-30


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.real.max())
    return e / e.sum()


def sigmoid_cross_entropy(z, t):
    y = sigmoid(z)
    return -(t * np.log(y) + (1 - t) * np.log(1 - y))


def sigmoid_squared_error(z, t):
    return 0.5 * (sigmoid(z) - t) ** 2


def softmax_cross_entropy(z, label):
    return -np.log(softmax(z)[label])


def softmax_squared_error(z, label):
    wanted = np.zeros(len(z))
    wanted[label] = 1
    return 0.5 * ((softmax(z) - wanted) ** 2).sum()


def least_squares(z, label):
    wanted = np.zeros(len(z))
    wanted[label] = 1
    return 0.5 * ((z - wanted) ** 2).sum()


def values(loss, logits, targets):
    """One number per target: `loss` of each entry, or of each row where a row has one label."""
    rows = logits.reshape(targets.size, -1) if logits.shape != targets.shape else logits.reshape(-1)
    out = [loss(row, target).real for row, target in zip(rows, targets.reshape(-1), strict=True)]
    return np.array(out).reshape(targets.shape)


def gradients(loss, logits, targets):
    """d(sum of the losses) / d logits: the imaginary part of a step of 1e-30 i, exact to rounding."""
    out = np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        if logits.shape == targets.shape:
            out[index] = loss(logits[index] + 1j * STEP, targets[index]).imag / STEP
        else:
            row = logits[index[:-1]].astype(complex)
            row[index[-1]] += 1j * STEP
            out[index] = loss(row, targets[index[:-1]]).imag / STEP
    return out
