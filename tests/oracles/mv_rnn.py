"""Vectors and matrices of phrases in NumPy float64, one node after the other."""

import numpy as np
from oracles.recursive_network import by_height

BOUNDS = {"tanh": np.tanh, "clip": lambda x: np.maximum(-1, np.minimum(x, 1))}


def compose(left, right, weight, bias, matrix_weight, nonlinearity="tanh"):
    """(p, P) of (a, A) and (b, B): the matrix of each acts on the vector of the other."""
    (a, A), (b, B) = left, right
    p = BOUNDS[nonlinearity](weight @ np.concatenate([B @ a, A @ b]) + bias)
    return p, matrix_weight @ np.vstack([A, B])


def word(params, number, size, rank):
    if rank is None:
        return params["vectors"][number], params["matrices"][number].reshape(size, size)
    factors = params["factors"][number]
    u, v = factors[: size * rank].reshape(size, rank), factors[size * rank :].reshape(rank, size)
    return params["vectors"][number], u @ v + np.diag(params["diagonals"][number])


def network(params, trees, size, rank, nonlinearity="tanh"):
    weights = params["weight"], params["bias"], params["matrix_weight"], nonlinearity
    found = by_height(trees, lambda w: word(params, w, size, rank), lambda b, c: compose(b, c, *weights))
    return np.stack([vector for vector, _ in found])
