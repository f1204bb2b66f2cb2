"""Momentum from the papers' pairs (position, velocity), coordinate by coordinate, with a rate for every step."""

import numpy as np


def classical(start, gradients, rates, mu):
    """Polyak, Sutskever: the rate enters the velocity."""
    x, v, positions = start.copy(), np.zeros_like(start), []
    for gradient, rate in zip(gradients, rates, strict=True):
        v = mu * v - rate * gradient
        x = x + v
        positions.append(x)
    return np.array(positions)


def on_use(start, gradients, rates, mu):
    """The rate multiplies the sum of all past gradients, so a change of rate rescales them all."""
    x, positions = start.copy(), []
    for t in range(len(gradients)):
        total = sum(mu ** (t - s) * gradients[s] for s in range(t + 1))
        x = x - rates[t] * total
        positions.append(x)
    return np.array(positions)


def nesterov(start, gradient_of, rates, mu):
    """Nesterov as Sutskever writes it: the gradient is taken at theta + mu v; returns those points after each step.

    The first point is the start, as the velocity is zero there.
    """
    x, v, points = start.copy(), np.zeros_like(start), []
    for rate in rates:
        v = mu * v - rate * gradient_of(x + mu * v)
        x = x + v
        points.append(x + mu * v)
    return np.array(points)


def spectral_radius(curvature, rate, mu, nesterov=False):
    """Of the matrix that takes (x_t, x_{t-1}) to (x_{t+1}, x_t) on a quadratic."""
    if nesterov:
        matrix = [[(1 + mu) * (1 - rate * curvature), -mu * (1 - rate * curvature)], [1, 0]]
    else:
        matrix = [[1 + mu - rate * curvature, -mu], [1, 0]]
    return np.abs(np.linalg.eigvals(np.array(matrix))).max()


def best_heavy_ball(smallest, largest):
    """Chebyshev: both ends of the spectrum at the edge of oscillation."""
    condition = largest / smallest
    beta = (np.sqrt(condition) - 1) / (np.sqrt(condition) + 1)
    return np.array([(1 + beta) ** 2 / largest, beta**2, beta])


def ufldl(step, start, end, increase):
    return end if step >= increase else start


def sutskever(step, largest, period):
    """1 - 1 / (2 (k + 1)) in the k-th period."""
    return min(1 - 1 / (2 * (step // period + 1)), largest)
