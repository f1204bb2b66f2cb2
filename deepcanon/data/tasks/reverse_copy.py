"""Reverse copy: a sentence of random words, and the same words from the last to the first.

A source has 1 to `--words` words (10 if nothing is said), each of WORDS with equal chances, and so does every split: a
network that packs the source into one vector learns it, and forgets more the longer the sentence is. Of a target, word
t stands for word n - 1 - t of the source.

A model that ignores the source knows the length of a target at best, and guesses each word.

Source: Sutskever, Vinyals and Le 2014 (arXiv:1409.3215), section 3.3, on why the reversed order is easy to learn.

>>> from deepcanon.data.tasks.reverse_copy import alignment
>>> alignment("ba de fi".split())
[2, 1, 0]
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..drawn import Streams
from ..known import Known
from ..pairs import PairSplit
from . import Task
from ._pairs import sizes_of

__all__ = ["KIND", "SIZES", "WORDS", "alignment", "draw"]

KIND = "pairs"
WORDS = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]
SIZES = {"train": 10_000, "valid": 1000, "test": 1000}
LONGEST = 10


def alignment(source: Sequence[str]) -> list[int]:
    """The place in the source that each word of the target stands for."""
    return list(range(len(source)))[::-1]


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sentences from the seed."""
    longest = options.get("words", LONGEST)
    splits = {}
    for split, count in sizes_of(options, SIZES).items():
        generator = Streams(seed).generator(f"reverse-copy/{split}")
        lengths = torch.randint(1, longest + 1, (count,), generator=generator).tolist()
        drawn = torch.randint(len(WORDS), (count, longest), generator=generator).tolist()
        sources = [[WORDS[word] for word in row[:n]] for row, n in zip(drawn, lengths, strict=True)]
        targets = [" ".join(source[place] for place in alignment(source)) for source in sources]
        splits[split] = PairSplit([" ".join(source) for source in sources], targets)
    mean = sum(1 / n for n in range(1, longest + 1)) / longest
    guessed = sum((1 / len(WORDS)) ** n for n in range(1, longest + 1)) / longest
    known = (
        Known("exact", guessed, 1.0, "", ("a guess at each word", "nothing is forgotten")),
        Known("alignment", mean, 1.0, "", ("a guess at the place", "the order is known")),
    )
    return Task({**splits}, known, {}, {"alignment": alignment})
