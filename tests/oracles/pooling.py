"""The pooling family by loops over regions, in NumPy float64, from the papers' equations."""

import itertools

import numpy as np


def regions(x, window, stride):
    """[B, C, H', W', k, k], a copy made region by region."""
    rows = (x.shape[2] - window) // stride + 1
    columns = (x.shape[3] - window) // stride + 1
    out = np.zeros((*x.shape[:2], rows, columns, window, window))
    for i, j in itertools.product(range(rows), range(columns)):
        out[:, :, i, j] = x[:, :, i * stride : i * stride + window, j * stride : j * stride + window]
    return out


def per_region(x, window, stride, function):
    found = regions(x, window, stride)
    out = np.zeros(found.shape[:4])
    for place in np.ndindex(out.shape):
        out[place] = function(found[place])
    return out


def lp(x, p, window, stride):
    def norm(region):
        return np.abs(region).max() if p == np.inf else (np.abs(region) ** p).sum() ** (1 / p)

    return per_region(x, window, stride, norm)


def probabilities(region):
    """p_i = a_i / sum a over the positive activations; all zero in a region without any."""
    a = np.maximum(region, 0).ravel()
    return a / a.sum() if a.sum() > 0 else np.zeros(a.size)


def expected(x, window, stride):
    return per_region(x, window, stride, lambda region: (probabilities(region) * region.ravel()).sum())


def sampled(x, uniform, window, stride):
    """The activation whose cumulative probability first exceeds the uniform number, by the inverse of the CDF."""
    found = regions(x, window, stride)
    out = np.zeros(found.shape[:4])
    for place in np.ndindex(out.shape):
        total, values = 0.0, found[place].ravel()
        for value, share in zip(values, probabilities(found[place]), strict=True):
            total += share
            if share > 0 and uniform[place] < total:
                out[place] = value
                break
    return out


def mixed(x, share, window, stride):
    return per_region(x, window, stride, lambda region: share * region.max() + (1 - share) * region.mean())


def gated(x, weight, window, stride):
    def value(region):
        gate = 1 / (1 + np.exp(-(weight * region).sum()))
        return gate * region.max() + (1 - gate) * region.mean()

    return per_region(x, window, stride, value)


def k_max(row, k):
    """The k largest of a row in the order in which they stand, the earlier of equal ones first."""
    places = sorted(sorted(range(len(row)), key=lambda i: (-row[i], i))[:k])
    return np.array([row[i] for i in places])


def pyramid(x, levels):
    parts = []
    for n in levels:
        for i, j in itertools.product(range(n), range(n)):
            top, left = i * x.shape[2] // n, j * x.shape[3] // n
            bottom, right = -(-(i + 1) * x.shape[2] // n), -(-(j + 1) * x.shape[3] // n)
            parts.append(x[:, :, top:bottom, left:right].max((2, 3)))
    return np.stack(parts, 2)
