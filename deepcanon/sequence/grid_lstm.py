r"""Grid LSTM: blocks with a memory along every dimension of a grid, time or the sides of a picture, and depth.

Paper: Kalchbrenner, Danihelka and Graves, "Grid Long Short-Term Memory", 2015 (arXiv:1507.01526), section 3.

Legend: N dimensions; the first N - 1 are the sides of the data, the last one is depth, L layers; x_p input at a place
of the sides [batch B, input I]; h_n, m_n hidden vector and memory that enter a block along dimension n, h'_n and m'_n
those that leave it [B, H]; * elementwise.

(1) H = [h_1; ...; h_N];   i, f, g, o of dimension n = W_n H + b_n
(2) m'_n = sigmoid(f) * m_n + sigmoid(i) * tanh(g);   h'_n = tanh(sigmoid(o) * m'_n)
(3) ``priority``: depth is computed last in a block, from [h'_1; ...; h'_{N-1}; h_N]
(4) along depth the first block is entered by [h_N; m_N] = P x_p + b_P, along the sides by zeros or the state
(5) the outputs are the hidden vectors h'_N of the last layer
(6) W and b differ by dimension and layer, or, ``tied``, by dimension alone

N = 1 is a feed-forward network with gates: no sides, x is one vector. N = 2 reads sequences: unlike layers of LSTM, it
has a memory along depth too. N = 3 reads pictures from the upper left to the lower right corner. Of the outputs at a
place of the sides all have been seen that lie before it on every side.

Departures: biases, 0 at the start except those of the forget gates (``forget_bias``); weights start uniform in
+-1/sqrt(H). Most implementations have h' = sigmoid(o) * tanh(m'), as the usual LSTM; (2) is the paper's.

>>> grid = GridLSTM(3, 5, depth=4)
>>> output, state = grid(torch.zeros(2, 7, 3))
>>> tuple(output.shape), [tuple(side.hidden.shape) for side in state]
((2, 7, 5), [(4, 2, 5)])
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.recurrence_on_grids import recur_on_grid

__all__ = ["GridLSTM", "GridState", "GridTrace", "grid_block"]

GATES = 4


class GridState(NamedTuple):
    """Hidden vectors and memories along a side of the data; each [layers, batch, *other sides, hidden]."""

    hidden: Tensor
    memory: Tensor


class GridTrace(NamedTuple):
    """Hidden vectors and memories along depth after every block; each [layers, batch, *sides, hidden]."""

    hidden: Tensor
    memory: Tensor


def grid_block(
    hidden: Sequence[Float[Tensor, "batch hidden"]],
    memory: Sequence[Float[Tensor, "batch hidden"]],
    weight: Float[Tensor, "dims gates seen"],
    bias: Float[Tensor, "dims gates"],
    *,
    priority: bool = False,
) -> tuple[list[Float[Tensor, "batch hidden"]], list[Float[Tensor, "batch hidden"]]]:
    """h' and m' of every dimension, eqs. (1) to (3).

    Args:
        weight, bias: of each dimension, in blocks i, f, g, o; the hidden vectors seen lie side by side.

    Raises:
        ValueError: the shapes do not fit.
    """
    dims, size = len(hidden), hidden[0].shape[-1]
    if len(memory) != dims or weight.shape != (dims, GATES * size, dims * size) or bias.shape != weight.shape[:2]:
        raise ValueError(
            f"{dims} hidden vectors of {size}, {len(memory)} memories, weight {tuple(weight.shape)} and bias "
            f"{tuple(bias.shape)} do not fit"
        )
    new_hidden: list[Tensor] = []
    new_memory: list[Tensor] = []
    for n in range(dims):
        # (3)
        seen = [*new_hidden, hidden[n]] if priority and n == dims - 1 else list(hidden)
        # (1)
        i, f, g, o = F.linear(torch.cat(seen, -1), weight[n], bias[n]).chunk(GATES, -1)
        # (2)
        new_memory.append(f.sigmoid() * memory[n] + i.sigmoid() * g.tanh())
        new_hidden.append((o.sigmoid() * new_memory[-1]).tanh())
    return new_hidden, new_memory


class GridLSTM(nn.Module):
    """A grid of LSTM blocks over vectors, sequences or pictures.

    Args:
        input_size: I.
        hidden_size: H, of every dimension.
        depth: L.
        dims: N, sides of the data and depth.
        tied: all layers share their weights, eq. (6).
        priority: depth sees what the sides have just computed, eq. (3).
        forget_bias: initial bias of the forget gates.
        fast: front by front with a backward pass by hand (equal results); False: block by block.

    Raises:
        ValueError: no layer or no dimension; shapes that do not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        depth: int,
        dims: int = 2,
        *,
        tied: bool = False,
        priority: bool = False,
        forget_bias: float = 0.0,
        fast: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if depth < 1 or dims < 1:
            raise ValueError(f"a grid of {dims} dimensions with {depth} layers cannot be")
        make = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size, self.depth, self.dims = input_size, hidden_size, depth, dims
        self.priority, self.forget_bias, self.fast = priority, forget_bias, fast
        shape = (1 if tied else depth, dims, GATES * hidden_size)
        self.project = nn.Linear(input_size, 2 * hidden_size, **make)
        self.weight = nn.Parameter(torch.empty(*shape, dims * hidden_size, **make))
        self.bias = nn.Parameter(torch.empty(*shape, **make))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Weights uniform in +-1/sqrt(H), biases 0 but those of the forget gates; the projection as nn.Linear."""
        self.project.reset_parameters()
        nn.init.uniform_(self.weight, -1 / math.sqrt(self.hidden_size), 1 / math.sqrt(self.hidden_size))
        self.bias.zero_()
        self.bias[..., self.hidden_size : 2 * self.hidden_size] = self.forget_bias

    def forward(
        self, x: Float[Tensor, "batch *sides input"], state: Sequence[GridState] | None = None
    ) -> tuple[Float[Tensor, "batch *sides hidden"], tuple[GridState, ...]]:
        """(outputs, what leaves the grid along each side): the state with which the data further along that side begin.

        Args:
            state: what enters along each side; zeros if not given.
        """
        hidden, memory = self._entered(x, state)
        # What is written by hand changes tensors in place, which a graph cannot hold.
        if self.fast and not torch.compiler.is_exporting():
            shape = (self.depth, *x.shape[1:-1])
            left = recur_on_grid(shape, hidden, memory, self.weight, self.bias, priority=self.priority)
        else:
            left = self._by_blocks(x, hidden, memory)[:2]
        return self._output(x, left[0][-1]), self._state(x, *left)

    def trace(self, x: Float[Tensor, "batch *sides input"]) -> GridTrace:
        """What leaves every block along depth, from zeros along the sides."""
        _, _, hidden, memory = self._by_blocks(x, *self._entered(x, None))
        layers = [part.unflatten(0, (self.depth, -1)) for part in (hidden, memory)]
        return GridTrace(*(torch.stack([self._output(x, one) for one in part]) for part in layers))

    # What enters and leaves a grid is [entries, batch, hidden], by the other coordinates, the layer first.

    def _entered(self, x: Tensor, state: Sequence[GridState] | None) -> tuple[list[Tensor], list[Tensor]]:
        if x.ndim != self.dims + 1 or x.shape[-1] != self.input_size or 0 in x.shape[1:-1]:
            named = "".join(f"side {n} >= 1, " for n in range(1, self.dims))
            raise ValueError(f"x {tuple(x.shape)} is not [batch, {named}{self.input_size}]")
        sides, batch, size = x.shape[1:-1], x.shape[0], self.hidden_size
        shapes = [(self.depth, batch, *sides[:n], *sides[n + 1 :], size) for n in range(self.dims - 1)]
        if state is None:
            zeros = [x.new_zeros(shape) for shape in shapes]
            state = [GridState(zero, zero) for zero in zeros]
        found = [tuple(part.shape) for pair in state for part in pair]
        if found != [shape for shape in shapes for _ in range(2)]:
            raise ValueError(f"the state {found} is not hidden vectors and memories {shapes}, of each side")
        # (4)
        parts = self._lines(self.project(x).movedim(0, -2)).chunk(2, 2)
        entered = [[self._lines(pair[k].movedim(1, -2)) for pair in state] + [parts[k]] for k in range(2)]
        return entered[0], entered[1]

    @staticmethod
    def _lines(x: Tensor) -> Tensor:
        """[entries, batch, values] of any number of coordinates before the batch."""
        return x[None] if x.ndim == 2 else x.flatten(0, -3)

    def _output(self, x: Tensor, left: Tensor) -> Tensor:
        """[*sides, batch, hidden] with the sides as one, of a layer, as [batch, *sides, hidden]."""
        return left.unflatten(0, x.shape[1:-1]).movedim(-2, 0) if self.dims > 1 else left[0]

    def _state(self, x: Tensor, hidden: list[Tensor], memory: list[Tensor]) -> tuple[GridState, ...]:
        sides, found = x.shape[1:-1], []
        for n, pair in enumerate(zip(hidden[:-1], memory[:-1], strict=True)):
            others = (self.depth, *sides[:n], *sides[n + 1 :])
            found.append(GridState(*(part.unflatten(0, others).movedim(-2, 1) for part in pair)))
        return tuple(found)

    def _by_blocks(
        self, x: Tensor, hidden: list[Tensor], memory: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
        """What leaves the grid, and what leaves every block along depth, one block after another."""
        shape, dims = (self.depth, *x.shape[1:-1]), self.dims
        at = [[list(part.unbind()) for part in (hidden[n], memory[n])] for n in range(dims)]
        depths: tuple[list[Tensor], list[Tensor]] = ([], [])
        for place in itertools.product(*(range(n) for n in shape)):
            rows = [_number(shape, place, (n + 1) % dims) for n in range(dims)]
            enter_hidden, enter_memory = ([at[n][part][rows[n]] for n in range(dims)] for part in range(2))
            layer = place[0] if len(self.weight) > 1 else 0
            weight, bias = self.weight[layer], self.bias[layer]
            new = grid_block(enter_hidden, enter_memory, weight, bias, priority=self.priority)
            for part in range(2):
                for n in range(dims):
                    at[n][part][rows[n]] = new[part][n]
                depths[part].append(new[part][-1])
        left = [[torch.stack(at[n][part]) for n in range(dims)] for part in range(2)]
        return left[0], left[1], torch.stack(depths[0]), torch.stack(depths[1])


def _number(shape: Sequence[int], place: Sequence[int], axis: int) -> int:
    """Of the line through a place along an axis, among all of them."""
    number = 0
    for a, (many, coordinate) in enumerate(zip(shape, place, strict=True)):
        if a != axis:
            number = number * many + coordinate
    return number
