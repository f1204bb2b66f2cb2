"""The end-to-end memory network in NumPy float64: one restart, one question, one sentence, one word at a time."""

import numpy as np


def encoded(embedding, words, position):
    """sum_j l_j o A x_j over the real words (numbers below the vocabulary's size), eq. (2), doubled; or their sum."""
    size, width = embedding.shape
    real = [place for place, word in enumerate(words, 1) if word < size]
    total, longest = np.zeros(width), max(real, default=1)
    for j in real:
        for k in range(1, width + 1):
            weight = 2 * ((1 - j / longest) - (k / width) * (1 - 2 * j / longest)) if position else 1.0
            total[k - 1] += weight * embedding[words[j - 1], k - 1]
    return total


def one(embedding, times, story, question, ages, position=True, temporal=True, linear=False):
    """(logits, attention [hops, sentences]) of one question; embedding [hops + 1, words, width]."""
    hops, size = len(embedding) - 1, embedding.shape[1]
    memories = times.shape[1]
    said = [i for i in range(len(story)) if (story[i] < size).any()]
    u = encoded(embedding[0], question, position)
    attention = np.zeros((hops, len(story)))
    for hop in range(hops):
        read, score = {}, {}
        for i in said:
            m, c = (encoded(embedding[hop + of], story[i], position) for of in (0, 1))
            if temporal:
                m, c = m + times[hop, ages[i]], c + times[hop + 1, ages[i]]
            score[i], read[i] = u @ m, c
        if linear:
            share = score
        else:  # every memory that holds nothing has the score 0
            total = sum(np.exp(s) for s in score.values()) + (memories - len(said))
            share = {i: np.exp(s) / total for i, s in score.items()}
        for i in said:
            attention[hop, i] = share[i]
            u = u + share[i] * read[i]
    return embedding[hops] @ u, attention


def module(p, story, question, ages=None, **options):
    """Logits [batch, restarts, words] and attention [batch, restarts, hops, sentences]."""
    batch, sentences, _ = story.shape
    if ages is None:
        ages = np.tile(np.arange(sentences), (batch, 1))
    restarts = range(len(p["embedding"]))
    found = [
        [one(p["embedding"][r], p["times"][r], story[b], question[b], ages[b], **options) for r in restarts]
        for b in range(batch)
    ]
    return np.array([[f[0] for f in row] for row in found]), np.array([[f[1] for f in row] for row in found])


def noisy_ages(_, lengths, draws, share, memories):
    """Ages after empty memories came between the sentences, by the same draws."""
    batch, places = len(lengths), draws.shape[1] - 1
    ages = np.zeros((batch, places), dtype=np.int64)
    for b in range(batch):
        n = int(lengths[b])
        room = n + int(np.floor(draws[b, -1] * (np.ceil(share * n) + 1)))
        order = sorted(range(min(room, places)), key=lambda place: draws[b, place])
        kept = sorted(order[:n])
        for i in range(places):
            ages[b, i] = min(kept[i], memories - 1) if i < len(kept) else memories - 1
    return ages


def clipped(_, *gradients, limit=40.0):
    """Each restart's gradients, divided by what their common norm exceeds the limit by."""
    out = [g.copy() for g in gradients]
    for r in range(len(gradients[0])):
        norm = np.sqrt(sum((g[r] ** 2).sum() for g in gradients))
        for g in out:
            g[r] = g[r] * min(1.0, limit / norm)
    return tuple(out)
