"""AR(2): a noisy oscillation, each value a sum of the two before it and of noise, and its next value.

    x_t = 1.5 x_{t-1} - 0.81 x_{t-2} + e_t,   e_t normal with mean 0 and variance v

begins in its stationary distribution, and v = 0.1077 is such that this has variance 1. The target is the value after
`--length` of them. Nobody can predict it with a squared error below v; a model that has seen nothing has 1.

Source: Yule 1927, "On a method of investigating periodicities in disturbed series"; the variance by the equations of
Yule and Walker.

>>> import torch
>>> from deepcanon.data.tasks.ar2 import FIRST, SECOND, sequences
>>> split = sequences(20_000, 3, torch.Generator().manual_seed(0))
>>> error = split.y - FIRST * split.x[:, -1, 0] - SECOND * split.x[:, -2, 0]
>>> round(float(error.var()), 2), round(float(split.y.var()), 1)
(0.11, 1.0)
"""

import math
from typing import Any

import torch

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..splits import Split
from . import Task

__all__ = ["FIRST", "KIND", "SECOND", "VARIANCE", "draw", "sequences"]

KIND = "sequences"
LENGTH = 100
FIRST, SECOND = 1.5, -0.81
CORRELATION = FIRST / (1 - SECOND)
"""Of neighbouring values (Yule and Walker)."""
VARIANCE = (1 + SECOND) * ((1 - SECOND) ** 2 - FIRST**2) / (1 - SECOND)
"""Of the noise, where the values have variance 1."""
PASS = MEASURED = 2000


def sequences(count: int, length: int, generator: torch.Generator) -> Split:
    """Values [count, length, 1] and the next one [count]."""
    if count < 1 or length < 2:
        raise ValueError(f"{count} series of {length} values cannot be drawn: at least 1 of 2 values")
    x = torch.randn(count, length + 1, dtype=torch.float64, generator=generator)
    x[:, 1] = CORRELATION * x[:, 0] + math.sqrt(1 - CORRELATION**2) * x[:, 1]
    for t in range(2, length + 1):
        x[:, t] = FIRST * x[:, t - 1] + SECOND * x[:, t - 2] + math.sqrt(VARIANCE) * x[:, t]
    x = x.float()
    return Split(x[:, :-1, None], x[:, -1])


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Series without end; `truth` holds the coefficients and the variance of the noise."""
    length = options.get("length", LENGTH)

    def example(noise: Noise, size: int) -> Split:
        whole, rows = sequences(size, length, noise.generator("sequences")), noise.rows(size)
        return Split(whole.x[rows], whole.y[rows])

    reasons = ("always 0", "the noise cannot be predicted")
    normal = 0.5 * math.log(2 * math.pi * math.e)
    known = (
        Known("mse", 1.0, VARIANCE, "", reasons),
        Known("nll", normal, normal + 0.5 * math.log(VARIANCE), "nats", reasons),
    )
    truth = {"coefficients": torch.tensor([FIRST, SECOND]), "variance": VARIANCE}
    return Task(drawn_splits(example, "ar2", seed, PASS, MEASURED), known, {}, truth)
