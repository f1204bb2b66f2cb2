"""Network in Network in NumPy float64: a perceptron at every pixel, written as loops over images and positions."""

import numpy as np
from oracles.convnet import convolution, normalise


def per_pixel(maps, weight, bias):
    """(2) and (3): the same linear layer on the vector of channels of each pixel."""
    out = np.zeros((len(maps), len(weight), *maps.shape[2:]))
    for b in range(len(maps)):
        for i in range(maps.shape[2]):
            for j in range(maps.shape[3]):
                out[b, :, i, j] = weight @ maps[b, :, i, j] + bias
    return out


def mlpconv(params, name, maps):
    for place in range(3):
        weight = params[f"{name}.layers.{place}.convolution.weight"]
        bias = params.get(f"{name}.layers.{place}.convolution.bias", np.zeros(len(weight)))
        maps = per_pixel(maps, weight[:, :, 0, 0], bias) if place else convolution(maps, weight, bias)
        norm = f"{name}.layers.{place}.normalisation."
        if norm + "weight" in params:
            statistics = params[norm + "running_mean"], params[norm + "running_var"]
            maps = normalise(maps, params[norm + "weight"], params[norm + "bias"], *statistics)
        maps = np.maximum(maps, 0)
    return maps


def overlapping_maxima(maps):
    """The largest of each 3 x 3 square at every second pixel; squares may hang over the lower and right edges."""
    height, width = (-(-(extent - 3) // 2) + 1 for extent in maps.shape[2:])
    out = np.zeros((*maps.shape[:2], height, width))
    for i in range(height):
        for j in range(width):
            out[:, :, i, j] = maps[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((2, 3))
    return out


def class_maps(params, images):
    maps, block = images, 0
    while f"blocks.{block}.layers.0.convolution.weight" in params:
        maps = overlapping_maxima(mlpconv(params, f"blocks.{block}", maps))
        block += 1
    return mlpconv(params, "output", maps)


def logits(params, images):
    maps = class_maps(params, images)
    return maps.sum((2, 3)) / (maps.shape[2] * maps.shape[3])
