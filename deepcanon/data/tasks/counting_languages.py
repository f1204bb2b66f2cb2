"""Counting languages: a^n b^n and its kin, in which what was read says exactly what must follow.

Strings of `--language` are read a symbol at a time, one-hot. The next symbol is asked wherever it follows from those
before it, with the first symbol of the next string, an a, at the end of each:

    anbn      a^n b^n            after the first b, n - 1 further ones and the a
    anb2n     a^n b^(2n)
    anbncn    a^n b^n c^n
    anbncndn  a^n b^n c^n d^n
    anbmcnm   a^n b^m c^(n+m)    after the first c

Training strings have n (and m) from 2 to below `--longest`, new ones in each batch; validation has all of these, the
test all from 2 to below `--beyond`: what was learned must hold for longer strings than any that were seen. With two
numbers their SUM is below the bound, so that no string is longer than of the other languages. Shorter strings end in
steps that are all zero, and -100 stands wherever nothing is asked. `truth["numbers"]` has n of every test string.

Source: Gers and Schmidhuber 2001, "LSTM recurrent networks learn simple context-free and context-sensitive languages";
Joulin and Mikolov 2015 (arXiv:1503.01007), section 5.1, whose figures are of n from 2 to 59 after n below 20.

>>> from deepcanon.data.tasks.counting_languages import strings
>>> split = strings("anbn", [(2,), (3,)])
>>> split.x[0].argmax(1).tolist(), split.y[0].tolist()
([0, 0, 1, 1, 0, 0], [-100, -100, 1, 0, -100, -100])
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ..drawn import Noise, drawn_splits
from ..errors import DataError, Problem
from ..known import Known
from ..sequences import UNASKED
from ..splits import Split
from . import Task

__all__ = ["KIND", "LANGUAGES", "draw", "strings"]

KIND = "sequences"
LANGUAGES = {
    "anbn": ((1,), (1,)),
    "anb2n": ((1,), (2,)),
    "anbncn": ((1,), (1,), (1,)),
    "anbncndn": ((1,), (1,), (1,), (1,)),
    "anbmcnm": ((1, 0), (0, 1), (1, 1)),
}
"""How often each symbol occurs: its multiples of n and m."""
SHORTEST, LONGEST, BEYOND = 2, 20, 60
PASS = 2000

Numbers = Sequence[tuple[int, ...]]


def numbers(language: str, bound: int) -> Numbers:
    """All n, or all (n, m), from 2 on whose sum is below the bound."""
    if len(LANGUAGES[language][0]) == 1:
        return [(n,) for n in range(SHORTEST, bound)]
    return [(n, m) for n in range(SHORTEST, bound) for m in range(SHORTEST, bound - n)]


def strings(language: str, of: Numbers) -> Split:
    """Strings [count, steps, symbols] one-hot, and the symbols that must follow [count, steps], or -100."""
    rules = LANGUAGES[language]
    free = len(rules[0])  # so many symbols are as frequent as they like
    texts, starts = [], []
    for values in of:
        counts = [sum(k * value for k, value in zip(rule, values, strict=True)) for rule in rules]
        texts.append([symbol for symbol, count in enumerate(counts) for _ in range(count)])
        starts.append(sum(counts[:free]))
    steps = max(map(len, texts))
    x, y = torch.zeros(len(texts), steps, len(rules)), torch.full((len(texts), steps), UNASKED)
    for row, (text, start) in enumerate(zip(texts, starts, strict=True)):
        symbols = torch.tensor([*text, 0])  # the next string begins with an a
        x[row, : len(text)] = F.one_hot(symbols[:-1], len(rules)).float()
        y[row, start : len(text)] = symbols[start + 1 :]
    return Split(x, y)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Strings without end, and all of them to validate and to test on."""
    language = options.get("language", "anbn")
    bounds = {name: options.get(name, usual) for name, usual in (("longest", LONGEST), ("beyond", BEYOND))}
    for name, bound in bounds.items():
        if not numbers(language, bound):
            least = SHORTEST * len(LANGUAGES[language][0]) + 1
            what = f"{bound} leaves no string of {language}, whose n begins at {SHORTEST}"
            raise DataError(Problem(f"--{name}", "", what, f"give {least} or more", skippable=False))
    known_ones = numbers(language, bounds["longest"])
    shared = strings(language, known_ones)

    def example(noise: Noise, size: int) -> Split:
        chosen = torch.randint(len(known_ones), (size,), generator=noise.generator("strings"))
        return shared.take(chosen[noise.rows(size)])

    splits = drawn_splits(example, "counting-languages", seed, PASS, 1)
    of = numbers(language, bounds["beyond"])
    test = strings(language, of)
    splits |= {"valid": shared, "test": test}
    asked = Counter(test.y.flatten().tolist() if test.y is not None else ())
    del asked[UNASKED]
    share = max(asked.values()) / asked.total()
    known = (
        Known("accuracy", share, 1.0, "", ("always the most frequent symbol", "all is counted")),
        Known("all_correct", 0.0, 1.0, "", ("the same", "the same")),
    )
    names = list("abcd"[: len(LANGUAGES[language])])
    facts = {"symbols": names, "classes": names, "padded": True}
    longest, beyond = bounds["longest"] - 1, bounds["beyond"] - 1
    counted = "n" if len(of[0]) == 1 else "n + m"
    told = f"{counted} of a string: up to {longest} in train and valid, up to {beyond} in test"
    return Task(splits, known, facts, {"numbers": torch.tensor([values[0] for values in of])}, (told,))
