"""L-BFGS in float64 by the dense inverse Hessian: BFGS updates of H_0 = gamma I with the last m pairs.

Nocedal and Wright, Numerical Optimization, 2nd edition, 2006: equation 6.17 for the update, section 7.2 for its limited
memory. What the two loops compute without a matrix is written here with one.
"""

import numpy as np


def direction(gradient, pairs, history):
    """-H g from the last `history` pairs (s, y), oldest first."""
    pairs = pairs[-history:]
    if not pairs:
        return -gradient
    s, y = pairs[-1]
    identity = np.eye(len(gradient))
    inverse = (s @ y) / (y @ y) * identity
    for s, y in pairs:
        rho = 1 / (s @ y)
        inverse = (identity - rho * np.outer(s, y)) @ inverse @ (identity - rho * np.outer(y, s))  # 6.17
        inverse += rho * np.outer(s, s)
    return -inverse @ gradient


def holds(f, slope, length):
    """The strong Wolfe conditions (3.7), c1 = 1e-4 and c2 = 0.9, of a function of the length and its derivative."""
    decrease = f(length) <= f(0.0) + 1e-4 * length * slope(0.0)
    return bool(decrease and abs(slope(length)) <= 0.9 * abs(slope(0.0)))
