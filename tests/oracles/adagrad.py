"""AdaGrad from Duchi et al.: the sum over all past squared gradients is computed again at each step."""

import numpy as np


def path(start, gradients, rate, eps=0.0, eps_place="outside", first=0.0, decay=0.0):
    """Positions after each step for given gradients [steps, n]."""
    x, seen, positions = start.copy(), [], []
    for gradient in gradients:
        seen.append(gradient + decay * x)
        total = first + np.sum(np.square(seen), axis=0)
        below = np.sqrt(total) + eps if eps_place == "outside" else np.sqrt(total + eps)
        x = x - rate * seen[-1] / below
        positions.append(x)
    return np.array(positions)


def rates(accumulator, rate, eps, eps_place):
    return rate / (np.sqrt(accumulator) + eps) if eps_place == "outside" else rate / np.sqrt(accumulator + eps)


def movement(steps, rate):
    """Under a constant gradient: rate (1 + 1/sqrt(2) + ... + 1/sqrt(steps))."""
    return rate * sum(1 / np.sqrt(i) for i in range(1, steps + 1))
