"""A perceptron, its gradient and three optimizers in NumPy float64, from the equations, unit by unit and row by row."""

import math

import numpy as np

UNITS = {
    "relu": (lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0),
    "tanh": (math.tanh, lambda z: 1 / math.cosh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + math.exp(-z)), lambda z: math.exp(-z) / (1 + math.exp(-z)) ** 2),
}


def outputs(weights, biases, row, unit):
    """Net inputs z_1 ... z_L and values a_0 ... a_{L-1} of one row."""
    a, values, nets = [float(v) for v in row], [], []
    for w, b in zip(weights, biases, strict=True):
        values.append(a)
        z = [float(b[i]) + sum(float(w[i, j]) * a[j] for j in range(len(a))) for i in range(len(b))]
        nets.append(z)
        a = [UNITS[unit][0](v) for v in z]
    return nets, values


def cross_entropy(z, label):
    """-log softmax(z)_label, and its slopes."""
    top = max(z)
    total = sum(math.exp(v - top) for v in z)
    p = [math.exp(v - top) / total for v in z]
    return math.log(total) + top - z[label], [p[i] - (i == label) for i in range(len(z))]


def squared(z, label):
    """Half the squared error of sigmoids, and its slopes."""
    y = [1 / (1 + math.exp(-v)) for v in z]
    error = [y[i] - (i == label) for i in range(len(z))]
    return 0.5 * sum(e * e for e in error), [e * v * (1 - v) for e, v in zip(error, y, strict=True)]


LOSSES = {"cross-entropy": cross_entropy, "squared": squared}


def loss_and_gradient(weights, biases, x, labels, unit, loss):
    """The mean loss, and its derivatives in every weight and bias: the generalised delta rule of the 1986 paper."""
    mean, grad_w, grad_b = 0.0, [np.zeros_like(w) for w in weights], [np.zeros_like(b) for b in biases]
    for row, label in zip(x, labels, strict=True):
        nets, values = outputs(weights, biases, row, unit)
        value, delta = LOSSES[loss](nets[-1], label)
        mean += value / len(x)
        for l in range(len(weights) - 1, -1, -1):
            for i, d in enumerate(delta):
                grad_b[l][i] += d / len(x)
                for j, a in enumerate(values[l]):
                    grad_w[l][i, j] += d * a / len(x)
            if l:
                back = [sum(d * weights[l][i, j] for i, d in enumerate(delta)) for j in range(len(values[l]))]
                delta = [g * UNITS[unit][1](z) for g, z in zip(back, nets[l - 1], strict=True)]
    return mean, grad_w, grad_b


def adam(theta, gradients, rate, betas=(0.9, 0.999), epsilon=1e-8, decay=0.0, decoupled=False):
    """theta after steps with these gradients; decoupled decay is AdamW's."""
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t, g in enumerate(gradients, 1):
        if decoupled:
            theta = theta - rate * decay * theta
        else:
            g = g + decay * theta
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        theta = theta - rate * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + epsilon)
    return theta


def sgd(theta, gradients, rate, momentum=0.0, nesterov=False, decay=0.0):
    """theta after steps with these gradients."""
    u = None
    for g in gradients:
        g = g + decay * theta
        u = g if u is None else momentum * u + g
        theta = theta - rate * (g + momentum * u if nesterov else u)
    return theta


def q_targets(reward, terminated, frozen, online, discount):
    """The targets from values [batch, actions] of the next state; `online` chooses the action if it is given."""
    found = []
    for r, over, values, chooser in zip(reward, terminated, frozen, frozen if online is None else online, strict=True):
        best = max(range(len(values)), key=lambda a: chooser[a])
        found.append(r if over else r + discount * values[best])
    return np.array(found)


def huber(values, action, target, delta):
    """The mean Huber loss of values [batch, actions], and its slopes in them."""
    total, slopes = 0.0, np.zeros_like(values)
    for i, (a, y) in enumerate(zip(action, target, strict=True)):
        d = values[i, a] - y
        total += d * d / 2 if abs(d) <= delta else delta * (abs(d) - delta / 2)
        slopes[i, a] = max(-delta, min(delta, d)) / len(action)
    return total / len(action), slopes
