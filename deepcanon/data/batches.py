"""The order of examples: which rows the global batch of a step holds, as a pure function of the seed."""

import torch
from torch import Tensor

from .seeds import stream_seed

__all__ = ["Buckets", "Order"]


class Order:
    """Rows of the global batch of each step: places step*size .. (step+1)*size of the epochs' permutations in a row.

    Nothing is stored but the last two permutations, which are derived again when needed: any step can be asked for
    at any time, in any process, and the answer is the same. Every batch is full; within one epoch no row comes twice.

    >>> order = Order(5, seed=0, stream="order")
    >>> sorted(torch.cat([order.rows(0, 3), order.rows(1, 3)])[:5].tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(self, n: int, seed: int, stream: str) -> None:
        if n < 1:
            raise ValueError(f"an order needs at least one row, got {n}")
        self.n, self.seed, self.stream = n, seed, stream
        self._cached: dict[int, Tensor] = {}

    def permutation(self, epoch: int) -> Tensor:
        """The permutation of the given epoch (do not write to it)."""
        rows = self._cached.get(epoch)
        if rows is None:
            generator = torch.Generator().manual_seed(stream_seed(self.seed, epoch, f"permutation/{self.stream}"))
            rows = torch.randperm(self.n, generator=generator)
            if len(self._cached) > 1:
                del self._cached[next(iter(self._cached))]
            self._cached[epoch] = rows
        return rows

    def rows(self, step: int, size: int) -> Tensor:
        """The int64 rows of the global batch of `step`."""
        if step < 0 or size < 1:
            raise ValueError(f"a batch needs a step from 0 and a size from 1, got step {step} and size {size}")
        epoch, start = divmod(step * size, self.n)
        if start + size <= self.n:
            return self.permutation(epoch)[start : start + size].clone()
        parts, missing = [], size
        while missing:
            part = self.permutation(epoch)[start : start + missing]
            parts.append(part)
            missing -= len(part)
            epoch, start = epoch + 1, 0
        return torch.cat(parts)


class Buckets:
    """Batches of rows of similar length: those of an `Order`, sorted by length within each stretch of `POOL` batches.

    Which rows are in a batch, and which batch comes when, is a pure function of (seed, step), as in `Order`; within one
    epoch no row comes twice, and rows that fill no batch at its end are left out.

    >>> buckets = Buckets(torch.tensor([3, 1, 2, 1]), 2, seed=0, stream="order")
    >>> sorted(sorted(buckets.rows(step).tolist()) for step in (0, 1))
    [[0, 2], [1, 3]]
    """

    POOL = 50

    def __init__(self, lengths: Tensor, size: int, seed: int, stream: str) -> None:
        self.lengths, self.size, self.seed, self.stream = lengths, size, seed, stream
        self.order = Order(len(lengths), seed, stream)
        self._cached: tuple[int, Tensor] = (-1, lengths)

    def rows(self, step: int) -> Tensor:
        """The int64 rows of the global batch of `step`."""
        count = len(self.lengths) // self.size
        if not count:  # fewer rows than a batch takes: some of them twice
            return self.order.rows(step, self.size)
        epoch, place = divmod(step, count)
        if self._cached[0] != epoch:
            self._cached = epoch, self._batches(epoch, count)
        return self._cached[1][place].clone()

    def _batches(self, epoch: int, count: int) -> Tensor:
        """All batches [count, size] of an epoch."""
        rows = self.order.permutation(epoch)[: count * self.size]
        sorted_rows = [part[self.lengths[part].argsort(stable=True)] for part in rows.split(self.POOL * self.size)]
        batches = torch.cat(sorted_rows).view(count, self.size)
        generator = torch.Generator().manual_seed(stream_seed(self.seed, epoch, f"buckets/{self.stream}"))
        return batches[torch.randperm(count, generator=generator)]
