r"""Simple recurrent network of rectified units whose recurrent weights start as the identity (IRNN).

Paper: Le, Jaitly and Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", 2015
(arXiv:1504.00941), section 3; Elman, "Finding Structure in Time", 1990, the same recurrence with tanh.

Legend: x_t input [batch B, input I]; h_t hidden vector [B, H]; f max(0, .) or tanh; s the scale of the identity E;
T the last step.

(1) h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
(2) at the start W_hh = s E, b_ih = b_hh = 0, and W_ih is normal with mean 0 and deviation 0.001
(3) d h_T / d h_t = the product of diag(f'(h_k)) W_hh over k = t+1 .. T: at the start, of a rectified unit that stays
    positive, exactly s^(T-t). With s = 1 it neither vanishes nor explodes, and a state without input is kept
(4) where the mask is False: h_t = h_{t-1}, and the output is 0

A scale below 1 (the paper takes 0.01 for speech) forgets: what was read n steps ago counts s^n times as much.

Departures: two bias vectors, as torch's kernels have, so that state dicts are interchangeable with nn.RNN; further
layers start as the first one does. With ``scale`` None the weights are uniform in +-1/sqrt(H), as torch's are: the
network to compare with. The paper starts the weights of the output layer as W_ih, which is the caller's.

>>> rnn = SimpleRNN(3, 5)
>>> output, state = rnn(torch.ones(2, 7, 3))
>>> tuple(output.shape), tuple(state.shape), torch.equal(rnn.weight_hh_l0, torch.eye(5))
((2, 7, 5), (1, 2, 5), True)
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deepcanon.parts.recurrence import add_layers, begun, kernel_layer, scan, stacked, uniform_layers_, weights_of

__all__ = ["INPUT_STD", "SimpleRNN", "gradient_by_step", "simple_sequence"]

Nonlinearity = Literal["relu", "tanh"]
UNITS = {"relu": torch.relu, "tanh": torch.tanh}
KERNELS = {"relu": torch.rnn_relu, "tanh": torch.rnn_tanh}
INPUT_STD = 0.001
"""Deviation of the input weights in the paper."""


def simple_sequence(
    x: Float[Tensor, "batch time input"],
    hidden: Float[Tensor, "batch hidden"],
    weight_ih: Float[Tensor, "hidden input"],
    weight_hh: Float[Tensor, "hidden hidden"],
    bias_ih: Float[Tensor, "hidden"],
    bias_hh: Float[Tensor, "hidden"],
    mask: Bool[Tensor, "batch time"] | None = None,
    nonlinearity: Nonlinearity = "relu",
) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "batch hidden"]]:
    """One layer over a whole sequence, eqs. (1) and (4), differentiated by autograd: outputs and the last real state.

    Raises:
        ValueError: the shapes do not fit, or there is no such nonlinearity.
    """
    if x.ndim != 3 or x.shape[2] != weight_ih.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time, {weight_ih.shape[1]}]")
    if nonlinearity not in UNITS:
        raise ValueError(f"nonlinearity {nonlinearity!r} is not 'relu' or 'tanh'")
    unit = UNITS[nonlinearity]

    def step(sums: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        new = unit(sums + F.linear(hidden, weight_hh, bias_hh))
        return new, new

    return scan(step, F.linear(x, weight_ih, bias_ih), hidden, mask)


class SimpleRNN(nn.Module):
    """Layers of simple recurrence over a batch of sequences; the same state dict as nn.RNN of the same sizes.

    Args:
        num_layers: layers, each reading the outputs of the one below.
        nonlinearity: f of eq. (1).
        scale: s of eq. (2); None: uniform weights in +-1/sqrt(H) instead of eq. (2).
        input_std: deviation of W_ih at the start, eq. (2).
        dropout: share of the values dropped between layers while training.
        fast: use torch's kernel where there is no mask (equal results).

    Raises:
        ValueError: there is no such nonlinearity.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: Nonlinearity = "relu",
        scale: float | None = 1.0,
        input_std: float = INPUT_STD,
        dropout: float = 0.0,
        fast: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if nonlinearity not in UNITS:
            raise ValueError(f"nonlinearity {nonlinearity!r} is not 'relu' or 'tanh'")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.nonlinearity, self.scale, self.input_std, self.fast = nonlinearity, scale, input_std, fast
        self.between = nn.Dropout(dropout)
        add_layers(self, 1, input_size, hidden_size, num_layers, device=device, dtype=dtype)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Eq. (2), or uniform weights and biases of 0."""
        if self.scale is None:
            uniform_layers_(self, self.hidden_size, 0, 0.0)
            return
        for name, parameter in self.named_parameters():
            if name.startswith("weight_hh"):
                nn.init.eye_(parameter).mul_(self.scale)
            elif name.startswith("weight_ih"):
                nn.init.normal_(parameter, 0.0, self.input_std)
            else:
                parameter.zero_()

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
                return kernel_layer(x, start, weights_of(self, number), KERNELS[self.nonlinearity])
            output, last = simple_sequence(x, start[0], *weights_of(self, number), mask, self.nonlinearity)
            return output, (last,)

        output, (last,) = stacked(one, x, (state,), self.between)
        return output, last


def gradient_by_step(
    network: Callable[[Tensor], tuple[Tensor, Any]], x: Float[Tensor, "batch time input"]
) -> Float[Tensor, "time"]:
    """Norm of the gradient of the last outputs, summed, in the input of every step; mean over the batch.

    What eq. (3) amounts to, of any network ``x -> (outputs [batch, time, hidden], state)``.
    """
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        outputs, _ = network(leaf)
        (slopes,) = torch.autograd.grad(outputs[:, -1].sum(), leaf)
    return slopes.norm(dim=2).mean(0)
