"""Counts of pairs of words, token by token; their PMI from whole tables."""

import numpy as np


def cooccurrence(words, sentences, window, size):
    """#(w, c) in expectation over windows drawn uniformly from 1..window."""
    table = np.zeros((size, size))
    for i, word in enumerate(words):
        for j, other in enumerate(words):
            if i != j and sentences[i] == sentences[j]:
                table[word, other] += sum(abs(i - j) <= reach for reach in range(1, window + 1)) / window
    return table


def optimum(table, probabilities, negatives):
    """The scores at which the loss of negative sampling is least; -inf for pairs that never meet."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(table / (negatives * table.sum(1, keepdims=True) * probabilities))


def ppmi(table):
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return np.array([
        [max(0.0, np.log(n / e)) if n else 0.0 for n, e in zip(row, by_chance, strict=True)]
        for row, by_chance in zip(table, expected, strict=True)
    ])  # fmt: skip
