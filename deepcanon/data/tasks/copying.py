"""Copy memory: ten symbols to be repeated after a delay, with nothing but blanks in between.

Of ten symbols, eight are to be remembered, one is the blank and one the signal. Ten of the eight are shown, with equal
chances; `--length` T blanks follow, the last of them replaced by the signal; then ten blanks. The answer is blank
for T + 10 steps and then the ten symbols in their order. A model that has forgotten them answers with blanks and then
with equal chances: 10 ln 8 / (T + 20) nats a step.

Source: Hochreiter and Schmidhuber 1997, section 5; in this form Arjovsky, Shah and Bengio 2016 (arXiv:1511.06464),
section 4.1.

>>> import torch
>>> from deepcanon.data.tasks.copying import sequences
>>> split = sequences(1, 3, torch.Generator().manual_seed(0))
>>> split.x.shape, torch.equal(split.x[0, :10].argmax(1), split.y[0, -10:]), split.y[0, :13].unique().tolist()
(torch.Size([1, 23, 10]), True, [8])
"""

import math
from typing import Any

import torch
import torch.nn.functional as F

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..splits import Split
from . import Task

__all__ = ["KIND", "draw", "sequences"]

KIND = "sequences"
LENGTH = 100
SHOWN, KINDS = 10, 8  # symbols to be remembered, each one of so many
BLANK, SIGNAL = KINDS, KINDS + 1
NAMES = [*"abcdefgh", "_", "!"]
PASS = MEASURED = 2000


def sequences(count: int, length: int, generator: torch.Generator) -> Split:
    """Symbols one-hot [count, length + 20, 10] and what is to be answered [count, length + 20]."""
    if count < 1 or length < 1:
        raise ValueError(f"{count} sequences with a delay of {length} cannot be drawn: both must be 1 or more")
    shown = torch.randint(KINDS, (count, SHOWN), generator=generator)
    x = torch.full((count, length + 2 * SHOWN), BLANK)
    y = x.clone()
    x[:, :SHOWN], x[:, SHOWN + length - 1] = shown, SIGNAL
    y[:, -SHOWN:] = shown
    return Split(F.one_hot(x, len(NAMES)).float(), y)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sequences without end."""
    length = options.get("length", LENGTH)

    def example(noise: Noise, size: int) -> Split:
        whole, rows = sequences(size, length, noise.generator("sequences")), noise.rows(size)
        return Split(whole.x[rows], whole.y[rows])

    steps = length + 2 * SHOWN
    forgotten, right = SHOWN * math.log(KINDS) / steps, (length + SHOWN + SHOWN / KINDS) / steps
    reasons = ("blanks, then each of the eight with equal chances", "all ten are remembered")
    known = (
        Known("nll", forgotten, 0.0, "nats a step", reasons),
        Known("accuracy", right, 1.0, "", reasons),
    )
    facts = {"symbols": NAMES, "classes": NAMES[:SIGNAL]}
    return Task(drawn_splits(example, "copying", seed, PASS, MEASURED), known, facts)
