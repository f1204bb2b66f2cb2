"""Equations (3), (6) and (7) of the denoising autoencoder in float64, and the Wiener filter."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def encode(x, weight, bias):
    return sigmoid(np.array([[w @ row + b for w, b in zip(weight, bias, strict=True)] for row in x]))


def reconstruct(params, u, output):
    h = encode(u, params["encoder.weight"], params["encoder.bias"])
    back = params.get("weight", params["encoder.weight"].T)
    z = np.einsum("nh,dh->nd", h, back) + params["bias"]
    return sigmoid(z) if output == "sigmoid" else z


def jacobian_norm(x, weight, bias):
    h = encode(x, weight, bias)
    return np.array([sum((v * (1 - v)) ** 2 * (w**2).sum() for v, w in zip(row, weight, strict=True)) for row in h])


def wiener(covariance, sigma):
    return covariance @ np.linalg.inv(covariance + sigma**2 * np.eye(len(covariance)))


def nearest(points, support):
    return np.array([min(support, key=lambda other: ((point - other) ** 2).sum()) for point in points])
