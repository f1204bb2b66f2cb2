"""Neighbours and analogies by looking at every word in turn."""

import numpy as np


def unit(vectors):
    lengths = np.array([np.sqrt((row**2).sum()) for row in vectors])
    return vectors / np.where(lengths > 0, lengths, 1.0)[:, None]


def best(scores, kept, excluded=()):
    """Indices of the largest scores; of equal ones the smaller index first."""
    allowed = [w for w in range(len(scores)) if w not in set(excluded)]
    return sorted(allowed, key=lambda w: (-scores[w], w))[:kept]


def neighbours(vectors, queries, kept):
    u, words, scores = unit(vectors), [], []
    for q in unit(queries):
        cosines = np.array([row @ q for row in u])
        words.append(best(cosines, kept))
        scores.append(cosines[words[-1]])
    return np.array(words), np.array(scores)


def analogies(vectors, questions, kept, method, eps=1e-3):
    u, words, scores = unit(vectors), [], []
    for a, b, c in questions:
        cosines = {v: np.array([row @ u[v] for row in u]) for v in (a, b, c)}
        if method == "3cosadd":
            value = cosines[b] - cosines[a] + cosines[c]
        else:
            moved = {v: (1 + cosine) / 2 for v, cosine in cosines.items()}
            value = moved[b] * moved[c] / (moved[a] + eps)
        words.append(best(value, kept, (a, b, c)))
        scores.append(value[words[-1]])
    return np.array(words), np.array(scores)


def score(vectors, questions, method):
    known = [q for q in questions if min(q) >= 0]
    right = sum(analogies(vectors, [q[:3]], 1, method)[0][0, 0] == q[3] for q in known)
    return len(known), right, len(questions) - len(known)


def rank_correlation(x, y):
    """Spearman's; equal values have the mean of their ranks."""
    ranks = [np.array([np.mean(np.flatnonzero(np.sort(v) == value)) for value in v]) for v in (x, y)]
    return np.corrcoef(*ranks)[0, 1]
