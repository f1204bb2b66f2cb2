"""A sparse symmetric matrix of affinities between points, in blocks that stay in the cache: forces over all its pairs.

Directed weights p_{j|i} of the nearest neighbours j of each i become p_ij = (p_{j|i} + p_{i|j}) / (2 N). The points are
numbered again, by how many partners they have, so that the rows of a block are about equally long and little is padded;
rows, partners and sums of a block are then plain operations on matrices.

>>> import torch
>>> from deepcanon.parts.pair_blocks import PairBlocks
>>> pairs = PairBlocks(torch.tensor([[1], [0], [1]]), torch.ones(3, 1))
>>> pairs.dense().mul(6).tolist()
[[0.0, 2.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
>>> force, _ = pairs.pull(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]))
>>> round(float(6 * force[2, 1]), 6)  # p_ij (y_i - y_j) / (1 + 4)
0.4
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Block", "PairBlocks"]

ENTRIES = 1 << 16
"""Pairs in a block: with their gaps and weights a megabyte."""
EDGES = 1 << 22
"""Directed pairs that are sorted at once."""


class Block(NamedTuple):
    """Consecutive rows in the new numbering, their partners there, and p; padded by the row itself with p = 0."""

    rows: slice
    partner: Int[Tensor, "rows width"]
    p: Float[Tensor, "rows width"]


class PairBlocks:
    """P from the neighbours of each point. It has the type of the weights, and a map must have it too.

    Args:
        neighbours: [N, K], none of which is the point itself or named twice.
        weights: p_{j|i} of these [N, K].

    Attributes:
        order: the point at each place of the new numbering.
        place: the new number of each point.
        blocks: all pairs, each in both directions.
        constant: sum p log p, in float64.
    """

    def __init__(self, neighbours: Int[Tensor, "points kept"], weights: Float[Tensor, "points kept"]) -> None:
        if neighbours.ndim != 2 or neighbours.shape != weights.shape:
            raise ValueError(f"neighbours {tuple(neighbours.shape)} do not fit weights {tuple(weights.shape)}")
        count, device = len(neighbours), weights.device
        partners = torch.bincount(neighbours.flatten(), minlength=count) + neighbours.shape[1]  # at most
        orders, blocks, self.constant = [], [], torch.zeros((), dtype=torch.float64, device=device)
        start, ends = 0, partners.cumsum(0)
        while start < count:
            done = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(torch.searchsorted(ends, done + EDGES, right=True)))
            row, column, p = _rows_of(neighbours, weights, start, stop)
            p = p / (2 * count)
            self.constant -= torch.special.entr(p.double()).sum()
            lengths = torch.bincount(row, minlength=stop - start)
            orders.append(start + (order := lengths.argsort(descending=True, stable=True)))
            blocks += _cut(start, order, lengths, column, p)
            start = stop
        self.order = torch.cat(orders)
        self.place = torch.empty_like(self.order)
        self.place[self.order] = torch.arange(count, device=device)
        numbers = self.place.int()
        self.blocks = [
            Block(rows, numbers.index_select(0, partner.flatten()).view(partner.shape), p)
            for rows, partner, p in blocks
        ]

    def __len__(self) -> int:
        return len(self.order)

    def pull(self, y: Float[Tensor, "points 2"], cost: bool = True) -> tuple[Float[Tensor, "points 2"], Tensor | None]:
        """sum_j p_ij w_ij (y_i - y_j) with w_ij = 1 / (1 + |y_i - y_j|^2), and sum p_ij log(1 + |y_i - y_j|^2)."""
        if y.shape != (len(self), 2):
            raise ValueError(f"P of {len(self)} points does not fit a map {tuple(y.shape)}")
        planes = y.mT.index_select(1, self.order)
        force, total = torch.empty_like(planes), y.new_zeros((), dtype=torch.float64)
        one = y.new_ones(())
        for rows, partner, p in self.blocks:
            gaps = planes.index_select(1, partner.view(-1)).view(2, *p.shape).sub_(planes[:, rows, None])  # y_j - y_i
            gap_x, gap_y = gaps
            away = torch.addcmul(one, gap_x, gap_x).addcmul_(gap_y, gap_y)
            if cost:
                total += torch.dot(p.view(-1), away.log().view(-1))
            weight = torch.div(p, away, out=away)
            force[:, rows] = gaps.mul_(weight).sum(2)
        return force.index_select(1, self.place).mT.neg(), total if cost else None

    def dense(self) -> Float[Tensor, "points points"]:
        """P as a matrix."""
        full = self.blocks[0].p.new_zeros(len(self), len(self))
        for rows, partner, p in self.blocks:
            full[rows].scatter_add_(1, partner.long(), p)
        return full[self.place][:, self.place]


def _rows_of(neighbours: Tensor, weights: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs (row - start, column, p_{column|row} + p_{row|column}) of some rows, sorted."""
    count, kept = neighbours.shape
    out = torch.arange(stop - start, device=neighbours.device).repeat_interleave(kept)
    flat = neighbours.flatten()
    into = ((flat >= start) & (flat < stop)).nonzero()[:, 0]
    key = torch.cat([out * count + flat[start * kept : stop * kept], (flat[into] - start) * count + into // kept])
    value = torch.cat([weights[start:stop].flatten(), weights.flatten()[into]])
    key, turn = key.sort()
    value = value[turn]
    twice = torch.zeros_like(key, dtype=torch.bool)
    torch.eq(key[1:], key[:-1], out=twice[1:])
    value[:-1] += torch.where(twice[1:], value[1:], 0)  # mutual neighbours stand next to each other
    key, value = key[~twice], value[~twice]
    return key // count, key % count, value


def _cut(start: int, order: Tensor, lengths: Tensor, column: Tensor, p: Tensor) -> list[Block]:
    """Blocks of rows in this order, longest first; partners still have the old numbers."""
    first, blocks, at = lengths.cumsum(0) - lengths, [], 0
    sizes = lengths[order]
    while at < len(order):
        width = max(1, int(sizes[at]))
        alike = int((sizes[at:] * 5 >= width * 4).sum())  # of a few rows that are far longer, each has its block
        stop = at + max(1, min(alike, ENTRIES // width))
        own = order[at:stop]
        slots = torch.arange(width, device=p.device)
        real = slots < sizes[at:stop, None]
        places = torch.where(real, first[own, None] + slots, 0)
        partner = torch.where(real, column[places], own[:, None] + start)
        blocks.append(Block(slice(start + at, start + stop), partner.int(), torch.where(real, p[places], 0)))
        at = stop
    return blocks
