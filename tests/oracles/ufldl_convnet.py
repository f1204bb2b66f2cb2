"""UFLDL's convolutional network in NumPy float64: forward and backward by loops, as the exercise describes them."""

import numpy as np


def forward(params, x, pool=2):
    weight, bias = params["convolution.weight"], params["convolution.bias"]
    count, _, k, _ = weight.shape
    side = (x.shape[2] - k + 1, x.shape[3] - k + 1)
    maps = np.zeros((len(x), count, *side))
    for i in range(side[0]):
        for j in range(side[1]):
            window = x[:, :, i : i + k, j : j + k]
            for n in range(count):
                maps[:, n, i, j] = (window * weight[n]).sum((1, 2, 3)) + bias[n]
    maps = 1 / (1 + np.exp(-maps))
    rows, columns = side[0] // pool, side[1] // pool
    pooled = np.zeros((len(x), count, rows, columns))
    for i in range(rows):
        for j in range(columns):
            pooled[:, :, i, j] = maps[:, :, i * pool : (i + 1) * pool, j * pool : (j + 1) * pool].mean((2, 3))
    logits = pooled.reshape(len(x), -1) @ params["output.weight"].T + params["output.bias"]
    return maps, pooled, logits


def logits(params, x, pool=2):
    return forward(params, x, pool)[2]


def gradients(params, x, labels, decay, pool=2):
    """Of cross-entropy plus decay / 2 times the squared weights; the error is spread back by kron(delta, ones)."""
    maps, pooled, scores = forward(params, x, pool)
    share = np.exp(scores - scores.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    share[np.arange(len(x)), labels] -= 1
    delta = share / len(x)
    back = (delta @ params["output.weight"]).reshape(pooled.shape)
    spread = np.zeros(maps.shape)
    for e in range(len(x)):
        for n in range(maps.shape[1]):
            block = np.kron(back[e, n], np.ones((pool, pool))) / pool**2
            spread[e, n, : block.shape[0], : block.shape[1]] = block
    error = spread * maps * (1 - maps)
    k = params["convolution.weight"].shape[2]
    weight = np.zeros(params["convolution.weight"].shape)
    for u in range(k):
        for v in range(k):
            window = x[:, :, u : u + maps.shape[2], v : v + maps.shape[3]]
            weight[:, :, u, v] = np.einsum("bnhw,bchw->nc", error, window)
    return {
        "convolution.weight": weight + decay * params["convolution.weight"],
        "convolution.bias": error.sum((0, 2, 3)),
        "output.weight": delta.T @ pooled.reshape(len(x), -1) + decay * params["output.weight"],
        "output.bias": delta.sum(0),
    }
