"""Decoding by enumeration: every sequence that a step function can produce, scored and sorted."""

import math

import numpy as np


def log_softmax(a):
    a = a - a.max()
    return a - np.log(np.exp(a).sum())


def enumerate_all(table, start, length, end=None, alpha=0.0):
    """All (score, tokens) of a model whose log p(next | previous, t) is table[t][previous]; best first.

    A sequence is finished by `end`, or by reaching `length` tokens.
    """
    found = []

    def extend(tokens, total):
        if len(tokens) == length or (tokens and tokens[-1] == end):
            found.append((total / ((5 + len(tokens)) / 6) ** alpha, tuple(tokens)))
            return
        previous = tokens[-1] if tokens else start
        for token, log_p in enumerate(table[len(tokens)][previous]):
            extend([*tokens, token], total + log_p)

    extend([], 0.0)
    return sorted(found, key=lambda item: (-item[0], item[1]))


def sutskever(table, start, length, beam, end=None, alpha=0.0):
    """Beam search with Python lists: the beam shrinks by each finished hypothesis."""
    live, done = [([], 0.0)], []
    for t in range(length):
        options = [
            ([*tokens, v], total + log_p)
            for tokens, total in live
            for v, log_p in enumerate(table[t][tokens[-1] if tokens else start])
            if log_p > -math.inf
        ]
        options.sort(key=lambda item: -item[1])
        live = []
        for tokens, total in options[: beam - len(done)]:
            (done if tokens[-1] == end or t == length - 1 else live).append((tokens, total))
        if not live:
            break
    ranked = [(total / ((5 + len(tokens)) / 6) ** alpha, tuple(tokens)) for tokens, total in done]
    return sorted(ranked, key=lambda item: -item[0])
