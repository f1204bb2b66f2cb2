"""Circular convolution, circular shifts and blurring before subsampling in NumPy float64, by loops over positions."""

import numpy as np


def circular_convolution(images, weight, bias, stride=1):
    """Windows that leave one side of the image enter at the other; outputs at every stride-th pixel."""
    batch, _, height, width = images.shape
    count, _, k, _ = weight.shape
    out = np.zeros((batch, count, -(-height // stride), -(-width // stride)))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            for u in range(k):
                for v in range(k):
                    pixel = images[:, :, (stride * i + u - k // 2) % height, (stride * j + v - k // 2) % width]
                    out[:, :, i, j] += pixel @ weight[:, :, u, v].T
    return out + bias[:, None, None]


def blurred(images):
    """[1 2 1] / 4 along rows and columns, around the edges."""
    rows = (np.roll(images, 1, 2) + 2 * images + np.roll(images, -1, 2)) / 4
    return (np.roll(rows, 1, 3) + 2 * rows + np.roll(rows, -1, 3)) / 4


def blurred_subsample(images, stride=2):
    return blurred(images)[:, :, ::stride, ::stride]


def shift_error(function, image, pixels):
    """The least relative distance of f(shifted x) from a shifted f(x), over all shifts of f(x) along its rows."""
    moved, still = function(np.roll(image, pixels, 3)), function(image)
    shifted = [np.roll(still, step, 3) for step in range(still.shape[3])]
    return min(np.sqrt(((moved - one) ** 2).sum() / (moved**2).sum()) for one in shifted)
