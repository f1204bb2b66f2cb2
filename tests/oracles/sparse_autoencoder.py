"""The sparse autoencoder's objective and its gradient by the exercise's backpropagation, in float64.

delta_2 = (W_2^T delta_3 + beta (-rho / rho_j + (1 - rho) / (1 - rho_j))) h (1 - h): the penalty's part is the same for
every example, and needs the mean activation first.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def forward(params, x):
    h = sigmoid(x @ params["encoder.weight"].T + params["encoder.bias"])
    return h, sigmoid(h @ params["decoder.weight"].T + params["decoder.bias"])


def penalty(rho_j, rho):
    return sum(rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r)) for r in rho_j)


def objective(params, x, rho, beta, decay):
    h, y = forward(params, x)
    weights = (params["encoder.weight"] ** 2).sum() + (params["decoder.weight"] ** 2).sum()
    return 0.5 * ((y - x) ** 2).sum() / len(x) + 0.5 * decay * weights + beta * penalty(h.mean(0), rho)


def gradient(params, x, rho, beta, decay):
    h, y = forward(params, x)
    m, rho_j = len(x), h.mean(0)
    delta3 = (y - x) * y * (1 - y)
    sparse = beta * (-rho / rho_j + (1 - rho) / (1 - rho_j))
    delta2 = (delta3 @ params["decoder.weight"] + sparse) * h * (1 - h)
    return {
        "encoder.weight": delta2.T @ x / m + decay * params["encoder.weight"],
        "encoder.bias": delta2.mean(0),
        "decoder.weight": delta3.T @ h / m + decay * params["decoder.weight"],
        "decoder.bias": delta3.mean(0),
    }


def squash(x, s):
    return 0.4 * (np.minimum(np.maximum(x, -3 * s), 3 * s) / (3 * s) + 1) + 0.1
