"""n-gram models by dictionaries: modified Kneser-Ney as Chen and Goodman (1998) write it, Katz, add-k."""

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


class _Counts:
    """Raw counts of all n-grams up to one order, as `rows[length][history][word]`."""

    def __init__(self, tokens, size, order, end=None, start=True):
        self.size, self.order, self.start = size, order, start
        self.rows = [defaultdict(lambda: defaultdict(int)) for _ in range(order + 1)]
        for sentence in sentences(tokens, end):
            padded = ([START] if start else []) + sentence
            for last, word in enumerate(padded):
                for first in range(max(0, last - order + 1), last + 1):
                    if word != START:
                        self.rows[last - first + 1][tuple(padded[first:last])][word] += 1

    history = KneserNey.history
    score = KneserNey.score


class Katz(_Counts):
    """Back-off with Good-Turing discounts, as Katz (1987) and Chen and Goodman (1998, section 2.4) write it."""

    def discounts(self, length, most=5):
        n = [0] * (most + 2)
        for row in self.rows[length].values():
            for c in row.values():
                if c <= most + 1:
                    n[c] += 1
        for k in range(most, 0, -1):
            if n[1] and all(n[1 : k + 1]) and (k + 1) * n[k + 1] != n[1]:
                common = (k + 1) * n[k + 1] / n[1]
                d = [((r + 1) * n[r + 1] / n[r] / r - common) / (1 - common) for r in range(1, k + 1)]
                if all(0 < value <= 1 for value in d):
                    return {r: value for r, value in enumerate(d, 1)}
        return {}

    def probability(self, word, history):
        length = len(history) + 1

        def lower(w):
            return self.probability(w, history[1:]) if history else 1.0 / self.size

        row = self.rows[length].get(history)
        if not row:
            return lower(word)
        d = self.discounts(length)
        kept = {w: (d.get(c, 1.0) if len(row) < self.size else 1.0) * c for w, c in row.items()}
        total = sum(row.values())
        if sum(kept.values()) == total and len(row) < self.size:
            total += 1
        if word in row:
            return kept[word] / total
        # The second sum is over words not seen after h, so that no digit is lost.
        return (
            (total - sum(kept.values())) / total * lower(word) / sum(lower(w) for w in range(self.size) if w not in row)
        )


class AddK(_Counts):
    """(c + k) / (total + k V) after whole histories: of order - 1 words, or from the sentence start on."""

    def __init__(self, *args, added=1.0, **options):
        super().__init__(*args, **options)
        self.added = added

    def probability(self, word, history):
        if len(history) < self.order - 1 and history[:1] != (START,):
            return 1.0 / self.size
        row = self.rows[len(history) + 1].get(history, {})
        return (row.get(word, 0) + self.added) / (sum(row.values()) + self.added * self.size)
