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


def chance(words, sentences, window, i, j):
    """That a window drawn for place i from 1..window reaches place j."""
    reached = [j in near(i, sentences, [reach] * len(words)) for reach in range(1, window + 1)]
    return sum(reached) / window


def shared_pairs(words, sentences, noise_words, window, negatives):
    """[(word, target, weight as a true word, weight as noise)] of rows that share noise words."""
    width = -(-len(words) // len(noise_words))
    terms = []
    for i, word in enumerate(words):
        row = noise_words[i // width]
        for j, other in enumerate(words):
            a = chance(words, sentences, window, i, j)
            if a:
                terms.append((word, other, a, 0.0))
                terms += [(word, m, 0.0, a * negatives / len(row)) for m in row if m != other]
    return terms


def shared_loss(v, u, terms):
    """Of all pairs together."""
    total = 0.0
    for word, target, right, wrong in terms:
        s = u[target] @ v[word]
        total -= right * math.log(sigmoid(s)) + wrong * math.log(sigmoid(-s))
    return total


def descended(table, slopes, squares, rate, power):
    """Each row moved by its summed slope, and the sums of squares that slow it."""
    table, squares = table.copy(), squares.copy()
    for word, slope in enumerate(slopes):
        if slope.any():
            squares[word] += np.mean(slope**2)
            table[word] -= rate * slope / squares[word] ** power
    return table, squares


def shared_updated(v, u, squares_v, squares_u, terms, rate, power):
    """Both tables and their sums of squares after one step."""
    dv, du = np.zeros_like(v), np.zeros_like(u)
    for word, target, right, wrong in terms:
        s = u[target] @ v[word]
        g = (right + wrong) * sigmoid(s) - right
        dv[word] += g * u[target]
        du[target] += g * v[word]
    return *descended(v, dv, squares_v, rate, power), *descended(u, du, squares_u, rate, power)


def updated(v, u, squares_v, squares_u, inputs, targets, rate, shares, power):
    """The same for given pairs, noise words that are the true one left out."""
    dv, du = np.zeros_like(v), np.zeros_like(u)
    for row, aims, parts in zip(inputs, targets, shares, strict=True):
        hidden = sum(share * v[word] for share, word in zip(parts, row, strict=True))
        back = np.zeros(v.shape[1])
        for place, word in enumerate(aims):
            if place and word == aims[0]:
                continue
            g = sigmoid(u[word] @ hidden) - (place == 0)
            back += g * u[word]
            du[word] += g * hidden
        for share, word in zip(parts, row, strict=True):
            dv[word] += share * back
    return *descended(v, dv, squares_v, rate, power), *descended(u, du, squares_u, rate, power)
