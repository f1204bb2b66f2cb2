r"""Long short-term memory: a gated cell whose memory is changed by adding, so that gradients survive long lags.

Papers: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997; Gers, Schmidhuber and Cummins,
"Learning to Forget", 2000 (the forget gate); Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent
Network Architectures", ICML 2015 (its bias of 1); Gers and Schmidhuber, "Recurrent Nets that Time and Count", 2000
(peepholes); Greff et al., "LSTM: A Search Space Odyssey", 2015 (arXiv:1503.04069), coupled gates; Ba, Kiros and Hinton,
"Layer Normalization", 2016 (arXiv:1607.06450).

Legend: x_t input [batch B, input I]; h_t hidden vector, c_t memory [B, H]; i, f, o input, forget and output gates;
g the candidate; the four blocks of the weights lie in the order i, f, g, o; * elementwise.

(1) [i, f, g, o]_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
(2) i, f, o = sigmoid(i), sigmoid(f), sigmoid(o);  g = tanh(g)
(3) c_t = f * c_{t-1} + i * g
(4) h_t = o * tanh(c_t)
(5) where the mask is False: h_t = h_{t-1}, c_t = c_{t-1}, and the output is 0

Variants, by options:

(6) peepholes: i and f also sum p_i * c_{t-1} and p_f * c_{t-1}, and o sums p_o * c_t (Gers and Schmidhuber 2000)
(7) coupled gates: f = 1 - i, and the block f of the weights is left out (Greff et al. 2015)
(8) layer normalisation: a_t = gain_ih * N(W_ih x_t) + gain_hh * N(W_hh h_{t-1}) + b_ih + b_hh, and h_t =
    o * tanh(gain_c * N(c_t) + shift_c), where N takes the mean off a row and divides by its standard deviation

Departures: no peepholes by default (the paper on forgetting has none). Two bias vectors, as torch's kernels have, so
that state dicts are interchangeable with nn.LSTM; both start at 0 except that the forget part of b_ih starts at
``forget_bias`` = 1 (on both it would be 2), or, of coupled gates, the input part at -1, which is the same. Weights and
peepholes are uniform in +-1/sqrt(H), as in torch. Of (8) Ba et al. have a shift for each of the two sums, which
do what the biases do.

>>> lstm = LSTM(3, 5)
>>> output, state = lstm(torch.zeros(2, 7, 3))
>>> tuple(output.shape), tuple(state.hidden.shape)
((2, 7, 5), (1, 2, 5))
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deepcanon.parts.recurrence import kernel_layer, scan, stacked
from deepcanon.parts.recurrence_by_hand import LSTMRule, Rows, recur

__all__ = [
    "LSTM", "LSTMCell", "LSTMRule", "LSTMState", "LSTMTrace", "Variant", "lstm_cell", "lstm_layer", "lstm_sequence",
    "lstm_step",
]  # fmt: skip


class LSTMState(NamedTuple):
    """Hidden vector and memory; [batch, hidden] of a cell, [layers, batch, hidden] of a sequence module."""

    hidden: Tensor
    cell: Tensor


class LSTMTrace(NamedTuple):
    """Everything of a step, each [batch, hidden], or of all steps, [batch, time, hidden]."""

    input: Tensor
    forget: Tensor
    candidate: Tensor
    output: Tensor
    cell: Tensor
    hidden: Tensor


class Variant(NamedTuple):
    """What differs from eqs. (1) to (4).

    Attributes:
        peephole: p_i, p_f and p_o (of coupled gates p_i and p_o) of eq. (6).
        coupled: eq. (7).
        gains: gain_ih, gain_hh, gain_c and shift_c of eq. (8).
    """

    peephole: Float[Tensor, "gates hidden"] | None = None
    coupled: bool = False
    gains: Sequence[Tensor] | None = None


PLAIN = Variant()


def lstm_step(
    gates: Float[Tensor, "batch gates"], cell: Float[Tensor, "batch hidden"], variant: Variant = PLAIN
) -> LSTMTrace:
    """One step from the sums of eq. (1) and the memory before it: eqs. (2) to (4), with all that they compute."""
    blocks = 3 if variant.coupled else 4
    if gates.ndim != 2 or gates.shape != (cell.shape[0], blocks * cell.shape[1]):
        raise ValueError(f"gates {tuple(gates.shape)} do not match a memory of {tuple(cell.shape)}")
    i, *f, g, o = gates.chunk(blocks, dim=1)
    if variant.peephole is not None:
        # (6)
        peep_i, *peep_f, peep_o = variant.peephole
        i = i + peep_i * cell
        f = [sums + peep * cell for sums, peep in zip(f, peep_f, strict=True)]
    # (2), (7)
    i, g = i.sigmoid(), g.tanh()
    keep = 1 - i if variant.coupled else f[0].sigmoid()
    # (3)
    cell = keep * cell + i * g
    if variant.peephole is not None:
        o = o + peep_o * cell
    o = o.sigmoid()
    # (4), (8)
    seen = cell if variant.gains is None else normalised(cell, *variant.gains[2:])
    return LSTMTrace(i, keep, g, o, cell, o * seen.tanh())


def lstm_cell(
    gates: Float[Tensor, "batch gates"], cell: Float[Tensor, "batch hidden"], variant: Variant = PLAIN
) -> LSTMState:
    """The new state alone of `lstm_step`."""
    new = lstm_step(gates, cell, variant)
    return LSTMState(new.hidden, new.cell)


def normalised(x: Tensor, gain: Tensor, shift: Tensor | None = None) -> Tensor:
    """Rows with mean 0 and variance 1, times a gain, plus a shift."""
    return F.layer_norm(x, x.shape[-1:], gain, shift)


def lstm_sequence(
    x: Float[Tensor, "batch time input"],
    state: LSTMState,
    weight_ih: Float[Tensor, "gates input"],
    weight_hh: Float[Tensor, "gates hidden"],
    bias: Float[Tensor, "gates"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
    variant: Variant = PLAIN,
    traced: bool = False,
) -> tuple[Float[Tensor, "batch time ..."], LSTMState]:
    """One layer over a whole sequence; ``bias`` is b_ih + b_hh.

    Args:
        traced: give all that is in `LSTMTrace`, [batch, time, 6, hidden], instead of the hidden vectors alone.
    """
    if x.ndim != 3 or x.shape[2] != weight_ih.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time, {weight_ih.shape[1]}]")

    def step(sums: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        back = state.hidden @ weight_hh.T
        new = lstm_step(sums + (back if gains is None else normalised(back, gains[1])), state.cell, variant)
        return torch.stack(new, 1) if traced else new.hidden, LSTMState(new.hidden, new.cell)

    # (1) without W_hh h_{t-1}; (5) is in `scan`
    gains = variant.gains
    if gains is None:
        sums = F.linear(x, weight_ih, bias)
    else:
        # (8)
        sums = normalised(F.linear(x, weight_ih), gains[0], bias)
    return scan(step, sums, state, mask)


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
        fast: use torch's fused kernel (equal results); False, and of variants always: the equations, step by step.
        peepholes, coupled, layer_norm: eqs. (6), (7), (8); the parameters are named `peephole_l0`, `gain_ih_l0` ...
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
        peepholes: bool = False,
        coupled: bool = False,
        layer_norm: bool = False,
        batch_first: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if not batch_first:
            raise ValueError("this LSTM takes [batch, time, input] only: batch_first must be True")
        make = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.forget_bias, self.fast = forget_bias, fast and not (peepholes or coupled or layer_norm)
        self.coupled, blocks = coupled, 3 if coupled else 4
        self.between = nn.Dropout(dropout)
        self.names: list[str] = []
        self.extras: list[str] = []
        sums = (blocks * hidden_size,)
        shapes = {"weight_ih": (*sums, 0), "weight_hh": (*sums, hidden_size), "bias_ih": sums, "bias_hh": sums}
        more: dict[str, tuple[int, ...]] = {}
        if peepholes:
            more["peephole"] = (blocks - 1, hidden_size)
        if layer_norm:
            more |= {"gain_ih": sums, "gain_hh": sums, "gain_c": (hidden_size,), "shift_c": (hidden_size,)}
        self.peepholes, self.layer_norm = peepholes, layer_norm
        for layer in range(num_layers):
            shapes["weight_ih"] = (*sums, input_size if layer == 0 else hidden_size)
            for name, shape in {**shapes, **more}.items():
                (self.names if name in shapes else self.extras).append(f"{name}_l{layer}")
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.empty(*shape, **make)))
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
            if fast:
                weights = [getattr(self, name) for name in self.names[4 * number : 4 * number + 4]]
                output, end = kernel_layer(x, start, weights)
                return output, LSTMState(*end)
            return self.layer(number, x, LSTMState(*start), mask)

        # The kernel would draw a mask for its own rows only, which may be those of one process of many.
        output, end = stacked(one, x, (hidden, cell), self.between)
        return output, LSTMState(*end)

    def layer(
        self, number: int, x: Tensor, state: LSTMState, mask: Tensor | None = None, traced: bool = False
    ) -> tuple[Tensor, LSTMState]:
        """One of the layers by the equations."""
        w_ih, w_hh, b_ih, b_hh = (getattr(self, name) for name in self.names[4 * number : 4 * number + 4])
        each = len(self.extras) // self.num_layers
        extras = [getattr(self, name) for name in self.extras[each * number : each * (number + 1)]]
        peephole = extras.pop(0) if self.peepholes else None
        variant = Variant(peephole, self.coupled, extras if self.layer_norm else None)
        return lstm_sequence(x, state, w_ih, w_hh, b_ih + b_hh, mask, variant, traced)

    def trace(self, x: Float[Tensor, "batch time input"]) -> LSTMTrace:
        """Gates, memory and outputs of the top layer at every step, from a state of zeros."""
        zero = x.new_zeros(x.shape[0], self.hidden_size)
        for number in range(self.num_layers - 1):
            x, _ = self.layer(number, x, LSTMState(zero, zero))
        values, _ = self.layer(self.num_layers - 1, x, LSTMState(zero, zero), traced=True)
        return LSTMTrace(*values.unbind(2))


@torch.no_grad()
def initialise(module: nn.Module, hidden_size: int, forget_bias: float) -> None:
    """Weights and peepholes uniform in +-1/sqrt(H), gains 1, all else 0 but the forget part of the input biases.

    Coupled gates have no such part: their input part is ``-forget_bias``.
    """
    for name, parameter in module.named_parameters():
        if name.startswith(("weight", "peephole")):
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size))
        elif name.startswith("gain"):
            parameter.fill_(1)
        elif name.startswith(("bias", "shift")):
            parameter.zero_()
            if name.startswith("bias_ih"):
                if len(parameter) == 3 * hidden_size:
                    parameter[:hidden_size] = -forget_bias
                else:
                    parameter[hidden_size : 2 * hidden_size] = forget_bias
