"""The Inception block and a small GoogLeNet in NumPy float64: four branches one after another, pooling by loops."""

import numpy as np
from oracles.convnet import convolution, normalise
from oracles.network_in_network import overlapping_maxima


def unit(params, name, maps):
    """Convolution, batch normalisation with running statistics if it has one, ReLU."""
    weight = params[f"{name}.convolution.weight"]
    maps = convolution(maps, weight, params.get(f"{name}.convolution.bias", np.zeros(len(weight))))
    norm = f"{name}.normalisation."
    if norm + "weight" in params:
        statistics = params[norm + "running_mean"], params[norm + "running_var"]
        maps = normalise(maps, params[norm + "weight"], params[norm + "bias"], *statistics)
    return np.maximum(maps, 0)


def neighbourhood_maxima(maps):
    """The largest of the 3 x 3 square around each pixel, as far as it lies in the map."""
    out = np.zeros_like(maps)
    for i in range(maps.shape[2]):
        for j in range(maps.shape[3]):
            out[:, :, i, j] = maps[:, :, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].max((2, 3))
    return out


def inception(params, maps, name=""):
    one = unit(params, f"{name}one", maps)
    three = unit(params, f"{name}three", unit(params, f"{name}three_reduce", maps))
    five = unit(params, f"{name}five", unit(params, f"{name}five_reduce", maps))
    pooled = unit(params, f"{name}pooled", neighbourhood_maxima(maps))
    return np.concatenate([one, three, five, pooled], 1)


def linear(params, name, rows):
    return rows @ params[f"{name}.weight"].T + params[f"{name}.bias"]


def sixteen_means(maps):
    """Means over 4 x 4 windows that cover the map; window r of n rows is floor(r n / 4) to ceil((r + 1) n / 4)."""
    out = np.zeros((*maps.shape[:2], 4, 4))
    height, width = maps.shape[2:]
    for r in range(4):
        for c in range(4):
            rows = slice(r * height // 4, -(-(r + 1) * height // 4))
            columns = slice(c * width // 4, -(-(c + 1) * width // 4))
            out[:, :, r, c] = maps[:, :, rows, columns].mean((2, 3))
    return out


def auxiliary(params, name, maps):
    maps = unit(params, f"{name}.reduce", sixteen_means(maps))
    hidden = np.maximum(linear(params, f"{name}.hidden", maps.reshape(len(maps), -1)), 0)
    return linear(params, f"{name}.output", hidden)


def googlenet(params, images):
    """Logits, and those of the auxiliary heads."""
    maps, heads, stage = overlapping_maxima(unit(params, "stem", images)), [], 0
    while f"stages.{stage}.0.one.convolution.weight" in params:
        if stage:
            maps = overlapping_maxima(maps)
        block = 0
        while f"stages.{stage}.{block}.one.convolution.weight" in params:
            maps = inception(params, maps, f"stages.{stage}.{block}.")
            block += 1
        if f"auxiliaries.{stage}.output.weight" in params:
            heads.append(auxiliary(params, f"auxiliaries.{stage}", maps))
        stage += 1
    return linear(params, "output", maps.mean((2, 3))), heads
