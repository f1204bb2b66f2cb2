r"""A recurrent layer over a whole sequence, whose step has a derivative written by hand.

Paper: Appleyard, Kocisky and Blunsom, "Optimizing Performance of Recurrent Neural Networks on GPUs", 2016
(arXiv:1604.01946), products of several steps taken together.

Legend: x_t input [batch B, input I]; h_t hidden vector, m_t the other parts of the state (the memory of an LSTM), each
[B, H]; a_t the sums that a step begins with, some blocks of [B, H]; L the loss; C a table [V, I], w_t numbers of its
rows [B].

(1) a_t = W_x x_t + b_x + W_h h_{t-1} + b_h;   h_t, m_t = f(a_t, h_{t-1}, m_{t-1})
(2) W_x x_t does not wait for h_{t-1}: one matrix product for all steps, before the loop
(3) with s_t = dL / da_t:  dL / dh_{t-1} = s_t W_h, plus what f passes on directly;
    dL / dW_x = sum_t s_t^T x_t,  dL / dW_h = sum_t s_t^T h_{t-1},  dL / db = sum_t s_t: one product over all steps each
(4) where x_t = C[w_t], W_x x_t is row w_t of C W_x^T: one product over the rows that occur, instead of over all steps.
    With S_v = sum of s_t over all t and batch rows where w_t = v:  dL / dW_x = S^T C,  dL / dC = S W_x

The numbers are those of `recurrence.scan` up to rounding. It is faster because autograd reads the weights again at
every step; of 65 characters (4) halves the arithmetic. Products may be in bf16, with everything else in float32.

>>> class Elman(StepRule):
...     input_blocks = hidden_blocks = (0,)
...     def forward(self, sums, hidden, memory, new_hidden, new_memory, kept):
...         new_hidden.copy_(sums.whole.tanh_())
...     def backward(self, d_sums, d_hidden, d_memory, sums, hidden, memory, kept):
...         torch.mul(d_hidden, 1 - sums.whole**2, out=d_sums.whole)
>>> w_x, w_h, bias = torch.randn(5, 3), torch.randn(5, 5), torch.zeros(5)
>>> table, numbers, start = torch.randn(4, 3), torch.randint(4, (2, 7)), (torch.zeros(2, 5),)
>>> looked_up, _ = recur(Elman(), Rows(table, numbers), start, w_x, w_h, bias, bias)
>>> outputs, (last,) = recur(Elman(), table[numbers], start, w_x, w_h, bias, bias)
>>> torch.allclose(outputs, looked_up, atol=1e-5), torch.equal(outputs[:, -1], last)
(True, True)
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["LSTMRule", "Rows", "StepRule", "Sums", "recur", "without_autocast"]


class Rows(NamedTuple):
    """Inputs of all steps that are rows of a table, as the vectors of words are, eq. (4)."""

    table: Float[Tensor, "entries input"]
    numbers: Int[Tensor, "batch time"]


class Sums(NamedTuple):
    """a_t or s_t of one step: all of it, and its blocks."""

    whole: Float[Tensor, "batch sums"]
    blocks: Sequence[Float[Tensor, "batch hidden"]]


class StepRule(ABC):
    """f of eq. (1) and its derivative, written by hand; both fill tensors that `recur` allocates."""

    input_blocks: tuple[int, ...]
    """To which block of a_t each block of W_x adds. All together they are the first blocks of a_t."""
    hidden_blocks: tuple[int, ...]
    """To which block of a_t each block of W_h adds. All together they are the last blocks of a_t."""
    memories: int = 0
    """Parts of the state besides h_t."""
    kept: int = 0
    """Tensors [batch, hidden] that the derivative needs besides a_t and the state."""

    @abstractmethod
    def forward(
        self,
        sums: Sums,
        hidden: Tensor,
        memory: Sequence[Tensor],
        new_hidden: Tensor,
        new_memory: Sequence[Tensor],
        kept: Sequence[Tensor],
    ) -> None:
        """Fills the new state and ``kept``, and may turn the sums into what the derivative needs of them.

        ``hidden`` and ``new_hidden`` have the type of the products, everything else is in the wide type.
        """

    @abstractmethod
    def backward(
        self,
        d_sums: Sums,
        d_hidden: Tensor,
        d_memory: Sequence[Tensor],
        sums: Sums,
        hidden: Tensor,
        memory: Sequence[Tensor],
        kept: Sequence[Tensor],
    ) -> Tensor | None:
        """Fills ``d_sums`` with s_t and changes ``d_memory`` from dL / dm_t to dL / dm_{t-1}.

        ``hidden`` and ``memory`` are h_{t-1} and m_{t-1}. Returns what f passes on of dL / dh_{t-1} directly.
        """


class LSTMRule(StepRule):
    """The LSTM, eqs. (2) to (4) of `sequence.lstm`, and its derivatives; its sums lie in the order i, f, o, g.

    So the sigmoids are neighbours.

    tanh(x) is 2 sigmoid(2 x) - 1 here, equal to an ulp of 1: torch's tanh takes nine times as long as its sigmoid.
    """

    input_blocks = hidden_blocks = (0, 1, 3, 2)
    memories, kept = 1, 1

    def forward(self, sums, hidden, memory, new_hidden, new_memory, kept):
        """Fills h_t, c_t and tanh(c_t), and turns the sums into gates."""
        (i, f, o, g), (before,), (cell,), (tanh,) = sums.blocks, memory, new_memory, kept
        # (2)
        g.add_(g)
        sums.whole.sigmoid_()
        g.add_(g).sub_(1)
        # (3)
        torch.mul(f, before, out=cell).addcmul_(i, g)
        # (4)
        torch.add(cell, cell, out=tanh).sigmoid_()
        tanh.add_(tanh).sub_(1)
        torch.mul(o, tanh, out=new_hidden)

    def backward(self, d_sums, d_hidden, d_memory, sums, hidden, memory, kept):
        (d_i, d_f, d_o, d_g), (i, f, o, g) = d_sums.blocks, sums.blocks
        (d_cell,), (before,), (tanh,), aten = d_memory, memory, kept, torch.ops.aten
        # (4)
        torch.mul(d_hidden, tanh, out=d_o)
        d_hidden.mul_(o)
        d_cell.add_(aten.tanh_backward.grad_input(d_hidden, tanh, grad_input=d_hidden))
        # (3)
        torch.mul(d_cell, g, out=d_i)
        torch.mul(d_cell, before, out=d_f)
        torch.mul(d_cell, i, out=d_g)
        d_cell.mul_(f)
        # (2)
        many = 3 * i.shape[1]
        d_sigmoids = d_sums.whole[:, :many]
        aten.sigmoid_backward.grad_input(d_sigmoids, sums.whole[:, :many], grad_input=d_sigmoids)
        aten.tanh_backward.grad_input(d_g, g, grad_input=d_g)


def recur(
    rule: StepRule,
    x: Float[Tensor, "batch time input"] | Rows,
    state: Sequence[Float[Tensor, "batch hidden"]],
    weight_x: Float[Tensor, "input_sums input"],
    weight_h: Float[Tensor, "hidden_sums hidden"],
    bias_x: Float[Tensor, "input_sums"],
    bias_h: Float[Tensor, "hidden_sums"],
    products: torch.dtype | None = None,
) -> tuple[Float[Tensor, "batch time hidden"], tuple[Float[Tensor, "batch hidden"], ...]]:
    """One layer over a whole sequence, eqs. (1) to (4); the outputs, and the last h and m.

    Args:
        rule: f and its derivative.
        x: the inputs, or the rows of a table that they are.
        state: h and m before the first step.
        products: type of the matrix products and of the outputs; the rest is in float32, or in float64 if x is.
    """
    size = weight_h.shape[1]
    values, numbers = x if isinstance(x, Rows) else (x, None)
    shape = values.shape if numbers is None else (*numbers.shape, *values.shape[1:])
    if len(shape) != 3 or not shape[1] or shape[2] != weight_x.shape[1]:
        raise ValueError(f"x {tuple(shape)} is not [batch, time >= 1, {weight_x.shape[1]}]")
    if len(state) != 1 + rule.memories or any(part.shape != (shape[0], size) for part in state):
        raise ValueError(
            f"the state {[tuple(s.shape) for s in state]} is not {1 + rule.memories} of {(shape[0], size)}"
        )
    rows = len(weight_x), len(weight_h)
    if rows != (len(rule.input_blocks) * size, len(rule.hidden_blocks) * size):
        raise ValueError(f"weights of {rows[0]} and {rows[1]} rows do not fit {size} hidden units")
    outputs, *last = _Recurrence.apply(rule, products, numbers, values, weight_x, weight_h, bias_x, bias_h, *state)
    return outputs, tuple(last)


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Products have the types of what is multiplied, also on a device that knows no autocast."""
    known = device.type in ("cpu", "cuda", "mps", "xpu")
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


