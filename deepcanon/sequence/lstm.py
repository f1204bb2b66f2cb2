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

__all__ = ["LSTM", "LSTMCell", "LSTMState", "lstm_bf16", "lstm_cell", "lstm_sequence"]


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
    # (1) The part that does not wait for h_{t-1}: one matrix product for all steps.
    projected = F.linear(x, weight_ih, bias)
    outputs = []
    for t in range(x.shape[1]):
        new = lstm_cell(projected[:, t] + state.hidden @ weight_hh.T, state.cell)
        if mask is None:
            state = new
            outputs.append(new.hidden)
        else:
            keep = mask[:, t, None]
            # (5)
            state = LSTMState(torch.where(keep, new.hidden, state.hidden), torch.where(keep, new.cell, state.cell))
            outputs.append(torch.where(keep, new.hidden, torch.zeros_like(new.hidden)))
    return torch.stack(outputs, dim=1), state


def lstm_bf16(
    x: Float[Tensor, "batch time input"],
    state: LSTMState,
    weight_ih: Float[Tensor, "gates input"],
    weight_hh: Float[Tensor, "gates hidden"],
    bias_ih: Float[Tensor, "gates"],
    bias_hh: Float[Tensor, "gates"],
) -> tuple[Float[Tensor, "batch time hidden"], LSTMState]:
    """One layer for training on a CPU: products in bf16, all else in fp32; the outputs are bf16, the state fp32.

    The gradients of the weights are one product over all steps each. Where the layer is wide (H of 600 or more, at the
    batches that language models take) this is quicker than torch's kernel, whose backward reads the weights anew at
    every step; where it is narrow the kernel is quicker.
    """
    if x.ndim != 3 or x.shape[2] != weight_ih.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time, {weight_ih.shape[1]}]")
    outputs, hidden, cell = _Bf16Layer.apply(x, *state, weight_ih, weight_hh, bias_ih, bias_hh)
    return outputs, LSTMState(hidden, cell)


def _turned(parameter: Tensor, dtype: torch.dtype) -> Tensor:
    """The blocks i, f, g, o in the order i, f, o, g, or back: the three sigmoids lie side by side."""
    i, f, g, o = parameter.chunk(4)
    return torch.cat([i, f, o, g]).to(dtype)


class _Bf16Layer(torch.autograd.Function):
    """Equations (1) to (4) and their derivatives; `gates`, `cells`, `tanhs`, `hiddens` are kept for the backward."""

    @staticmethod
    def forward(ctx, x, hidden, cell, weight_ih, weight_hh, bias_ih, bias_hh):
        (batch, time, _), size, half = x.shape, hidden.shape[1], torch.bfloat16
        w_ih, w_hh = _turned(weight_ih, half), _turned(weight_hh, half)
        steps = x.transpose(0, 1).to(half).flatten(0, 1)
        # (1) The part that does not wait for h_{t-1}.
        sums = torch.addmm(_turned(bias_ih + bias_hh, half), steps, w_ih.T).view(time, batch, 4 * size)
        gates, tanhs = torch.empty(time, batch, 4 * size), torch.empty(time, batch, size)
        cells, hiddens = torch.empty(time + 1, batch, size), torch.empty(time + 1, batch, size, dtype=half)
        cells[0], hiddens[0] = cell, hidden
        for t in range(time):
            all_ = gates[t].copy_(sums[t].addmm_(hiddens[t], w_hh.T))
            # (2)
            all_[:, : 3 * size].sigmoid_()
            all_[:, 3 * size :].tanh_()
            i, f, o, g = all_.split(size, 1)
            # (3)
            torch.mul(f, cells[t], out=cells[t + 1]).addcmul_(i, g)
            # (4)
            hiddens[t + 1] = o * torch.tanh(cells[t + 1], out=tanhs[t])
        ctx.save_for_backward(steps, w_ih, w_hh, gates, cells, tanhs, hiddens)
        ctx.dtype = x.dtype
        return hiddens[1:].transpose(0, 1).contiguous(), hiddens[-1].float(), cells[-1].clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_outputs, d_hidden, d_cell):
        steps, w_ih, w_hh, gates, cells, tanhs, hiddens = ctx.saved_tensors
        time, batch, size = tanhs.shape
        aten, d_outputs = torch.ops.aten, d_outputs.transpose(0, 1).float()
        slopes = torch.empty(time, batch, 4 * size, dtype=torch.bfloat16)
        slope, through = torch.empty(batch, 4 * size), torch.empty(batch, size)
        d_i, d_f, d_o, d_g = slope.split(size, 1)
        d_sigmoids, d_cell = slope[:, : 3 * size], d_cell.clone()
        for t in range(time - 1, -1, -1):
            i, f, o, g = gates[t].split(size, 1)
            d_hidden = d_outputs[t] + d_hidden
            torch.mul(d_hidden, tanhs[t], out=d_o)
            aten.tanh_backward.grad_input(torch.mul(d_hidden, o, out=through), tanhs[t], grad_input=through)
            d_cell.add_(through)
            torch.mul(d_cell, g, out=d_i)
            torch.mul(d_cell, cells[t], out=d_f)
            torch.mul(d_cell, i, out=d_g)
            aten.sigmoid_backward.grad_input(d_sigmoids, gates[t, :, : 3 * size], grad_input=d_sigmoids)
            aten.tanh_backward.grad_input(d_g, g, grad_input=d_g)
            d_cell.mul_(f)
            d_hidden = slopes[t].copy_(slope) @ w_hh
        flat = slopes.flatten(0, 1)
        d_bias = _turned(flat.sum(0, dtype=torch.float32), torch.float32)
        d_w_ih, d_w_hh = (_turned(flat.T @ rows, torch.float32) for rows in (steps, hiddens[:-1].flatten(0, 1)))
        d_x = (flat @ w_ih).view(time, batch, -1).transpose(0, 1).to(ctx.dtype)
        return d_x, d_hidden.float(), d_cell, d_w_ih, d_w_hh, d_bias, d_bias.clone()


class LSTMCell(nn.Module):
    """One step, eqs. (1) to (4); the parameters are named and ordered as in nn.LSTMCell."""

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
        self.dropout, self.forget_bias, self.fast = dropout, forget_bias, fast
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
        if self.fast and mask is None:
            parameters = [getattr(self, name) for name in self.names]
            output, hidden, cell = torch.lstm(
                x, (hidden, cell), parameters, True, self.num_layers, self.dropout, self.training, False, True
            )
            return output, LSTMState(hidden, cell)
        last = []
        for layer in range(self.num_layers):
            w_ih, w_hh, b_ih, b_hh = (getattr(self, name) for name in self.names[4 * layer : 4 * layer + 4])
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            x, end = lstm_sequence(x, LSTMState(hidden[layer], cell[layer]), w_ih, w_hh, b_ih + b_hh, mask)
            last.append(end)
        return x, LSTMState(torch.stack([s.hidden for s in last]), torch.stack([s.cell for s in last]))


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
