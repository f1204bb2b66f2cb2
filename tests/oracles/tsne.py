"""t-SNE point by point, from van der Maaten and Hinton 2008; sparse affinities from van der Maaten 2014.

New points by the loss of openTSNE's `transform` (Policar et al. 2023): one point, its neighbours, a map that stays.
"""

import numpy as np


def squared_distances(x, y):
    return np.array([[((a - b) ** 2).sum() for b in y] for a in x])


def conditional_row(distances, own, perplexity):
    """One row of p_{j|i}: bisection on the logarithm of the precision until 2^H is the perplexity."""
    others = np.delete(distances, own)
    low, high = -60.0, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        weight = np.exp(-np.exp(middle) * (others - others.min()))
        p = weight / weight.sum()
        entropy = -(p[p > 0] * np.log2(p[p > 0])).sum()
        low, high = (middle, high) if entropy > np.log2(perplexity) else (low, middle)
    return np.insert(p, own, 0.0)


def conditional(distances, own, perplexity):
    return np.stack([conditional_row(row, place, perplexity) for row, place in zip(distances, own, strict=True)])


def joint(x, perplexity):
    p = conditional(squared_distances(x, x), np.arange(len(x)), perplexity)
    return (p + p.T) / (2 * len(x))


def nearest(x, kept):
    """Places of the nearest other points of each, and the squared distances there; of equal ones the first."""
    d = squared_distances(x, x)
    np.fill_diagonal(d, np.inf)
    which = np.argsort(d, axis=1, kind="stable")[:, :kept]
    return which, np.take_along_axis(d, which, 1)


def sparse_joint(x, perplexity):
    """P of which each row has 3 u neighbours before it is made symmetric."""
    p = np.zeros((len(x), len(x)))
    for i, (places, distances) in enumerate(zip(*nearest(x, int(3 * perplexity)), strict=True)):
        p[i, places] = conditional_row(np.append(distances, 0.0), len(distances), perplexity)[:-1]
    return (p + p.T) / (2 * len(x))


def potential(y, at):
    """sum_j 1 / (1 + |y - y_j|^2) at each place."""
    return (1 / (1 + squared_distances(at, y))).sum(1)


def push(y, at):
    """sum_j (y - y_j) / (1 + |y - y_j|^2)^2 at each place."""
    return np.array([((a - y) / (1 + ((a - y) ** 2).sum(1, keepdims=True)) ** 2).sum(0) for a in at])


def new_place(distances, places, y, perplexity=5.0, steps=250, exaggeration=1.5, rate=0.1, momentum=0.8, longest=0.25):
    """One new point: descent on KL(p || w / sum w) among all points of the map, from the median of its neighbours."""
    p = conditional_row(np.append(distances, 0.0), len(distances), perplexity)[:-1]
    near = y[places]
    here = np.sort(near, axis=0)[(len(near) - 1) // 2]
    move = np.zeros_like(here)
    for _ in range(steps):
        w = 1 / (1 + ((here - near) ** 2).sum(1))
        repulsion = push(y, here[None])[0] / potential(y, here[None])[0]
        slope = 2 * (exaggeration * ((p * w)[:, None] * (here - near)).sum(0) - repulsion)
        slope = slope * min(1.0, longest / max(np.sqrt((slope**2).sum()), 1e-30))
        move = momentum * move - rate * slope
        here = here + move
    return here


def student(y):
    w = 1 / (1 + squared_distances(y, y))
    np.fill_diagonal(w, 0)
    return w, w / w.sum()


def cost(y, p):
    _, q = student(y)
    there = p > 0
    return (p[there] * np.log(p[there] / q[there])).sum()


def gradient(y, p, exaggeration=1.0):
    """4 sum_j (p - q)(y_i - y_j) w, as printed in the paper."""
    w, q = student(y)
    found = np.zeros_like(y)
    for i in range(len(y)):
        for j in range(len(y)):
            found[i] += 4 * (exaggeration * p[i, j] - q[i, j]) * w[i, j] * (y[i] - y[j])
    return found


def update(y, move, gain, slope, learning_rate, momentum):
    gain, move = gain.copy(), move.copy()
    for place in np.ndindex(*y.shape):
        same = np.sign(slope[place]) == np.sign(move[place])
        gain[place] = max(gain[place] * 0.8 if same or move[place] * slope[place] == 0 else gain[place] + 0.2, 0.01)
        move[place] = momentum * move[place] - learning_rate * gain[place] * slope[place]
    return y + move, move, gain


def neighbour_accuracy(y, labels):
    d = squared_distances(y, y)
    np.fill_diagonal(d, np.inf)
    return np.mean([labels[d[i].argmin()] == labels[i] for i in range(len(y))])


def trustworthiness(x, y, k):
    n, total = len(x), 0
    high, low = squared_distances(x, x), squared_distances(y, y)
    for i in range(n):
        order = [j for j in np.argsort(high[i], kind="stable") if j != i]
        ranks = {j: place + 1 for place, j in enumerate(order)}
        near = [j for j in np.argsort(low[i], kind="stable") if j != i][:k]
        total += sum(max(0, ranks[j] - k) for j in near)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * total
