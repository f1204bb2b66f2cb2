"""Counting more keys than memory holds: sorted runs on disk, which are merged in one pass.

A portion of keys is sorted and counted in memory and written as a run. To merge, the next few records of each run are
held; those up to the smallest of the last held keys are complete, and are sorted and added up together (Knuth, "The Art
of Computer Programming", volume 3, section 5.4).

Files have no names in their folder, so that nothing is left of them however the program ends.

>>> counts = SpilledCounts(memory=1 << 20)
>>> for portion in ([3, 1, 3], [2, 3]):
...     counts.add(torch.tensor(portion), torch.tensor(portion) * 10)
>>> [(record["key"].tolist(), record["count"].tolist()) for record in counts.merged()]
[([1, 2, 3], [1, 1, 3])]
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["RECORD", "Column", "SpilledCounts", "rows_of"]

RECORD = np.dtype([("key", "<i8"), ("tag", "<i8"), ("count", "<i8")])
COPIES = 8  # records in memory for one that is held: joined, sorted, and what sorting needs
LEAST = 16  # records of a run that are read at once


class Column:
    """Numbers (or records) in a file without a name, written at the end and read in stretches.

    Args:
        folder: in which the file takes its room; None: that of the system.
    """

    def __init__(self, dtype: np.dtype | type, folder: Path | None = None) -> None:
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.dtype, self.length = np.dtype(dtype), 0

    def __len__(self) -> int:
        return self.length

    def append(self, numbers: np.ndarray) -> None:
        """Writes them behind those that are there."""
        self.file.seek(0, 2)
        self.file.write(np.ascontiguousarray(numbers, self.dtype).view(np.uint8).data)
        self.length += len(numbers)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Those from `start` to `stop`, or to the end."""
        self.file.seek(start * self.dtype.itemsize)
        found = np.empty(max(0, min(stop, self.length) - start), self.dtype)
        self.file.readinto(found.view(np.uint8).data)
        return found

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """All of them in order, `size` at a time."""
        for start in range(0, self.length, size):
            yield self.read(start, start + size)


def rows_of(records: Column, size: int, bits: int) -> Iterator[np.ndarray]:
    """Sorted records in portions of about `size`, none of which ends between equal ``key >> bits``; at least one."""
    held = records.read(0, 0)
    for found in records.blocks(size):
        held = np.concatenate([held, found])
        row = held["key"] >> bits
        cut = int(np.searchsorted(row, row[-1]))
        if cut:
            yield held[:cut]
            held = held[cut:]
    yield held


class SpilledCounts:
    """How often each key occurs, with the tag that belongs to the key.

    Args:
        memory: bytes that merging may take.
        folder: as of `Column`.
    """

    def __init__(self, memory: int, folder: Path | None = None) -> None:
        self.memory, self.runs, self.ends = memory, Column(RECORD, folder), [0]

    def add(self, keys: Int[Tensor, "portion"], tags: Int[Tensor, "portion"]) -> None:
        """Counts a portion, as one run. Equal keys have equal tags."""
        if not len(keys):
            return
        different, inverse, counts = torch.unique(keys, return_inverse=True, return_counts=True)
        run = np.empty(len(different), RECORD)
        run["key"], run["count"] = different.numpy(), counts.numpy()
        run["tag"] = tags.new_zeros(len(different)).scatter_(0, inverse, tags).numpy()
        self.runs.append(run)
        self.ends.append(len(self.runs))

    def merged(self) -> Iterator[np.ndarray]:
        """Records of all keys in ascending order, each key once, a portion at a time."""
        many = max(1, len(self.ends) - 1)
        size = max(LEAST, self.memory // (RECORD.itemsize * COPIES * many))
        at, held = self.ends[:-1], [np.empty(0, RECORD)] * many
        while True:
            for run, stop in enumerate(self.ends[1:]):
                if not len(held[run]) and at[run] < stop:
                    held[run] = self.runs.read(at[run], min(at[run] + size, stop))
                    at[run] += len(held[run])
            last = [(at[run] < self.ends[run + 1], held[run]["key"][-1]) for run in range(many) if len(held[run])]
            if not last:
                return
            # Of a run with more to come nothing is known beyond its last held key.
            bound = min((key for more, key in last if more), default=max(key for _, key in last))
            cut = [int(np.searchsorted(part["key"], bound, "right")) for part in held]
            joined = np.concatenate([part[:stop] for part, stop in zip(held, cut, strict=True)])
            held = [part[stop:] for part, stop in zip(held, cut, strict=True)]
            joined = joined[np.argsort(joined["key"], kind="stable")]
            first = np.flatnonzero(np.diff(joined["key"], prepend=-1))
            found = joined[first]
            found["count"] = np.add.reduceat(joined["count"], first)
            yield found
