"""PCA by the singular value decomposition of the centred data: another road than the covariance."""

import numpy as np


def fit(x, kept):
    """Mean, components as rows (largest entry positive) and variances over N."""
    mean = x.mean(0)
    _, singular, rows = np.linalg.svd(x - mean, full_matrices=False)
    rows = rows[:kept]
    signs = np.array([np.sign(row[np.argmax(np.abs(row))]) for row in rows])
    return mean, rows * signs[:, None], singular[:kept] ** 2 / len(x)


def transform(x, mean, components, variance, whiten="none", eps=0.0):
    codes = np.einsum("nd,kd->nk", x - mean, components)
    if whiten != "none":
        codes = codes / np.sqrt(variance + eps)
    if whiten == "zca":
        codes = np.einsum("nk,kd->nd", codes, components)
    return codes


def zca_matrix(x, eps):
    """The inverse root of the covariance, with eps times their mean added to the eigenvalues; 0 where these are 0."""
    _, singular, rows = np.linalg.svd(x - x.mean(0), full_matrices=False)
    variance = singular**2 / len(x)
    some = variance > 1e-12 * variance[0]
    return np.einsum("k,kd,ke->de", (variance + eps * variance.mean())[some] ** -0.5, rows[some], rows[some])


def squared_errors(x, mean, components):
    """|x - x_hat|^2 per row for 0..K kept components, by reconstruction."""
    columns = []
    for kept in range(len(components) + 1):
        u = components[:kept]
        columns.append((((x - mean) - (x - mean) @ u.T @ u) ** 2).sum(1))
    return np.stack(columns, 1)
