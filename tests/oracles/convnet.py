"""A LeNet-class network in NumPy float64: convolution and pooling by loops over positions."""

import numpy as np


def convolution(x, weight, bias):
    """Same-size cross-correlation, zero outside."""
    batch, _, height, width = x.shape
    count, _, k, _ = weight.shape
    half = k // 2
    padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
    out = np.zeros((batch, count, height, width))
    for i in range(height):
        for j in range(width):
            window = padded[:, :, i : i + k, j : j + k]
            for n in range(count):
                out[:, n, i, j] = (window * weight[n]).sum((1, 2, 3)) + bias[n]
    return out


def normalise(x, weight, bias, mean, variance, eps=1e-5):
    column = (slice(None), None, None)
    return (x - mean[column]) / np.sqrt(variance[column] + eps) * weight[column] + bias[column]


def batch_normalise(x, weight, bias, eps=1e-5):
    """Training form, with the values that enter the running buffers: mean and UNBIASED variance."""
    m = x.shape[0] * x.shape[2] * x.shape[3]
    mean = x.sum((0, 2, 3)) / m
    biased = ((x - mean[:, None, None]) ** 2).sum((0, 2, 3)) / m
    return normalise(x, weight, bias, mean, biased, eps), mean, biased * m / (m - 1)


def pool(x, height, width, function):
    rows, columns = x.shape[2] // height, x.shape[3] // width
    out = np.zeros((*x.shape[:2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            square = x[:, :, i * height : (i + 1) * height, j * width : (j + 1) * width]
            out[:, :, i, j] = function(square, axis=(2, 3))
    return out


def logits(params, x, reduction=(1, 1), training=False):
    block = 0
    while f"convolutions.{block}.weight" in params:
        weight = params[f"convolutions.{block}.weight"]
        x = convolution(x, weight, params.get(f"convolutions.{block}.bias", np.zeros(len(weight))))
        x = pool(x, 2, 2, np.max)
        if f"normalisations.{block}.weight" in params:
            name = f"normalisations.{block}."
            gain, offset = params[name + "weight"], params[name + "bias"]
            if training:
                x = batch_normalise(x, gain, offset)[0]
            else:
                x = normalise(x, gain, offset, params[name + "running_mean"], params[name + "running_var"])
        x = np.maximum(x, 0)
        block += 1
    x = pool(x, *reduction, np.mean).reshape(len(x), -1)
    x = np.maximum(x @ params["hidden.weight"].T + params["hidden.bias"], 0)
    return x @ params["output.weight"].T + params["output.bias"]


def shift(images, offsets):
    """Each image moved down and right by its offsets, the border repeated."""
    out = np.zeros_like(images)
    height, width = images.shape[2:]
    for image, moved, (down, right) in zip(images, out, offsets, strict=True):
        for i in range(height):
            for j in range(width):
                moved[:, i, j] = image[:, min(max(i - down, 0), height - 1), min(max(j - right, 0), width - 1)]
    return out


def flip(images, chosen):
    """The chosen images with their columns in reverse."""
    return np.array([image[:, :, ::-1] if mirror else image for image, mirror in zip(images, chosen, strict=True)])
