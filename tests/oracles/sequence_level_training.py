"""Sentence BLEU, MIXER's loss and the risk in NumPy float64: sums over whole sentences, and all of them enumerated."""

import itertools

import numpy as np


def ngrams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def sentence_bleu(found, reference, order=4):
    """Lin and Och's BLEU + 1: for n > 1 one more is found and one more is asked (NLTK's method 2)."""
    found, reference, logs = list(found), list(reference), 0.0
    if not found:
        return 0.0
    for n in range(1, order + 1):
        mine, theirs = ngrams(found, n), ngrams(reference, n)
        right = sum(min(mine.count(gram), theirs.count(gram)) for gram in set(mine))
        asked, more = len(mine), int(n > 1)
        if right + more == 0:
            return 0.0
        logs += np.log((right + more) / (asked + more))
    brevity = min(1.0, np.exp(1 - len(reference) / len(found)))
    return float(brevity * np.exp(logs / order))


def mixer(log_probabilities, lengths, heads, rewards, baselines):
    """(cross-entropy, REINFORCE, squared error of the baseline): sums over all sentences over their number of words.

    The advantage and the reward of the squared error are numbers: they have no gradient here by being computed apart.
    """
    batch = len(lengths)
    nll = reinforce = error = 0.0
    for row in range(batch):
        for t in range(lengths[row]):
            if t < heads[row]:
                nll -= log_probabilities[row, t]
            else:
                reinforce -= (rewards[row] - baselines[row, t]) * log_probabilities[row, t]
                error += (rewards[row] - baselines[row, t]) ** 2
    words = sum(lengths)
    return np.array([nll / words, reinforce / words, error / words])


def risk(log_probabilities, costs, alpha):
    """Shen et al., eqs. (10) and (11): the expected cost under the sharpened distribution over some candidates."""
    q = np.exp(alpha * log_probabilities - (alpha * log_probabilities).max(1, keepdims=True))
    q /= q.sum(1, keepdims=True)
    return (q * costs).sum(1).mean()


def sentences(words, length):
    """All sentences of a fixed length."""
    return np.array(list(itertools.product(range(words), repeat=length)))


def probability(logits, sentence):
    """Of a sentence under logits [steps, previous word, word], the first of which has one previous word, 0."""
    chance, last = 1.0, 0
    for step, word in enumerate(sentence):
        row = np.exp(logits[step, last] - logits[step, last].max())
        chance *= row[word] / row.sum()
        last = word
    return chance


def expected_reward_gradient(logits, rewards):
    """Of the expected reward in all logits, by the derivative of each probability: p (1[word] - p(word))."""
    steps, words = logits.shape[0], logits.shape[2]
    gradient = np.zeros_like(logits)
    for sentence, reward in zip(sentences(words, steps), rewards, strict=True):
        chance, last = probability(logits, sentence), 0
        for step, word in enumerate(sentence):
            row = np.exp(logits[step, last] - logits[step, last].max())
            gradient[step, last] += reward * chance * (np.eye(words)[word] - row / row.sum())
            last = word
    return gradient
