"""Independent component analysis one component and one example at a time, from Hyvarinen 1999 and UFLDL."""

import itertools

import numpy as np

G = {
    "logcosh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "exp": (lambda u: u * np.exp(-(u**2) / 2), lambda u: (1 - u**2) * np.exp(-(u**2) / 2)),
    "cube": (lambda u: u**3, lambda u: 3 * u**2),
}


def orthogonal(w):
    """(W W^T)^(-1/2) W by the singular value decomposition: all singular values become one."""
    left, _, right = np.linalg.svd(w, full_matrices=False)
    return left @ right


def whitening(x, kept):
    """Mean and V by the singular value decomposition of the centred data."""
    mean = x.mean(0)
    _, singular, rows = np.linalg.svd(x - mean, full_matrices=False)
    return mean, rows[:kept] * (np.sqrt(len(x)) / singular[:kept])[:, None]


def fixed_point_sums(w, z, function="logcosh"):
    """N, sum g(w_i z) z and sum g'(w_i z) for each row."""
    g, slope = G[function]
    products = np.stack([sum(g(row @ example) * example for example in z) for row in w])
    slopes = np.array([sum(slope(row @ example) for example in z) for row in w])
    return float(len(z)), products, slopes


def fixed_point(w, z, function="logcosh"):
    """E[z g(w z)] - E[g'(w z)] w for each row, then all rows decorrelated at once."""
    g, slope = G[function]
    rows = [(z * g(z @ row)[:, None]).mean(0) - slope(z @ row).mean() * row for row in w]
    return orthogonal(np.stack(rows))


def natural_gradient(w, z, rate, function="logcosh"):
    """A step along the skew part of kappa g(s) s^T."""
    g, slope = G[function]
    s = z @ w.T
    kappa = np.sign(slope(s).mean(0) - (g(s) * s).mean(0))
    c = np.einsum("i,ni,nj->ij", kappa, g(s), s) / len(s)
    return orthogonal(w - rate * (c - c.T) @ w)


def fit(x, w, steps, function="logcosh"):
    """Sources and unmixing matrix after so many fixed-point steps on whitened data."""
    mean, v = whitening(x, len(w))
    z = (x - mean) @ v.T
    for _ in range(steps):
        w = fixed_point(w, z, function)
    return z @ w.T, w @ v


def transform(x, mean, components):
    return np.einsum("nd,kd->nk", x - mean, components)


def nongaussianity(s):
    """Standard errors between the mean of exp(-s^2/2) and its Gaussian value, both by quadrature."""
    grid, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    bell, second = np.exp(-(grid**2) / 2), grid**2 - 1
    mean = weight @ bell
    follows = (weight @ (bell * second)) / (weight @ second**2)
    deviation = np.sqrt(weight @ (bell - mean - follows * second) ** 2)
    s = s / np.sqrt((s**2).mean(0))
    return np.sqrt(len(s)) * np.abs(np.exp(-(s**2) / 2).mean(0) - mean) / deviation


def amari_index(p):
    """The index with its loops."""
    p, k = np.abs(p), len(p)
    total = 0.0
    for i in range(k):
        total += sum(p[i, j] / max(p[i]) for j in range(k)) - 1
        total += sum(p[j, i] / max(p[:, i]) for j in range(k)) - 1
    return total / (2 * k * (k - 1))


def best_match(found, sources):
    """Mean absolute correlation under the best of all permutations."""
    k = sources.shape[1]
    table = np.abs(np.corrcoef(found.T, sources.T)[:k, k:])
    return max(np.mean([table[i, order[i]] for i in range(k)]) for order in itertools.permutations(range(k)))