def _arranged(parameter: Tensor, blocks: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """The blocks of a weight in the order in which a_t has them."""
    arranged = torch.empty_like(parameter, dtype=dtype)
    for part, block in zip(parameter.chunk(len(blocks)), blocks, strict=True):
        arranged.chunk(len(blocks))[block - min(blocks)].copy_(part)
    return arranged


def _restored(gradient: Tensor, blocks: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """The way back."""
    restored, parts = torch.empty_like(gradient, dtype=dtype), gradient.chunk(len(blocks))
    for into, block in zip(restored.chunk(len(blocks)), blocks, strict=True):
        into.copy_(parts[block - min(blocks)])
    return restored


def _steps(sums: Tensor, size: int) -> list[Sums]:
    """Views of a_t for each t. Taken all at once: of a small layer they would cost as much as the arithmetic."""
    blocks = [block.unbind() for block in sums.split(size, -1)]
    return [Sums(whole, parts) for whole, *parts in zip(sums.unbind(), *blocks, strict=True)]


def _by_step(values: Tensor) -> list[Sequence[Tensor]]:
    """Of values [parts, time, batch, hidden] the parts of each step."""
    return list(zip(*(part.unbind() for part in values), strict=True)) or [()] * values.shape[1]


class _Recurrence(torch.autograd.Function):
    """Equations (1) to (4), time first inside. Autocast is off: `products` says which type the products have."""

    @staticmethod
    def forward(ctx, rule, products, numbers, x, weight_x, weight_h, bias_x, bias_h, hidden, *memory):
        batch, time = x.shape[:2] if numbers is None else numbers.shape
        size = hidden.shape[1]
        exact = torch.promote_types(x.dtype, torch.float32)
        products = exact if products is None else products
        width = (max(rule.hidden_blocks) + 1) * size
        into, back = slice(len(weight_x)), slice(width - len(weight_h), width)  # of a_t: where W_x and W_h add

        def empty(*shape, dtype=exact):
            return torch.empty(*shape, dtype=dtype, device=x.device)

        with without_autocast(x.device):
            w_x = _arranged(weight_x, rule.input_blocks, products)
            w_h = _arranged(weight_h, rule.hidden_blocks, products)
            bias = x.new_zeros(width, dtype=exact)
            bias[into] += _arranged(bias_x, rule.input_blocks, exact)
            bias[back] += _arranged(bias_h, rule.hidden_blocks, exact)
            bias = bias.to(products)
            distinct = places = None
            if numbers is None:
                inputs = x.transpose(0, 1).to(products).flatten(0, 1)
            else:
                distinct, places = torch.unique(numbers.T, return_inverse=True)
                inputs = x[distinct].to(products)
            # (2), (4): what each step, or each row of the table, has from its input
            given = empty(len(inputs), width, dtype=products)
            torch.addmm(bias[into], inputs, w_x.T, out=given[:, into])
            given[:, into.stop :] = bias[into.stop :]
            given = given.view(time, batch, width) if places is None else given.to(exact)
            gates = given if places is None and products == exact else empty(time, batch, width)
            hiddens, product = empty(time + 1, batch, size, dtype=products), empty(batch, len(w_h), dtype=products)
            memories, kept = empty(rule.memories, time + 1, batch, size), empty(rule.kept, time, batch, size)
            hiddens[0] = hidden
            for place, part in enumerate(memory):
                memories[place, 0] = part
            states, parts, extras, recurrent = hiddens.unbind(), _by_step(memories), _by_step(kept), w_h.T
            for t, (sums, back_sums) in enumerate(zip(_steps(gates, size), gates[:, :, back].unbind(), strict=True)):
                # (1)
                if places is not None:
                    torch.index_select(given, 0, places[t], out=sums.whole)
                elif gates is not given:
                    sums.whole.copy_(given[t])
                if products == exact:
                    back_sums.addmm_(states[t], recurrent)
                else:
                    back_sums.add_(torch.mm(states[t], recurrent, out=product))
                rule.forward(sums, states[t], parts[t], states[t + 1], parts[t + 1], extras[t])
        ctx.save_for_backward(inputs, distinct, places, w_x, w_h, gates, hiddens, memories, kept)
        ctx.rule, ctx.into, ctx.back, ctx.exact, ctx.dtype, ctx.entries = rule, into, back, exact, x.dtype, len(x)
        # In memory, time is the first axis, as in torch's kernels: dropout draws the same mask then.
        outputs = hiddens[1:].clone().transpose(0, 1)
        return outputs, hiddens[-1].to(exact, copy=True), *memories[:, -1].clone().unbind()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_outputs, d_hidden, *d_last):
        inputs, distinct, places, w_x, w_h, gates, hiddens, memories, kept = ctx.saved_tensors
        rule, into, back, exact = ctx.rule, ctx.into, ctx.back, ctx.exact
        time, batch, width = gates.shape
        with without_autocast(gates.device):
            slopes = torch.empty(time, batch, width, dtype=w_h.dtype, device=w_h.device)
            (slope,) = _steps(gates.new_empty(1, batch, width), hiddens.shape[2])
            # S of (4), or else its rows are those of the batch: either way their sum is dL / db
            summed = gates.new_zeros(batch if places is None else len(inputs), width)
            d_memory, d_hidden, through = (
                [part.clone() for part in d_last],
                d_hidden.clone(),
                torch.empty_like(hiddens[0]),
            )
            of_steps = (
                d_outputs.transpose(0, 1).to(exact).unbind(), slopes.unbind(), slopes[:, :, back].unbind(),
                _steps(gates, hiddens.shape[2]), hiddens[:-1].unbind(), _by_step(memories)[:-1], _by_step(kept),
            )  # fmt: skip
            for t, (d_output, narrow, back_slopes, *values) in reversed(list(enumerate(zip(*of_steps, strict=True)))):
                d_hidden += d_output
                direct = rule.backward(slope, d_hidden, d_memory, *values)
                narrow.copy_(slope.whole)
                if places is None:
                    summed += slope.whole
                else:
                    summed.index_add_(0, places[t], slope.whole)
                # (3)
                d_hidden.copy_(torch.mm(back_slopes, w_h, out=through))
                if direct is not None:
                    d_hidden += direct
            flat = slopes.flatten(0, 1)
            d_bias = summed.sum(0)
            of_inputs = flat[:, into] if places is None else summed[:, into].to(w_x.dtype)
            d_w_x = _restored(of_inputs.T @ inputs, rule.input_blocks, exact)
            d_w_h = _restored(flat[:, back].T @ hiddens[:-1].flatten(0, 1), rule.hidden_blocks, exact)
            d_b_x = _restored(d_bias[into], rule.input_blocks, exact)
            d_b_h = _restored(d_bias[back], rule.hidden_blocks, exact)
            d_x = None
            if ctx.needs_input_grad[3]:
                d_x = (of_inputs @ w_x).to(ctx.dtype)
                if places is None:
                    d_x = d_x.view(time, batch, -1).transpose(0, 1)
                else:
                    d_x = d_x.new_zeros(ctx.entries, d_x.shape[1]).index_copy_(0, distinct, d_x)
        return None, None, None, d_x, d_w_x, d_w_h, d_b_x, d_b_h, d_hidden, *d_memory
