"""Skip-gram and CBOW with negative sampling, token by token and pair by pair."""

import math

import numpy as np


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def keep(counts, threshold):
    total = sum(counts)
    return np.array([1 - max(0.0, 1 - math.sqrt(threshold / (n / total))) for n in counts])


def noise(counts, power):
    raised = [n**power if n else 0.0 for n in counts]
    return np.array([r / sum(raised) for r in raised])


def near(position, sentences, reach):
    """The places of the words near one."""
    places = range(position - reach[position], position + reach[position] + 1)
    inside = [p for p in places if p != position and 0 <= p < len(sentences)]
    return [p for p in inside if sentences[p] == sentences[position]]


def pairs(words, sentences, reach):
    return [(words[i], words[j]) for i in range(len(words)) for j in near(i, sentences, reach)]


def cbow(words, sentences, reach):
    """(centre, near words) of every token that has some."""
    found = [(words[i], [words[j] for j in near(i, sentences, reach)]) for i in range(len(words))]
    return [(centre, others) for centre, others in found if others]


def scores(v, u, inputs, targets, shares=None):
    result = np.zeros(targets.shape)
    for b, (row, aims) in enumerate(zip(inputs, targets, strict=True)):
        parts = shares[b] if shares is not None else [1 / len(row)] * len(row)
        hidden = sum(share * v[word] for share, word in zip(parts, row, strict=True))
        result[b] = [u[word] @ hidden for word in aims]
    return result


def loss(values, weights):
    """Of each row; the true word is the first."""
    rows = []
    for row, weight in zip(values, weights, strict=True):
        terms = [-math.log(sigmoid(row[0]))] + [-math.log(sigmoid(-s)) for s in row[1:]]
        rows.append(sum(w * t for w, t in zip(weight, terms, strict=True)))
    return np.array(rows)


def updated(v, u, inputs, targets, rate, shares, limit):
    """Both tables after one step on a batch, noise words that are the true one left out."""
    dv, du, seen_v, seen_u = np.zeros_like(v), np.zeros_like(u), np.zeros(len(v)), np.zeros(len(u))
    for row, aims, parts in zip(inputs, targets, shares, strict=True):
        hidden = sum(share * v[word] for share, word in zip(parts, row, strict=True))
        back = np.zeros(v.shape[1])
        for place, word in enumerate(aims):
            seen_u[word] += 1
            if place and word == aims[0]:
                continue
            g = sigmoid(u[word] @ hidden) - (place == 0)
            back += g * u[word]
            du[word] += g * hidden
        for share, word in zip(parts, row, strict=True):
            seen_v[word] += 1
            dv[word] += share * back
    scale_v, scale_u = (np.minimum(1, limit / np.maximum(seen, 1))[:, None] for seen in (seen_v, seen_u))
    return v - rate * scale_v * dv, u - rate * scale_u * du


def cooccurrence(words, sentences, window, size):
    """#(w, c) in expectation over windows drawn uniformly from 1..window."""
    table = np.zeros((size, size))
    for reach in range(1, window + 1):
        for centre, other in pairs(words, sentences, [reach] * len(words)):
            table[centre, other] += 1 / window
    return table


def optimum(table, probabilities, negatives):
    with np.errstate(divide="ignore"):
        return np.log(table / (negatives * table.sum(1, keepdims=True) * probabilities))
