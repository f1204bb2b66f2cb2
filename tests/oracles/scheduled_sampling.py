"""The three schedules and the mixed inputs in NumPy float64: every sentence alone, every prefix read from its start."""

import numpy as np


def linear(step, slope, least=0.0, first=1.0):
    return np.maximum(least, first - slope * np.asarray(step, dtype=np.float64))


def exponential(step, k):
    return np.power(k, np.asarray(step, dtype=np.float64))


def inverse_sigmoid(step, k):
    """As the logistic function of log k - i / k, which is the same number and does not overflow."""
    return 0.5 * (1 + np.tanh((np.log(k) - np.asarray(step, dtype=np.float64) / k) / 2))


def probabilities(prefix, table, memory):
    """Of the next word: the last word's row of a table, and half of what was remembered for each word before."""
    state = np.zeros(table.shape[1])
    for word in prefix:
        state = 0.5 * state + memory[word]
    logits = table[prefix[-1]] + state
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def mixed(inputs, coins, numbers, table, memory):
    """Each input is the true word or one drawn after the mixed words before it, by the inverse of its distribution."""
    found = []
    for true, heads, drawn in zip(inputs, coins, numbers, strict=True):
        row = [int(true[0])]
        for t in range(1, len(true)):
            p = probabilities(row, table, memory)
            word, mass = 0, p[0]
            while mass <= drawn[t] and word < len(p) - 1:
                word += 1
                mass += p[word]
            row.append(int(true[t]) if heads[t] else word)
        found.append(row)
    return np.array(found)
