r"""n-gram language models of any order, counted by sorting: Kneser-Ney, Katz or additive smoothing, as back-off tables.

Papers: Kneser and Ney, "Improved backing-off for m-gram language modeling", ICASSP 1995; Chen and Goodman,
"An empirical study of smoothing techniques for language modeling", 1998 (the modified form, three discounts); Katz,
"Estimation of probabilities from sparse data for the language model component of a speech recognizer", 1987.

Legend: ``w`` a word (or character) out of V; ``h`` its history, the at most n-1 words before it; ``h'`` the history
without its oldest word; ``c(hw)`` how often ``hw`` occurs; ``N1+(. hw)`` how many different words precede ``hw``;
``n_j`` how many n-grams of one order have count j; D(c) the discount of a count, D(0) = 0.

Interpolated Kneser-Ney:

(1) p(w | h) = (c(hw) - D(c(hw))) / sum_v c(hv) + gamma(h) p(w | h')
(2) gamma(h) = sum_v D(c(hv)) / sum_v c(hv), so that p(. | h) sums to 1; a history never seen has p(w | h) = p(w | h')
(3) below the highest order c(hw) is replaced by N1+(. hw), except where h begins at the sentence start
(4) Y = n_1 / (n_1 + 2 n_2);  D(1) = 1 - 2 Y n_2/n_1,  D(2) = 2 - 3 Y n_3/n_2,  D(3+) = 3 - 4 Y n_4/n_3
(5) below the order 1 stands p(w) = 1 / V, which ends the recursion of each smoothing

Katz back-off:

(6) p(w | h) = d(c(hw)) c(hw) / c(h) if hw was seen, else alpha(h) p(w | h')
(7) d(r) = (r*/r - (k+1) n_{k+1}/n_1) / (1 - (k+1) n_{k+1}/n_1),  r* = (r+1) n_{r+1}/n_r for r <= k = 5; else d(r) = 1
(8) alpha(h) = (1 - sum_{v seen} p(v | h)) / (1 - sum_{v seen} p(v | h')), v seen after h

Add-k:

(9) p(w | h) = (c(hw) + k) / (c(h) + k V), and 1 / V after a history never seen

The sentence end is a word that is predicted; the sentence start occurs only in histories.

All three have the same form: p(w | h) of each n-gram that was seen, and the weight b(h) of each history, so that
p(w | h) = b(h) p(w | h') for all other words. It is what ARPA files hold (`ngrams`, `from_ngrams`), and a look-up does
not depend on the smoothing. Of Kneser-Ney the first summand of (1) is kept in place of p(w | h): it follows from two
counts, so that few different numbers occur among millions of n-grams, which need a byte or two each.

Departures: the estimates (4) need every n_j; an order in which one is 0 (tiny texts) uses 0.5, 1, 1.5, and
every D(j) is kept within [0, j]. ``discounts=0.75`` gives the plain form of 1995 (one discount, unigrams not
discounted, so that a word never seen has probability 0). Katz: k is the largest number up to 5 with which all d(r) lie
in (0, 1]; where no count after h is discounted, c(h) + 1 stands for c(h), so that words not seen keep a probability;
where every word follows h nothing is discounted. Add-k: a history that is shorter, because a row begins there and
``start`` is false, gives 1 / V.

>>> tokens = torch.tensor([0, 1, 2, 0, 1, 3, 0, 2, 3])             # word 3 ends a sentence
>>> model = NgramLM(4, order=3, end=3).fit(tokens)
>>> next_word = model.distribution(torch.tensor([[0, 1]]))
>>> bool((next_word.sum() - 1).abs() < 1e-12)
True
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.backoff import BackoffModel
from deepcanon.parts.ngram_counts import Counted, CountedOnDisk
from deepcanon.parts.spilled_counts import Column
from deepcanon.parts.tries import bits_of, scrambled

__all__ = ["NgramLM", "good_turing_discounts", "modified_discounts"]

LARGEST = 5  # k of (7)
LISTED = 1 << 20  # values that are listed at once


def modified_discounts(counts: Int[Tensor, "ngrams"]) -> Float[Tensor, "3"]:
    """D(1), D(2), D(3+) from the counts of counts, eq. (4); 0.5, 1, 1.5 where some n_j is 0."""
    return _modified(_counts_of_counts(counts, 4))


def _modified(n: Float[Tensor, "4"]) -> Float[Tensor, "3"]:
    if bool((n == 0).any()):
        return n.new_tensor([0.5, 1.0, 1.5])
    share = n[0] / (n[0] + 2 * n[1])
    j = torch.arange(1, 4, device=n.device, dtype=n.dtype)
    # (4)
    discounts = j - (j + 1) * share * n[1:] / n[:-1]
    return torch.minimum(discounts.clamp(min=0), j)


def good_turing_discounts(counts: Int[Tensor, "ngrams"]) -> Float[Tensor, "5"]:
    """d(1) .. d(5) of the counts of one order, eq. (7); 1 beyond the largest k for which all lie in (0, 1]."""
    n = _counts_of_counts(counts, LARGEST + 1)
    r = torch.arange(1, LARGEST + 1, device=n.device, dtype=n.dtype)
    for k in range(LARGEST, 0, -1):
        beyond = (k + 1) * n[k] / n[0]
        ratio = (r[:k] + 1) * n[1 : k + 1] / (n[:k] * r[:k])
        # (7)
        d = (ratio - beyond) / (1 - beyond)
        if bool(((d > 0) & (d <= 1)).all()):
            return torch.cat([d, torch.ones_like(r[k:])])
    return torch.ones_like(r)


def _counts_of_counts(counts: Tensor, most: int) -> Float[Tensor, "most"]:
    if counts.ndim != 1:
        raise ValueError(f"counts must be one-dimensional, not {tuple(counts.shape)}")
    return torch.bincount(counts.clamp(0, most + 1), minlength=most + 2)[1 : most + 1].double()


def _kneser_ney(here: Counted, discounts: Float[Tensor, "3"]) -> tuple[Tensor, Tensor]:
    """Equations (1) and (2): the first summand of the n-grams, to which gamma(h) p(w | h') is added, and gamma."""
    taken = torch.cat([discounts.new_zeros(1), discounts])[here.counts.clamp(max=3)]
    total = here.summed(here.counts)
    gamma = torch.where(total > 0, here.summed(taken) / total.clamp(min=1), 1.0)  # (2)
    return (here.counts - taken) / total.clamp(min=1)[here.history], gamma  # (1)


def _katz(
    here: Counted,
    lower: Tensor,
    discounts: Float[Tensor, "5"],
    vocabulary: int,
    lower_seen: Tensor,
    lower_free: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Equations (6) and (8): p of the n-grams, alpha of the histories, and of these the masses of seen and free words.

    Args:
        lower: p(w | h').
        lower_seen, lower_free: for each h, of the history h': what its seen words have, and what is left to the others.
    """
    seen = here.counts > 0
    total, words = here.summed(here.counts), here.summed(seen)
    share = torch.cat([discounts.new_ones(1), discounts, discounts.new_ones(1)])[here.counts.clamp(max=LARGEST + 1)]
    whole = (words == vocabulary)[here.history]
    kept = torch.where(whole, 1.0, share) * here.counts
    discounted = here.summed(here.counts - kept)
    extra = (discounted == 0) & (words < vocabulary)
    total = (total + extra).clamp(min=1)
    free = (discounted + extra) / total
    # What words not seen after h have after h': words seen after h' but not after h, and those that neither has seen.
    # Sums of the same words are the same bits, so that nothing is lost where the first part is empty.
    room = (lower_seen - here.summed(torch.where(seen, lower, 0.0))).clamp(min=0) + lower_free
    alpha = torch.where(words > 0, torch.where(words < vocabulary, free / room, 0.0), 1.0)  # (8)
    p = torch.where(seen, kept / total[here.history], alpha[here.history] * lower)  # (6)
    return p, alpha, here.summed(torch.where(seen, p, 0.0)), torch.where(words > 0, free, 1.0)


def _add(here: Counted, whole: Tensor, added: float, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Equation (9) after histories of full length, which `whole` marks; 1 / V after others."""
    total, told = here.summed(here.counts) + added * vocabulary, here.summed(whole) > 0
    p = torch.where(whole, (here.counts.double() + added) / total[here.history], 1.0 / vocabulary)  # (9)
    return p, torch.where(told, added * vocabulary / total, 1.0)


class NgramLM(BackoffModel):
    """n-gram model over token numbers 0 .. vocabulary_size - 1; `fit` counts, `from_ngrams` takes what others counted.

    The n-grams of one order are nodes, numbered by sorting (node of the history, word): counting is one sort for each
    order. `parts/tries.py` keeps them, and finds those of all positions of a text at once.

    Args:
        vocabulary_size: V, the words that can be predicted (with sentence end and unknown word, without start).
        order: n, the longest n-gram.
        end: the token that ends a sentence; the history starts again after it. None: one unbroken sequence.
        start: whether the beginning of a sentence is a history of its own (token V in `ngrams`).
        smoothing: "kneser-ney", interpolated (1), "katz", back-off (6), or "add-k" (9).
        discounts: of Kneser-Ney: "modified" (three an order, estimated) or one fixed number in [0, 1] for all counts.
        added: k of (9).
    """

    discounts_: Tensor

    def __init__(
        self,
        vocabulary_size: int,
        order: int = 5,
        *,
        end: int | None = None,
        start: bool = True,
        smoothing: str = "kneser-ney",
        discounts: str | float = "modified",
        added: float = 1.0,
        device=None,
    ):
        super().__init__(vocabulary_size, order, end=end, start=start, device=device)
        if smoothing not in ("kneser-ney", "katz", "add-k"):
            raise ValueError(f"smoothing must be 'kneser-ney', 'katz' or 'add-k', not {smoothing!r}")
        if isinstance(discounts, str) and discounts != "modified":
            raise ValueError(f"discounts must be 'modified' or a number, not {discounts!r}")
        if not isinstance(discounts, str) and not 0 <= discounts <= 1:
            raise ValueError(f"a fixed discount must lie in [0, 1], not {discounts}")
        if added <= 0:
            raise ValueError(f"what is added to each count must be above 0, not {added}")
        self.smoothing, self.discounts, self.added = smoothing, discounts, added
        self.register_buffer("discounts_", torch.zeros(order, 3, dtype=torch.float64, device=device))

    @torch.no_grad()
    def fit(self, tokens: Int[Tensor, "time"]) -> "NgramLM":
        """Counts one text (its sentences concatenated) and computes every probability and back-off weight."""
        words = self.checked(tokens, 1)
        if words.numel() == 0:
            raise ValueError("fit needs at least one token")
        size, lowest = self.vocabulary_size, words.new_full((1,), 1.0 / self.vocabulary_size, dtype=torch.float64)
        lower, seen, free = lowest, torch.ones_like(lowest), torch.zeros_like(lowest)  # of (5); the last two for Katz
        below = words.new_zeros(1)  # for each history h of one order the number of h'
        for order, (keys, here) in enumerate(self._counted(words), 1):
            if self.smoothing == "katz":
                lower, discounts = lower[here.shorter], good_turing_discounts(here.counts)
                lower, weight, seen, free = _katz(here, lower, discounts, size, seen[below], free[below])
                value = lower
            else:
                value, weight = self._smoothed(order, here, self._discounts(order, _counts_of_counts(here.counts, 4)))
            if order == 1:
                self._take_words(value)
            else:
                self.every_level()[order - 2].take(keys, here.histories, value, weight)
            below = here.shorter
        return self

    @torch.no_grad()
    def fit_on_disk(self, tokens: Any, memory: int, folder: Path | None = None) -> "NgramLM":
        """`fit`, with the same bits, of a text whose n-grams would take more memory to sort than there is.

        Args:
            tokens: a vector of numbers, perhaps on disk, that is read in stretches.
            memory: bytes that sorting may take, beside the model and a few numbers for each n-gram of one order.
            folder: for temporary files without names, some 80 bytes a token; None: the system's.

        Raises:
            ValueError: the smoothing is Katz's, which needs the probabilities of all shorter n-grams at once.
        """
        if self.smoothing == "katz":
            raise ValueError("Katz's back-off is counted in memory: fit it, or take kneser-ney or add-k")
        if not len(tokens):
            raise ValueError("fit needs at least one token")
        device = self.probability_.device
        self.cpu()
        counted = CountedOnDisk(self, tokens, memory, folder, continued=self.smoothing == "kneser-ney")
        for order in counted:
            n = torch.stack([_counts_of_counts(part.counts, 4) for part in counted.portions()]).sum(0)
            discounts, tables = self._discounts(order, n), [Column(np.float64, folder) for _ in range(2)]
            for here in counted.portions():
                for table, part in zip(tables, self._smoothed(order, here, discounts), strict=True):
                    table.append(part.numpy())
            values, weights = ((lambda table=table: map(torch.from_numpy, table.blocks(LISTED))) for table in tables)
            if order == 1:
                self._take_words(next(values()))
            else:
                self.every_level()[order - 2].list_values(values, weights)
        return self.to(device)

    def _smoothed(self, order: int, here: Counted, discounts: Tensor) -> tuple[Tensor, Tensor]:
        """What is kept of n-grams and of histories, of Kneser-Ney or add-k."""
        if self.smoothing == "add-k":
            whole = here.at_start if order < self.order else torch.ones_like(here.at_start)
            return _add(here, whole, self.added, self.vocabulary_size)
        value, weight = _kneser_ney(here, discounts)
        return (value + weight / self.vocabulary_size if order == 1 else value), weight

    def _take_words(self, probability: Tensor) -> None:
        probability[self.vocabulary_size] = 0.0  # the start is not predicted
        self.probability_ = probability
        self.interpolated_ = torch.tensor(self.smoothing == "kneser-ney", device=probability.device)

    def _counted(self, words: Tensor) -> Iterator[tuple[Tensor, Counted]]:
        """Sorted keys and counts of the n-grams of each order; of Kneser-Ney below the highest those of (3)."""
        size, bits = self.vocabulary_size, bits_of(self.vocabulary_size)
        u = scrambled(words, size)
        first = self.contexts(words, words) == size if self.start else torch.zeros_like(words, dtype=torch.bool)
        node, keys, fresh = words, torch.arange(size + 1, device=words.device), torch.zeros_like(first)
        shorter, history, before = torch.zeros_like(keys), torch.zeros_like(keys), 1
        for order in range(1, self.order + 1):
            seen = node >= 0
            at_start = torch.bincount(node[fresh], minlength=len(keys))
            counts = torch.bincount(node[seen], minlength=len(keys))
            if order < self.order:
                context = self.contexts(words, node, first=order == 1)
                present = context >= 0
                unique, inverse = torch.unique((context[present] << bits) + u[present], return_inverse=True)
                longer = torch.full_like(words, -1).masked_scatter_(present, inverse)
                suffix = node.new_zeros(len(unique)).scatter_(0, inverse, node[present])
                if self.smoothing == "kneser-ney":
                    # (3): every different (n+1)-gram counts once for the n-gram it ends in
                    different = torch.bincount(suffix, minlength=len(keys))
                    counts = torch.where(at_start > 0, at_start, different)
            yield keys, Counted(counts, history, shorter, before, at_start > 0)
            if order < self.order:
                fresh = first if order == 1 else torch.cat([fresh.new_zeros(1), fresh[:-1]]) & present
                node, before, keys, shorter = longer, len(keys), unique, suffix
                history = unique >> bits

    def _discounts(self, order: int, n: Float[Tensor, "4"]) -> Float[Tensor, "3"]:
        """D(1), D(2), D(3+) of one order, from the counts of its counts."""
        if isinstance(self.discounts, str):
            self.discounts_[order - 1] = _modified(n)
        else:
            self.discounts_[order - 1] = 0.0 if order == 1 else float(self.discounts)
        return self.discounts_[order - 1]
