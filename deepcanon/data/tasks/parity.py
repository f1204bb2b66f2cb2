"""Parity: whether the number of ones in a string of bits is odd, asked after the last bit.

Each of `--length` bits is a fair coin. Parity depends on every bit: a model that has seen all but one of them knows
nothing, and no set of weights over single bits is of any use.

Source: Minsky and Papert 1969, "Perceptrons", chapter 3; Hochreiter and Schmidhuber 1997, section 1; Kalchbrenner,
Danihelka and Graves 2016 (arXiv:1507.01526), section 4.1.

>>> import torch
>>> from deepcanon.data.tasks.parity import sequences
>>> split = sequences(4, 6, torch.Generator().manual_seed(0))
>>> bool((split.x.sum((1, 2)) % 2 == split.y[:, -1]).all()), split.y[:, :-1].unique().tolist()
(True, [-100])
"""

from typing import Any

import torch

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..sequences import UNASKED
from ..splits import Split
from . import Task

__all__ = ["KIND", "draw", "sequences"]

KIND = "sequences"
LENGTH = 100
PASS = MEASURED = 2000


def sequences(count: int, length: int, generator: torch.Generator) -> Split:
    """Bits [count, length, 1] and labels [count, length]: 0 or 1 at the last step, -100 elsewhere."""
    if count < 1 or length < 1:
        raise ValueError(f"{count} strings of {length} bits cannot be drawn: both must be 1 or more")
    bits = torch.randint(2, (count, length), generator=generator)
    y = torch.full((count, length), UNASKED)
    y[:, -1] = bits.sum(1) % 2
    return Split(bits[:, :, None].float(), y)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Strings without end."""
    length = options.get("length", LENGTH)

    def example(noise: Noise, size: int) -> Split:
        whole, rows = sequences(size, length, noise.generator("sequences")), noise.rows(size)
        return Split(whole.x[rows], whole.y[rows])

    known = Known("accuracy", 0.5, 1.0, "", ("a guess", "all bits are counted"))
    return Task(drawn_splits(example, "parity", seed, PASS, MEASURED), (known,), {"classes": ["even", "odd"]})
