"""Equations (1) to (4) of the deep autoencoder, layer by layer in float64, and PCA's error for comparison."""

import numpy as np


def layers(params, name):
    """[(weight, bias)] of encoder or decoder, in order."""
    numbers = sorted({int(key.split(".")[1]) for key in params if key.startswith(f"{name}.")})
    return [(params[f"{name}.{i}.weight"], params[f"{name}.{i}.bias"]) for i in numbers]


def through(x, stack):
    for place, (weight, bias) in enumerate(stack):
        x = np.einsum("nd,kd->nk", x, weight) + bias
        if place < len(stack) - 1:
            x = np.where(x > 0, x, 0.0)
    return x


def encode(params, x):
    return through(x, layers(params, "encoder"))


def reconstruct(params, x, output):
    z = through(encode(params, x), layers(params, "decoder"))
    return 1 / (1 + np.exp(-z)) if output == "sigmoid" else z


def pca_error(x, kept):
    """Mean over examples of the squared distance to the subspace of the first components."""
    centred = x - x.mean(0)
    singular = np.linalg.svd(centred, compute_uv=False)
    return (singular[kept:] ** 2).sum() / len(x)
