"""A residual network in NumPy float64, from sections 3 and 4.2 of arXiv:1512.03385: loops over positions and blocks."""

import numpy as np


def convolution(x, weight, stride, padding):
    """Cross-correlation without bias, zero outside."""
    height, width = x.shape[2:]
    k = weight.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows = (height + 2 * padding - k) // stride + 1
    columns = (width + 2 * padding - k) // stride + 1
    out = np.zeros((len(x), len(weight), rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = padded[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
            out[:, :, i, j] = np.tensordot(window, weight, ((1, 2, 3), (1, 2, 3)))
    return out


def normalise(params, name, x, training, eps=1e-5):
    """Batch normalisation by the running values, or by the batch's own mean and biased variance."""
    mean, variance = params[f"{name}.running_mean"], params[f"{name}.running_var"]
    if training:
        mean = x.mean((0, 2, 3))
        variance = ((x - mean[:, None, None]) ** 2).mean((0, 2, 3))
    column = (slice(None), None, None)
    normal = (x - mean[column]) / np.sqrt(variance[column] + eps)
    return normal * params[f"{name}.weight"][column] + params[f"{name}.bias"][column]


def max_pool(x):
    """3 x 3 with stride 2 and a border of one that never wins."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rows, columns = (height - 1) // 2 + 1, (width - 1) // 2 + 1
    out = np.zeros((*x.shape[:2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            out[:, :, i, j] = padded[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((2, 3))
    return out


def zero_padded(x, channels, stride):
    """Shortcut A: every `stride`-th row and column, and zeros for the channels that are new, after the old ones."""
    rows = range(0, x.shape[2], stride)
    columns = range(0, x.shape[3], stride)
    out = np.zeros((len(x), channels, len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            out[:, : x.shape[1], i, j] = x[:, :, row, column]
    return out


def block(params, name, x, stride, residual=True, training=False, stride_at="3x3"):
    """Two 3 x 3 convolutions, or 1 x 1, 3 x 3, 1 x 1; ReLU after the addition."""
    count = 3 if f"{name}.conv3.weight" in params else 2
    strided = 1 if count == 2 or stride_at == "1x1" else 2
    out = x
    for number in range(1, count + 1):
        weight = params[f"{name}.conv{number}.weight"]
        out = convolution(out, weight, stride if number == strided else 1, weight.shape[2] // 2)
        out = normalise(params, f"{name}.bn{number}", out, training)
        if number < count:
            out = np.maximum(out, 0)
    if residual:
        if f"{name}.downsample.0.weight" in params:
            short = convolution(x, params[f"{name}.downsample.0.weight"], stride, 0)
            short = normalise(params, f"{name}.downsample.1", short, training)
        else:
            short = zero_padded(x, out.shape[1], stride)
        out = out + short
    return np.maximum(out, 0)


def features(params, x, residual=True, training=False, stride_at="3x3"):
    """The averaged maps before the classes."""
    weight = params["conv1.weight"]
    large = weight.shape[2] == 7
    out = convolution(x, weight, 2 if large else 1, weight.shape[2] // 2)
    out = np.maximum(normalise(params, "bn1", out, training), 0)
    out = max_pool(out) if large else out
    stage = 1
    while f"layer{stage}.0.conv1.weight" in params:
        number = 0
        while f"layer{stage}.{number}.conv1.weight" in params:
            stride = 2 if stage > 1 and number == 0 else 1
            out = block(params, f"layer{stage}.{number}", out, stride, residual, training, stride_at)
            number += 1
        stage += 1
    return out.mean((2, 3))


def logits(params, x, residual=True, training=False, stride_at="3x3"):
    return features(params, x, residual, training, stride_at) @ params["fc.weight"].T + params["fc.bias"]
