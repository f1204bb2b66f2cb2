"""Fractional max pooling: regions whose borders are one or two pixels apart, drawn again for every batch.

Paper: Graham 2014, "Fractional max-pooling" (arXiv:1412.6071), section 2.

H pixels along an axis and n outputs, (H - 1) / 2 <= n <= H - 1; region i lies between the borders b_{i-1} and b_i,
0 = b_0 < b_1 < ... < b_n = H - 1, in steps of 1 or 2. (The paper counts pixels from 1.)

    pseudorandom: b_i = ceil(alpha (i + u)) - ceil(alpha u),  alpha = (H - 1) / n,  u ~ U(0, 1)     (1)
    random:       the steps in random order                                                        (2)
    overlapping:  y_i = max over b_{i-1} .. b_i                                                     (3)
    disjoint:     y_i = max over b_{i-1} .. b_i - 1                                                 (4)

Rows and columns have borders of their own, shared by all channels.

Departures
- The borders are shared by the examples of a batch, and new in the next; the paper's code does so too. `torch.nn.
  FractionalMaxPool2d` draws u for each example and channel, and has windows of one size.
- Outside training u = 1/2; the paper averages the predictions of several passes with drawn borders.

Since steps are 1 or 2, a region is the first row of (3), the one after it and the last: whole rows and columns are
compared instead of region by region.

Shown by: pooling

    >>> import torch
    >>> from deepcanon.vision import FractionalMaxPool
    >>> FractionalMaxPool(2**0.5)(torch.zeros(1, 3, 32, 28)).shape
    torch.Size([1, 3, 23, 20])
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.noise import uniform

__all__ = ["FractionalMaxPool", "borders", "fractional_maxima", "fractional_pool"]

Maps = Float[Tensor, "batch channels height width"]
Pooled = Float[Tensor, "batch channels out_height out_width"]


def borders(
    size: int, count: int, *, kind: str = "pseudorandom", offset: Tensor | None = None,
    generator: torch.Generator | None = None, device: torch.device | str | None = None,
) -> Int[Tensor, "borders"]:  # fmt: skip
    """Equations (1) and (2): the borders b_0 = 0 to b_count = size - 1 of fractional regions along an axis.

    Args:
        kind: "pseudorandom" or "random".
        offset: u of (1), a tensor; drawn if not given.

    Raises:
        ValueError: steps of 1 and 2 cannot lead there, or the kind is another.
    """
    if not 1 <= count <= size - 1 <= 2 * count:
        least = math.ceil((size - 1) / 2)
        raise ValueError(f"{size} pixels have fractional regions for {least} to {size - 1} outputs, not {count}")
    like = torch.empty(0, device=device)
    if kind == "pseudorandom":
        u = uniform((), like, generator, torch.float64) if offset is None else offset
        # Multiplied before it is divided: at whole alpha (i + u) rounding would move a border.
        ends = torch.ceil((torch.arange(count + 1, device=u.device) + u) * (size - 1) / count)
        return (ends - ends[0]).long().clamp_(max=size - 1)  # (1)
    if kind != "random":
        raise ValueError(f'regions are "pseudorandom" or "random", not {kind!r}')
    order = uniform((count,), like, generator).argsort()
    steps = 1 + (order < size - 1 - count).long()  # (2)
    return F.pad(steps.cumsum(0), (1, 0))


class _Fractional(torch.autograd.Function):
    """The largest over lists of rows and columns, all regions at once; the first of equals has the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: list[Tensor], columns: list[Tensor]) -> Tensor:
        last = x.is_contiguous(memory_format=torch.channels_last)
        maps, across, down = (x.permute(0, 2, 3, 1), 2, 1) if last else (x, 3, 2)
        middle, of_columns = _larger(maps.detach(), columns, across)
        outputs, of_rows = _larger(middle, rows, down)
        ctx.save_for_backward(*of_columns, *of_rows, *rows, *columns)
        ctx.how = last, maps.shape, middle.shape, len(columns), len(rows)
        return outputs.permute(0, 3, 1, 2) if last else outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        last, shape, between, columns, rows = ctx.how
        masks, places = ctx.saved_tensors[: columns + rows - 2], ctx.saved_tensors[columns + rows - 2 :]
        grad, across, down = (grads[0].permute(0, 2, 3, 1), 2, 1) if last else (grads[0], 3, 2)
        middle = _routed(grad.contiguous(), masks[columns - 1 :], places[:rows], grad.new_zeros(between), down)
        dx = _routed(middle, masks[: columns - 1], places[rows:], grad.new_zeros(shape), across)
        return dx.permute(0, 3, 1, 2) if last else dx, None, None


