"""Training by counting: the moments of every class, gathered over chunks of examples and over processes.

The examples are raw rows (pixels, columns, word counts); those of documents, and of tables that were given so, are
sparse. A table lies in memory: one process counts all of it at once, where it lies.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from deepcanon.data.splits import Split
from deepcanon.engine.run import Run
from deepcanon.parts.class_moments import ClassMoments, class_moments, merge_classes
from deepcanon.parts.raw_features import RawFeatures

__all__ = ["ClassCounts", "raw_moments"]

ROWS, VALUES = 10_000, 2**24  # of a chunk, at most


def raw_moments(split: Any, classes: int) -> ClassMoments:
    """Of the rows of a split as they are: counted once, for what `learn` asks and for what the step does."""
    return split.once("moments", lambda: class_moments(split.x, split.y, classes))


class ClassCounts:
    """What a run counts.

    Args:
        raw: what turns raw rows into features; documents become counts by it.
        classes: their number.
    """

    def __init__(self, run: Run, raw: RawFeatures, classes: int) -> None:
        self.run, self.raw, self.classes = run, raw, classes
        self.rows = max(1, min(ROWS, VALUES // torch.Size(raw.shape).numel()))
        self._counted: dict[str, Any] = {}

    def split(self, name: str) -> Any:
        """A split of the run's data; documents as counts."""
        if name not in self._counted:
            self._counted[name] = self.raw.counted(self.run.data[name])
        return self._counted[name]

    def chunks(self, split: Any, first: int = 0, every: int = 1) -> Iterator[Split]:
        """Raw rows and labels of a split on the run's device, some at a time."""
        take = split.sparse if self.raw.kind == "documents" else split.take
        return (self._here(take(some)) for some in torch.arange(first, len(split), every).split(self.rows))

    def _here(self, some: Split) -> Split:
        if self.run.device.type == "cpu":
            return some
        return dataclasses.replace(some, x=self.run.to(some.x), y=self.run.to(some.y))

    def moments(self, name: str, prepare: Callable[[Tensor], Tensor] | None = None) -> ClassMoments:
        """Of all examples of a split: each process counts its own.

        Args:
            prepare: features of raw rows, of which no scatter is gathered; otherwise all moments are of the raw rows.
        """
        run, split = self.run, self.split(name)
        whole = run.world == 1 and self.raw.kind == "tables"
        chunks = [self._here(split)] if whole else self.chunks(split, run.rank, run.world)

        def count(some: Split) -> ClassMoments:
            if prepare is None:
                return raw_moments(some, self.classes)
            labels: Any = some.y  # which the recipe asks of its data
            return class_moments(some.x, labels, self.classes, prepare=prepare, scatter=False)

        return functools.reduce(merge_classes, map(count, chunks)).summed(run.sum)
