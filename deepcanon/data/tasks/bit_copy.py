"""Copying bits, repeating them, recalling what followed: what a machine with a memory is asked, and longer at the test.

`--task copy` shows up to `--longest` vectors of 8 random bits, then a mark, and asks for the vectors in their order.
`--task repeat` gives a number with the mark, 1 to 5, and asks for all vectors as many times and then for a mark.
`--task recall` shows 2 to 6 items of three vectors of 6 bits with a mark before each, then one of them again between
two marks of another kind, and asks for the item that followed it.

While it is asked, nothing is shown. Lengths are drawn for each sequence, with equal chances; after its end a sequence
is nothing but zeros. `y` has a bit at every place that is asked, `UNASKED` elsewhere. Whoever knows nothing of the
vectors needs a bit for each bit. To measure what was learned beyond the lengths of training, `longer` draws sequences
of one length.

Source: Graves, Wayne and Danihelka 2014 (arXiv:1410.5401), sections 4.1 to 4.3. Departure: the number of repetitions
is divided by 5, in place of being normalised to mean 0 and variance 1.

>>> import torch
>>> from deepcanon.data.tasks.bit_copy import longer
>>> split = longer("copy", 3, 2, torch.Generator().manual_seed(0))
>>> split.x.shape, bool(torch.equal(split.x[:, :3, :8].long(), split.y[:, 4:])), bool((split.y[:, :4] < 0).all())
(torch.Size([2, 7, 9]), True, True)
"""

import math
from typing import Any

import torch
from torch import Tensor

from ..drawn import Noise, drawn_splits
from ..known import Known
from ..sequences import UNASKED
from ..splits import Split
from . import Task

__all__ = ["BITS", "KIND", "draw", "longer", "sizes_of"]

KIND = "sequences"
BITS = {"copy": 8, "repeat": 8, "recall": 6}
MARKS = {"copy": 1, "repeat": 2, "recall": 2}
LENGTH, REPEATS, ITEM, ITEMS = 20, 5, 3, (2, 6)
PASS, MEASURED = 2000, 200


def sizes_of(task: str, length: int) -> int:
    """Steps of the longest sequence of a task."""
    return {
        "copy": 2 * length + 1,
        "repeat": (REPEATS + 1) * length + 2,
        "recall": (ITEM + 1) * ITEMS[1] + 2 * ITEM + 2,
    }[task]


def _copied(length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    bits = torch.randint(2, (length, BITS["copy"]), generator=generator)
    x = torch.zeros(2 * length + 1, BITS["copy"] + 1)
    y = torch.full((len(x), BITS["copy"]), UNASKED)
    x[:length, :-1], x[length, -1] = bits, 1
    y[length + 1 :] = bits
    return x, y


def _repeated(length: int, times: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    width = BITS["repeat"]
    bits = torch.randint(2, (length, width), generator=generator)
    x = torch.zeros(length + 2 + times * length, width + 2)
    y = torch.full((len(x), width + 1), UNASKED)
    x[:length, :width], x[length, -2], x[length, -1] = bits, 1, times / REPEATS
    y[length + 1 :] = 0
    y[length + 1 : -1, :width] = bits.repeat(times, 1)
    y[-1, -1] = 1  # the mark of the end
    return x, y


def _recalled(items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    width = BITS["recall"]
    bits = torch.randint(2, (items, ITEM, width), generator=generator)
    asked = int(torch.randint(items - 1, (), generator=generator))
    shown = (ITEM + 1) * items
    x = torch.zeros(shown + 2 * ITEM + 2, width + 2)
    y = torch.full((len(x), width), UNASKED)
    for item in range(items):
        first = (ITEM + 1) * item
        x[first, -2] = 1
        x[first + 1 : first + 1 + ITEM, :width] = bits[item]
    x[shown, -1] = x[shown + ITEM + 1, -1] = 1
    x[shown + 1 : shown + 1 + ITEM, :width] = bits[asked]
    y[shown + ITEM + 2 :] = bits[asked + 1]
    return x, y


def _some(task: str, sizes: list[tuple[int, int]], steps: int, generator: torch.Generator) -> Split:
    made = []
    for length, times in sizes:
        if task == "copy":
            made.append(_copied(length, generator))
        else:
            made.append(_repeated(length, times, generator) if task == "repeat" else _recalled(length, generator))
    x = torch.zeros(len(made), steps, made[0][0].shape[1])
    y = torch.full((len(made), steps, made[0][1].shape[1]), UNASKED)
    for row, (shown, asked) in enumerate(made):
        x[row, : len(shown)], y[row, : len(asked)] = shown, asked
    return Split(x, y)


def longer(task: str, length: int, count: int, generator: torch.Generator) -> Split:
    """Sequences of one length: of so many vectors (repeated as often as at most in training), or of so many items.

    Raises:
        ValueError: nothing, or no item to ask for, is shown.
    """
    if task not in BITS or length < (2 if task == "recall" else 1) or count < 1:
        raise ValueError(f"{count} sequences of {task} with a length of {length} cannot be drawn")
    steps = {"copy": 2 * length + 1, "repeat": (REPEATS + 1) * length + 2, "recall": (ITEM + 1) * length + 2 * ITEM + 2}
    return _some(task, [(length, REPEATS)] * count, steps[task], generator)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sequences without end."""
    task, most = options.get("task", "copy"), options.get("longest", LENGTH)
    low, high = ITEMS if task == "recall" else (1, most)

    def example(noise: Noise, size: int) -> Split:
        generator = noise.generator("sequences")
        lengths = torch.randint(low, high + 1, (size,), generator=generator).tolist()
        times = torch.randint(1, REPEATS + 1, (size,), generator=generator).tolist()
        whole, rows = (
            _some(task, list(zip(lengths, times, strict=True)), sizes_of(task, most), generator),
            noise.rows(size),
        )
        return Split(whole.x[rows], whole.y[rows])

    splits = drawn_splits(example, f"bit-copy/{task}", seed, PASS, MEASURED)
    test = splits["test"].y
    asked = float((test != UNASKED).sum() / len(test)) if test is not None else math.nan
    reasons = ("each bit like a thrown coin", "all is remembered")
    return Task(splits, (Known("bits", asked, 0.0, "a sequence", reasons),), {"bits": BITS[task], "task": task})
