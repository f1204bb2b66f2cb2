"""Documents as word counts: what a word is, which words are counted, and how often each occurs in a document.

A word is a run of letters, in lower case, perhaps with an apostrophe and letters after it, or a letter of a script
without blanks (`word_expressions`); or, if asked, whatever stands between blanks. Counted are the most frequent words
of the training documents, in this order (equally frequent ones by the alphabet); others are left out. With `order`
above 1 sequences of so many words are counted like words.

    >>> bag = BagOfWords.build(["A rose is a rose.", "The rose!"], 3)
    >>> bag.words, bag.counts(bag.pack(["a ROSE, that's a rose", "tulips"])).tolist()
    (('rose', 'a', 'is'), [[2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deepcanon.parts.sparse_rows import csr_tensor
from deepcanon.parts.word_expressions import word_pattern

__all__ = [
    "BagOfWords",
    "Packed",
    "draw_words",
    "likelier_words",
    "shuffled",
    "stratified_folds",
    "word_statistics",
    "words_of",
]

ASCII_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")  # what `any_word` finds in ASCII, in two thirds of the time
COUNTED = (
    "`pattern` (Python's re) finds the words of a text in lower case, of which the first `longest` are read (0: all);"
    " `words` has those that are counted, and with an `order` above 1 sequences of up to so many, joined by blanks"
)


@functools.cache
def any_word() -> re.Pattern[str]:
    """A word of any script, in lower case."""
    return re.compile(word_pattern(r"\W\d_", "'’"))


def words_of(text: str, longest: int = 0) -> list[str]:
    """The words of a text, the first `longest` of them if that is not 0."""
    words = (ASCII_WORD if text.isascii() else any_word()).findall(text.lower())
    return words[:longest] if longest else words


def draw_words(
    probabilities: Float[Tensor, "batch words"],
    lengths: Float[Tensor, "batch"],
    uniform: Float[Tensor, "batch longest"],
) -> Float[Tensor, "batch words"]:
    """Counts of exactly the given number of words for each row, by inversion of as many uniform numbers."""
    if uniform.ndim != 2 or len(uniform) != len(probabilities):
        raise ValueError(f"noise {tuple(uniform.shape)} is not [{len(probabilities)}, longest]")
    # Not checked on a GPU, since that would wait for it.
    if lengths.device.type == "cpu" and bool(lengths.max() > uniform.shape[1]):
        raise ValueError(f"noise {tuple(uniform.shape)} is not enough for documents of {int(lengths.max())} words")
    ends = probabilities.cumsum(1)
    words = torch.searchsorted(ends, uniform.to(ends) * ends[:, -1:]).clamp_max(ends.shape[1] - 1)
    kept = torch.arange(uniform.shape[1], device=lengths.device) < lengths[:, None]
    return torch.zeros_like(probabilities).scatter_add_(1, words, kept.to(probabilities))


def shuffled(
    texts: Iterable[str],
    generator: torch.Generator | None = None,
    split: Callable[[str], Sequence[str]] = str.split,
) -> list[str]:
    """The texts with their words, as `split` finds them, in random order and with blanks between them."""
    found = []
    for words in map(split, texts):
        found.append(" ".join([words[i] for i in torch.randperm(len(words), generator=generator).tolist()]))
    return found


def stratified_folds(
    labels: Int[Tensor, "documents"], folds: int, generator: torch.Generator | None = None
) -> Int[Tensor, "documents"]:
    """The fold of each document, drawn so that all folds have as many of a class, up to one."""
    if labels.ndim != 1 or folds < 2:
        raise ValueError(f"labels {tuple(labels.shape)} are not divided into {folds} folds")
    order = torch.randperm(len(labels), generator=generator)
    order = order[labels[order].argsort(stable=True)]
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order)) % folds)


class Packed(NamedTuple):
    """Documents as numbers of their known words, one after the other; document i ends before `ends[i]`."""

    numbers: Int[Tensor, "words"]
    ends: Int[Tensor, "documents"]


class BagOfWords:
    """Turns texts into counts.

    Args:
        words: the words (or sequences of words, joined by blanks) that are counted, each once.
        longest: words of a document beyond this number are left out; 0 takes all.
        order: the longest sequence of words that is counted.
        blanks: whether words are what stands between blanks, punctuation too.
    """

    def __init__(self, words: Sequence[str], longest: int = 0, *, order: int = 1, blanks: bool = False) -> None:
        self.words, self.longest, self.order, self.blanks = tuple(words), longest, order, blanks
        self.number = {word: place for place, word in enumerate(self.words)}
        if len(self.number) < len(self.words):
            raise ValueError(f"{len(self.words)} words, but only {len(self.number)} different ones")

    @classmethod
    def build(
        cls, texts: Iterable[str], most: int, longest: int = 0, *, order: int = 1, blanks: bool = False
    ) -> "BagOfWords":
        """With the `most` most frequent words of some texts."""
        found: Counter[str] = Counter()
        empty = cls([], longest, order=order, blanks=blanks)
        for text in texts:
            found.update(empty.terms(text))
        if not found or most < 1:
            raise ValueError("no word is left to count: the documents hold none, or none are to be kept")
        words = [word for word, _ in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:most]]
        return cls(words, longest, order=order, blanks=blanks)

    def terms(self, text: str) -> list[str]:
        """What is counted of a text: its words, then its pairs of words, and so on up to `order`."""
        words = text.lower().split() if self.blanks else words_of(text)
        words = words[: self.longest] if self.longest else words
        if self.order == 1:
            return words
        return [" ".join(words[at : at + n]) for n in range(1, self.order + 1) for at in range(len(words) - n + 1)]

    def __len__(self) -> int:
        return len(self.words)

    def describe(self) -> dict[str, Any]:
        """What another program needs to count the words of a text, as JSON has it."""
        return {
            "how": COUNTED, "pattern": r"\S+" if self.blanks else any_word().pattern, "order": self.order,
            "longest": self.longest, "words": list(self.words),
        }  # fmt: skip

    def pack(self, texts: Iterable[str]) -> Packed:
        """The known words of texts by their numbers: what `counts` takes, as often as wanted."""
        get, numbers, ends = self.number.get, [], []
        for text in texts:
            numbers += [number for word in self.terms(text) if (number := get(word)) is not None]
            ends.append(len(numbers))
        return Packed(*(torch.from_numpy(np.array(found, np.int64)) for found in (numbers, ends)))  # in less than torch

    def counts(self, packed: Packed, rows: Int[Tensor, "rows"] | None = None) -> Float[Tensor, "rows words"]:
        """How often each word occurs in some documents (by default all)."""
        rows = torch.arange(len(packed.ends)) if rows is None else rows
        document, numbers = self._occurrences(packed, rows)
        flat = torch.bincount(document * len(self) + numbers, minlength=len(rows) * len(self))
        return flat.view(len(rows), len(self)).to(torch.get_default_dtype())

    def sparse_counts(self, packed: Packed, rows: Int[Tensor, "rows"] | None = None) -> Float[Tensor, "rows words"]:
        """The same counts in float64 as a CSR tensor, without the zeros."""
        rows = torch.arange(len(packed.ends)) if rows is None else rows
        document, numbers = self._occurrences(packed, rows)
        places, counts = torch.unique(document * len(self) + numbers, return_counts=True)
        ends = torch.searchsorted(places, torch.arange(len(rows) + 1) * len(self))
        return csr_tensor(ends, places % len(self), counts.double(), (len(rows), len(self)))

    def _occurrences(self, packed: Packed, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The place among the rows of each word, and its number."""
        starts = torch.cat([packed.ends.new_zeros(1), packed.ends])[rows]
        lengths = packed.ends[rows] - starts
        document = torch.arange(len(rows)).repeat_interleave(lengths)
        before = (lengths.cumsum(0) - lengths)[document]  # words of the documents before, among these rows
        return document, packed.numbers[starts[document] + torch.arange(len(document)) - before]

    def present(self, packed: Packed, rows: Int[Tensor, "rows"] | None = None) -> Float[Tensor, "rows words"]:
        """1 where a word occurs in some documents (by default all), in float64, as a sparse matrix."""
        rows = torch.arange(len(packed.ends)) if rows is None else rows
        document, numbers = self._occurrences(packed, rows)
        places = torch.unique(document * len(self) + numbers)
        indices = torch.stack([places // len(self), places % len(self)])
        ones = torch.ones(len(places), dtype=torch.float64)
        return torch.sparse_coo_tensor(indices, ones, (len(rows), len(self)), is_coalesced=True, check_invariants=False)

    def texts(self, counts: Float[Tensor, "rows words"]) -> list[str]:
        """Documents with such counts, the frequent words first."""
        rows = counts.long().tolist()
        return [" ".join(w for w, n in zip(self.words, row, strict=True) for _ in range(n)) for row in rows]


def word_statistics(texts: Sequence[str], most: int, longest: int = 0) -> dict[str, Any]:
    """The `most` most frequent words, their shares of all that are counted, and how many a text has on average.

    Raises:
        ValueError: there are fewer than two different words.
    """
    bag = BagOfWords.build(texts, most, longest)
    if len(bag) < 2:
        raise ValueError("the documents have fewer than two different words")
    numbers = bag.pack(texts).numbers
    shares = torch.bincount(numbers, minlength=len(bag)).double() / len(numbers)
    about = {"shape": [len(bag)], "words": list(bag.words), "shares": shares.float()}
    return {**about, "length": max(1, round(len(numbers) / len(texts))), "longest": longest}


def likelier_words(weight: Float[Tensor, "words units"], words: Sequence[str], count: int = 10) -> str:
    """The words of the largest and of the smallest weights of each unit, as lines of text."""
    lines = []
    for unit, column in enumerate(weight.detach().T):
        order = column.argsort(descending=True).tolist()
        more, less = (" ".join(words[i] for i in some[:count]) for some in (order, order[::-1]))
        lines.append(f"{unit:3d}  more: {more}\n     less: {less}")
    return "\n".join(lines)
