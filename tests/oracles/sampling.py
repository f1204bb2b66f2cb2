"""Truncated sampling probabilities, one row at a time."""

import numpy as np


def probabilities(logits, temperature=1.0, top_k=0, top_p=1.0, forbidden=()):
    rows = []
    for z in logits.reshape(-1, logits.shape[-1]):
        z = z.copy()
        for token in forbidden:
            z[token] = -np.inf
        p = np.exp(z / temperature - np.max(z / temperature))
        p /= p.sum()
        order = np.argsort(-p, kind="stable")
        if 0 < top_k < len(p):
            p[order[top_k:]] = 0
            p /= p.sum()
        if top_p < 1:
            mass, kept = 0.0, []
            for token in order:
                kept.append(token)
                mass += p[token]
                if mass >= top_p:
                    break
            p = np.where(np.isin(np.arange(len(p)), kept), p, 0)
            p /= p.sum()
        rows.append(p)
    return np.array(rows).reshape(logits.shape)
