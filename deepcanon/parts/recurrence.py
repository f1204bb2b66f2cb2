r"""What recurrent networks share: the loop over time, layers, a backward pass by hand, and the state between windows.

Papers: Appleyard, Kocisky and Blunsom, "Optimizing Performance of Recurrent Neural Networks on GPUs", 2016
(arXiv:1604.01946), products of several steps taken together; Williams and Peng, "An Efficient Gradient-Based Algorithm
for On-Line Training of Recurrent Network Trajectories", 1990, truncation.

Legend: x_t input [batch B, input I]; h_t hidden vector, m_t the other parts of the state (the memory of an LSTM), each
[B, H]; a_t the sums that a step begins with, some blocks of [B, H]; L the loss; T the size of a window.

(1) a_t = W_x x_t + b_x + W_h h_{t-1} + b_h;   h_t, m_t = f(a_t, h_{t-1}, m_{t-1})
(2) W_x x_t does not wait for h_{t-1}: one matrix product for all steps, before the loop
(3) with s_t = dL / da_t:  dL / dh_{t-1} = s_t W_h, plus what f hands on directly;
    dL / dW_x = sum_t s_t^T x_t,  dL / dW_h = sum_t s_t^T h_{t-1},  dL / db = sum_t s_t: one product over all steps each
(4) where a mask is False the state stays as it was, and the output is 0
(5) truncated backpropagation through time: a text is cut into contiguous streams; window k reads T tokens of each and
    starts from the state that window k-1 ended in, VALUES carried and gradients cut

`scan` is the loop for any step, differentiated by autograd. `recur` is (1) to (3) for a step whose derivative is
written by hand (a `StepRule`). It gives the same numbers but for rounding, and is quicker where the products are large
(256 hidden units and more), because autograd reads the weights again at every step. Its products may be in bf16 with
all else in float32.

>>> x, zero = torch.randn(2, 7, 3), torch.zeros(2, 5)
>>> w_x, w_h = torch.randn(5, 3), torch.randn(5, 5)
>>> def step(sums, h):  # Elman's network
...     h = torch.tanh(sums + h @ w_h.T)
...     return h, h
>>> output, last = scan(step, x @ w_x.T, zero)
>>> tuple(output.shape), torch.equal(output[:, -1], last)
((2, 7, 5), True)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = [
    "StepRule", "Window", "detach", "kernel_layer", "recur", "scan", "select_rows", "stacked", "streams", "window",
]  # fmt: skip

State = Any  # a tensor, or a nest of tensors in tuples, lists and dicts


# The state


def _each(function: Callable[..., Tensor], state: State, *others: State) -> State:
    """The function of each tensor of a nest, and of those in the same place of others."""
    if isinstance(state, Tensor):
        return function(state, *others)
    if isinstance(state, dict):
        return {name: _each(function, value, *(other[name] for other in others)) for name, value in state.items()}
    if isinstance(state, tuple | list):
        items = [_each(function, *values) for values in zip(state, *others, strict=True)]
        return type(state)(*items) if hasattr(state, "_fields") else type(state)(items)
    return state


def detach(state: State) -> State:
    """The same values, without their past."""
    return _each(lambda value: value.detach(), state)


def select_rows(state: State, rows: Int[Tensor, "rows"], axis: int = 0) -> State:
    """These rows of every tensor of a state."""
    return _each(lambda value: value.index_select(axis, rows), state)


# Windows of a text


class Window(NamedTuple):
    """Where a step of truncated backpropagation reads in the streams; whether they start again."""

    start: int
    stop: int
    fresh: bool


def streams(
    tokens: Int[Tensor, "tokens"], count: int
) -> tuple[Int[Tensor, "count length"], Int[Tensor, "count length"]]:
    """Cuts a text into ``count`` contiguous streams; inputs, and targets one token further. The rest is left out."""
    length = (tokens.numel() - 1) // count
    if tokens.ndim != 1 or length < 1:
        raise ValueError(f"{tuple(tokens.shape)} tokens are too few for {count} streams")
    used = count * length
    return tokens[:used].view(count, length), tokens[1 : used + 1].view(count, length)


def window(step: int, length: int, size: int) -> Window:
    """What step ``step`` reads of streams of ``length`` tokens, eq. (5); the last window of a pass may be short."""
    if step < 0 or length < 1 or size < 1:
        raise ValueError(f"step {step}, length {length} and size {size} do not describe a window")
    many = -(-length // size)
    start = step % many * size
    return Window(start, min(start + size, length), start == 0)


# The loop, by autograd


def scan(
    step: Callable[[Tensor, State], tuple[Tensor, State]],
    inputs: Float[Tensor, "batch time ..."],
    state: State,
    mask: Bool[Tensor, "batch time"] | None = None,
) -> tuple[Float[Tensor, "batch time ..."], State]:
    """The outputs of a step that is applied along time, and the last state.

    Args:
        step: (input [batch, ...], state) -> (output, state).
        inputs: best W_x x_t of all steps, by one product, eq. (2).
        state: before the first step; tensors [batch, ...].
        mask: what is read; the rest is padding, eq. (4).
    """
    if inputs.ndim < 2 or not inputs.shape[1]:
        raise ValueError(f"inputs {tuple(inputs.shape)} are not [batch, time >= 1, ...]")
    if mask is not None and mask.shape != inputs.shape[:2]:
        raise ValueError(f"mask {tuple(mask.shape)} is not [batch, time] = {tuple(inputs.shape[:2])}")
    outputs = []
    for t in range(inputs.shape[1]):
        output, new = step(inputs[:, t], state)
        if mask is not None:
            # (4)
            keep = mask[:, t]
            new = _each(lambda value, old, keep=keep: torch.where(_beside(keep, value), value, old), new, state)
            output = torch.where(_beside(keep, output), output, torch.zeros_like(output))
        outputs.append(output)
        state = new
    return torch.stack(outputs, dim=1), state


def _beside(keep: Tensor, value: Tensor) -> Tensor:
    return keep.view(-1, *(1,) * (value.ndim - 1))


def stacked(
    layer: Callable[[int, Tensor, tuple[Tensor, ...]], tuple[Tensor, Sequence[Tensor]]],
    x: Float[Tensor, "batch time input"],
    state: Sequence[Float[Tensor, "layers batch hidden"]],
    between: Callable[[Tensor], Tensor] = lambda x: x,
) -> tuple[Float[Tensor, "batch time hidden"], tuple[Float[Tensor, "layers batch hidden"], ...]]:
    """Layers that each read the outputs of the one below.

    Args:
        layer: (number, inputs, state [batch, hidden]) -> (outputs, state).
        between: what the outputs of a layer pass through on their way to the next: a dropout layer.
    """
    ends = []
    for number, start in enumerate(zip(*state, strict=True)):
        if number:
            x = between(x)
        x, end = layer(number, x, start)
        ends.append(end)
    return x, tuple(torch.stack(parts) for parts in zip(*ends, strict=True))


KERNELS = {4: torch.lstm, 3: torch.gru, 1: torch.rnn_tanh}  # by how many blocks of [H] a step sums


def kernel_layer(
    x: Float[Tensor, "batch time input"], state: Sequence[Float[Tensor, "batch hidden"]], weights: Sequence[Tensor]
) -> tuple[Float[Tensor, "batch time hidden"], tuple[Float[Tensor, "batch hidden"], ...]]:
    """One layer by torch's kernel: of an LSTM, a GRU or the simple recurrence, as the weights have it.

    The kernels take several layers at once and dropout too, but draw the masks themselves, of the rows they are given.

    Args:
        state: the hidden vectors and, of an LSTM, the memory.
        weights: W_x, W_h, b_x, b_h as torch's modules have them.
    """
    first = [part[None] for part in state]
    kernel = KERNELS[len(weights[1]) // weights[1].shape[1]]
    start = first if len(first) > 1 else first[0]
    output, *end = kernel(x, start, list(weights), True, 1, 0.0, torch.is_grad_enabled(), False, True)
    return output, tuple(part[0] for part in end)


# The loop, by hand


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
        self, sums: Tensor, hidden: Tensor, memory: Sequence[Tensor], new: Sequence[Tensor], kept: Sequence[Tensor]
    ) -> Tensor:
        """h_t. Fills ``new`` with m_t and ``kept``, and may turn the sums into what the derivative needs of them."""

    @abstractmethod
    def backward(
        self,
        d_sums: Tensor,
        d_hidden: Tensor,
        d_memory: Sequence[Tensor],
        sums: Tensor,
        hidden: Tensor,
        memory: Sequence[Tensor],
        kept: Sequence[Tensor],
    ) -> Tensor | None:
        """Fills ``d_sums`` with s_t and changes ``d_memory`` from dL / dm_t to dL / dm_{t-1}.

        ``hidden`` and ``memory`` are h_{t-1} and m_{t-1}. Returns what f hands on of dL / dh_{t-1} directly, if any.
        """


def recur(
    rule: StepRule,
    x: Float[Tensor, "batch time input"],
    state: Sequence[Float[Tensor, "batch hidden"]],
    weight_x: Float[Tensor, "input_sums input"],
    weight_h: Float[Tensor, "hidden_sums hidden"],
    bias_x: Float[Tensor, "input_sums"],
    bias_h: Float[Tensor, "hidden_sums"],
    products: torch.dtype | None = None,
) -> tuple[Float[Tensor, "batch time hidden"], tuple[Float[Tensor, "batch hidden"], ...]]:
    """One layer over a whole sequence, eqs. (1) to (3); the outputs, and the last h and m.

    Args:
        rule: f and its derivative.
        state: h and m before the first step.
        products: type of the matrix products and of the outputs; the rest is in float32, or in float64 if x is.
    """
    size = weight_h.shape[1]
    if x.ndim != 3 or not x.shape[1] or x.shape[2] != weight_x.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, {weight_x.shape[1]}]")
    if len(state) != 1 + rule.memories or any(part.shape != (len(x), size) for part in state):
        raise ValueError(f"the state {[tuple(s.shape) for s in state]} is not {1 + rule.memories} of {(len(x), size)}")
    rows = len(weight_x), len(weight_h)
    if rows != (len(rule.input_blocks) * size, len(rule.hidden_blocks) * size):
        raise ValueError(f"weights of {rows[0]} and {rows[1]} rows do not fit {size} hidden units")
    outputs, *last = _Recurrence.apply(rule, products, x, weight_x, weight_h, bias_x, bias_h, *state)
    return outputs, tuple(last)


def _arranged(parameter: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """The blocks of a weight in the order in which a_t has them."""
    parts = parameter.chunk(len(blocks))
    return torch.cat([parts[k] for k in sorted(range(len(blocks)), key=blocks.__getitem__)])


def _restored(gradient: Tensor, blocks: tuple[int, ...]) -> Tensor:
    """The way back."""
    parts = gradient.chunk(len(blocks))
    return torch.cat([parts[block - min(blocks)] for block in blocks])


class _Recurrence(torch.autograd.Function):
    """Equations (1) to (3), time first inside. Autocast is off: `products` says which type the products have."""

    @staticmethod
    def forward(ctx, rule, products, x, weight_x, weight_h, bias_x, bias_h, hidden, *memory):
        (batch, time, _), size = x.shape, hidden.shape[1]
        exact = torch.promote_types(x.dtype, torch.float32)
        products = exact if products is None else products
        width = (max(rule.hidden_blocks) + 1) * size
        into, back = slice(len(weight_x)), slice(width - len(weight_h), width)  # of a_t: where W_x and W_h add

        def empty(*shape, dtype=exact):
            return torch.empty(*shape, dtype=dtype, device=x.device)

        with torch.autocast(x.device.type, enabled=False):
            w_x = _arranged(weight_x, rule.input_blocks).to(products)
            w_h = _arranged(weight_h, rule.hidden_blocks).to(products)
            bias = x.new_zeros(width, dtype=exact)
            bias[into] += _arranged(bias_x, rule.input_blocks)
            bias[back] += _arranged(bias_h, rule.hidden_blocks)
            bias = bias.to(products)
            steps = x.transpose(0, 1).to(products).flatten(0, 1)
            # (2)
            sums = empty(time * batch, width, dtype=products)
            torch.addmm(bias[into], steps, w_x.T, out=sums[:, into])
            sums[:, into.stop :] = bias[into.stop :]
            sums = sums.view(time, batch, width)
            gates = sums if products == exact else empty(time, batch, width)
            hiddens = empty(time + 1, batch, size, dtype=products)
            memories, kept = empty(time + 1, rule.memories, batch, size), empty(time, rule.kept, batch, size)
            hiddens[0] = hidden
            for place, part in enumerate(memory):
                memories[0, place] = part
            for t in range(time):
                # (1)
                sums[t, :, back].addmm_(hiddens[t], w_h.T)
                if gates is not sums:
                    gates[t] = sums[t]
                before, new = memories[t].unbind(), memories[t + 1].unbind()
                hiddens[t + 1] = rule.forward(gates[t], hiddens[t], before, new, kept[t].unbind())
        ctx.save_for_backward(steps, w_x, w_h, gates, hiddens, memories, kept)
        ctx.rule, ctx.into, ctx.back, ctx.exact, ctx.dtype = rule, into, back, exact, x.dtype
        outputs = hiddens[1:].transpose(0, 1).clone(memory_format=torch.contiguous_format)
        return outputs, hiddens[-1].to(exact, copy=True), *memories[-1].clone().unbind()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_outputs, d_hidden, *d_last):
        steps, w_x, w_h, gates, hiddens, memories, kept = ctx.saved_tensors
        rule, into, back, exact = ctx.rule, ctx.into, ctx.back, ctx.exact
        time, batch, width = gates.shape
        with torch.autocast(gates.device.type, enabled=False):
            d_outputs = d_outputs.transpose(0, 1).to(exact)
            slopes = torch.empty(time, batch, width, dtype=w_h.dtype, device=w_h.device)
            slope = None if w_h.dtype == exact else torch.empty(batch, width, dtype=exact, device=w_h.device)
            d_memory = [part.clone() for part in d_last]
            for t in range(time - 1, -1, -1):
                d_sums = slopes[t] if slope is None else slope
                d_hidden, before = d_outputs[t] + d_hidden, memories[t].unbind()
                direct = rule.backward(d_sums, d_hidden, d_memory, gates[t], hiddens[t], before, kept[t].unbind())
                if slope is not None:
                    slopes[t] = slope
                # (3)
                d_hidden = slopes[t, :, back] @ w_h
                if direct is not None:
                    d_hidden = direct + d_hidden
            flat = slopes.flatten(0, 1)
            d_bias = flat.sum(0, dtype=exact)
            d_w_x = _restored(flat[:, into].T @ steps, rule.input_blocks).to(exact)
            d_w_h = _restored(flat[:, back].T @ hiddens[:-1].flatten(0, 1), rule.hidden_blocks).to(exact)
            d_b_x, d_b_h = _restored(d_bias[into], rule.input_blocks), _restored(d_bias[back], rule.hidden_blocks)
            d_x = (flat[:, into] @ w_x).view(time, batch, -1).transpose(0, 1).to(ctx.dtype)
        return None, None, d_x, d_w_x, d_w_h, d_b_x, d_b_h, d_hidden.to(exact), *d_memory
