"""Planted stories: who went where and who took what, and questions that follow from one sentence or from two.

People go to places, take things and put them down, each drawn with equal chances, like the first tasks of bAbI. In
`one-fact` "Where is Ann?" is answered by the last sentence in which Ann went somewhere. In `two-facts` "Where is the
ball?" takes the sentence in which somebody took or left it, and where that person went or was. After every two or four
sentences one question is asked that has an answer, five in a story. All places are alike, so that a constant answer is
right in one of six questions.

Source: Weston et al. 2015, "Towards AI-Complete Question Answering" (arXiv:1502.05698), tasks 1 and 2; the
sentences are drawn here.

>>> from deepcanon.data.tasks.planted_stories import draw
>>> task = draw(0, {"tasks": ("one-fact",)})
>>> len(task.splits["train"]), len(task.splits["train"].x[0].story)
(500, 2)
"""

import random
from typing import Any

from ..known import Known
from ..seeds import stream_seed
from ..splits import Split
from ..stories import StorySplit, chosen_tasks
from ..story_lines import Question
from . import Task

__all__ = ["KIND", "PLACES", "draw"]

KIND = "stories"
PEOPLE, THINGS = ("Ann", "Ben", "Cleo", "Dan"), ("ball", "book", "cup")
PLACES = ("attic", "cellar", "garden", "hall", "kitchen", "office")
STORIES = {"train": 100, "valid": 20, "test": 100}
ASKED = 5  # questions of a story


def one_fact(drawn: random.Random, task: str) -> list[Question]:
    """A story of people who go to places."""
    said, at, asked = list[str](), dict[str, int](), list[Question]()
    for _ in range(ASKED):
        for _ in range(2):
            who = drawn.choice(PEOPLE)
            said.append(f"{who} went to the {drawn.choice(PLACES)}.")
            at[who] = len(said) - 1
        who = drawn.choice(sorted(at))
        asked.append(Question(task, tuple(said), f"Where is {who}?", _place(said[at[who]]), (at[who],)))
    return asked


def two_facts(drawn: random.Random, task: str) -> list[Question]:
    """A story of people who go to places with things."""
    said, at, held, left = list[str](), dict[str, int](), dict[str, tuple[str, int]](), dict[str, tuple[int, int]]()
    for who in PEOPLE:  # everybody is somewhere before something is taken
        said.append(f"{who} went to the {drawn.choice(PLACES)}.")
        at[who] = len(said) - 1
    asked = list[Question]()
    while len(asked) < ASKED:
        for _ in range(4):
            who, thing = drawn.choice(PEOPLE), drawn.choice(THINGS)
            if thing in held and held[thing][0] == who:
                said.append(f"{who} left the {thing}.")
                left[thing] = (at[who], len(said) - 1)
                del held[thing]
            elif thing not in held and drawn.random() < 0.5:
                said.append(f"{who} took the {thing}.")
                held[thing] = (who, len(said) - 1)
                left.pop(thing, None)
            else:
                said.append(f"{who} went to the {drawn.choice(PLACES)}.")
                at[who] = len(said) - 1
        if known := sorted({*held, *left}):
            thing = drawn.choice(known)
            support = left[thing] if thing in left else tuple(sorted((held[thing][1], at[held[thing][0]])))
            where = left[thing][0] if thing in left else at[held[thing][0]]
            asked.append(Question(task, tuple(said), f"Where is the {thing}?", _place(said[where]), support))
    return asked


def _place(sentence: str) -> str:
    return sentence.rstrip(".").split()[-1]


TASKS = {"one-fact": one_fact, "two-facts": two_facts}


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Stories of the tasks that the option `tasks` names, drawn from the seed."""
    names, splits = chosen_tasks(list(TASKS), options), dict[str, Split]()
    for split, count in STORIES.items():
        questions = []
        for name in names:
            drawn = random.Random(stream_seed(seed, 0, f"planted-stories {split} {name}"))
            questions += [question for _ in range(count) for question in TASKS[name](drawn, name)]
        splits[split] = StorySplit(questions)
    reasons = ("always the same place", "every answer follows from the story")
    return Task(splits, (Known("error", 1 - 1 / len(PLACES), 0.0, "", reasons),), {"tasks": names})
