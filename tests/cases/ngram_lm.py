import numpy as np
import torch
from contract.cases import Case
from oracles import ngram_lm as oracle

from deepcanon.sequence import NgramLM
from deepcanon.sequence.ngram_lm import good_turing_discounts, modified_discounts


def text(size=7, length=400, end=None):
    """Words of very different frequency, so that all counts of counts occur; the last word of all is never seen."""
    rng = np.random.default_rng(5)
    weights = 1.0 / np.arange(1, size) ** 1.3
    tokens = rng.choice(size - 1, size=length, p=weights / weights.sum())
    return tokens if end is None else np.append(tokens, end)


def scores(order, end=None, of=oracle.KneserNey, **options):
    model = of(text(end=end), 7, order, end, **options)
    return lambda params, tokens: np.log([model.score(row, end) for row in tokens])


def build(order, end=None, **options):
    return lambda: NgramLM(7, order, end=end, **options).fit(torch.from_numpy(text(end=end)))


def tokens(rng):
    return (rng.integers(0, 7, size=(4, 12)),)


def seen(rng):
    """Without the word that plain Kneser-Ney gives probability 0."""
    return (rng.integers(0, 6, size=(4, 12)),)


def discounts(params, counts):
    return np.array(oracle.estimate(dict(enumerate(counts)))[1:])


def good_turing(params, counts):
    model = oracle.Katz([], 1, 1)
    model.rows[1][()] = dict(enumerate(counts))
    found = model.discounts(1)
    return np.array([found.get(r, 1.0) for r in range(1, 6)])


NO_EXPORT = {"export": "a table of counts whose size is data: nothing to trace"}

CASES = (
    Case("ngram_lm", build(4, end=2), tokens, scores(4, end=2), causal=True, skips=NO_EXPORT, covers=("NgramLM",)),
    Case("ngram_lm_stream", build(3), tokens, scores(3), causal=True, skips=NO_EXPORT),
    Case("ngram_lm_unigram", build(1, end=2), tokens, scores(1, end=2), skips=NO_EXPORT),
    Case(
        "ngram_lm_plain",
        build(3, discounts=0.4, start=False),
        seen,
        scores(3, discount=0.4, start=False),
        causal=True,
        skips=NO_EXPORT,
    ),
    Case(
        "ngram_lm_katz",
        build(3, end=2, smoothing="katz"),
        tokens,
        scores(3, end=2, of=oracle.Katz),
        causal=True,
        skips=NO_EXPORT,
    ),
    Case(
        "ngram_lm_add_k",
        build(3, end=2, smoothing="add-k", added=0.1),
        tokens,
        scores(3, end=2, of=oracle.AddK, added=0.1),
        causal=True,
        skips=NO_EXPORT,
    ),
)
FUNCTIONS = (
    Case(
        "modified_discounts",
        None,
        lambda rng: (rng.geometric(0.4, size=200),),
        discounts,
        call=modified_discounts,
    ),
    Case(
        "good_turing_discounts",
        None,
        lambda rng: (rng.geometric(0.4, size=500),),
        good_turing,
        call=good_turing_discounts,
    ),
)
