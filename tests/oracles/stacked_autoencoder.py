"""Equations (1) and (3) of the stacked autoencoder, layer by layer in float64."""

import numpy as np


def codes(params, x, depth):
    for k in range(depth):
        weight, bias = params[f"layers.{k}.encoder.weight"], params[f"layers.{k}.encoder.bias"]
        x = 1 / (1 + np.exp(-(np.einsum("nd,hd->nh", x, weight) + bias)))
    return x


def logits(params, x, depth):
    return np.einsum("nh,ch->nc", codes(params, x, depth), params["classifier.weight"]) + params["classifier.bias"]
