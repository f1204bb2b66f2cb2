r"""ROUGE: how many words, pairs of words and words in order a summary shares with a reference.

Paper: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, sections 2 and 3.

Legend: X the summary of m words, Y the reference of n; match_k the k-grams that both have, each as often as in the one
that has it less often; LCS(X, Y) the length of the longest sequence of words that both have in this order.

(1) ROUGE-k:  P = match_k / (m - k + 1),  R = match_k / (n - k + 1)
(2) ROUGE-L:  P = LCS(X, Y) / m,          R = LCS(X, Y) / n
(3) F = 2 P R / (P + R), and 0 where nothing matches

Words are the runs of letters and digits of the lower-cased text, of any script (each letter of one without blanks, as
Chinese); signs are left out, nothing is stemmed, no word is stopped. The mean of F over the texts, times 100, is what
papers print.

Departures: F weighs precision and recall alike, where the paper's package has a weight; ROUGE-L is of the whole texts,
where papers on summaries of several sentences take the union over sentences (ROUGE-Lsum).

>>> [round(score, 3) for score in rouge("police kill the gunman", "Police killed the gunman.")]
[0.75, 0.333, 0.75]
"""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from deepcanon.parts.word_expressions import word_pattern

__all__ = ["Rouge", "longest_common", "ngrams", "repeated", "rouge", "words_of"]

ASCII_WORD = re.compile(r"[a-z0-9]+")  # what `_any_word` finds in ASCII


class Rouge(NamedTuple):
    """F of ROUGE-1, ROUGE-2 and ROUGE-L, from 0 to 1."""

    one: float
    two: float
    longest: float


def words_of(text: str) -> list[str]:
    """What is counted as a word."""
    return (ASCII_WORD if text.isascii() else _any_word()).findall(text.lower())


@functools.cache
def _any_word() -> re.Pattern[str]:
    return re.compile(word_pattern(r"\W_"))


def ngrams(words: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    """How often each run of ``size`` words occurs."""
    return Counter(zip(*(words[first:] for first in range(size)), strict=False))


def repeated(texts: Sequence[str], size: int = 2) -> float:
    """The share of the runs of ``size`` words that came before in the same text; 0 if there is none at all."""
    runs = [ngrams(words_of(text), size) for text in texts]
    total = sum(of.total() for of in runs)
    return (total - sum(map(len, runs))) / total if total else 0.0


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """LCS(X, Y), one row of the table at a time."""
    row = [0] * (len(other) + 1)
    for word in one:
        above, row = row, [0]
        for place, candidate in enumerate(other):
            row.append(above[place] + 1 if word == candidate else max(above[place + 1], row[place]))
    return row[-1]


def _f(matches: int, found: int, wanted: int) -> float:
    # (3), with P and R put in
    return 2 * matches / (found + wanted) if matches else 0.0


def rouge(summary: str, reference: str) -> Rouge:
    """The three scores of one text."""
    found, wanted = words_of(summary), words_of(reference)

    def shared(size: int) -> float:
        # (1)
        ours, theirs = ngrams(found, size), ngrams(wanted, size)
        return _f((ours & theirs).total(), ours.total(), theirs.total())

    # (2)
    return Rouge(shared(1), shared(2), _f(longest_common(found, wanted), len(found), len(wanted)))
