r"""Where the turns of dialogues lie in their streams of words, so that a recurrence reads many turns side by side.

A dialogue is one stream of word numbers in which a sign, END, closes every turn; the stream that a model reads begins
with that sign too. So each END begins a turn: what is written of the turn is predicted from END on, up to its last
word, and what is read of it, once it is complete, is one place further.

    stream    END  w1  w2  END  w1  END  w1  w2  w3        three turns: the last is not closed
    written    [0   1   2] [3   4] [5   6   7   8]         places from which the words of a turn are predicted
    read          [1   2   3] [4   5]                      places of the words of a complete turn, END among them

Turns are long and short: in a rectangle of all turns of a batch most places are pads. So turns are sorted by length and
cut into groups, rectangles of similar rows, where a group of R rows and W steps costs

(1) W (R + r),   r the rows that a step of its own costs as much as

and the cut with the least sum is found by dynamic programming over the distinct lengths. With r = 8 a tenth of the
places is pads in DailyDialog, instead of two thirds.

>>> turns = turns_of(torch.tensor([[1, 5, 6, 1, 7, 1, 8, 8, 9]]), torch.tensor([9]), end=1)
>>> sorted(place for group in turns.read for row in group.rows() for place in row)
[1, 2, 3, 4, 5]
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["Group", "Turns", "groups", "turns_of"]

OVERHEAD = 8.0
"""r of eq. (1)."""


class Group(NamedTuple):
    """Turns of similar length.

    places: where their words stand among all places of the batch, row after row; a shorter turn's last place is
        repeated.
    lengths: words of each.
    slots: which turn each is: the row of its dialogue times the most turns of any, and its number there.
    """

    places: Int[Tensor, "turns width"]
    lengths: Int[Tensor, "turns"]
    slots: Int[Tensor, "turns"]

    def rows(self) -> list[list[int]]:
        """The places of each turn without the repeated ones."""
        return [row[:n] for row, n in zip(self.places.tolist(), self.lengths.tolist(), strict=True)]


class Turns(NamedTuple):
    """The turns of a batch of streams [batch, time].

    most: turns of the dialogue that has the most.
    read: complete turns that another one follows, as they are read.
    written: all turns, as they are predicted.
    back: of each place of the streams, its row among the groups of `written`, which stand one below the other; of what
        is no word any row.
    """

    most: int
    read: tuple[Group, ...]
    written: tuple[Group, ...]
    back: Int[Tensor, "batch time"]

    def moved(self, to: Callable[[Tensor], Tensor]) -> "Turns":
        """The same on another device."""
        read, written = (tuple(Group(*map(to, group)) for group in some) for some in (self.read, self.written))
        return Turns(self.most, read, written, to(self.back))


def groups(lengths: Sequence[int] | np.ndarray, overhead: float = OVERHEAD) -> list[np.ndarray]:
    """Rows sorted by falling length and cut so that (1) is least.

    Raises:
        ValueError: a length is below 1.
    """
    given = np.asarray(lengths, dtype=np.int64)
    if given.ndim != 1 or (given < 1).any():
        raise ValueError(f"lengths {given.shape} are not [rows], each at least 1")
    if not len(given):
        return []
    order = np.argsort(-given, kind="stable")
    widths, counts = np.unique(given, return_counts=True)
    widths, ends = widths[::-1], np.concatenate([[0], np.cumsum(counts[::-1])])
    least, cut = np.zeros(len(widths) + 1), np.zeros(len(widths), np.int64)
    for first in range(len(widths) - 1, -1, -1):
        costs = widths[first] * (ends[first + 1 :] - ends[first] + overhead) + least[first + 1 :]
        cut[first] = first + 1 + int(costs.argmin())
        least[first] = costs.min()
    found, first = [], 0
    while first < len(widths):
        found.append(order[ends[first] : ends[cut[first]]])
        first = int(cut[first])
    return found


def turns_of(stream: Int[Tensor, "batch time"], lengths: Int[Tensor, "batch"], end: int) -> Turns:
    """Where the turns of streams lie, which stand in the memory of the CPU.

    Args:
        lengths: words of each stream, the sign that it begins with among them; what follows is no part of it.

    Raises:
        ValueError: the shapes do not fit, or a stream does not begin with the sign.
    """
    if stream.ndim != 2 or lengths.shape != stream.shape[:1] or not stream.shape[1]:
        raise ValueError(f"streams {tuple(stream.shape)} are not [batch, time >= 1] of {tuple(lengths.shape)} lengths")
    words, many = stream.numpy(), lengths.numpy()
    if (words[:, 0] != end).any() or (many < 1).any() or (many > words.shape[1]).any():
        raise ValueError(f"a stream does not begin with the sign {end}, or its length is not 1 to {words.shape[1]}")
    batch, time = words.shape
    dialogue, start = np.nonzero((words == end) & (np.arange(time) < many[:, None]))
    last = np.append(dialogue[1:] != dialogue[:-1], True)
    count = np.where(last, many[dialogue], np.append(start[1:], 0)) - start
    first = np.maximum.accumulate(np.where(start == 0, np.arange(len(start)), 0))
    number = np.arange(len(start)) - first
    most = int(number.max()) + 1
    places, slots = dialogue * time + start, dialogue * most + number
    written = _grouped(places, count, slots)
    # a turn that another one follows is closed by the sign with which that one begins
    read = _grouped(places[~last] + 1, count[~last], slots[~last])
    back, row = np.zeros(batch * time, np.int64), 0
    for group in written:
        size = group.places.numel()
        # a repeated place belongs to the step that comes first: numbers are written from behind
        back[group.places.numpy().ravel()[::-1]] = np.arange(row + size - 1, row - 1, -1)
        row += size
    return Turns(most, read, written, torch.from_numpy(back).view(batch, time))


def _grouped(places: np.ndarray, counts: np.ndarray, slots: np.ndarray) -> tuple[Group, ...]:
    found = []
    for rows in groups(counts):
        many = counts[rows]
        steps = np.minimum(np.arange(many.max()), many[:, None] - 1)
        found.append(Group(*map(torch.from_numpy, (places[rows, None] + steps, many, slots[rows]))))
    return tuple(found)
