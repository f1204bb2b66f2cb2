"""The n-grams of one order as counts; and counting a text of which an order's n-grams do not fit into memory.

hw an n-gram, h its history, h' the history without its oldest word. On disk every order is three passes over the text:
its n-grams are sorted and counted in runs, the runs are merged into the sorted n-grams, from which the model's table of
the order is made, and the number of the n-gram at every position is looked up there, for the next order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deepcanon.parts.backoff import BackoffModel
from deepcanon.parts.spilled_counts import RECORD, Column, SpilledCounts, rows_of
from deepcanon.parts.tries import bits_of, scrambled

__all__ = ["Counted", "CountedOnDisk"]

POSITION = 192  # bytes that one position of the text takes in memory while its n-gram is sorted
LEAST = 64  # positions at once


class Counted(NamedTuple):
    """The n-grams hw of one order, with the numbers of h and of h'w among those one word shorter."""

    counts: Int[Tensor, "ngrams"]
    history: Int[Tensor, "ngrams"]
    shorter: Int[Tensor, "ngrams"]
    histories: int
    at_start: Bool[Tensor, "ngrams"]

    def summed(self, values: Tensor) -> Float[Tensor, "histories"]:
        """The sum over all w, for each h."""
        return torch.bincount(self.history, values.double(), self.histories)


class CountedOnDisk:
    """The n-grams of one order after the other; `Level.place` of the model's levels is called on the way.

    Args:
        tokens: a vector of numbers that is read in stretches.
        memory: bytes that sorting may take.
        folder: as of `spilled_counts.Column`.
        continued: below the highest order an n-gram counts once for each different word before it, but by how often it
            occurs if it begins at the sentence start.
    """

    def __init__(self, model: BackoffModel, tokens: Any, memory: int, folder: Path | None, continued: bool) -> None:
        self.model, self.tokens, self.memory, self.folder = model, tokens, memory, folder
        self.continued, self.portion = continued, max(LEAST, memory // POSITION)
        self.bits = bits_of(model.vocabulary_size)
        # Of the order at hand: its records (of order 1 none), how many there are of it and of the one before, the first
        # that begins at the sentence start, and how many different words stand before each.
        self.records = Column(RECORD, folder)
        self.sizes, self.at_start = (1, model.vocabulary_size + 1), model.vocabulary_size
        self.before, self.order = torch.zeros(0, dtype=torch.int64), 1

    def __iter__(self) -> Iterator[int]:
        """Every order, for which `portions` then gives the counts."""
        model = self.model
        self.unigrams = torch.zeros(model.vocabulary_size + 1, dtype=torch.int64)
        for words, _, _ in self._positions(None):
            self.unigrams += torch.bincount(words, minlength=len(self.unigrams))
        nodes: Column | None = None
        for order, level in enumerate(model.every_level(), 1):
            longer = self._merged(nodes)
            yield order
            self.sizes, self.records, self.order = (self.sizes[1], len(longer)), longer, order + 1
            level.place(self._keys, len(longer), self.sizes[0])
            self.at_start = int(level.starts(torch.tensor([self.at_start]))) if len(level) else 0
            numbers = Column(np.int64, self.folder)
            for words, _, history in self._positions(nodes):
                numbers.append(model.found(level, history, scrambled(words, model.vocabulary_size)).numpy())
            nodes = numbers
        self.continued = False
        yield model.order

    def portions(self) -> Iterator[Counted]:
        """The counts of the order at hand in portions of whole rows, whose histories are numbered from 0."""
        if self.order == 1:
            counts = self.before if self.continued else self.unigrams
            nothing = torch.zeros_like(counts)
            yield Counted(counts, nothing, nothing, 1, nothing > 0)
            return
        node = low = 0
        for found in rows_of(self.records, self.portion, self.bits):
            stop = node + len(found)
            history = torch.from_numpy(found["key"] >> self.bits)
            high = self.sizes[0] if stop == len(self.records) else int(history[-1]) + 1
            counts = torch.from_numpy(found["count"].copy())
            starts = torch.arange(node, stop) >= self.at_start
            if self.continued:
                counts = torch.where(starts, counts, self.before[node:stop])
            yield Counted(counts, history - low, history, high - low, starts)
            node, low = stop, high

    def _merged(self, nodes: Column | None) -> Column:
        """The sorted records of the n-grams that are one word longer than those at hand."""
        spilled = SpilledCounts(self.memory, self.folder)
        for words, node, history in self._positions(nodes):
            there = history >= 0
            u = scrambled(words[there], self.model.vocabulary_size)
            spilled.add((history[there] << self.bits) + u, node[there])
        records, self.before = Column(RECORD, self.folder), torch.zeros(self.sizes[1], dtype=torch.int64)
        for found in spilled.merged():
            records.append(found)
            shorter = torch.from_numpy(found["tag"].copy())
            self.before.index_add_(0, shorter, torch.ones_like(shorter))
        return records

    def _keys(self) -> Iterator[Tensor]:
        for found in rows_of(self.records, self.portion, self.bits):
            yield torch.from_numpy(found["key"].copy())

    def _positions(self, nodes: Column | None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Of a portion of positions after the other the words, the n-grams that end there, and the histories."""
        for start in range(0, len(self.tokens), self.portion):
            stop, more = start + self.portion, min(start, 1)  # one position before, if there is one
            words = self.model.checked(self.tokens[start - more : stop], 1).cpu()
            node = words if nodes is None else torch.from_numpy(nodes.read(start - more, stop))
            history = self.model.contexts(words, node, first=nodes is None)
            yield words[more:], node[more:], history[more:]
