"""Interpolated modified Kneser-Ney by dictionaries, one n-gram at a time, as Chen and Goodman (1998) write it."""

from collections import defaultdict

START = "start"


def sentences(tokens, end):
    """Lists of words; with `end`, cut behind each of them."""
    result, here = [], []
    for token in tokens:
        here.append(int(token))
        if token == end:
            result.append(here)
            here = []
    return result + ([here] if here else [])


def estimate(counts):
    n = [0, 0, 0, 0, 0]
    for c in counts.values():
        if 1 <= c <= 4:
            n[c] += 1
    if 0 in n[1:]:
        return [0.0, 0.5, 1.0, 1.5]
    y = n[1] / (n[1] + 2 * n[2])
    raw = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
    return [0.0] + [min(max(d, 0.0), j) for j, d in enumerate(raw, 1)]


class KneserNey:
    """Counts once; `probability(word, history)` follows the recursion down to 1/V."""

    def __init__(self, tokens, size, order, end=None, start=True, discount=None):
        self.size, self.order, self.start = size, order, start
        raw = [defaultdict(int) for _ in range(order + 2)]
        for sentence in sentences(tokens, end):
            padded = ([START] if start else []) + sentence
            for last in range(len(padded)):
                for length in range(1, order + 1):
                    first = last - length + 1
                    if first >= 0 and padded[last] != START:
                        raw[length][tuple(padded[first : last + 1])] += 1
        self.counts = [None] * (order + 1)
        for length in range(1, order + 1):
            if length == order:
                self.counts[length] = dict(raw[length])
                continue
            before = defaultdict(set)
            for gram in raw[length + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[length] = {
                gram: (count if gram[0] == START else len(before[gram])) for gram, count in raw[length].items()
            }
        self.discounts = [None] * (order + 1)
        for length in range(1, order + 1):
            if discount is None:
                self.discounts[length] = estimate(self.counts[length])
            else:
                self.discounts[length] = [0.0] + [0.0 if length == 1 else discount] * 3
        self.rows = [None] * (order + 1)
        for length in range(1, order + 1):
            rows = defaultdict(dict)
            for gram, count in self.counts[length].items():
                rows[gram[:-1]][gram[-1]] = count
            self.rows[length] = rows

    def probability(self, word, history):
        """p(word | history); the history is a tuple of at most order - 1 symbols, START among them."""
        length = len(history) + 1
        lower = 1.0 / self.size if not history else self.probability(word, history[1:])
        row = self.rows[length].get(history)
        if not row or sum(row.values()) == 0:
            return lower
        total = sum(row.values())
        taken = self.discounts[length]
        gamma = sum(taken[min(c, 3)] for c in row.values()) / total
        count = row.get(word, 0)
        return (count - taken[min(count, 3)]) / total + gamma * lower

    def history(self, words):
        """What conditions the word after `words` of one sentence."""
        full = ([START] if self.start else []) + [int(w) for w in words]
        return tuple(full[max(0, len(full) - self.order + 1) :]) if self.order > 1 else ()

    def score(self, words, end=None):
        """p of each token of a text whose sentences end in `end`."""
        result = []
        for sentence in sentences(words, end):
            result += [self.probability(w, self.history(sentence[:i])) for i, w in enumerate(sentence)]
        return result
