"""Counts of words that occur near each other in a text, and their pointwise mutual information.

Papers: Church and Hanks 1990, "Word association norms, mutual information, and lexicography" (Computational
Linguistics), for (2); Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization" (NIPS), for (3)
and (4).

#(w, c) is how often c occurs near w; #(w) = sum_c #(w, c), #(c) = sum_w #(w, c), # = sum_wc #(w, c); P the noise
distribution and k the noise words of negative sampling; L the largest window.

    #(w, c) in expectation over windows drawn from 1..L:  each pair at distance d <= L counts (L + 1 - d) / L    (1)
    PMI(w, c) = log #(w, c) # / (#(w) #(c))                                                          (2)
    PPMI(w, c) = max(PMI(w, c), 0),  0 for pairs that never meet                                     (3)
    log #(w, c) / (k #(w) P(c)),  which is PMI - log k for P(c) = #(c) / #                           (4)

Departures: none.

Shown by: word2vec

    >>> import torch
    >>> from deepcanon.representation import ppmi
    >>> from deepcanon.representation.mutual_information import cooccurrences
    >>> pairs = cooccurrences(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 0]), window=2, vocabulary_size=3)
    >>> pairs.counts.tolist()
    [1.0, 0.5, 1.0, 1.0, 0.5, 1.0]
    >>> ppmi(pairs, 3).exp().tolist()
    [1.666..., 1.111..., 1.666..., 1.666..., 1.111..., 1.666...]
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.embedding_queries import rank_correlation

__all__ = ["CooccurrenceCounts", "PMIFit", "cooccurrences", "pmi_fit", "ppmi", "shifted_pmi"]

ROWS = 10_000
"""Pairs that are scored at a time."""


class CooccurrenceCounts(NamedTuple):
    """The pairs of words that occur near each other, and the expectation of #(w, c) over the windows drawn."""

    words: Int[Tensor, "pairs"]
    near: Int[Tensor, "pairs"]
    counts: Float[Tensor, "pairs"]


class PMIFit(NamedTuple):
    """How scores of pairs rank against (4), by Spearman's correlation, and over how many pairs."""

    correlation: float
    pairs: int


def cooccurrences(
    words: Int[Tensor, "tokens"], sentences: Int[Tensor, "tokens"], window: int, vocabulary_size: int
) -> CooccurrenceCounts:
    """The counts of a text, equation (1), sorted by word; no pair crosses the border of a sentence.

    Args:
        sentences: the number of each token's sentence.
    """
    if words.ndim != 1 or words.shape != sentences.shape:
        raise ValueError(f"expected words and sentences alike, got {tuple(words.shape)} and {tuple(sentences.shape)}")
    keys, weights = [words[:0]], [torch.zeros(0, dtype=torch.float64, device=words.device)]
    for gap in range(1, min(window, len(words) - 1) + 1):
        together = sentences[gap:] == sentences[:-gap]
        left, right = words[:-gap][together], words[gap:][together]
        keys += [left * vocabulary_size + right, right * vocabulary_size + left]
        weights.append(weights[0].new_full((2 * len(left),), (window - gap + 1) / window))  # (1)
    found, where = torch.cat(keys).unique(return_inverse=True)
    counts = torch.zeros(len(found), dtype=torch.float64, device=words.device).index_add_(0, where, torch.cat(weights))
    return CooccurrenceCounts(found // vocabulary_size, found % vocabulary_size, counts)


def shifted_pmi(
    pairs: CooccurrenceCounts, noise: Float[Tensor, "words"], negatives: float = 1.0
) -> Float[Tensor, "pairs"]:
    """The scores of each pair at which the loss of negative sampling is least, equation (4)."""
    totals = torch.zeros_like(noise, dtype=torch.float64).index_add_(0, pairs.words, pairs.counts)
    return (pairs.counts / (negatives * totals[pairs.words] * noise[pairs.near])).log()  # (4)


def ppmi(pairs: CooccurrenceCounts, vocabulary_size: int) -> Float[Tensor, "pairs"]:
    """The positive pointwise mutual information of each pair, equation (3)."""
    totals = pairs.counts.new_zeros(vocabulary_size).index_add_(0, pairs.near, pairs.counts)
    return shifted_pmi(pairs, totals / totals.sum()).clamp(min=0.0)  # (2), (3)


def pmi_fit(
    score: Callable[[Tensor, Tensor], Float[Tensor, "rows"]],
    pairs: CooccurrenceCounts,
    noise: Float[Tensor, "words"],
    negatives: float = 1.0,
    least: float = 0.0,
) -> PMIFit:
    """How near a model of word pairs is to (4), over the pairs that occur near each other at least `least` times.

    Args:
        score: (words [rows], words near them [rows]) -> the model's scores.
    """
    often = (pairs.counts >= least).nonzero()[:, 0]
    if len(often) < 2:
        return PMIFit(0.0, len(often))
    best = shifted_pmi(pairs, noise, negatives)[often]
    blocks = zip(pairs.words[often].split(ROWS), pairs.near[often].split(ROWS), strict=True)
    scores = torch.cat([score(words, near).to(best.device) for words, near in blocks])
    return PMIFit(rank_correlation(scores, best), len(often))
