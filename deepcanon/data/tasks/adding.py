"""The adding problem: sequences of numbers, two of them marked, and the sum of those two.

At each of `--length` T steps a number, uniform in [0, 1), and a mark: 1 at one place of the first half and at one place
of the second, drawn with equal chances, else 0. A model that always answers 1 has a squared error of 1/6, twice the
variance 1/12 of one number; one that remembers both has none. What must be remembered lies up to T steps back.

Source: Hochreiter and Schmidhuber 1997; Le, Jaitly and Hinton 2015 (arXiv:1504.00941).

>>> import torch
>>> from deepcanon.data.tasks.adding import sequences
>>> split = sequences(3, 8, torch.Generator().manual_seed(0))
>>> split.x.shape, bool(((split.x[..., 0] * split.x[..., 1]).sum(1) == split.y).all())
(torch.Size([3, 8, 2]), True)
"""

from typing import Any

import torch

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..splits import Split
from . import Task

__all__ = ["KIND", "draw", "sequences"]

KIND = "sequences"
LENGTH = 100
PASS = MEASURED = 2000  # sequences of a pass, and of a split that is measured on


def sequences(count: int, length: int, generator: torch.Generator) -> Split:
    """Inputs (number, mark) [count, length, 2] and targets [count]."""
    if count < 1 or length < 2:
        raise ValueError(f"{count} sequences of length {length} hold no two numbers to add")
    rows, half = torch.arange(count), length // 2
    numbers = torch.rand(count, length, generator=generator)
    marks = torch.zeros(count, length)
    first = torch.randint(half, (count,), generator=generator)
    second = torch.randint(half, length, (count,), generator=generator)
    marks[rows, first] = marks[rows, second] = 1
    return Split(torch.stack([numbers, marks], 2), numbers[rows, first] + numbers[rows, second])


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sequences without end."""
    length = options.get("length", LENGTH)

    def example(noise: Noise, size: int) -> Split:
        whole, rows = sequences(size, length, noise.generator("sequences")), noise.rows(size)
        return Split(whole.x[rows], whole.y[rows])

    known = Known("mse", 1 / 6, 0.0, "", ("always 1", "both are remembered"))
    return Task(drawn_splits(example, "adding", seed, PASS, MEASURED), (known,))
