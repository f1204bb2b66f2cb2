r"""A recurrence whose hidden vectors lie on a line and see their neighbours' of the step before.

Paper: van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel Recurrent Neural Networks", ICML 2016 (arXiv:1601.06759),
sections 3.1 and 3.2: rows of a picture from top to bottom, or its diagonals.

Legend: a map of H rows and W places; h_t[n] hidden vector at place n of line t, zero outside of the map; m_t the other
parts of the state; u_t[n] what the input adds to the sums; o the offsets of the neighbours; L the loss.

(1) a_t[n] = u_t[n] + sum_o K_o h_{t-1}[n + o];   h_t[n], m_t[n] = f(a_t[n], m_{t-1}[n])
(2) the neighbours of all places side by side make (1) one matrix product a step
(3) with s_t = dL / da_t:  dL / dh_{t-1}[n] = sum_o K_o^T s_t[n - o],  dL / dK_o = sum_{t, n} s_t[n] h_{t-1}[n + o]^T,
    one product over many steps
(4) lines that are rows: t = i, n = j of place (i, j). Lines that are diagonals: t = i + j, n = i, so that n of the
    line before is (i, j - 1) and n - 1 is (i - 1, j). Where a diagonal leaves the map u is 0

Derivatives are written by hand as in `recurrence_by_hand`: autograd would save each step's sums three times and read
the weights again at every step. In (4) the state outside of the map must stay 0: it does if f(0, 0) is 0, as that of an
LSTM is.

>>> import torch
>>> from deepcanon.sequence.lstm import LSTMRule
>>> u, weight = torch.randn(2, 5, 4, 12), torch.randn(12, 2, 3)  # maps of 5 x 4, H = 3
>>> recur_on_lines(LSTMRule(), u, weight, (0, -1), diagonals=True).shape
torch.Size([2, 5, 4, 3])
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from deepcanon.parts.recurrence_by_hand import StepRule, Sums, without_autocast

__all__ = ["recur_on_lines"]

ROWS = 4096
"""Places whose share of dL / dK is one product: large ones are faster, and their neighbours lie in memory."""


def recur_on_lines(
    rule: StepRule,
    inputs: Float[Tensor, "batch height width sums"],
    weight: Float[Tensor, "sums offsets hidden"],
    offsets: Sequence[int],
    *,
    diagonals: bool = False,
) -> Float[Tensor, "batch height width hidden"]:
    """The hidden vectors of all places by equations (1) to (4), from a state of zeros before the first line.

    Args:
        rule: f and its derivative; its blocks lie in the order that the rule itself has.
        inputs: u, biases included.
        weight: K_o of each offset.
        offsets: of the neighbours that a place sees.
        diagonals: whether lines are diagonals instead of rows.

    Raises:
        ValueError: shapes do not fit.
    """
    if inputs.ndim != 4 or 0 in inputs.shape or weight.shape[:2] != (inputs.shape[3], len(offsets)):
        raise ValueError(
            f"inputs {tuple(inputs.shape)} and weight {tuple(weight.shape)} are not [batch, height, width, sums] and "
            f"[sums, {len(offsets)}, hidden]"
        )
    return _OnLines.apply(rule, tuple(offsets), diagonals, inputs, weight)


class _Neighbours:
    """h[n + o] of every offset side by side, and the transpose of that; one buffer, zero outside the line."""

    def __init__(self, hidden: Tensor, offsets: Sequence[int]) -> None:
        (_, line, size), many = hidden.shape, len(offsets)
        self.buffer = hidden.new_zeros(*hidden.shape[:2], many * size)
        self.flat = self.buffer.view(-1, many * size)
        self.moves = []
        for place, o in enumerate(offsets):
            here = slice(max(0, -o), max(0, line - max(0, o)))
            there = slice(max(0, o), max(0, line + min(0, o)))
            self.moves.append((here, there, slice(place * size, (place + 1) * size)))

    def __call__(self, hidden: Tensor) -> Tensor:
        """[rows, offsets * hidden]; the next call writes over it."""
        for here, there, block in self.moves:
            self.buffer[:, here, block] = hidden[:, there]
        return self.flat

    def back(self, slopes: Tensor, into: Tensor) -> None:
        """The slopes of the neighbours, added up for each place and written over `into`."""
        slopes = slopes.view(self.buffer.shape)
        into.zero_()
        for here, there, block in self.moves:
            into[:, there] += slopes[:, here, block]


def _blocks(sums: Tensor, size: int) -> list[Sums]:
    """Views of each step of [time, rows, sums]."""
    blocks = [block.unbind() for block in sums.split(size, -1)]
    return [Sums(whole, parts) for whole, *parts in zip(sums.unbind(), *blocks, strict=True)]


def _map(lines: Tensor, height: int, width: int, diagonals: bool) -> Tensor:
    """The places of the map [batch, height, width, n] as a view of contiguous lines [time, batch, line, n], (4)."""
    step, row, place, one = lines.stride()
    down, right = (step + place, step) if diagonals else (step, place)
    return lines.as_strided((lines.shape[1], height, width, lines.shape[3]), (row, down, right, one))


def _lines(maps: Tensor, diagonals: bool) -> Tensor:
    """The lines [time, batch, line, n] of maps [batch, height, width, n], (4): rows as a view, diagonals as a copy."""
    if not diagonals:
        return maps.transpose(0, 1)
    batch, height, width, many = maps.shape
    lines = maps.new_zeros(height + width - 1, batch, height, many)
    _map(lines, height, width, diagonals).copy_(maps)
    return lines


class _OnLines(torch.autograd.Function):
    """Time first inside; the places of all lines are the rows of the matrix products."""

    @staticmethod
    def forward(ctx, rule, offsets, diagonals, inputs, weight):
        batch, height, width, many = inputs.shape
        time, line = (height + width - 1, height) if diagonals else (height, width)
        size, rows, exact = weight.shape[2], batch * line, torch.promote_types(inputs.dtype, torch.float32)
        with without_autocast(inputs.device):
            lines = _lines(inputs.to(exact), diagonals)
            if not diagonals:  # the sums are changed in place
                lines = lines.clone(memory_format=torch.contiguous_format)
            sums, flat = lines.view(time, rows, many), weight.to(exact).flatten(1)
            hiddens = sums.new_empty(time, batch, line, size)
            memories = sums.new_empty(rule.memories, time + 1, rows, size)
            memories[:, 0] = 0
            kept = sums.new_empty(rule.kept, time, rows, size)
            before = sums.new_zeros(batch, line, size)
            near = _Neighbours(before, offsets)
            for t, step in enumerate(_blocks(sums, size)):
                if t:  # before the first line all hidden vectors are zero
                    before = hiddens[t - 1]
                    step.whole.addmm_(near(before), flat.T)  # (2)
                old, new = memories[:, t].unbind(), memories[:, t + 1].unbind()
                rule.forward(step, before.view(rows, size), old, hiddens[t].view(rows, size), new, kept[:, t].unbind())
        ctx.save_for_backward(flat, sums, hiddens, memories, kept)
        ctx.rule, ctx.offsets, ctx.diagonals, ctx.dtypes = rule, offsets, diagonals, (inputs.dtype, weight.dtype)
        found = _map(hiddens, height, width, diagonals)
        return found.to(inputs.dtype, copy=True, memory_format=torch.contiguous_format)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_outputs):
        flat, sums, hiddens, memories, kept = ctx.saved_tensors
        rule, (time, batch, line, size) = ctx.rule, hiddens.shape
        height, width = d_outputs.shape[1:3]
        rows = batch * line
        with without_autocast(flat.device):
            given = _lines(d_outputs.to(hiddens.dtype), ctx.diagonals)
            slopes, d_weight = torch.empty_like(sums), torch.zeros_like(flat)
            d_hidden, d_memory = torch.zeros_like(hiddens[0]), list(sums.new_zeros(rule.memories, rows, size))
            near, through = _Neighbours(d_hidden, ctx.offsets), sums.new_empty(rows, flat.shape[1])
            zero, views, saved = torch.zeros_like(d_hidden), _blocks(slopes, size), _blocks(sums, size)
            for t in range(time - 1, -1, -1):
                d_hidden += given[t]
                before = (hiddens[t - 1] if t else zero).view(rows, size)
                direct = rule.backward(
                    views[t], d_hidden.view(rows, size), d_memory, saved[t], before, memories[:, t].unbind(),
                    kept[:, t].unbind(),
                )  # fmt: skip
                if t:
                    near.back(torch.mm(views[t].whole, flat, out=through), d_hidden)  # (3)
                    if direct is not None:
                        d_hidden += direct.view_as(d_hidden)
            many = max(1, ROWS // rows)  # lines of one product
            for t in range(1, time, many):
                seen = hiddens[t - 1 : min(t + many, time) - 1].flatten(0, 1)
                part = slopes[t : t + many].flatten(0, 1)
                d_weight.addmm_(part.T, _Neighbours(seen, ctx.offsets)(seen))
            d_inputs = _map(slopes.view(time, batch, line, -1), height, width, ctx.diagonals)
            d_inputs = d_inputs.to(ctx.dtypes[0], copy=True, memory_format=torch.contiguous_format)
        return None, None, None, d_inputs, d_weight.view(-1, len(ctx.offsets), size).to(ctx.dtypes[1])
