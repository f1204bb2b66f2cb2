"""Planted names: dialogues in which somebody says a name, and says it again two turns later when asked for it.

Each dialogue has two rounds of three turns, in which two people meet:

    hello , my name is anna .                       a greeting and a name, drawn
    do you like tea ? and who are you ?             a thing, drawn
    i am anna , and i like tea .                    nothing new: the name of two turns ago, the thing of the last turn

All of GREETINGS, NAMES and THINGS have equal chances and all turns of one place have equal lengths, so what a perfect
model needs for a dialogue is the same number of nats for each, and a word costs on average

    optimum                                    (log G + log N + log T) / W
    without what stood before the last turn    (log G + 2 log N + log T) / W

with W = 29 words of a round, ends of turns among them. The last turn says nothing of the name: without a longer memory
`slot`, the share of the names that are said again and predicted, is 1 / N whatever is guessed. `near` is the same of
the things, which the last turn has.

>>> from deepcanon.data.tasks.planted_names import draw, slots
>>> dialogue = draw(0, {}).splits["test"].x[0]
>>> [dialogue[turn].split()[place] == dialogue[turn - 2].split()[5] for turn, place in slots(dialogue)["slot"]]
[True, True]
"""

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..dialogues import DialogueSplit
from ..drawn import Streams
from ..known import Known
from . import Task

__all__ = ["GREETINGS", "KIND", "NAMES", "SIZES", "THINGS", "draw", "slots"]

KIND = "dialogues"
GREETINGS = ("hello", "hi", "welcome", "greetings")
NAMES = (
    "anna", "bea", "carl", "dora", "emil", "fritz", "greta", "hugo", "ida", "jan", "karla", "leo", "mia", "nora",
    "otto", "paul", "rosa", "simon", "tilda", "vera",
)  # fmt: skip
THINGS = ("tea", "rain", "chess", "music", "bread", "snow", "trains", "films", "apples", "cats")
SIZES = {"train": 2000, "valid": 200, "test": 500}
ROUNDS = 2
WORDS = 29
"""Of a round, with the ends of its turns."""


def _round(greeting: str, name: str, thing: str) -> list[str]:
    return [
        f"{greeting} , my name is {name} .",
        f"do you like {thing} ? and who are you ?",
        f"i am {name} , and i like {thing} .",
    ]


def slots(dialogue: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """(turn, place among its words) of the names and of the things that are said again, by the metric's name."""
    answers = range(2, len(dialogue), 3)
    return {"slot": [(turn, 2) for turn in answers], "near": [(turn, 7) for turn in answers]}


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Dialogues from the seed."""
    splits = {}
    for split, count in SIZES.items():
        generator = Streams(seed).generator(f"planted-names/{split}")
        chosen = [
            torch.randint(len(words), (count, ROUNDS), generator=generator).tolist()
            for words in (GREETINGS, NAMES, THINGS)
        ]
        splits[split] = DialogueSplit(
            [
                tuple(
                    turn for g, n, t in zip(*rounds, strict=True) for turn in _round(GREETINGS[g], NAMES[n], THINGS[t])
                )
                for rounds in zip(*chosen, strict=True)
            ]
        )
    new = math.log(len(GREETINGS)) + math.log(len(NAMES)) + math.log(len(THINGS))
    short = "nothing is known of earlier turns than the last"
    known = (
        Known("slot", 1 / len(NAMES), 1.0, "", (short, "the name of two turns ago")),
        Known("near", 1 / len(THINGS), 1.0, "", ("nothing is known of earlier turns", "the thing of the last turn")),
        Known(
            "nll", (new + math.log(len(NAMES))) / WORDS, new / WORDS, "nats per word", (short, "entropy of the source")
        ),
    )
    return Task({**splits}, known, {"turns": 3 * ROUNDS}, {"slots": slots})
