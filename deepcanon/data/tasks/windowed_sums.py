"""Windowed sums: is a weighted sum of the numbers around each step positive? Most of the window is yet to come.

Numbers x_t, uniform in (-1/2, 1/2). Asked at every step t of a sequence is whether

    s_t = 1/10 sum_{k=1..10} (1 - k/10) x_{t-k}  +  1/20 sum_{k=0..19} (1 - k/20) x_{t+k}

is positive; numbers beyond the ends count as 0. Sequences have between half of `--length` T and T steps, with equal
chances; the shorter ones end in steps of zeros, where nothing is asked (-100). What has been read up to t decides 67 %
of the variance of s_t in the middle of a sequence: the best model that reads from left to right answers with the sign
of that part. How often it is right, `truth["causal"]`, is the mean of 1 - arccos(rho) / pi over steps and lengths,
where rho^2 is that share of the variance and the sums are taken as normal.

Source: Schuster and Paliwal 1997, "Bidirectional Recurrent Neural Networks", section III-A, with numbers in (0, 1), one
stream of 10,000 of them, and the mean of the sums as the border between the classes.

>>> import torch
>>> from deepcanon.data.tasks.windowed_sums import sequences
>>> split = sequences(3, 8, torch.Generator().manual_seed(0))
>>> split.x.shape, torch.equal(split.x[..., 0].ne(0), split.y.ge(0))
(torch.Size([3, 8, 1]), True)
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..sequences import UNASKED
from ..splits import Split
from . import Task

__all__ = ["KIND", "causal_accuracy", "draw", "sequences"]

KIND = "sequences"
LENGTH = 100
BACK, AHEAD = 10, 20
PASS = MEASURED = 2000  # sequences of a pass, and of a split that is measured on


def window() -> Tensor:
    """The weights of x_{t-10}, ..., x_{t+19}, float32 [30]."""
    past = (1 - torch.arange(BACK, 0, -1) / BACK) / BACK
    return torch.cat([past, (1 - torch.arange(AHEAD) / AHEAD) / AHEAD])


def sequences(count: int, length: int, generator: torch.Generator) -> Split:
    """Numbers [count, length, 1], and whether their windowed sums are positive [count, length], or -100."""
    if count < 1 or length < 2:
        raise ValueError(f"{count} sequences of length {length} cannot be drawn: at least one of two steps is needed")
    # Multiples of 2^-24 and half of that: no number of a sequence is 0, which would be padding.
    numbers = torch.rand(count, length, generator=generator) - 0.5 + 2**-25
    lengths = torch.randint(length // 2, length + 1, (count, 1), generator=generator)
    real = torch.arange(length) < lengths
    numbers = numbers * real
    sums = F.conv1d(F.pad(numbers, (BACK, AHEAD - 1))[:, None], window()[None, None])[:, 0]
    return Split(numbers[..., None], torch.where(real, sums > 0, UNASKED))


def causal_accuracy(length: int) -> float:
    """Of the best model that knows x_1 to x_t, over all steps of sequences of all lengths; the sums as if normal."""
    squares, right, steps = window().double().square(), 0.0, 0
    for real in range(length // 2, length + 1):
        for t in range(real):
            part = squares[max(BACK - t, 0) : BACK + real - t]
            known = squares[max(BACK - t, 0) : BACK + 1].sum() / part.sum()
            right += 1 - math.acos(min(1.0, math.sqrt(known))) / math.pi
        steps += real
    return right / steps


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sequences without end."""
    length = options.get("length", LENGTH)

    def example(noise: Noise, size: int) -> Split:
        whole, rows = sequences(size, length, noise.generator("sequences")), noise.rows(size)
        return Split(whole.x[rows], whole.y[rows])

    known = Known("accuracy", 0.5, 1.0, "", ("both signs are as frequent", "both sides are read"))
    facts = {"classes": ["negative", "positive"], "padded": True}
    truth = {"causal": causal_accuracy(length)}
    return Task(drawn_splits(example, "windowed-sums", seed, PASS, MEASURED), (known,), facts, truth)
