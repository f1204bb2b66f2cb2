"""Deep Q-learning in plain NumPy, from equations (1) to (5) of the Nature paper and of double Q-learning."""

import numpy as np


def target(reward, terminated, next_values, discount, selector=None):
    """y, one transition at a time."""
    y = []
    for i, r in enumerate(reward):
        if terminated[i]:
            y.append(r)
            continue
        chosen = int(np.argmax((next_values if selector is None else selector)[i]))
        y.append(r + discount * next_values[i][chosen])
    return np.array(y, dtype=np.float64)


def loss(values, action, y):
    """Mean over the batch of the squared error, linear beyond an error of 1."""
    total = 0.0
    for row, a, goal in zip(values, action, y, strict=True):
        d = abs(row[a] - goal)
        total += d**2 / 2 if d <= 1 else d - 0.5
    return np.float64(total / len(y))


def loss_gradient(values, action, y):
    """d loss / d values: the error clipped to [-1, 1] at the action taken, nothing elsewhere."""
    gradient = np.zeros_like(values)
    for i, a in enumerate(action):
        gradient[i, a] = np.clip(values[i, a] - y[i], -1, 1) / len(y)
    return gradient


def values(parameters, observation):
    """The perceptron: layers hidden.0, hidden.1, ... with max(0, .), then values."""
    h, layer = observation, 0
    while f"hidden.{layer}.weight" in parameters:
        h = np.maximum(0, h @ parameters[f"hidden.{layer}.weight"].T + parameters[f"hidden.{layer}.bias"])
        layer += 1
    return h @ parameters["values.weight"].T + parameters["values.bias"]


def epsilon(step, steps, start, end):
    return end if step >= steps else start * (1 - step / steps) + end * step / steps
