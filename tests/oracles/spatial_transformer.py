"""A spatial transformer in NumPy float64: the sum of equation (5) over ALL pixels, and a localiser by loops."""

import numpy as np
from oracles.convnet import convolution, pool


def points(theta, size, align_corners=False):
    """(x, y) of every output pixel in the input."""
    height, width = size
    found = np.zeros((len(theta), height, width, 2))
    for i in range(height):
        for j in range(width):
            if align_corners:
                x, y = 2 * j / (width - 1) - 1, 2 * i / (height - 1) - 1
            else:
                x, y = (2 * j + 1) / width - 1, (2 * i + 1) / height - 1
            found[:, i, j] = theta @ np.array([x, y, 1.0])
    return found


def sample(images, places, align_corners=False, border=False):
    """Sum over every pixel of the input, weighted by the two hats."""
    height, width = images.shape[2:]
    x, y = places[..., 0], places[..., 1]
    if align_corners:
        x, y = (x + 1) * (width - 1) / 2, (y + 1) * (height - 1) / 2
    else:
        x, y = ((x + 1) * width - 1) / 2, ((y + 1) * height - 1) / 2
    if border:
        x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    right = np.maximum(0, 1 - np.abs(x[..., None] - np.arange(width)))
    down = np.maximum(0, 1 - np.abs(y[..., None] - np.arange(height)))
    return np.einsum("bcnm,bijn,bijm->bcij", images, down, right)


def theta(params, x, reduction=1):
    x = pool(x, reduction, reduction, np.mean)
    first = params["localiser.1.weight"] if "localiser.1.weight" in params else params["localiser.0.weight"]
    if first.ndim == 4:
        for layer in (0, 3):
            x = convolution(x, params[f"localiser.{layer}.weight"], params[f"localiser.{layer}.bias"])
            x = np.maximum(pool(x, 2, 2, np.max), 0)
        last = (7,)
    else:
        last = (1, 3)
    x = x.reshape(len(x), -1)
    for layer in last:
        x = np.maximum(x @ params[f"localiser.{layer}.weight"].T + params[f"localiser.{layer}.bias"], 0)
    return (x @ params["pose.weight"].T + params["pose.bias"]).reshape(-1, 2, 3)


def transform(params, x, size, align_corners=False, border=False, reduction=1):
    return sample(x, points(theta(params, x, reduction), size, align_corners), align_corners, border)
