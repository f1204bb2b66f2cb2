"""Texts as the numbers of their words, padded to one length: what networks over words read.

What a word is, by `kind`: "marks", runs of letters (perhaps with an apostrophe and letters after it) or of digits, and
each other sign that is not a blank, in lower case; "letters", the runs of letters alone; "blanks", whatever stands
between blanks, in lower case. Number 0 is padding, 1 any word that the training texts lack; the others follow by
frequency, equally frequent ones by the alphabet.

    >>> numbers = WordNumbers.build(["A rose is a rose.", "The rose!"], minimum_count=2)
    >>> numbers.words, numbers.padded([numbers.encode("a ROSE, that"), numbers.encode("tulips")]).tolist()
    (('rose', 'a'), [[3, 2, 1, 1], [1, 0, 0, 0]])
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from deepcanon.parts.bag_of_words import any_word, words_of
from deepcanon.parts.word_embedding import PADDING, UNKNOWN_WORD
from deepcanon.parts.word_expressions import sign_pattern

__all__ = ["FIRST_WORD", "WordNumbers"]

ASCII_MARKS = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+|[^a-z0-9\s]")  # what `any_mark` finds in ASCII, in less time
KINDS = ("marks", "letters", "blanks")
FIRST_WORD = UNKNOWN_WORD + 1
NUMBERED = (
    "`pattern` (Python's re) finds the words of a text in lower case, of which the first `longest` are read (0: all);"
    " those in `words` have the numbers from `first` on"
)


@functools.cache
def any_mark() -> re.Pattern[str]:
    """A word, a number or a sign of any script, in lower case."""
    return re.compile(rf"{any_word().pattern}|\d+|{sign_pattern()}|_")


class WordNumbers:
    """Turns texts into numbers.

    Args:
        words: those that have a number, each once, from number 2 on.
        kind: what a word is.
        longest: words of a text beyond this number are left out; 0 takes all.

    Raises:
        ValueError: an unknown kind, or a word twice.
    """

    def __init__(self, words: Sequence[str], kind: str = "marks", longest: int = 0) -> None:
        if kind not in KINDS:
            raise ValueError(f"the kind of words is one of {', '.join(KINDS)}, not {kind!r}")
        self.words, self.kind, self.longest = tuple(words), kind, longest
        self.number = {word: place for place, word in enumerate(self.words, FIRST_WORD)}
        if len(self.number) < len(self.words):
            raise ValueError(f"{len(self.words)} words, but only {len(self.number)} different ones")

    @classmethod
    def build(
        cls, texts: Iterable[str], kind: str = "marks", *, minimum_count: int = 1, most: int = 0, longest: int = 0
    ) -> "WordNumbers":
        """With the words of some texts that occur at least `minimum_count` times, the `most` most frequent (0: all)."""
        empty, found = cls([], kind, longest), Counter[str]()
        for text in texts:
            found.update(empty.split(text))
        kept = sorted((-count, word) for word, count in found.items() if count >= minimum_count)
        return cls([word for _, word in (kept[:most] if most else kept)], kind, longest)

    def __len__(self) -> int:
        """The numbers that there are, padding and the unknown word among them."""
        return FIRST_WORD + len(self.words)

    def split(self, text: str) -> list[str]:
        """The words of a text that are read."""
        if self.kind == "letters":
            return words_of(text, self.longest)
        marks = ASCII_MARKS if text.isascii() else any_mark()
        words = text.lower().split() if self.kind == "blanks" else marks.findall(text.lower())
        return words[: self.longest] if self.longest else words

    def describe(self) -> dict[str, Any]:
        """What another program needs to number the words of a text, as JSON has it."""
        patterns = {"marks": any_mark().pattern, "letters": any_word().pattern, "blanks": r"\S+"}
        return {
            "how": NUMBERED, "pattern": patterns[self.kind], "tokens": self.kind, "longest": self.longest,
            "padding": PADDING, "unknown": UNKNOWN_WORD, "first": FIRST_WORD, "words": list(self.words),
        }  # fmt: skip

    def encode(self, text: str) -> Int[Tensor, "words"]:
        """The numbers of a text's words."""
        words = self.split(text)
        return torch.from_numpy(np.fromiter(map(self.number.get, words, repeat(UNKNOWN_WORD)), np.int64, len(words)))

    @staticmethod
    def padded(rows: Sequence[Tensor], width: int = 0) -> Int[Tensor, "texts time"]:
        """Texts, each int64 [words], below each other, padded to the longest one, or to a width; at least one wide."""
        width = max([width, 1, *map(len, rows)])
        found = torch.full((len(rows), width), PADDING, dtype=torch.int64)
        for row, numbers in zip(found, rows, strict=True):
            row[: len(numbers)] = numbers
        return found
