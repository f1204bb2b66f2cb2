"""L2 and decoupled decay weight by weight, Adam written out, and ridge regression by the normal equations."""

import numpy as np


def penalty(weights, decay):
    return sum(0.5 * decay * value**2 for weight in weights for value in weight.ravel())


def ridge(x, y, decay):
    """Normal equations with a column of ones whose square is not penalised."""
    n, features = x.shape
    rows = np.hstack([x, np.ones((n, 1))])
    free = np.eye(features + 1)
    free[-1, -1] = 0
    solution = np.linalg.solve(rows.T @ rows / n + decay * free, rows.T @ y / n)
    return solution[:-1].T, solution[-1]


def adam(start, gradients, rate, decay, decoupled, betas=(0.9, 0.999), eps=1e-8):
    """Kingma and Ba with the decay in the gradient, or decoupled from it (Loshchilov and Hutter)."""
    x, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for t, gradient in enumerate(gradients, 1):
        g = gradient if decoupled else gradient + decay * x
        if decoupled:
            x = x - rate * decay * x
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
        x = x - rate * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return x


def best_decay(noise, examples, spread):
    """Least expected error of a linear student: weights of standard deviation `spread`, targets with `noise`."""
    return noise**2 / (examples * spread**2)


def ridge_risk(eigenvalues, decay, noise, examples, spread):
    """Expected squared error of the weights, given the eigenvalues of X^T X / n."""
    d = np.asarray(eigenvalues)
    return float(np.sum((spread * decay / (d + decay)) ** 2 + noise**2 * d / (examples * (d + decay) ** 2)))
