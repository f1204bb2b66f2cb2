"""Restricted Boltzmann machines by sums over all states, in float64: energies, free energies, Z and its gradient."""

import itertools

import numpy as np


def states(count):
    return np.array(list(itertools.product((0.0, 1.0), repeat=count)))


def energy(v, h, weight, b, c, sigma=None):
    """Of one visible and one hidden vector, term by term."""
    if sigma is None:
        total = -sum(b[d] * v[d] for d in range(len(v)))
        scaled = v
    else:
        total = sum((v[d] - b[d]) ** 2 / (2 * sigma[d] ** 2) for d in range(len(v)))
        scaled = v / sigma
    total -= sum(c[j] * h[j] for j in range(len(h)))
    return total - sum(scaled[d] * weight[d, j] * h[j] for d in range(len(v)) for j in range(len(h)))


def free_energy(visible, weight, b, c, sigma=None):
    hidden = states(len(c))
    return np.array([-np.log(sum(np.exp(-energy(v, h, weight, b, c, sigma)) for h in hidden)) for v in visible])


def log_partition(weight, b, c, sigma=None):
    if sigma is None:
        return np.log(np.exp(-free_energy(states(len(b)), weight, b, c)).sum())
    # For each h a Gaussian of mean b + sigma W h: its height at the mean, times (2 pi)^(D/2) times the sigmas.
    means = [b + sigma * (weight @ h) for h in states(len(c))]
    heights = [np.exp(-energy(m, h, weight, b, c, sigma)) for m, h in zip(means, states(len(c)), strict=True)]
    return np.log(sum(heights) * np.prod(np.sqrt(2 * np.pi) * sigma))


def hidden_probabilities(visible, weight, b, c, sigma=None):
    hidden = states(len(c))
    rows = []
    for v in visible:
        p = np.array([np.exp(-energy(v, h, weight, b, c, sigma)) for h in hidden])
        rows.append((p[:, None] * hidden).sum(0) / p.sum())
    return np.array(rows)


def visible_mean(hidden, weight, b, c, sigma=None):
    if sigma is not None:
        return np.array([b + sigma * (weight @ h) for h in hidden])
    rows, visible = [], states(len(b))
    for h in hidden:
        p = np.array([np.exp(-energy(v, h, weight, b, c)) for v in visible])
        rows.append((p[:, None] * visible).sum(0) / p.sum())
    return np.array(rows)


def nll_gradient(data, weight, b, c):
    """Of the mean of -log p(v): expectations under the model less those under the data, by sums over all v."""
    every = states(len(b))
    p = np.exp(-free_energy(every, weight, b, c))
    p /= p.sum()
    model, given = (hidden_probabilities(v, weight, b, c) for v in (every, data))
    n = len(data)
    return (
        np.einsum("n,nd,nh->dh", p, every, model) - data.T @ given / n,
        p @ every - data.mean(0),
        p @ model - given.mean(0),
    )
