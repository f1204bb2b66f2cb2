"""Initial weights from their definitions, in NumPy: counted connections, Gram-Schmidt, integrals by quadrature."""

import itertools
import math

import numpy as np
from scipy import integrate

ACTIVATIONS = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
}


def fans(shape, groups):
    """Connections of one output and of one input of a convolution over an endless line of places, one by one."""
    outputs, inside, *kernel = shape
    places = list(itertools.product(*(range(k) for k in kernel)))
    into = {(o, (o // (outputs // groups)) * inside + i, p) for o in range(outputs) for i in range(inside)
            for p in places}  # fmt: skip
    return sum(o == 0 for o, _, _ in into), sum(i == 0 for _, i, _ in into)


def density(z):
    return np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def truncated_std(bound):
    mass = integrate.quad(density, -bound, bound)[0]
    return math.sqrt(integrate.quad(lambda z: z * z * density(z), -bound, bound)[0] / mass)


def gain(nonlinearity, slope):
    """1 / sqrt(E[phi(z)^2]) for (leaky) rectifiers; the conventional 5/3 for tanh, 1 for the rest."""
    if nonlinearity in ("relu", "leaky_relu"):
        slope = 0.0 if nonlinearity == "relu" else slope
        return 1 / math.sqrt(0.5 * (1 + slope**2))
    return 5 / 3 if nonlinearity == "tanh" else 1.0


def orthogonal_factor(normal):
    """Gram-Schmidt on the longer side: the factor whose R has a positive diagonal."""
    tall = normal if normal.shape[0] >= normal.shape[1] else normal.T
    columns = []
    for column in tall.T:
        for _ in range(2):
            for before in columns:
                column = column - (column @ before) * before
        columns.append(column / np.linalg.norm(column))
    q = np.stack(columns, 1)
    return q if normal.shape[0] >= normal.shape[1] else q.T


def propagated_variance(depth, nonlinearity, scale, start):
    found = [scale * start]
    for _ in range(depth - 1):
        root = math.sqrt(found[-1])

        def square(z, root=root):
            return density(z) * ACTIVATIONS[nonlinearity](root * z) ** 2

        halves = (integrate.quad(square, a, b, epsabs=1e-13, epsrel=1e-13)[0] for a, b in ((-12, 0), (0, 12)))
        found.append(scale * sum(halves))
    return np.array(found)


def identity(outputs, inputs, kernel):
    """A weight under which a convolution gives back its input."""
    weight = np.zeros((outputs, inputs, *kernel))
    for channel in range(outputs):
        weight[(channel, channel, *(k // 2 for k in kernel))] = 1.0
    return weight
