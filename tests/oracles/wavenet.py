"""WaveNet in NumPy float64, one sample and one layer at a time, from the equations of the paper."""

import numpy as np


def encode(x, levels=256):
    """The companding of the paper's section 2.2 and rounding to the nearest of the levels."""
    mu = levels - 1
    squeezed = np.sign(x) * np.log(1 + mu * np.minimum(np.abs(x), 1)) / np.log(1 + mu)
    return np.floor((squeezed + 1) / 2 * mu + 0.5).astype(np.int64)


def decode(codes, levels=256):
    mu = levels - 1
    squeezed = 2 * codes / mu - 1
    return np.sign(squeezed) * ((1 + mu) ** np.abs(squeezed) - 1) / mu


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def forward(params, codes, label=None):
    """Logits [batch, time, levels] of the next sample."""
    layers = sum(1 for name in params if name.endswith(".dilated.weight"))
    kernel = params["blocks.0.dilated.weight"].shape[2]
    levels = params["output.weight"].shape[0]
    result = np.zeros((*codes.shape, levels))
    dilations = params_dilations(params, layers)
    for row in range(len(codes)):
        features = [params["embedding.weight"][code] for code in codes[row]]
        skips = [0.0 for _ in features]
        for layer in range(layers):
            weight, bias = params[f"blocks.{layer}.dilated.weight"], params[f"blocks.{layer}.dilated.bias"]
            new = []
            for t in range(len(features)):
                sums = bias.copy()
                for tap in range(kernel):  # the last one is of time t itself
                    before = t - (kernel - 1 - tap) * dilations[layer]
                    if before >= 0:
                        sums = sums + weight[:, :, tap] @ features[before]
                if label is not None:
                    sums = sums + params[f"blocks.{layer}.condition.weight"][label[row]]
                half = len(sums) // 2
                z = np.tanh(sums[:half]) * sigmoid(sums[half:])
                skips[t] = skips[t] + matrix(params, layer, "skip") @ z + params[f"blocks.{layer}.skip.bias"]
                if layer < layers - 1:
                    added = matrix(params, layer, "residual") @ z + params[f"blocks.{layer}.residual.bias"]
                    new.append(features[t] + added)
            features = new
        for t, skip in enumerate(skips):
            hidden = params["hidden.weight"][:, :, 0] @ np.maximum(skip, 0) + params["hidden.bias"]
            result[row, t] = params["output.weight"][:, :, 0] @ np.maximum(hidden, 0) + params["output.bias"]
    return result


def matrix(params, layer, name):
    return params[f"blocks.{layer}.{name}.weight"][:, :, 0]


def params_dilations(params, layers):
    """1, 2, 4 and again: what the cases build."""
    return [(1, 2, 4)[layer % 3] for layer in range(layers)]
