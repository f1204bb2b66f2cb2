"""Reconstruction ICA, example by example, from Le et al. 2011; the gradient by the chain rule entry by entry."""

import numpy as np


def rows_of(weight, scale_rows):
    return weight / np.sqrt((weight**2).sum(1, keepdims=True)) if scale_rows else weight


def objective(weight, inputs, penalty, sparsity="smooth-l1", eps=1e-2, scale_rows=False):
    w, total = rows_of(weight, scale_rows), 0.0
    for x in inputs:
        s = w @ x
        total += penalty * ((w.T @ s - x) ** 2).sum()
        total += np.sqrt(s**2 + eps).sum() if sparsity == "smooth-l1" else np.log(np.cosh(s)).sum()
    return total / len(inputs)


def gradient(weight, inputs, penalty, sparsity="smooth-l1", eps=1e-2, scale_rows=False):
    """dJ/dW_kl = sum over the places where W_kl stands: as encoder (its code s_k) and as decoder (feature l)."""
    w = rows_of(weight, scale_rows)
    units, features = w.shape
    found = np.zeros_like(w)
    for x in inputs:
        s = w @ x
        miss = w.T @ s - x
        slope = s / np.sqrt(s**2 + eps) if sparsity == "smooth-l1" else np.tanh(s)
        for k in range(units):
            by_code = slope[k] + sum(2 * penalty * miss[d] * w[k, d] for d in range(features))
            for d in range(features):
                found[k, d] += by_code * x[d] + 2 * penalty * miss[d] * s[k]
    found /= len(inputs)
    if not scale_rows:
        return found
    lengths = np.sqrt((weight**2).sum(1))
    jacobians = [(np.eye(features) - np.outer(row, row)) / length for row, length in zip(w, lengths, strict=True)]
    return np.stack([jacobian @ row for jacobian, row in zip(jacobians, found, strict=True)])


def distinct_share(weight, cosine=0.98):
    kept = 0
    for i, a in enumerate(weight):
        others = [abs(a @ b) / np.sqrt((a @ a) * (b @ b)) for j, b in enumerate(weight) if j != i]
        kept += max(others) < cosine
    return kept / len(weight)
