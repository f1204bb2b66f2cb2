r"""Bidirectional recurrent networks, deep: at every step they know what came before and what comes after.

Papers: Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", IEEE Transactions on Signal Processing 1997;
Graves, Mohamed and Hinton, "Speech Recognition with Deep Recurrent Neural Networks", 2013 (arXiv:1303.5778), eqs. 9 to
12, for LSTM cells and layers on top of each other; He et al. 2015 (arXiv:1512.03385), eq. 1, the residual connection.

Legend: x_t input [batch B, input I] of step t, 1 <= t <= n, n the length of the row; f the step of an LSTM or GRU cell;
h state of the cell that reads forward, g of the one that reads backward, [B, H] each; y outputs [B, 2 H].

(1) h_t = f(x_t, h_{t-1}; W),   t = 1, ..., n
(2) g_t = f(x_t, g_{t+1}; V),   t = n, ..., 1: the backward reading begins at the last REAL step of each row
(3) y_t = [h_t, g_t]
(4) layer l reads y^{l-1} in place of x; with residual connections, from the second layer on, y^l = [h, g] + y^{l-1}
(5) where the mask is False no state changes, and the output is 0

Turning a padded batch around along its whole length would let the backward cell read padding first: its state is then
no longer the starting one at step n, and depends on how long the OTHER rows are. Here the mask is turned around with
the inputs, so that by (5) the state waits until the first real step comes.

Departures: the cells' own (see `lstm` and `gru`: the forget bias starts at 1); (4) adds in place of eq. 11 of Graves et
al., which has no residual connections; they sum products with both directions' outputs, which equals (3).

>>> network = Bidirectional(3, 5, 2, cell="gru")
>>> output, state = network(torch.zeros(2, 7, 3), mask=real_steps(torch.tensor([7, 4]), 7))
>>> tuple(output.shape), tuple(state.shape), output[1, 4:].any().item()
((2, 7, 10), (4, 2, 5), False)
"""

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deepcanon.parts.masks import real_positions
from deepcanon.parts.recurrence import add_layers, kernel_layer, uniform_layers_, weights_of
from deepcanon.sequence.gru import gru_sequence
from deepcanon.sequence.lstm import LSTMState, lstm_sequence

__all__ = ["Bidirectional", "backward_layer", "forward_layer", "real_steps"]

Weights = tuple[Tensor, Tensor, Tensor, Tensor]
State = tuple[Tensor, ...]  # the hidden vectors and, of LSTM cells, the memory


def real_steps(lengths: Int[Tensor, "batch"], time: int) -> Bool[Tensor, "batch time"]:
    """The mask of rows that are padded at their ends.

    Raises:
        ValueError: a length is negative or more than ``time``.
    """
    if lengths.ndim != 1 or bool((lengths < 0).any()) or bool((lengths > time).any()):
        raise ValueError(f"lengths {lengths.tolist()} are not a list of numbers from 0 to {time}")
    return real_positions(lengths, time)


def forward_layer(
    x: Float[Tensor, "batch time input"], start: State, weights: Weights, mask: Tensor | None = None, fast: bool = True
) -> tuple[Float[Tensor, "batch time hidden"], State]:
    """Eqs. (1) and (5): outputs and the last real state; the weights say by their shapes which cell it is."""
    if fast and mask is None:
        return kernel_layer(x, start, weights)
    w_ih, w_hh, b_ih, b_hh = weights
    if len(start) == 2:
        return lstm_sequence(x, LSTMState(*start), w_ih, w_hh, b_ih + b_hh, mask)
    output, last = gru_sequence(x, start[0], w_ih, w_hh, b_ih, b_hh, mask)
    return output, (last,)


def backward_layer(
    x: Float[Tensor, "batch time input"], start: State, weights: Weights, mask: Tensor | None = None, fast: bool = True
) -> tuple[Float[Tensor, "batch time hidden"], State]:
    """Eqs. (2) and (5): outputs in the order of x, and the state after the first step of each row."""
    output, last = forward_layer(x.flip(1), start, weights, None if mask is None else mask.flip(1), fast)
    return output.flip(1), last


class Bidirectional(nn.Module):
    """Layers that read in both directions; the same state dict as nn.LSTM or nn.GRU with ``bidirectional=True``.

    Args:
        hidden_size: units of each direction.
        num_layers: layers, each reading both directions of the one below.
        cell: "lstm" or "gru", whose reset gate acts after the product, as torch's.
        residual: add to the outputs of each layer but the first what it has read, eq. (4).
        dropout: share of the values dropped between layers while training.
        forget_bias: of LSTM cells, initial value of the forget part of b_ih.
        fast: use torch's fused kernel where there is no mask (equal results).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        residual: bool = False,
        dropout: float = 0.0,
        forget_bias: float = 1.0,
        fast: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if cell not in ("lstm", "gru"):
            raise ValueError(f"cell {cell!r} is not 'lstm' or 'gru'")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.cell, self.residual, self.forget_bias, self.fast = cell, residual, forget_bias, fast
        self.between = nn.Dropout(dropout)
        blocks = 4 if cell == "lstm" else 3
        add_layers(self, blocks, input_size, hidden_size, num_layers, both=True, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform weights in +-1/sqrt(H), biases 0 but that of the forget gates."""
        uniform_layers_(self, self.hidden_size, 1, self.forget_bias if self.cell == "lstm" else 0.0)

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> tuple[Float[Tensor, "batch time both"], Any]:
        """Outputs [batch, time, 2 hidden] of the top layer, and the states after each direction's last real step.

        Args:
            state: [2 layers, batch, hidden] of GRU cells, a pair of those of LSTM cells; as torch has it, forward
                before backward in each layer. The backward ones stand AFTER the last real step.
            mask: what is read; the rest is padding, at the ends of the rows or within. `real_steps` makes one.

        Raises:
            ValueError: the shapes do not fit.
        """
        if x.ndim != 3 or x.shape[2] != self.input_size or x.shape[1] == 0:
            raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, {self.input_size}]")
        expected = (2 * self.num_layers, x.shape[0], self.hidden_size)
        if state is None:
            state = (x.new_zeros(expected),) * (2 if self.cell == "lstm" else 1)
        else:
            state = tuple(state) if self.cell == "lstm" else (state,)
        if any(part.shape != expected for part in state):
            shapes = [tuple(part.shape) for part in state]
            raise ValueError(f"state {shapes} is not [2 layers, batch, hidden] = {expected}")
        ends = []
        for layer in range(self.num_layers):
            read = self.between(x) if layer else x
            first, second = (tuple(part[2 * layer + k] for part in state) for k in (0, 1))
            h, end = forward_layer(read, first, weights_of(self, layer), mask, self.fast)
            g, start = backward_layer(read, second, weights_of(self, layer, "_reverse"), mask, self.fast)
            ends += [end, start]
            # (3), (4)
            both = torch.cat([h, g], 2)
            x = both + x if self.residual and layer else both
        last = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
        return x, LSTMState(*last) if self.cell == "lstm" else last[0]
