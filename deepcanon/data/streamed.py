"""Pictures that are read when they are indexed: decoded from their files, or as they were decoded before, from disk."""

import functools
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepcanon.parts.standardize import statistics_of_sums

from . import pixels
from .cache import Damaged, Kept
from .errors import DataError, Problem
from .splits import Split, examples_at

__all__ = ["REMEDY", "THREADS", "StreamedPixels", "StreamedSplit", "part"]

REMEDY = "replace or remove it, or leave bad files out with --skip-bad"
THREADS = 4
"""Threads that decode images; Pillow releases the interpreter lock while it decodes."""


class StreamedPixels:
    """uint8 pixels [N, C, H, W] that are not in memory, with the same values as a tensor of all of them.

    Args:
        paths: of the N files.
        store: their decoded pixels on disk; None decodes a file whenever its picture is asked for.
        rows: of each of the N pictures in `store`, int64 [N].
    """

    def __init__(
        self, paths: list[Path], size: tuple[int, int], channels: int, levels: pixels.Levels = pixels.WHOLE,
        store: Kept | None = None, rows: Tensor | None = None, draft: int = pixels.KEPT,
    ) -> None:  # fmt: skip
        self.draft = draft
        self.paths, self.size, self.channels, self.levels = paths, size, channels, levels
        self.store, self.rows = store, rows if rows is not None else torch.arange(len(paths))
        self.dtype, self.ndim = torch.uint8, 4
        self._pool: ThreadPoolExecutor | None = None
        self._coming: dict[int, Future[Tensor]] = {}
        self._next: tuple[tuple[int, ...], Future[Tensor]] | None = None

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.paths), self.channels, *self.size))

    @property
    def nbytes(self) -> int:
        return self.shape.numel()

    def __len__(self) -> int:
        return len(self.paths)

    def chosen(self, rows: Tensor) -> "StreamedPixels":
        """The pictures with these numbers, in this order, not read yet."""
        paths = [self.paths[i] for i in rows.tolist()]
        return StreamedPixels(paths, self.size, self.channels, self.levels, self.store, self.rows[rows], self.draft)

    def split(self, size: int) -> Iterator[Tensor]:
        """The pictures in order, `size` at a time, as `Tensor.split` gives them."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """As of a tensor, along axis 0."""
        if dim:
            raise IndexError("streamed pictures are selected along axis 0")
        return self[rows]

    def prefetch(self, rows: Tensor) -> None:
        """Starts to read these rows; what was started before and not used is dropped."""
        if self.store is not None:
            wanted = tuple(rows.tolist())
            if self._next is None or self._next[0] != wanted:
                self._next = wanted, self._submit(functools.partial(self._stored, self.store), wanted)
            return
        missing = set(rows.tolist())
        for row in [row for row in self._coming if row not in missing]:
            self._coming.pop(row).cancel()
        for row in missing.difference(self._coming):
            self._coming[row] = self._submit(self._decode, row)

    def __getitem__(self, rows: Any) -> Tensor:
        chosen = torch.arange(len(self))[rows]
        if chosen.ndim == 0:
            return self[chosen[None]][0]
        wanted = tuple(chosen.tolist())
        if self.store is not None:
            coming, self._next = self._next, None
            ready = coming is not None and coming[0] == wanted
            return coming[1].result() if coming and ready else self._stored(self.store, wanted)
        if not wanted:
            return torch.empty((0, *self.shape[1:]), dtype=torch.uint8)
        self.prefetch(chosen)
        images = {row: self._coming.pop(row).result() for row in dict.fromkeys(wanted)}
        return torch.stack([images[row] for row in wanted])

    def _submit(self, function: Any, argument: Any) -> "Future[Tensor]":
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="pictures")
        return self._pool.submit(function, argument)

    def _decode(self, row: int) -> Tensor:
        path = self.paths[row]
        try:
            return torch.from_numpy(pixels.decode(path, self.size, self.channels, self.levels, self.draft))
        except pixels.BadImage as error:
            raise DataError(Problem(str(path), "", str(error), REMEDY)) from None

    def _stored(self, store: Kept, wanted: tuple[int, ...]) -> Tensor:
        """From disk."""
        found = torch.empty((len(wanted), *self.shape[1:]), dtype=torch.uint8)
        places = self.rows[list(wanted)].tolist() if wanted else []
        try:
            store.read(places, found.numpy())
        except Damaged:
            for into, row, place in zip(found, wanted, places, strict=True):
                into.copy_(self._mended(store, row, place))
        return found

    def _mended(self, store: Kept, row: int, place: int) -> Tensor:
        """One picture from disk; if it is damaged there, it is decoded and written again."""
        try:
            return torch.from_numpy(store.read([place])[0])
        except Damaged:
            image = self._decode(row)
            store.mend(place, image.numpy())
            print(f"{store.path} is damaged at row {place}: {self.paths[row]} was decoded again", file=sys.stderr)
            return image


class StreamedSplit(Split):
    """A split that is too large for memory: `take` reads, `prefetch` starts to read the next batch."""

    x: StreamedPixels

    def take(self, indices: Tensor) -> Split:
        return Split(self.x[indices], None if self.y is None else self.y[indices])

    def prefetch(self, indices: Tensor) -> None:
        self.x.prefetch(indices)

    def channel_statistics(self) -> tuple[Tensor, Tensor]:
        """From the sums that were counted while the pictures were decoded, if they were."""
        if self.x.store is None:
            return super().channel_statistics()
        sums = torch.from_numpy(self.x.store.extras["sums"].copy())[self.x.rows].sum(0)
        return statistics_of_sums(len(self) * self.x.shape[2:].numel(), sums)


def part(split: Split, rows: Tensor) -> Split:
    """These rows of a split, in this order."""
    y = None if split.y is None else split.y[rows]
    if isinstance(split.x, StreamedPixels):
        return StreamedSplit(split.x.chosen(rows), y)
    return Split(examples_at(split.x, rows), y)
