r"""Long short-term memory: a gated cell whose memory is changed by adding, so that gradients survive long lags.

Papers: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997; Gers, Schmidhuber and Cummins,
"Learning to Forget", 2000 (the forget gate); Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent
Network Architectures", ICML 2015 (its bias of 1).

Legend: x_t input [batch B, input I]; h_t hidden vector, c_t memory [B, H]; i, f, o input, forget and output gates;
g the candidate; the four blocks of the weights lie in the order i, f, g, o; * elementwise.

(1) [i, f, g, o]_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
(2) i, f, o = sigmoid(i), sigmoid(f), sigmoid(o);  g = tanh(g)
(3) c_t = f * c_{t-1} + i * g
(4) h_t = o * tanh(c_t)
(5) where the mask is False: h_t = h_{t-1}, c_t = c_{t-1}, and the output is 0

Departures: no peepholes (the paper of 2000 has none; later ones do). Two bias vectors, as torch's kernels have, so
that state dicts are interchangeable with nn.LSTM; both start at 0 except that the forget part of b_ih starts at
``forget_bias`` = 1 (on both it would be 2). Weights are uniform in +-1/sqrt(H) as in torch.

Shown by: rnn-lm

>>> lstm = LSTM(3, 5)
>>> output, state = lstm(torch.zeros(2, 7, 3))
>>> tuple(output.shape), tuple(state.hidden.shape)
((2, 7, 5), (1, 2, 5))
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deepcanon.parts.recurrence import kernel_layer, scan, stacked
from deepcanon.parts.recurrence_by_hand import Rows, StepRule, recur

__all__ = ["LSTM", "LSTMCell", "LSTMRule", "LSTMState", "lstm_cell", "lstm_layer", "lstm_sequence"]


class LSTMState(NamedTuple):
    """Hidden vector and memory; [batch, hidden] of a cell, [layers, batch, hidden] of a sequence module."""

    hidden: Tensor
    cell: Tensor


def lstm_cell(gates: Float[Tensor, "batch gates"], cell: Float[Tensor, "batch hidden"]) -> LSTMState:
    """One step from the sums of eq. (1) and the memory before it: eqs. (2) to (4)."""
    if gates.ndim != 2 or gates.shape != (cell.shape[0], 4 * cell.shape[1]):
        raise ValueError(f"gates {tuple(gates.shape)} do not match a memory of {tuple(cell.shape)}")
    # (2)
    i, f, g, o = gates.chunk(4, dim=1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    # (3)
    cell = f * cell + i * g
    # (4)
    return LSTMState(o * cell.tanh(), cell)


def lstm_sequence(
    x: Float[Tensor, "batch time input"],
    state: LSTMState,
    weight_ih: Float[Tensor, "gates input"],
    weight_hh: Float[Tensor, "gates hidden"],
    bias: Float[Tensor, "gates"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
) -> tuple[Float[Tensor, "batch time hidden"], LSTMState]:
    """One layer over a whole sequence; ``bias`` is b_ih + b_hh."""
    if x.ndim != 3 or x.shape[2] != weight_ih.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time, {weight_ih.shape[1]}]")
    if mask is not None and mask.shape != x.shape[:2]:
        raise ValueError(f"mask {tuple(mask.shape)} is not [batch, time] = {tuple(x.shape[:2])}")

    def step(sums: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        new = lstm_cell(sums + state.hidden @ weight_hh.T, state.cell)
        return new.hidden, new

    # (1) without W_hh h_{t-1}; (5) is in `scan`
    return scan(step, F.linear(x, weight_ih, bias), state, mask)


def lstm_layer(
    x: Float[Tensor, "batch time input"] | Rows,
    state: LSTMState,
    weight_ih: Float[Tensor, "gates input"],
    weight_hh: Float[Tensor, "gates hidden"],
    bias_ih: Float[Tensor, "gates"],
    bias_hh: Float[Tensor, "gates"],
    products: torch.dtype | None = None,
) -> tuple[Float[Tensor, "batch time hidden"], LSTMState]:
    """One layer over a whole sequence with the backward pass by hand; for ``products`` see `recur`.

    Meant for training on a CPU with products in bf16: the outputs are then bf16, the state is fp32. Faster than torch's
    kernel, whose backward pass reads the weights again at every step, except for narrow layers.

    Args:
        x: the inputs, or the rows of a table that they are: then W_ih is multiplied with the rows that occur.
    """
    outputs, end = recur(LSTMRule(), x, state, weight_ih, weight_hh, bias_ih, bias_hh, products)
    return outputs, LSTMState(*end)


class LSTMRule(StepRule):
    """Eqs. (2) to (4) and their derivatives by hand; the sums lie in the order i, f, o, g: sigmoids are neighbours.

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


