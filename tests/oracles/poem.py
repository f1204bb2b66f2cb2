"""Poems in NumPy float64: each read after the closing symbol, from a state of zeros."""

import numpy as np
from oracles import rnn_lm


def forward(params, poems, closing):
    """Logits [batch, time + 1, V]."""
    params = {name.removeprefix("model."): value for name, value in params.items()}
    found = []
    for poem in poems:
        logits, _ = rnn_lm.forward(params, np.array([[closing, *poem]]))
        found.append(logits[0])
    return np.stack(found)


def nll(logits, targets, inside):
    """Nats per character: the sum over all characters of all poems over their number."""
    total, count = 0.0, 0
    for rows, wanted, real in zip(logits, targets, inside, strict=True):
        for z, w, r in zip(rows, wanted, real, strict=True):
            if r:
                total -= z[w] - np.log(np.exp(z - z.max()).sum()) - z.max()
                count += 1
    return np.array(total / count)


def longest_copy(poem, others):
    """The longest run, by trying all, longest first and leftmost first."""
    for length in range(len(poem), 0, -1):
        for start in range(len(poem) - length + 1):
            if any(poem[start : start + length] in other for other in others):
                return poem[start : start + length]
    return ""
