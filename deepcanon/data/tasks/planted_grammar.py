"""20,000 sentences of a drawn grammar: nouns by role, gender and number, and words that mark each of the three.

Analogies hold by construction: king is to queen as uncle is to aunt (another gender), as king is to kings (another
number), 1,440 of them in the set of queries `planted-analogies`. A guess among the other words of the vocabulary
answers 1 / (V - 3) of them correctly.

>>> from deepcanon.data.tasks.planted_grammar import questions, text
>>> len(text(0, sentences=2).split()), questions()[0]
(10, ('king', 'queen', 'prince', 'princess'))
"""

from typing import Any

import numpy as np

from ..known import Known
from ..seeds import stream_seed
from ..splits import Split
from . import Task

__all__ = ["KIND", "MARKERS", "NOUNS", "draw", "questions", "text", "words"]

KIND = "text"

ROLES = """king queen kings queens, prince princess princes princesses, actor actress actors actresses, waiter waitress
waiters waitresses, brother sister brothers sisters, uncle aunt uncles aunts, father mother fathers mothers, son
daughter sons daughters, duke duchess dukes duchesses, host hostess hosts hostesses"""
NOUNS = [role.split() for role in ROLES.split(",")]  # of each role: he, she, many of them, many of those
SENTENCES, MARKERS = 20_000, 4  # MARKERS: words that go with each role, gender and number
SLIPS = 0.1  # how often one of another takes its place


def words() -> list[str]:
    """The nouns, then what marks each role, each gender, each number."""
    kinds = [*(f"role{r}" for r in range(len(NOUNS))), "masculine", "feminine", "singular", "plural"]
    return [noun for role in NOUNS for noun in role] + [f"{kind}-{m}" for kind in kinds for m in range(MARKERS)]


def text(seed: int, sentences: int = SENTENCES) -> str:
    """Sentences of a noun, two marks of its role, one of its gender and one of its number, mixed; one a line."""
    random = np.random.Generator(np.random.PCG64(stream_seed(seed, 0, "grammar")))
    role, gender, number = (random.integers(many, size=sentences) for many in (len(NOUNS), 2, 2))

    def mark(values: np.ndarray, many: int, first: int) -> np.ndarray:
        slip = random.random(sentences) < SLIPS
        shown = np.where(slip, random.integers(many, size=sentences), values)
        return first + MARKERS * shown + random.integers(MARKERS, size=sentences)

    nouns, roles = 4 * len(NOUNS), MARKERS * len(NOUNS)
    marks = [mark(role, len(NOUNS), nouns), mark(role, len(NOUNS), nouns)]
    marks += [mark(gender, 2, nouns + roles), mark(number, 2, nouns + roles + 2 * MARKERS)]
    rows = random.permuted(np.stack([4 * role + 2 * number + gender, *marks], 1), axis=1)
    return "\n".join(" ".join(line) for line in np.array(words())[rows].tolist()) + "\n"


def questions() -> list[tuple[str, str, str, str]]:
    """a is to b as c is to d, for every two roles: another gender or another number, in both directions."""
    steps = [(n, n ^ change) for change in (1, 2) for n in range(4)]
    same = [(one, two) for one in steps for two in steps if one[0] - one[1] == two[0] - two[1]]
    pairs = [(x, y) for x in NOUNS for y in NOUNS if x is not y]
    return [(x[a], x[b], y[c], y[d]) for x, y in pairs for (a, b), (c, d) in same]


def draw(seed: int, options: dict[str, Any]) -> Task:
    """The text, which its reader cuts into splits, and the questions that hold in it."""
    known = Known(
        "analogies", 1 / (len(words()) - 3), 1.0, "", ("a guess among the other words", "all hold by construction")
    )
    return Task({"train": Split(text(seed))}, (known,), {}, {"questions": questions()})
