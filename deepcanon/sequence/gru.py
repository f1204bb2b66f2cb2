r"""Gated recurrent unit: a cell that mixes its old state with a new one, without a memory of its own.

Papers: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
2014 (arXiv:1406.1078), eqs. 5 to 8; Chung et al., "Empirical Evaluation of Gated Recurrent Neural Networks on Sequence
Modeling", 2014 (arXiv:1412.3555).

Legend: x_t input [batch B, input I]; h_t hidden vector [B, H]; r reset gate, z update gate, n the candidate; the three
blocks of the weights lie in the order r, z, n; * elementwise.

(1) r_t = sigmoid(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr),  z_t likewise
(2) ``reset="after"``:   n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn))
    ``reset="before"``:  n_t = tanh(W_in x_t + b_in + W_hn (r_t * h_{t-1}) + b_hn)
(3) ``update="keep"``:   h_t = (1 - z_t) * n_t + z_t * h_{t-1}
    ``update="write"``:  h_t = z_t * n_t + (1 - z_t) * h_{t-1}
(4) where the mask is False: h_t = h_{t-1}, and the output is 0

Cho et al. have "before" and "keep" (their eqs. 7 and 8), Chung et al. "before" and "write", torch and cuDNN "after" and
"keep". The conventions for z are one model: weights and biases of z with the other sign change one into the other. The
places of the reset are two models.

Departures: torch's convention is the default, for its kernel and its state dicts; biases, which Cho et al. leave out,
start at 0 except the part of z in b_ih, which starts at ``keep_bias`` (towards keeping in both conventions; 0 is the
papers'). Weights are uniform in +-1/sqrt(H), as in torch.

>>> gru = GRU(3, 5, reset="before", update="write")
>>> output, state = gru(torch.zeros(2, 7, 3))
>>> tuple(output.shape), tuple(state.shape)
((2, 7, 5), (1, 2, 5))
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deepcanon.parts.recurrence import add_layers, begun, kernel_layer, scan, stacked, uniform_layers_, weights_of

__all__ = ["GRU", "GRUTrace", "gru_sequence", "gru_step"]

Reset = Literal["after", "before"]
Update = Literal["keep", "write"]


class GRUTrace(NamedTuple):
    """Everything of a step, each [batch, hidden], or of all steps, [batch, time, hidden]."""

    reset: Tensor
    update: Tensor
    candidate: Tensor
    hidden: Tensor


def gru_step(
    sums: Float[Tensor, "batch gates"],
    hidden: Float[Tensor, "batch hidden"],
    weight_hh: Float[Tensor, "gates hidden"],
    bias_hh: Float[Tensor, "gates"],
    reset: Reset = "after",
    update: Update = "keep",
) -> GRUTrace:
    """One step from W_ih x_t + b_ih and the state before it, eqs. (1) to (3).

    Raises:
        ValueError: the shapes do not fit, or a convention has no such name.
    """
    size = hidden.shape[-1]
    if hidden.ndim != 2 or sums.shape != (hidden.shape[0], 3 * size) or weight_hh.shape != (3 * size, size):
        raise ValueError(
            f"sums {tuple(sums.shape)}, state {tuple(hidden.shape)} and weights {tuple(weight_hh.shape)} do not fit"
        )
    if reset not in ("after", "before") or update not in ("keep", "write"):
        raise ValueError(f"reset {reset!r} is not 'after' or 'before', or update {update!r} not 'keep' or 'write'")
    into_gates, into_n = sums.split([2 * size, size], 1)
    # (1), and of (2) what does not wait for r
    if reset == "after":
        back = F.linear(hidden, weight_hh, bias_hh)
        r, z = (into_gates + back[:, : 2 * size]).sigmoid().chunk(2, 1)
        n = (into_n + r * back[:, 2 * size :]).tanh()
    else:
        back = F.linear(hidden, weight_hh[: 2 * size], bias_hh[: 2 * size])
        r, z = (into_gates + back).sigmoid().chunk(2, 1)
        n = (into_n + F.linear(r * hidden, weight_hh[2 * size :], bias_hh[2 * size :])).tanh()
    # (3)
    kept, written = (z, 1 - z) if update == "keep" else (1 - z, z)
    return GRUTrace(r, z, n, written * n + kept * hidden)


def gru_sequence(
    x: Float[Tensor, "batch time input"],
    hidden: Float[Tensor, "batch hidden"],
    weight_ih: Float[Tensor, "gates input"],
    weight_hh: Float[Tensor, "gates hidden"],
    bias_ih: Float[Tensor, "gates"],
    bias_hh: Float[Tensor, "gates"],
    mask: Bool[Tensor, "batch time"] | None = None,
    reset: Reset = "after",
    update: Update = "keep",
    traced: bool = False,
) -> tuple[Float[Tensor, "batch time ..."], Float[Tensor, "batch hidden"]]:
    """One layer over a whole sequence: outputs and the last real state.

    Args:
        traced: give all that is in `GRUTrace`, [batch, time, 4, hidden], instead of the hidden vectors alone.
    """
    if x.ndim != 3 or x.shape[2] != weight_ih.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time, {weight_ih.shape[1]}]")

    def step(sums: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        new = gru_step(sums, hidden, weight_hh, bias_hh, reset, update)
        return torch.stack(new, 1) if traced else new.hidden, new.hidden

    return scan(step, F.linear(x, weight_ih, bias_ih), hidden, mask)


class GRU(nn.Module):
    """Layers of GRU over a batch of sequences; the same state dict as nn.GRU of the same sizes.

    Args:
        num_layers: layers, each reading the outputs of the one below.
        dropout: share of the values dropped between layers while training.
        reset, update: the conventions of eqs. (2) and (3).
        keep_bias: initial bias of the update gate, towards keeping the state.
        fast: use torch's fused kernel where the conventions are torch's (equal results).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        reset: Reset = "after",
        update: Update = "keep",
        keep_bias: float = 0.0,
        fast: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.reset, self.update, self.keep_bias = reset, update, keep_bias
        self.fast = fast and (reset, update) == ("after", "keep")
        self.between = nn.Dropout(dropout)
        add_layers(self, 3, input_size, hidden_size, num_layers, **make)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform weights in +-1/sqrt(H), biases 0 but that of the update gate."""
        uniform_layers_(self, self.hidden_size, 1, self.keep_bias if self.update == "keep" else -self.keep_bias)

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: Float[Tensor, "layers batch hidden"] | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "layers batch hidden"]]:
        """(outputs of the top layer, state after the last real step); ValueError for shapes that do not fit."""
        state = begun(x, state, self.input_size, (self.num_layers, self.hidden_size))

        def one(number: int, x: Tensor, start: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            if self.fast and mask is None:
                return kernel_layer(x, start, weights_of(self, number))
            output, last = gru_sequence(x, start[0], *weights_of(self, number), mask, self.reset, self.update)
            return output, (last,)

        output, (last,) = stacked(one, x, (state,), self.between)
        return output, last

    def trace(self, x: Float[Tensor, "batch time input"]) -> GRUTrace:
        """Gates and outputs of the top layer at every step, from a state of zeros."""
        zero, last = x.new_zeros(x.shape[0], self.hidden_size), self.num_layers - 1
        for number in range(self.num_layers):
            x, _ = gru_sequence(
                x, zero, *weights_of(self, number), None, self.reset, self.update, traced=number == last
            )
        return GRUTrace(*x.unbind(2))
