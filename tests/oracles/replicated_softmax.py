"""The replicated softmax by sums over all hidden states and all documents, in float64."""

import itertools

import numpy as np


def states(count):
    return np.array(list(itertools.product((0.0, 1.0), repeat=count)))


def energy(v, h, weight, b, c):
    """Of the word counts of one document and one hidden vector, term by term."""
    length = sum(v)
    total = -sum(v[k] * weight[k, j] * h[j] for k in range(len(v)) for j in range(len(h)))
    return total - sum(v[k] * b[k] for k in range(len(v))) - length * sum(c[j] * h[j] for j in range(len(h)))


def free_energy(counts, weight, b, c):
    hidden = states(len(c))
    return np.array([-np.log(sum(np.exp(-energy(v, h, weight, b, c)) for h in hidden)) for v in counts])


def documents(words, length):
    """Every sequence of words of one length, as counts: [words^length, words]."""
    rows = itertools.product(range(words), repeat=length)
    return np.array([np.bincount(row, minlength=words) for row in rows]).astype(float)


def log_partition(length, weight, b, c):
    return np.log(np.exp(-free_energy(documents(len(b), length), weight, b, c)).sum())


def hidden_probabilities(counts, weight, b, c):
    hidden, rows = states(len(c)), []
    for v in counts:
        p = np.array([np.exp(-energy(v, h, weight, b, c)) for h in hidden])
        rows.append((p[:, None] * hidden).sum(0) / p.sum())
    return np.array(rows)


def word_probabilities(hidden, weight, b, c):
    """Of the first word of a document of two words, given h: by a sum over both words."""
    rows, count = [], len(b)
    for h in hidden:
        p = np.zeros(count)
        for first, second in itertools.product(range(count), repeat=2):
            v = np.bincount([first, second], minlength=count)
            p[first] += np.exp(-energy(v, h, weight, b, c))
        rows.append(p / p.sum())
    return np.array(rows)


def nll_gradient(counts, weight, b, c):
    """Of the mean over documents of -log p, with Z of each document's own length."""
    total = [np.zeros_like(weight), np.zeros_like(b), np.zeros_like(c)]
    for v in counts:
        length = int(v.sum())
        every = documents(len(b), length)
        p = np.exp(-free_energy(every, weight, b, c))
        p /= p.sum()
        model, given = hidden_probabilities(every, weight, b, c), hidden_probabilities(v[None], weight, b, c)[0]
        total[0] += np.einsum("n,nk,nj->kj", p, every, model) - np.outer(v, given)
        total[1] += p @ every - v
        total[2] += length * (p @ model - given)
    return [value / len(counts) for value in total]


def dirichlet_log_likelihood(counts, topics, concentration):
    """Latent Dirichlet allocation: log p of the words of each document, by a sum over all topics of all its words.

    The topics alone come from an urn: the next is t with probability (a + n_t) / (T a + n).
    """
    found = []
    for v in counts:
        words = np.repeat(np.arange(len(v)), v.astype(int))
        total = 0.0
        for chosen in itertools.product(range(len(topics)), repeat=len(words)):
            p = 1.0
            for n, (topic, word) in enumerate(zip(chosen, words)):
                before = chosen[:n].count(topic)
                p *= (concentration + before) / (len(topics) * concentration + n) * topics[topic, word]
            total += p
        found.append(np.log(total))
    return np.array(found)
