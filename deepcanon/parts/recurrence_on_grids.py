r"""LSTM blocks on a grid of any number of dimensions, front by front, with the backward pass by hand.

Paper: Kalchbrenner, Danihelka and Graves, "Grid Long Short-Term Memory", 2015 (arXiv:1507.01526), section 3.

Legend: N dimensions, the last of which is depth, L layers; p a place of the grid; h_n, m_n hidden vector and memory
that leave a place along dimension n [batch B, H]; p - n the place before p along n, or where the grid is entered; l the
loss; * elementwise.

(1) i, f, g, o of n = W_n [h_1[p - 1]; ...; h_N[p - N]] + b_n
    m_n[p] = sigmoid(f) * m_n[p - n] + sigmoid(i) * tanh(g);   h_n[p] = tanh(sigmoid(o) * m_n[p])
(2) ``priority``: depth comes last in a block and sees what the other dimensions have just computed, h_k[p] for k < N
(3) places with the same sum of coordinates, a front, do not wait for each other: they are rows of the same products. A
    sequence of T steps takes T + L - 1 fronts instead of T L blocks; weights that differ by layer take a product each
(4) with s_n = dl / d(W_n [...]):  dl / dh_k[p - k] = sum_n W_nk^T s_n[p],  dl / dW_nk = sum_p s_n[p] h_k[p - k]^T, one
    product over all places, or over those of a layer

Each hidden vector and memory goes to one block only (of (2), to its own block too), so that derivatives are written
where autograd would add them up.

>>> enter = [torch.randn(3, 2, 4), torch.randn(5, 2, 4)]  # 5 steps, 3 layers, batch 2, H = 4
>>> hidden, memory = recur_on_grid((3, 5), enter, enter, torch.randn(1, 2, 16, 8), torch.zeros(1, 2, 16))
>>> [tuple(part.shape) for part in hidden]
[(3, 2, 4), (5, 2, 4)]
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from deepcanon.parts.recurrence_by_hand import without_autocast

__all__ = ["recur_on_grid"]

GATES = 4
INSIDE = (0, 1, 3, 2)  # i, f, o, g, so that the sigmoids are neighbours; the way back is the same


class Front(NamedTuple):
    """Places that are computed together.

    Attributes:
        start, stop: of their numbers.
        layers: (start, stop, layer) of those of each layer.
        before: of each dimension the rows that come before them; the rows of a dimension are its entries, then the
            places.
    """

    start: int
    stop: int
    layers: list[tuple[int, int, int]]
    before: list[Tensor]


class Plan(NamedTuple):
    """In which order the places are computed, by which they are numbered.

    Attributes:
        fronts: eq. (3).
        entries: of each dimension in how many rows the grid is entered.
        ends: of each dimension the places at which it is left, in the order of the entries.
        by_layer: the places of each layer [layers, places].
        chain: whether there is one dimension only, so that the row before a place has the place's number.
    """

    fronts: list[Front]
    entries: list[int]
    ends: list[Tensor]
    by_layer: Tensor
    chain: bool


@lru_cache(maxsize=64)
def _planned(shape: tuple[int, ...], device: torch.device) -> Plan:
    """Of a grid of [layers, *sides]."""
    places = sorted(itertools.product(*map(range, shape)), key=lambda place: (sum(place), place[0]))
    row = {place: number for number, place in enumerate(places)}
    axes = [*range(1, len(shape)), 0]  # of each dimension
    before: list[list[int]] = []
    entries, ends = [], []
    for axis in axes:
        others = [range(n) for a, n in enumerate(shape) if a != axis]
        faces = {face: number for number, face in enumerate(itertools.product(*others))}
        entries.append(len(faces))
        last = shape[axis] - 1
        ends.append(torch.tensor([row[*face[:axis], last, *face[axis:]] for face in faces], device=device))
        before.append(
            [
                len(faces) + row[*p[:axis], p[axis] - 1, *p[axis + 1 :]] if p[axis] else faces[p[:axis] + p[axis + 1 :]]
                for p in places
            ]
        )
    fronts = []
    for _, group in itertools.groupby(enumerate(places), key=lambda item: sum(item[1])):
        items = list(group)
        start, stop = items[0][0], items[-1][0] + 1
        layers = []
        for layer, some in itertools.groupby(items, key=lambda item: item[1][0]):
            rows = [number for number, _ in some]
            layers.append((rows[0], rows[-1] + 1, layer))
        fronts.append(Front(start, stop, layers, [torch.tensor(b[start:stop], device=device) for b in before]))
    by_layer = [[row[p] for p in places if p[0] == layer] for layer in range(shape[0])]
    return Plan(fronts, entries, ends, torch.tensor(by_layer, device=device), len(shape) == 1)


def recur_on_grid(
    shape: Sequence[int],
    hidden: Sequence[Float[Tensor, "_ batch hidden"]],
    memory: Sequence[Float[Tensor, "_ batch hidden"]],
    weight: Float[Tensor, "layers dims gates seen"],
    bias: Float[Tensor, "layers dims gates"],
    *,
    priority: bool = False,
) -> tuple[list[Float[Tensor, "_ batch hidden"]], list[Float[Tensor, "_ batch hidden"]]]:
    """What leaves the grid along each dimension, hidden vectors and memories, equations (1) to (4).

    Args:
        shape: (layers, *sides); the dimensions are the sides and then depth.
        hidden, memory: what enters along each dimension, by the other coordinates, the layer first.
        weight, bias: blocks in the order i, f, g, o, the dimensions seen side by side; of one layer if they are tied.
        priority: eq. (2).

    Raises:
        ValueError: shapes do not fit.
    """
    plan = _planned(tuple(shape), bias.device)
    dims, size = len(shape), bias.shape[-1] // GATES
    if weight.shape != (len(bias), dims, GATES * size, dims * size) or len(bias) not in (1, shape[0]):
        raise ValueError(f"weight {tuple(weight.shape)} and bias {tuple(bias.shape)} do not fit a grid {tuple(shape)}")
    expected = [(entries, hidden[0].shape[1], size) for entries in plan.entries]
    if [tuple(part.shape) for part in hidden] != expected or [tuple(part.shape) for part in memory] != expected:
        raise ValueError(f"what enters a grid {tuple(shape)} of size {size} is not {expected}")
    found = _OnGrid.apply(plan, priority, weight, bias, *hidden, *memory)
    return list(found[:dims]), list(found[dims:])


def _step(sums: Tensor, before: Tensor, hidden: Tensor, memory: Tensor) -> None:
    """Fills the new state of one dimension, eq. (1), and turns the sums into gates."""
    size = hidden.shape[1]
    i, f, _, g = sums.split(size, 1)
    sums[:, : 3 * size].sigmoid_()
    g.tanh_()
    torch.mul(f, before, out=memory).addcmul_(i, g)
    torch.mul(sums[:, 2 * size : 3 * size], memory, out=hidden).tanh_()


def _step_back(
    slopes: Tensor, d_hidden: Tensor, d_memory: Tensor, sums: Tensor, before: Tensor, hidden: Tensor, memory: Tensor,
    d_before: Tensor,
) -> None:  # fmt: skip
    """Fills the slopes and the derivative of the memory before; `d_hidden` and `d_memory` are used up."""
    size, aten = hidden.shape[1], torch.ops.aten
    (d_i, d_f, d_o, d_g), (i, f, o, g) = slopes.split(size, 1), sums.split(size, 1)
    aten.tanh_backward.grad_input(d_hidden, hidden, grad_input=d_hidden)
    torch.mul(d_hidden, memory, out=d_o)
    d_memory.addcmul_(d_hidden, o)
    torch.mul(d_memory, g, out=d_i)
    torch.mul(d_memory, before, out=d_f)
    torch.mul(d_memory, i, out=d_g)
    torch.mul(d_memory, f, out=d_before)
    d_sigmoids, sigmoids = slopes[:, : 3 * size], sums[:, : 3 * size]
    aten.sigmoid_backward.grad_input(d_sigmoids, sigmoids, grad_input=d_sigmoids)
    aten.tanh_backward.grad_input(d_g, g, grad_input=d_g)


def _arranged(blocks: Tensor) -> Tensor:
    """Blocks [layers, dims, gates, ...] in the order `INSIDE`; a list as an index would be copied to the device."""
    return torch.stack([blocks[:, :, gate] for gate in INSIDE], 2)


class _OnGrid(torch.autograd.Function):
    """Places in the order of the plan; in products and gates a row is a place of one example. Autocast is off."""

    @staticmethod
    def forward(ctx, plan, priority, weight, bias, *state):
        dims, size = bias.shape[1], bias.shape[2] // GATES
        exact = torch.promote_types(bias.dtype, torch.float32)
        batch, places, width = state[0].shape[1], plan.by_layer.numel(), GATES * size

        def empty(*shape):
            return torch.empty(*shape, dtype=exact, device=bias.device)

        with without_autocast(bias.device):
            parts = _arranged(weight.to(exact).view(-1, dims, GATES, size, dims, size))
            # W_k: from what dimension k carries to the sums of all dimensions [layers, dims * gates * size, size]
            weights = [parts[..., k, :].reshape(len(weight), -1, size) for k in range(dims)]
            offsets = _arranged(bias.to(exact).view(-1, dims, GATES, size)).reshape(len(bias), -1)
            sums = empty(places, batch, dims * width)
            if len(bias) == 1:
                sums.copy_(offsets)
            else:
                sums[plan.by_layer] = offsets[:, None, None]
            hiddens, memories = ([empty(n + places, batch, size) for n in plan.entries] for _ in range(2))
            for buffer, part in zip(hiddens + memories, state, strict=True):
                buffer[: len(part)] = part
            if plan.chain:
                seen, before = ([part[0][:places]] for part in (hiddens, memories))
            else:
                seen, before = ([empty(places, batch, size) for _ in range(dims)] for _ in range(2))
            flat = sums.flatten(0, 1)
            rows_seen, rows_before = ([part.flatten(0, 1) for part in parts] for parts in (seen, before))
            new_hiddens, new_memories = _new(plan, hiddens), _new(plan, memories)
            for front in plan.fronts:
                here = slice(front.start * batch, front.stop * batch)
                for k, rows in enumerate(() if plan.chain else front.before):
                    torch.index_select(hiddens[k], 0, rows, out=seen[k][front.start : front.stop])
                    torch.index_select(memories[k], 0, rows, out=before[k][front.start : front.stop])
                products = _products(front, len(weight), batch)
                for rows, layer in products:
                    for k in range(dims):
                        many = _seers(k, dims, priority) * width
                        flat[rows, :many].addmm_(rows_seen[k][rows], weights[k][layer, :many].T)
                for n in range(dims):
                    block = slice(n * width, (n + 1) * width)
                    for rows, layer in products if priority and n == dims - 1 else ():
                        for k in range(n):
                            flat[rows, block].addmm_(new_hiddens[k][rows], weights[k][layer, block].T)
                    _step(flat[here, block], rows_before[n][here], new_hiddens[n][here], new_memories[n][here])
        ctx.save_for_backward(sums, *weights, *seen, *before, *hiddens, *memories)
        ctx.plan, ctx.priority, ctx.dtypes = plan, priority, (weight.dtype, bias.dtype, *(s.dtype for s in state))
        ctx.of_weight = weight.shape
        left = [
            part[n + rows]
            for parts in (hiddens, memories)
            for part, n, rows in zip(parts, plan.entries, plan.ends, strict=True)
        ]
        return tuple(part.to(state[0].dtype) for part in left)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *d_ends):
        plan, priority = ctx.plan, ctx.priority
        sums, *saved = ctx.saved_tensors
        dims = len(plan.entries)
        weights, seen, before, hiddens, memories = (saved[k * dims : (k + 1) * dims] for k in range(5))
        batch, size = sums.shape[1], seen[0].shape[2]
        width, layers = GATES * size, len(weights[0])
        last = slice((dims - 1) * width, dims * width)
        with without_autocast(sums.device):
            slopes = torch.empty_like(sums)
            d_hiddens, d_memories = ([torch.zeros_like(part) for part in parts] for parts in (hiddens, memories))
            for buffer, n, rows, part in zip(
                d_hiddens + d_memories, plan.entries * 2, plan.ends * 2, d_ends, strict=True
            ):
                buffer[n + rows] = part.to(buffer.dtype)
            flat, gates, of_before = slopes.flatten(0, 1), sums.flatten(0, 1), [b.flatten(0, 1) for b in before]
            of_hidden, of_memory, d_hidden, d_memory = (
                _new(plan, part) for part in (hiddens, memories, d_hiddens, d_memories)
            )
            for front in reversed(plan.fronts):
                here = slice(front.start * batch, front.stop * batch)
                products = _products(front, layers, batch)
                for n in reversed(range(dims)):
                    block = slice(n * width, (n + 1) * width)
                    for rows, layer in products if priority and n < dims - 1 else ():
                        d_hidden[n][rows].addmm_(flat[rows, last], weights[n][layer, last])
                    d_before = _row_before(plan, front, d_memories[n])
                    _step_back(
                        flat[here, block], d_hidden[n][here], d_memory[n][here], gates[here, block],
                        of_before[n][here], of_hidden[n][here], of_memory[n][here], d_before.flatten(0, 1),
                    )  # fmt: skip
                    if not plan.chain:
                        d_memories[n].index_copy_(0, front.before[n], d_before)
                for k in range(dims):
                    seers = _seers(k, dims, priority) * width
                    through = _row_before(plan, front, d_hiddens[k])
                    into = through.flatten(0, 1)
                    for rows, layer in products:
                        part = into[rows.start - here.start : rows.stop - here.start]
                        torch.mm(flat[rows, :seers], weights[k][layer, :seers], out=part)
                    if not plan.chain:
                        d_hiddens[k].index_copy_(0, front.before[k], through)

            # (4)
            def grouped(values):
                """[layers, rows, values] of each layer, or of all of them."""
                return values.flatten(0, 1)[None] if layers == 1 else values[plan.by_layer].flatten(1, 2)

            of_sums = grouped(slopes)
            d_weights = []
            for k in range(dims):
                d_weight = of_sums.mT @ grouped(seen[k])
                if priority and k < dims - 1:
                    d_weight[:, last] = of_sums[..., last].mT @ grouped(hiddens[k][plan.entries[k] :])
                d_weights.append(_arranged(d_weight.view(layers, dims, GATES, size, size)))
            d_weight = torch.stack(d_weights, 4).reshape(ctx.of_weight)
            d_bias = _arranged(of_sums.sum(1).view(layers, dims, GATES, size)).flatten(2)
        d_entered = [part[:n] for part, n in zip(d_hiddens + d_memories, plan.entries * 2, strict=True)]
        gradients = (d_weight, d_bias, *d_entered)
        return None, None, *(part.to(dtype) for part, dtype in zip(gradients, ctx.dtypes, strict=True))


def _new(plan: Plan, buffers: Sequence[Tensor]) -> list[Tensor]:
    """What leaves the places [places * batch, hidden], of rows that begin with the entries."""
    return [buffer[n:].flatten(0, 1) for buffer, n in zip(buffers, plan.entries, strict=True)]


def _row_before(plan: Plan, front: Front, buffer: Tensor) -> Tensor:
    """Room for the derivative of what came before a front: its own row, or one to be copied from."""
    return buffer[front.start : front.stop] if plan.chain else torch.empty_like(buffer[front.start : front.stop])


def _products(front: Front, layers: int, batch: int) -> list[tuple[slice, int]]:
    """The rows of each product, and the layer of its weights."""
    found = [(front.start, front.stop, 0)] if layers == 1 else front.layers
    return [(slice(start * batch, stop * batch), layer) for start, stop, layer in found]


def _seers(k: int, dims: int, priority: bool) -> int:
    """How many dimensions, from the first one, see what dimension k carries from the place before."""
    return dims - 1 if priority and k < dims - 1 else dims
