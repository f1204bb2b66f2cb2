"""Batch normalisation by the whole Jacobian of each channel, in NumPy float64; no chain through mean and variance."""

import numpy as np


def channels_first(x):
    """[channels, values] of [batch, channels] or [batch, channels, height, width]."""
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)


def as_before(values, like):
    rest = [like.shape[0], *like.shape[2:]]
    return np.moveaxis(values.reshape(like.shape[1], *rest), 0, 1)


def statistics(x):
    """Mean, biased variance and number of values of each channel, by sums in a loop."""
    found = []
    for values in channels_first(x):
        mean = sum(values) / len(values)
        found.append((mean, sum((v - mean) ** 2 for v in values) / len(values), len(values)))
    return tuple(np.array(column) for column in zip(*found, strict=True))


def forward(x, weight, bias, eps):
    mean, variance, _ = statistics(x)
    rows = channels_first(x)
    normal = (rows - mean[:, None]) / np.sqrt(variance[:, None] + eps)
    return as_before(weight[:, None] * normal + bias[:, None], x)


def backward(x, weight, grad, eps):
    """Gradients of x, weight and bias: d x_hat_i / d x_j = (delta_ij - 1/m - x_hat_i x_hat_j / m) / s, in full."""
    mean, variance, counts = statistics(x)
    rows, slopes = channels_first(x), channels_first(grad)
    grad_x, grad_weight = np.empty_like(rows), np.empty(len(rows))
    for c, m in enumerate(counts):
        s = np.sqrt(variance[c] + eps)
        normal = (rows[c] - mean[c]) / s
        jacobian = (np.eye(m) - 1 / m - np.outer(normal, normal) / m) / s
        grad_x[c] = weight[c] * jacobian.T @ slopes[c]
        grad_weight[c] = normal @ slopes[c]
    return as_before(grad_x, x), grad_weight, slopes.sum(1)


def running(mean, variance, x, momentum):
    """The running statistics after one batch: the variance of the batch is unbiased there."""
    new_mean, new_variance, m = statistics(x)
    kept = 1 - momentum
    return kept * mean + momentum * new_mean, kept * variance + momentum * new_variance * m / (m - 1)


def evaluated(params, x, eps=1e-5):
    """By the running statistics."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, variance = params["running_mean"].reshape(shape), params["running_var"].reshape(shape)
    normal = (x - mean) / np.sqrt(variance + eps)
    return normal * params["weight"].reshape(shape) + params["bias"].reshape(shape)
