"""Rare names: what is told of people whom nobody has heard of is told again the other way round, with their names.

Each source is one of TEMPLATES, drawn with equal chances, with a name in each place of its letters A, B and C, and
ends in one of ENDINGS; the target tells the same with other words, mostly in another order, and says nothing of the
ending. A name has three or four syllables, drawn with equal chances: no two places of all splits have the same one, so
a vocabulary of the words that occur twice has none of them, and what is to be written can only be copied.

A model with a fixed vocabulary cannot write a name: it gets no sentence right.

Source: See, Liu and Manning 2017 (arXiv:1704.04368), who copy what the vocabulary lacks.

>>> from deepcanon.data.tasks.rare_names import TEMPLATES, filled
>>> filled(TEMPLATES[0][1], ["Bakilu", "Sotanime"])
'Sotanime had a letter from Bakilu'
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..drawn import Streams
from ..known import Known
from ..pairs import PairSplit
from . import Task
from ._pairs import sizes_of

__all__ = ["ENDINGS", "KIND", "SIZES", "TEMPLATES", "draw", "filled"]

KIND = "pairs"
SIZES = {"train": 6000, "valid": 500, "test": 1000}
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
TEMPLATES = (
    ("A wrote to B", "B had a letter from A"),
    ("A was seen by B", "B saw A"),
    ("A asked B about C", "C was what B heard of A"),
    ("A came with B and left with C", "C left with A , B did not"),
    ("A and B are from C", "people of C : A and B"),
    ("A sold the house of B", "B has a house no more , says A"),
    ("A met nobody but B", "only B met A"),
    ("A is older than B", "B is younger than A"),
    ("A , B and C sang", "a song by C , B and A"),
    ("A owes B money", "B waits for A to pay"),
    ("A waited for C", "A waited"),
    ("A knows where B lives", "ask A for B"),
)
ENDINGS = ("today", "last week", "in the rain", "again", "as everybody knows", "of all people", "", "")


def filled(template: str, names: Sequence[str]) -> str:
    """The sentence with a name in each place of its letters."""
    given = dict(zip("ABC", names, strict=False))
    return " ".join(given.get(word, word) for word in template.split())


def _name(number: int, syllables: int) -> str:
    """The name with this number, of so many syllables."""
    parts = []
    for _ in range(syllables):
        number, place = divmod(number, len(SYLLABLES))
        parts.append(SYLLABLES[place])
    return "".join(parts).capitalize()


def _names(seed: int, count: int) -> list[str]:
    """So many different names."""
    generator, names = Streams(seed).generator("rare-names/names"), dict[str, None]()
    while len(names) < count:
        for syllables, places in ((3, 1), (4, len(SYLLABLES))):
            numbers = torch.randint(len(SYLLABLES) ** 3 * places, (count // 2 + 1,), generator=generator)
            names |= dict.fromkeys(_name(number, syllables) for number in numbers.tolist())
    found = list(names)
    return [found[place] for place in torch.randperm(len(found), generator=generator)[:count].tolist()]


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sentences from the seed."""
    splits, sizes = {}, sizes_of(options, SIZES)
    names = iter(_names(seed, 3 * sum(sizes.values())))
    for split, count in sizes.items():
        generator = Streams(seed).generator(f"rare-names/{split}")
        which = torch.randint(len(TEMPLATES), (count,), generator=generator).tolist()
        ends = torch.randint(len(ENDINGS), (count,), generator=generator).tolist()
        sources, targets = [], []
        for template, end in zip(which, ends, strict=True):
            people = [next(names) for _ in range(3)]
            said, told = TEMPLATES[template]
            sources.append(f"{filled(said, people)} {ENDINGS[end]}".strip())
            targets.append(filled(told, people))
        splits[split] = PairSplit(sources, targets)
    known = (Known("exact", 0.0, 1.0, "", ("no name is in a vocabulary", "the names and their order are known")),)
    return Task({**splits}, known)