WORDS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def _larger(maps: Tensor, places: list[Tensor], axis: int) -> tuple[Tensor, list[Tensor]]:
    """The largest of several places along an axis; and for each but the first, words of ones where it was larger.

    They are the sign of a difference, spread over the word, as in `parts.pooling`.
    """
    best, masks = maps.index_select(axis, places[0]), []
    word, shift = WORDS[best.element_size()], 8 * best.element_size() - 1
    for place in places[1:]:
        other = maps.index_select(axis, place)
        masks.append(torch.sub(best, other).view(word).bitwise_right_shift_(shift))
        best = torch.maximum(best, other)
    return best, masks


def _routed(grad: Tensor, masks: Sequence[Tensor], places: Sequence[Tensor], into: Tensor, axis: int) -> Tensor:
    """Adds each gradient at the place that was the last to be larger than all before it."""
    rest = grad.view(WORDS[grad.element_size()])
    for mask, place in zip(reversed(masks), reversed(places[1:]), strict=True):
        mine = rest & mask
        into.index_add_(axis, place, mine.view(grad.dtype))
        rest = rest ^ mine
    return into.index_add_(axis, places[0], rest.view(grad.dtype))


def fractional_maxima(x: Maps, rows: Sequence[Tensor], columns: Sequence[Tensor]) -> Pooled:
    """The largest over regions that are given by their members.

    Args:
        rows: the first row of every region [H'], the second of every region [H'] and so on; they may repeat.
        columns: the same for columns.
    """
    if x.ndim != 4:
        raise ValueError(f"expected maps [batch, channels, height, width], got {tuple(x.shape)}")
    if not (torch.is_grad_enabled() and x.requires_grad) or torch.compiler.is_compiling():
        for axis, places in ((3, columns), (2, rows)):
            x = functools.reduce(torch.maximum, [x.index_select(axis, place) for place in places])
        return x
    return _Fractional.apply(x, list(rows), list(columns))


def fractional_pool(
    x: Maps, rows: Int[Tensor, "row_borders"], columns: Int[Tensor, "column_borders"], *, overlapping: bool = True
) -> Pooled:
    """The largest of each region between borders that `borders` gives; they are shared by batch and channels."""
    return fractional_maxima(x, _members(rows, overlapping), _members(columns, overlapping))


def _members(b: Tensor, overlapping: bool) -> list[Tensor]:
    """Indices that make up the regions: with steps of 1 or 2, first, second and last are all; repeats do no harm."""
    return [b[:-1], b[:-1] + 1, b[1:]] if overlapping else [b[:-1], b[1:] - 1]


class FractionalMaxPool(nn.Module):
    """Fractional max pooling to sizes that are `ratio` times smaller, rounded.

    Args:
        ratio: from 1 to 2, input over output.
        kind: of the borders, "pseudorandom" (1) or "random" (2).
        overlapping: (3) instead of (4).
        generator: of the borders in training; torch's default one if not given.
    """

    def __init__(
        self,
        ratio: float = 2**0.5,
        *,
        kind: str = "pseudorandom",
        overlapping: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not 1 < ratio <= 2:
            raise ValueError(f"the ratio of fractional pooling lies in (1, 2], {ratio} does not")
        self.ratio, self.kind, self.overlapping, self.generator = ratio, kind, overlapping, generator

    def forward(self, maps: Maps) -> Pooled:
        """The largest of each region."""
        sides = []
        for size in maps.shape[2:]:
            count = max(int(size / self.ratio + 0.5), math.ceil((size - 1) / 2))
            if self.training:
                found = borders(size, count, kind=self.kind, generator=self.generator, device=maps.device)
            else:
                middle = torch.full((), 0.5, dtype=torch.float64, device=maps.device)
                found = borders(size, count, offset=middle)
            sides.append(found)
        return fractional_pool(maps, *sides, overlapping=self.overlapping)
