"""Sparse codes of one example at a time by coordinate descent, and one atom at a time, from the papers' equations."""

import numpy as np
from scipy.optimize import brentq, minimize


def objective(s, d, x, penalty, eps=0.0):
    """Half the squared residual and the penalty, for each row."""
    found = []
    for code, row in zip(s, x, strict=True):
        size = sum(abs(v) if eps == 0 else np.sqrt(v * v + eps) for v in code)
        found.append(0.5 * sum((row - code @ d) ** 2) + penalty * size)
    return np.array(found)


def shrink(v, threshold, eps=0.0):
    """The minimum of (z - v)^2 / 2 + threshold |z|; of the smooth penalty, the root of its derivative."""
    if eps == 0:
        return np.array([0.0 if abs(a) <= threshold else a - np.copysign(threshold, a) for a in v.ravel()]).reshape(
            v.shape
        )
    found = []
    for a in v.ravel():
        edge = abs(a) + 1e-9
        found.append(brentq(lambda z, a=a: z - a + threshold * z / np.sqrt(z * z + eps), -edge, edge, xtol=1e-15))
    return np.array(found).reshape(v.shape)


def violation(s, d, x, penalty, eps=0.0):
    """The largest distance of the slope from what optimality asks, in units of the penalty, for each row."""
    found = []
    for code, row in zip(s, x, strict=True):
        worst = 0.0
        for value, atom in zip(code, d, strict=True):
            slope = -atom @ (row - code @ d)
            if eps > 0:
                gap = abs(slope + penalty * value / np.sqrt(value**2 + eps))
            elif value != 0:
                gap = abs(slope + penalty * np.sign(value))
            else:
                gap = max(abs(slope) - penalty, 0.0)
            worst = max(worst, gap)
        found.append(worst / penalty)
    return np.array(found)


def lasso(d, x, penalty, sweeps=2000):
    """Coordinate descent: each coefficient is set to the minimum that it has while the others stay."""
    squares = (d**2).sum(1)
    found = np.zeros((len(x), len(d)))
    for s, row in zip(found, x, strict=True):
        missed = row.copy()
        for _ in range(sweeps):
            before = s.copy()
            for j, atom in enumerate(d):
                pull = atom @ missed + squares[j] * s[j]
                new = np.sign(pull) * max(abs(pull) - penalty, 0) / squares[j]
                missed += (s[j] - new) * atom
                s[j] = new
            if np.abs(s - before).max() < 1e-15:
                break
    return found


def smooth_codes(d, x, penalty, eps):
    """The smooth objective by a quasi-Newton method, then Newton steps of its own."""
    found = []
    for row in x:
        start = minimize(lambda s, row=row: objective(s[None], d, row[None], penalty, eps)[0], np.zeros(len(d))).x
        for _ in range(50):
            root = np.sqrt(start**2 + eps)
            slope = -d @ (row - start @ d) + penalty * start / root
            start = start - np.linalg.solve(d @ d.T + np.diag(penalty * eps / root**3), slope)
        found.append(start)
    return np.array(found)


def fista(d, x, penalty, steps, eps=0.0, largest=None):
    """Beck and Teboulle's FISTA with constant step 1/L from zero, one example at a time."""
    largest = largest or np.linalg.norm(d, 2) ** 2
    found = []
    for row in x:
        s, y, t = np.zeros(len(d)), np.zeros(len(d)), 1.0
        for _ in range(steps):
            new = shrink(y + d @ (row - y @ d) / largest, penalty / largest, eps)
            later = (1 + np.sqrt(1 + 4 * t**2)) / 2
            y = new + (t - 1) / later * (new - s)
            s, t = new, later
        found.append(s)
    return np.array(found)


def update(d, a, b, norm, sweeps=1):
    """Mairal's algorithm 2: each atom to its minimum, then to the ball or the sphere."""
    d = d.copy()
    for _ in range(sweeps):
        for j in range(len(d)):
            atom = (b[j] - sum(a[j, i] * d[i] for i in range(len(d)) if i != j)) / a[j, j]
            length = np.sqrt(sum(atom**2))
            d[j] = atom / (max(length, 1.0) if norm == "ball" else length)
    return d
