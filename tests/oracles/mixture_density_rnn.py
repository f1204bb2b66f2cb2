"""A recurrent network with mixture density outputs in NumPy float64, from equations (16) to (26) of the paper.

Densities are computed from covariance matrices, their determinants and inverses.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def outputs(params, x):
    """Equation (17) at every step [batch, time, P]: the LSTM's own step by step, all layers."""
    layers = sum(1 for name in params if name.startswith("lstm.weight_ih_l"))
    found = []
    for row in x:
        inputs = list(row)
        for layer in range(layers):
            w_ih, w_hh, b_ih, b_hh = (
                params[f"lstm.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            h = c = np.zeros(w_hh.shape[1])
            above = []
            for value in inputs:
                i, f, g, o = np.split(w_ih @ value + b_ih + w_hh @ h + b_hh, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                above.append(h)
            inputs = above
        found.append([params["output.weight"] @ h + params["output.bias"] for h in inputs])
    return np.array(found)


def correlations(raw, features):
    """The correlation matrix whose partial correlations given the earlier columns are tanh of the raw numbers."""
    partial = np.zeros((features, features))
    for number, (i, j) in enumerate((i, j) for i in range(features) for j in range(i)):
        partial[i, j] = np.tanh(raw[number])
    root = np.zeros((features, features))
    for i in range(features):
        left = 1.0
        for j in range(i):
            root[i, j] = partial[i, j] * np.sqrt(left)
            left -= root[i, j] ** 2
        root[i, i] = np.sqrt(left)
    return root @ root.T


def components(row, count, features, floor):
    """(weight, mean, covariance) of each component from a row of outputs, equations (19) to (22)."""
    weights, means, scales, raw = np.split(row, np.cumsum([count, count * features, count * features]))
    weights = np.exp(weights) / np.exp(weights).sum()
    raw = raw.reshape(count, -1)
    found = []
    for k in range(count):
        sigma = np.exp(scales[k * features : (k + 1) * features]) + floor
        covariance = np.outer(sigma, sigma) * correlations(raw[k], features)
        found.append((weights[k], means[k * features : (k + 1) * features], covariance))
    return found


def nll(rows, values, count, floor):
    """-log of equation (23) for each row of outputs [N, P] and value [N, F]."""
    features, found = values.shape[-1], []
    for row, value in zip(rows.reshape(-1, rows.shape[-1]), values.reshape(-1, features), strict=True):
        density = 0.0
        for weight, mean, covariance in components(row, count, features, floor):
            away = value - mean
            normal = np.sqrt((2 * np.pi) ** features * np.linalg.det(covariance))
            density += weight * np.exp(-0.5 * away @ np.linalg.inv(covariance) @ away) / normal
        found.append(-np.log(density))
    return np.array(found).reshape(values.shape[:-1])
