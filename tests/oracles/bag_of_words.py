"""Naive Bayes, logistic regression, NBSVM on binarised counts (Wang, Manning 2012): dense, loops, Newton steps."""

import numpy as np


def log_shares(present, smoothing):
    p = smoothing + np.asarray(present, np.float64)
    return np.log(p / np.abs(p).sum(1, keepdims=True))


def minimum(x, y, penalty, loss):
    """(w, b) of lambda/2 |w|^2 + sum of losses of y (w.x + b), by Newton's method with halved steps."""
    n, size = x.shape
    design, v = np.hstack([x, np.ones((n, 1))]), np.zeros(size + 1)
    ridge = penalty * np.append(np.ones(size), 0.0)

    def value(v):
        return 0.5 * (ridge * v * v).sum() + loss(y * (design @ v))[0].sum()

    for _ in range(200):
        _, slope, curve = loss(y * (design @ v))
        gradient = ridge * v + design.T @ (y * slope)
        if np.abs(gradient).max() < 1e-12:
            break
        hessian = np.diag(ridge + 1e-12) + design.T @ (curve[:, None] * design)
        step, size_of = np.linalg.solve(hessian, gradient), 1.0
        while value(v - size_of * step) > value(v) and size_of > 1e-10:
            size_of /= 2
        v = v - size_of * step
    return v[:-1], v[-1]


def logistic(m):
    s = 1 / (1 + np.exp(m))
    return np.log1p(np.exp(-m)), -s, s * (1 - s)


def squared_hinge(m):
    short = np.maximum(0, 1 - m)
    return short**2, -2 * short, 2.0 * (m < 1)


def scores(train, labels, counts, method, smoothing=1.0, penalty=1.0, beta=0.25):
    """[N, K] of new documents; words that are not in the training documents have no weight."""
    known = (train > 0).any(0)
    f, new = (train[:, known] > 0) * 1.0, (counts[:, known] > 0) * 1.0
    classes = range(labels.max() + 1)
    present = np.array([f[labels == c].sum(0) for c in classes])
    theta = log_shares(present, smoothing)
    if method == "naive-bayes":
        return new @ theta.T + np.log([np.mean(labels == c) for c in classes])
    columns: list = []
    for c in classes:
        y = np.where(labels == c, 1.0, -1.0)
        if method == "logistic":
            w, b = minimum(f, y, penalty, logistic)
            columns.append(new @ w + b)
            continue
        r = theta[c] - log_shares([f[labels != c].sum(0)], smoothing)[0]
        w, b = minimum(f * r, y, penalty, squared_hinge)
        mixed = (1 - beta) * np.abs(w).sum() / len(w) + beta * w
        columns.append((new * r) @ mixed + b)
    found = np.stack(columns, 1)
    return np.stack([-found[:, 1] / 2, found[:, 1] / 2], 1) if len(columns) == 2 else found
