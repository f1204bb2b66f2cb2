"""The adversarial losses by probabilities, and the nets by loops over kernels."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def discriminator_loss(real, fake, smoothing=0.0):
    d_real, d_fake = sigmoid(real), sigmoid(fake)
    real_term = (1 - smoothing) * np.log(d_real) + smoothing * np.log(1 - d_real)
    return -real_term.mean() - np.log(1 - d_fake).mean()


def generator_loss(fake, saturating=False):
    d = sigmoid(fake)
    return np.log(1 - d).mean() if saturating else -np.log(d).mean()


def jensen_shannon(p, q):
    m = (p + q) / 2
    return 0.5 * (p * np.log(p / m)).sum(-1) + 0.5 * (q * np.log(q / m)).sum(-1)


def conv(x, weight, bias=None):
    """4x4 kernel, stride 2, padding 1."""
    n, _, h, w = x.shape
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((n, len(weight), h // 2, w // 2))
    for i in range(h // 2):
        for j in range(w // 2):
            patch = x[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
            y[:, :, i, j] = np.einsum("ncij,ocij->no", patch, weight)
    return y if bias is None else y + bias[None, :, None, None]


def conv_transposed(x, weight, bias=None):
    """The adjoint of `conv`: each input value stamps a 4x4 kernel, two pixels apart."""
    n, _, h, w = x.shape
    y = np.zeros((n, weight.shape[1], 2 * h + 2, 2 * w + 2))
    for i in range(h):
        for j in range(w):
            y[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += np.einsum("nc,coij->noij", x[:, :, i, j], weight)
    y = y[:, :, 1:-1, 1:-1]
    return y if bias is None else y + bias[None, :, None, None]


def batch_norm(x, weight, bias, eps=1e-5):
    """By the statistics of the batch."""
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * weight[None, :, None, None] + bias[None, :, None, None]


def value_norm(x, weight, bias, eps=1e-5):
    """Each column by its own statistics."""
    return (x - x.mean(0)) / np.sqrt(x.var(0) + eps) * weight + bias


def mlp(params, prefix, x, slope):
    layers = sorted({int(k.split(".")[-2]) for k in params if k.startswith(prefix + "layers.")})
    for i in layers:
        x = x @ params[f"{prefix}layers.{i}.weight"].T + params[f"{prefix}layers.{i}.bias"]
        if i != layers[-1]:
            x = np.where(x > 0, x, slope * x)
    return x


def conv_generator(params, z, base):
    """In training: batch statistics. `layers` are linear, -, then (norm, -, convolution) per stage.

    With a hidden layer: linear, norm, -, linear, norm, -, -, convolution, then the other stages.
    """
    p = {key.removeprefix("layers."): value for key, value in params.items()}
    if "1.weight" in p:
        x = np.maximum(value_norm(z @ p["0.weight"].T, p["1.weight"], p["1.bias"]), 0)
        x = np.maximum(value_norm(x @ p["3.weight"].T, p["4.weight"], p["4.bias"]), 0).reshape(len(z), -1, *base)
        x, i = conv_transposed(x, p["7.weight"], p.get("7.bias")), 8
    else:
        x, i = (z @ p["0.weight"].T).reshape(len(z), -1, *base), 2
    while f"{i}.weight" in p:
        x = np.maximum(batch_norm(x, p[f"{i}.weight"], p[f"{i}.bias"]), 0)
        x = conv_transposed(x, p[f"{i + 2}.weight"], p.get(f"{i + 2}.bias"))
        i += 3
    return np.tanh(x)


def conv_discriminator(params, x):
    p = {key.removeprefix("layers."): value for key, value in params.items()}
    layers = sorted({int(key.split(".")[0]) for key in p})
    for i in layers:
        weight, bias = p[f"{i}.weight"], p.get(f"{i}.bias")
        if weight.ndim == 4:
            x = conv(x, weight, bias)
        elif weight.ndim == 1:
            x = batch_norm(x, weight, bias)
        else:
            x = x.reshape(len(x), -1) @ weight.T + bias
        if i != layers[-1] and p.get(f"{i + 1}.weight", x).ndim != 1:  # a norm comes before its nonlinearity
            x = np.where(x > 0, x, 0.2 * x)
    return x[:, 0]
