"""Lexical translation: each word has one translation, adjectives move in front of their noun: a known alignment.

A sentence is a row of phrases. A phrase is a noun with none, one or two adjectives after it, each drawn from NOUNS and
ADJECTIVES with equal chances. The dictionary, a permutation, is drawn by the seed. In the target each phrase is turned
around, as French "maison rouge" is "red house":

    source   n1 a1 a2 | n2 | n3 a3        target   A2 A1 N1 | N2 | A3 N3

so the place that word t of the target stands for depends on which words follow each other, not on t alone. Sentences
to learn from and to validate on have 2 to `--words` words (10 if nothing is said); those to test on have more than
that, up to twice as many: a model that has learned to look at the right place finds it there too.

A model that ignores the source guesses the place: mean of 1/n over the test lengths.

>>> from deepcanon.data.tasks.lexical_translation import ADJECTIVES, NOUNS, alignment
>>> alignment([NOUNS[0], ADJECTIVES[0], ADJECTIVES[1], NOUNS[1], NOUNS[2], ADJECTIVES[2]])
[2, 1, 0, 3, 5, 4]
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..drawn import Streams
from ..known import Known
from ..pairs import PairSplit
from . import Task
from ._pairs import sizes_of

__all__ = ["ADJECTIVES", "KIND", "NOUNS", "SIZES", "alignment", "dictionary", "draw"]

KIND = "pairs"
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnpr" for vowel in "aeiou"]
NOUNS = [first + "na" for first in SYLLABLES]
ADJECTIVES = [first + "lo" for first in SYLLABLES]
SIZES = {"train": 10_000, "valid": 1000, "test": 1000}
LONGEST = 10
_KNOWN_NOUNS = frozenset(NOUNS)


def alignment(source: Sequence[str]) -> list[int]:
    """The place in the source that each word of the target stands for: each phrase turned around."""
    starts = [place for place, word in enumerate(source) if place == 0 or word in _KNOWN_NOUNS]
    ends = [*starts[1:], len(source)]
    return [place for start, end in zip(starts, ends, strict=True) for place in range(end - 1, start - 1, -1)]


def dictionary(seed: int) -> dict[str, str]:
    """The translation of each word: nouns end in "t", adjectives in "s"."""
    generator = Streams(seed).generator("lexical-translation/dictionary")
    found: dict[str, str] = {}
    for words, ending in ((NOUNS, "t"), (ADJECTIVES, "s")):
        order = torch.randperm(len(words), generator=generator).tolist()
        found |= {word: SYLLABLES[place] + ending for word, place in zip(words, order, strict=True)}
    return found


def _sentence(length: int, generator: torch.Generator) -> list[str]:
    """A source of exactly so many words."""
    words: list[str] = []
    while len(words) < length:
        more = min(int(torch.randint(3, (), generator=generator)), length - len(words) - 1)
        noun, *adjectives = torch.randint(len(NOUNS), (1 + more,), generator=generator).tolist()
        words += [NOUNS[noun], *(ADJECTIVES[place] for place in adjectives)]
    return words


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sentences from the seed; the test has longer ones."""
    longest, words = options.get("words", LONGEST), dictionary(seed)
    splits = {}
    for split, count in sizes_of(options, SIZES).items():
        generator = Streams(seed).generator(f"lexical-translation/{split}")
        low, high = (longest + 1, 2 * longest) if split == "test" else (2, longest)
        lengths = torch.randint(low, high + 1, (count,), generator=generator).tolist()
        sources = [_sentence(length, generator) for length in lengths]
        targets = [" ".join(words[source[place]] for place in alignment(source)) for source in sources]
        splits[split] = PairSplit([" ".join(source) for source in sources], targets)
    mean = sum(1 / n for n in range(longest + 1, 2 * longest + 1)) / longest
    known = (
        Known("alignment", mean, 1.0, "", ("a guess at the place, at the test's lengths", "the order is known")),
        Known("exact", 0.0, 1.0, "", ("no sentence is guessed", "the dictionary and the order are known")),
    )
    told = f"words of a sentence: 2 to {longest} in train and valid, {longest + 1} to {2 * longest} in test"
    return Task({**splits}, known, {}, {"alignment": alignment, "dictionary": words}, (told,))
