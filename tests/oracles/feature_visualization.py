"""Convolution, max pooling, ReLU and a linear layer in NumPy, and the three ways back to the images."""

import numpy as np


def convolve(x, w, b):
    """x [B, C, H, W], w [K, C, k, k]: the cross-correlation of every library, valid padding."""
    k = w.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))
    return np.einsum("bcijuv,ncuv->bnij", windows, w) + b[None, :, None, None]


def pool(z):
    """Maxima of 2 x 2 squares, and their switches: one for the first maximum of a square."""
    batch, maps, height, width = z.shape
    squares = z.reshape(batch, maps, height // 2, 2, width // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)
    switches = np.zeros_like(squares)
    switches[np.arange(len(squares)), squares.argmax(1)] = 1
    shape = (batch, maps, height // 2, width // 2)
    return squares.max(1).reshape(shape), switches.reshape(*shape, 4)


def unpool(m, switches):
    spread = m[..., None] * switches
    batch, maps, height, width = m.shape
    spread = spread.reshape(batch, maps, height, width, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    return spread.reshape(batch, maps, 2 * height, 2 * width)


def transposed(z, w):
    """The transpose of `convolve`: each value adds its filter to the image."""
    k = w.shape[-1]
    batch, _, height, width = z.shape
    x = np.zeros((batch, w.shape[1], height + k - 1, width + k - 1))
    for i in range(height):
        for j in range(width):
            x[:, :, i : i + k, j : j + k] += np.einsum("bn,ncuv->bcuv", z[:, :, i, j], w)
    return x


def logits(p, x):
    m, _ = pool(convolve(x, p["0.weight"], p["0.bias"]))
    return np.maximum(m, 0).reshape(len(x), -1) @ p["4.weight"].T + p["4.bias"]


def back(p, x, classes, rule):
    f, switches = pool(convolve(x, p["0.weight"], p["0.bias"]))
    above = p["4.weight"][classes].reshape(f.shape)
    if rule == "gradient":
        above = above * (f > 0)
    elif rule == "deconvolution":
        above = np.maximum(above, 0)
    else:
        above = np.maximum(above, 0) * (f > 0)
    return transposed(unpool(above, switches), p["0.weight"])


def saliency(back):
    return np.abs(back).max(1)


def rank_correlation(one, other):
    """Of values without ties: the correlation of their places in order."""
    ranks = [maps.reshape(len(maps), -1).argsort(1).argsort(1) for maps in (one, other)]
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(*ranks, strict=True)])
