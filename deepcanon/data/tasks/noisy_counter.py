"""A noisy counter: a start and a stride are read, a hundred numbers are to be written, and one in ten of them is wrong.

A source is "from START by STRIDE": START one of NUMBERS, STRIDE from 1 to STRIDES, equally likely. The count at
step t is START + t STRIDE, modulo NUMBERS; each of the LENGTH numbers of a target is the count with probability
1 - NOISE, else one of the others. Noise is not remembered: the count continues as if nothing had happened.

Who reads the true numbers predicts the next one well from the last few, without counting. Who reads numbers of its own
loses the count where it has written some wrong ones, and never finds it again: errors that a training on true numbers
never shows. How often that happens is `drift`, the share of the steps at which a model that reads the numbers it has
drawn itself does not hold the count likeliest.

Source: the long sequences of Bengio, Vinyals, Jaitly and Shazeer 2015 (arXiv:1506.03099), whose errors add up.

>>> counted("from 8 by 3".split())[:5]
['1', '4', '7', '0', '3']
"""

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..drawn import Streams
from ..known import Known
from ..pairs import PairSplit
from . import Task
from ._pairs import sizes_of

__all__ = ["KIND", "LENGTH", "NOISE", "NUMBERS", "SIZES", "STRIDES", "counted", "draw"]

KIND = "pairs"
NUMBERS, STRIDES, LENGTH, NOISE = 10, 3, 100, 0.1
SIZES = {"train": 5000, "valid": 500, "test": 500}


def counted(source: Sequence[str]) -> list[str]:
    """The count itself, as words: what the target of a source would be without noise."""
    start, stride = int(source[1]), int(source[3])
    return [str((start + t * stride) % NUMBERS) for t in range(1, LENGTH + 1)]


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Pairs from the seed."""
    splits = {}
    for split, count in sizes_of(options, SIZES).items():
        generator = Streams(seed).generator(f"noisy-counter/{split}")
        starts = torch.randint(NUMBERS, (count,), generator=generator).tolist()
        strides = torch.randint(1, STRIDES + 1, (count,), generator=generator).tolist()
        wrong = torch.rand((count, LENGTH), generator=generator) < NOISE
        others = torch.randint(1, NUMBERS, (count, LENGTH), generator=generator)
        added = torch.where(wrong, others, 0).tolist()
        sources = [f"from {start} by {stride}" for start, stride in zip(starts, strides, strict=True)]
        counts = ([int(word) for word in counted(source.split())] for source in sources)
        targets = [
            " ".join(str((number + more) % NUMBERS) for number, more in zip(row, noise, strict=True))
            for row, noise in zip(counts, added, strict=True)
        ]
        splits[split] = PairSplit(sources, targets)
    words = LENGTH + 1  # the numbers, and the end, which is certain
    noise = -(1 - NOISE) * math.log(1 - NOISE) - NOISE * math.log(NOISE / (NUMBERS - 1))
    known = (
        Known("nll", math.log(NUMBERS) * LENGTH / words, noise * LENGTH / words, "nats a word",
              ("each number with equal chances", "the count is known, the noise is not")),
        Known("drift", 1 - 1 / NUMBERS, 0.0, "", ("a guess at the count", "the count is never lost")),
    )  # fmt: skip
    return Task({**splits}, known, {}, {"counted": counted})
