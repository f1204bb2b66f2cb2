"""Bars and stripes: pictures of rows or of columns, each of them black or white.

Rows or columns with equal chances, each on or off with equal chances: 2^(n + 1) equally likely pictures of n x n
pixels (`--size n`, 4 by default), as pixels 0 and 255. Two of them, all black and all white, are rows and columns both,
so that the entropy is

    (1 - 4 / 2^(n + 1)) log 2^(n + 1) + 4 / 2^(n + 1) log 2^n,      3.379 nats for n = 4                  (1)

A model of independent pixels sees a fair coin in each: n^2 log 2 nats. The classes are "rows" and
"columns"; a guess is wrong half of the time, and those two pictures cannot be told apart: 2 / 2^(n + 1).

Source: Hinton and Sejnowski 1986, "Learning and relearning in Boltzmann machines"; MacKay 2003, chapter 43.

>>> from deepcanon.data.tasks.bars_and_stripes import pictures
>>> pictures(2).flatten(1).tolist()[:3]
[[0, 0, 0, 0], [255, 255, 0, 0], [0, 0, 255, 255]]
"""

import functools
import math
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from deepcanon.parts.partition import binary_states

from ..drawn import DrawnSplit, Noise
from ..errors import DataError, Problem
from ..known import Known
from ..splits import Split
from . import Task

__all__ = ["KIND", "draw", "entropy", "pictures"]

KIND = "images"
SIDE, LARGEST = 4, 12
PASS = 10_000  # about this many examples are a pass: each picture as often as any other


@functools.cache
def pictures(side: int = SIDE, device: torch.device | None = None) -> UInt8[Tensor, "pictures 1 side side"]:
    """The 2^(side + 1) equally likely pictures: all rows, then all columns."""
    rows = (255 * binary_states(side)).to(torch.uint8)[:, :, None].expand(-1, -1, side)
    return torch.cat([rows, rows.mT])[:, None].to(device or "cpu")


def entropy(side: int = SIDE) -> float:
    """Equation (1), in nats."""
    twice = 4 / 2 ** (side + 1)
    return (1 - twice) * (side + 1) * math.log(2) + twice * side * math.log(2)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Endless pictures; validation and test hold each picture once."""
    side = options.get("size", 0) or SIDE
    if not 2 <= side <= LARGEST:
        what = f"has pictures of 2x2 to {LARGEST}x{LARGEST} pixels, not {side}x{side}"
        raise DataError(Problem("bars-and-stripes", "", what, "choose another --size", skippable=False))
    count = 2 ** (side + 1)

    def example(noise: Noise, size: int) -> Split:
        chosen = (count * noise.rand("task", (size,))).long()
        return Split(pictures(side, chosen.device)[chosen], chosen // 2**side)

    every = torch.arange(count)
    whole = Split(pictures(side), every // 2**side)
    train = whole.take(every.repeat(max(1, PASS // count)))
    known = (
        Known(
            "nll", side**2 * math.log(2), entropy(side), "nats", ("every pixel a fair coin", "entropy of the source")
        ),
        Known("error", 0.5, 2 / count, "", ("a guess", "all black and all white are of both classes")),
    )
    splits: dict[str, Split] = {"train": DrawnSplit(train.x, train.y, draw=example), "valid": whole, "test": whole}
    return Task(splits, known, {"classes": ["rows", "columns"]})
