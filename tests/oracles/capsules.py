"""Capsules in NumPy float64: routing by loops over children and parents, as procedure 1 has it."""

import numpy as np


def squash(s):
    square = (s**2).sum(-1, keepdims=True)
    length = np.sqrt(square)
    return np.where(square > 0, square / (1 + square) * s / np.where(length > 0, length, 1), 0.0)


def route(votes, iterations=3):
    """Parents and couplings of votes [B, I, J, D]."""
    batch, children, parents, units = votes.shape
    found, shares = np.zeros((batch, parents, units)), np.zeros((batch, children, parents))
    for image in range(batch):
        b = np.zeros((children, parents))
        for iteration in range(iterations):
            c = np.zeros_like(b)
            for i in range(children):
                c[i] = np.exp(b[i]) / np.exp(b[i]).sum()
            v = np.zeros((parents, units))
            for j in range(parents):
                v[j] = squash(sum(c[i, j] * votes[image, i, j] for i in range(children)))
            if iteration < iterations - 1:
                for i in range(children):
                    for j in range(parents):
                        b[i, j] += votes[image, i, j] @ v[j]
        found[image], shares[image] = v, c
    return found, shares


def layer(params, u, iterations=3, name="weight"):
    """Capsules above from those below [B, I, K] and weights [I, K, J, D]."""
    weight = params[name]
    votes = np.zeros((len(u), weight.shape[0], *weight.shape[2:]))
    for i in range(weight.shape[0]):
        for j in range(weight.shape[2]):
            votes[:, i, j] = u[:, i] @ weight[i, :, j]
    return route(votes, iterations)[0]


def convolution(x, weight, bias, stride):
    k = weight.shape[2]
    rows, columns = ((extent - k) // stride + 1 for extent in x.shape[2:])
    out = np.zeros((len(x), len(weight), rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
            out[:, :, i, j] = np.tensordot(window, weight, ((1, 2, 3), (1, 2, 3))) + bias
    return out


def capsules(params, images, units, iterations=3):
    """The class capsules of a network: a capsule is `units` maps that follow each other, at one place."""
    maps = np.maximum(convolution(images, params["convolution.weight"], params["convolution.bias"], 1), 0)
    maps = convolution(maps, params["primary.weight"], params["primary.bias"], 2)
    below = [
        maps[:, first : first + units, row, column]
        for first in range(0, maps.shape[1], units)
        for row in range(maps.shape[2])
        for column in range(maps.shape[3])
    ]
    return layer(params, squash(np.stack(below, 1)), iterations, "output.weight")


def logits(params, images, units, iterations=3, sets=None):
    found = np.log(np.sqrt((capsules(params, images, units, iterations) ** 2).sum(2)))
    return found if sets is None else np.stack([found[:, list(one)].sum(1) for one in sets], 1)


def margin(found, present):
    """Equation (4) for each picture, by loops."""
    losses = np.zeros(len(found))
    for image, (row, there) in enumerate(zip(found, present, strict=True)):
        for length, one in zip(row, there, strict=True):
            losses[image] += max(0, 0.9 - length) ** 2 if one else 0.5 * max(0, length - 0.1) ** 2
    return losses


def reconstruction(drawn, pixels):
    return np.array([0.0005 * ((a - b) ** 2).sum() for a, b in zip(drawn, pixels, strict=True)])


def decoded(params, found, chosen):
    """The picture, as a row, from the capsule of one class."""
    masked = np.zeros_like(found)
    for image, label in enumerate(chosen):
        masked[image, label] = found[image, label]
    x, layer = masked.reshape(len(found), -1), 0
    while f"decoder.{layer + 2}.weight" in params:
        x = np.maximum(x @ params[f"decoder.{layer}.weight"].T + params[f"decoder.{layer}.bias"], 0)
        layer += 2
    return 1 / (1 + np.exp(-(x @ params[f"decoder.{layer}.weight"].T + params[f"decoder.{layer}.bias"])))