class LSTMCell(nn.Module):
    """One step, eqs. (1) to (4); the parameters are named and ordered as in nn.LSTMCell.

    Args:
        input_size: values of an input.
        hidden_size: H.
        forget_bias: initial value of the forget part of b_ih.
    """

    def __init__(self, input_size: int, hidden_size: int, *, forget_bias: float = 1.0, device=None, dtype=None):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size, self.forget_bias = input_size, hidden_size, forget_bias
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size, **make))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size, **make))
        self.bias_ih = nn.Parameter(torch.empty(4 * hidden_size, **make))
        self.bias_hh = nn.Parameter(torch.empty(4 * hidden_size, **make))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        initialise(self, self.hidden_size, self.forget_bias)

    def forward(
        self, x: Float[Tensor, "batch input"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "batch hidden"], LSTMState]:
        """(h, (h, c)) after one step; a state of zeros where none is given."""
        if state is None:
            zero = x.new_zeros(x.shape[0], self.hidden_size)
            state = LSTMState(zero, zero)
        hidden, cell = state
        # (1)
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(hidden, self.weight_hh, self.bias_hh)
        new = lstm_cell(gates, cell)
        return new.hidden, new


class LSTM(nn.Module):
    """Layers of LSTM over a batch of sequences; the same state dict as nn.LSTM of the same sizes.

    Args:
        num_layers: layers, each reading the outputs of the one below.
        dropout: share of the values dropped between layers while training.
        forget_bias: initial value of the forget part of b_ih.
        fast: use torch's fused kernel (equal results); False: the equations above, step by step.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        forget_bias: float = 1.0,
        fast: bool = True,
        batch_first: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if not batch_first:
            raise ValueError("this LSTM takes [batch, time, input] only: batch_first must be True")
        make = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.forget_bias, self.fast = forget_bias, fast
        self.between = nn.Dropout(dropout)
        self.names: list[str] = []
        for layer in range(num_layers):
            wide = input_size if layer == 0 else hidden_size
            shapes = {"weight_ih": (wide,), "weight_hh": (hidden_size,), "bias_ih": (), "bias_hh": ()}
            for name, shape in shapes.items():
                self.names.append(f"{name}_l{layer}")
                self.register_parameter(self.names[-1], nn.Parameter(torch.empty(4 * hidden_size, *shape, **make)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        initialise(self, self.hidden_size, self.forget_bias)

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: LSTMState | tuple[Tensor, Tensor] | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], LSTMState]:
        """(outputs of the top layer, state after the last step); ValueError for shapes that do not fit."""
        if x.ndim != 3 or x.shape[2] != self.input_size or x.shape[1] == 0:
            raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, {self.input_size}]")
        expected = (self.num_layers, x.shape[0], self.hidden_size)
        if state is None:
            zero = x.new_zeros(expected)
            state = LSTMState(zero, zero)
        hidden, cell = state
        if hidden.shape != expected or cell.shape != expected:
            raise ValueError(
                f"state {tuple(hidden.shape)}, {tuple(cell.shape)} is not [layers, batch, hidden] = {expected}"
            )
        fast = self.fast and mask is None
        if fast and not (self.training and self.between.p):
            parameters = [getattr(self, name) for name in self.names]
            output, hidden, cell = torch.lstm(
                x, (hidden, cell), parameters, True, self.num_layers, 0.0, self.training, False, True
            )
            return output, LSTMState(hidden, cell)

        def one(number: int, x: Tensor, start: tuple[Tensor, ...]) -> tuple[Tensor, LSTMState]:
            weights = [getattr(self, name) for name in self.names[4 * number : 4 * number + 4]]
            if fast:
                output, end = kernel_layer(x, start, weights)
                return output, LSTMState(*end)
            w_ih, w_hh, b_ih, b_hh = weights
            return lstm_sequence(x, LSTMState(*start), w_ih, w_hh, b_ih + b_hh, mask)

        # The kernel would draw a mask for its own rows only, which may be those of one process of many.
        output, end = stacked(one, x, (hidden, cell), self.between)
        return output, LSTMState(*end)


@torch.no_grad()
def initialise(module: nn.Module, hidden_size: int, forget_bias: float) -> None:
    """Uniform weights in +-1/sqrt(H), biases 0, the forget part of the input biases ``forget_bias``."""
    for name, parameter in module.named_parameters():
        if name.startswith("weight"):
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size))
        elif name.startswith("bias"):
            parameter.zero_()
            if name.startswith("bias_ih"):
                parameter[hidden_size : 2 * hidden_size] = forget_bias
