r"""Neural Turing machine: a network that reads and writes a memory, addressed by content and by shifting.

Paper: Graves, Wayne and Danihelka, "Neural Turing Machines", 2014 (arXiv:1410.5401), whose equations are named.

Legend: batch B; N places of W numbers, memory M [B, N, W]; H heads that read, as many that write; weights w [B, N] of
each, sums of 1; x_t input [B, I]; h_t output of the controller [B, U]; r [B, H W] what was read; y_t logits [B, O].

(1) h_t = tanh(A [x_t, r_{t-1}] + a), or an LSTM step of [x_t, r_{t-1}]; y_t = D h_t + d
(2) from h_t, linearly, of each head: key k, strength b = softplus(.), gate g = sigmoid(.), shift s = softmax(.) over
    -1, 0 and 1, sharpening c = 1 + softplus(.); of those that write also e = sigmoid(.) to erase and v to add
(3) u(i) = softmax_i(b cos(k, M_{t-1}(i))) (eqs. 5 and 6)
(4) q(i) = g u(i) + (1 - g) w_{t-1}(i) (eq. 7)
(5) z(i) = sum_j q(i - j) s(j), places counted around a circle (eq. 8)
(6) w_t(i) = z(i)^c / sum_j z(j)^c (eq. 9)
(7) M_t(i) = M_{t-1}(i) * prod(1 - w_t(i) e) + sum w_t(i) v: everything is erased before anything is added (eqs. 3, 4)
(8) r_t = sum_i w_t(i) M_t(i) (eq. 2)

The order in (3) to (6) matters: a machine that sharpens before it shifts cannot stay sharp. A sequence begins with a
memory of 1e-6 everywhere, every head at the first place, and nothing read.

Departures: the paper clips each component of the gradient at 10 and trains by RMSProp, the recipe clips the norm of all
and trains by Adam; all starts are fixed, not learned, since the paper does not say what it does; the paper's table has
17,162 parameters for a copying machine with one head, 100 units and 128 places of 20 numbers, and this one has 13,201
with 9 inputs and outputs, without a bias of the memory and with one head of each kind.

>>> machine = NTM(9, 9, units=100, places=128, width=20)
>>> sum(p.numel() for p in machine.parameters())
13201
>>> y, state = machine(torch.zeros(2, 5, 9))
>>> tuple(y.shape), tuple(state.memory.shape), tuple(state.weights.shape)
((2, 5, 9), (2, 128, 20), (2, 2, 128))
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.sequence.lstm import lstm_cell

__all__ = ["NTM", "NTMState", "NTMTrace", "address", "write"]

SHIFTS = 3  # by -1, 0 and 1
START = 1e-6
SMALL = 1e-8  # keeps cosines of nothing, and powers of places without weight, finite


class NTMState(NamedTuple):
    """What a machine carries from step to step: memory [B, N, W], weights of all heads [B, 2 H, N], those that read
    first, what was read [B, H W], and the state of an LSTM controller [2, B, U], of another one zeros."""

    memory: Tensor
    weights: Tensor
    read: Tensor
    controller: Tensor


class NTMTrace(NamedTuple):
    """What a machine did at every step: weights [B, T, 2 H, N] and what was added [B, T, H, W]."""

    weights: Tensor
    added: Tensor


def address(
    memory: Float[Tensor, "batch places width"],
    before: Float[Tensor, "batch heads places"],
    key: Float[Tensor, "batch heads width"],
    strength: Float[Tensor, "batch heads"],
    gate: Float[Tensor, "batch heads"],
    shift: Float[Tensor, "batch heads 3"],
    sharpening: Float[Tensor, "batch heads"],
) -> Float[Tensor, "batch heads places"]:
    """Eqs. (3) to (6): where the heads are next."""
    norms = memory.norm(dim=2)[:, None] * key.norm(dim=2, keepdim=True)
    cosine = key @ memory.transpose(1, 2) / (norms + SMALL)
    by_content = (strength[..., None] * cosine).softmax(2)
    q = before + gate[..., None] * (by_content - before)
    left, still, right = shift.split(1, 2)
    z = left * q.roll(-1, 2) + still * q + right * q.roll(1, 2)  # by -1: what was at i + 1 is at i
    return (sharpening[..., None] * (z + SMALL).log()).softmax(2)


def write(
    memory: Float[Tensor, "batch places width"],
    weights: Float[Tensor, "batch heads places"],
    erase: Float[Tensor, "batch heads width"],
    add: Float[Tensor, "batch heads width"],
) -> Float[Tensor, "batch places width"]:
    """Eq. (7)."""
    kept = 1 - weights[..., None] * erase[:, :, None]
    kept = kept[:, 0] if kept.shape[1] == 1 else kept.prod(1)
    return memory * kept + weights.transpose(1, 2) @ add


class NTM(nn.Module):
    """The machine.

    Args:
        inputs, outputs: I and O.
        units: U of the controller.
        places, width: N and W.
        heads: H.
        controller: "feedforward" or "lstm", eq. (1).
    """

    def __init__(
        self, inputs: int, outputs: int, *, units: int = 100, places: int = 128, width: int = 20, heads: int = 1,
        controller: Literal["feedforward", "lstm"] = "feedforward", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if min(inputs, outputs, units, width, heads) < 1 or places < SHIFTS:
            raise ValueError(f"a machine of {places} places needs {SHIFTS} or more, and everything else 1 or more")
        if controller not in ("feedforward", "lstm"):
            raise ValueError(f"controller {controller!r} is not 'feedforward' or 'lstm'")
        self.units, self.places, self.width, self.heads, self.kind = units, places, width, heads, controller
        to = {"device": device, "dtype": dtype}
        size = units * (4 if controller == "lstm" else 1)
        self.controller = nn.Linear(inputs + heads * width, size, **to)
        if controller == "lstm":
            self.recurrent = nn.Linear(units, size, bias=False, **to)
        # of all heads first what they address with, then what is erased and added
        self.interface = nn.Linear(units, 2 * heads * (width + SHIFTS + 3) + 2 * heads * width, **to)
        self.output = nn.Linear(units, outputs, **to)

    def start(self, batch) -> NTMState:
        """The state before the first step."""
        weight = self.output.weight
        weights = F.one_hot(torch.zeros(2 * self.heads, dtype=torch.int64, device=weight.device), self.places)
        return NTMState(
            weight.new_full((batch, self.places, self.width), START),
            weights.to(weight.dtype).expand(batch, -1, -1),
            weight.new_full((batch, self.heads * self.width), START),
            weight.new_zeros(2, batch, self.units),
        )

    def step(self, given: Float[Tensor, "batch size"], state: NTMState) -> tuple[Tensor, NTMState, Tensor]:
        """One step: h_t, the next state, and what was added [B, H, W].

        Args:
            given: A x_t + a.
        """
        memory, before, read, controller = state
        batch, heads, width = read.shape[0], self.heads, self.width
        sums = torch.addmm(given, read, self.controller.weight[:, -read.shape[1] :].T)
        if self.kind == "lstm":
            sums = torch.addmm(sums, controller[0], self.recurrent.weight.T)
            h, c = lstm_cell(sums, controller[1])
            controller = torch.stack([h, c])
        else:
            h = sums.tanh()
        # (2)
        asked, written = self.interface(h).split([2 * heads * (width + SHIFTS + 3), 2 * heads * width], 1)
        asked = asked.unflatten(1, (2 * heads, -1))
        key, rest = asked[..., :width], asked[..., width:]
        strength, sharper = F.softplus(rest[..., :2]).unbind(2)
        gate, shift = rest[..., 2].sigmoid(), rest[..., 3:].softmax(2)
        weights = address(memory, before, key, strength, gate, shift, 1 + sharper)
        erase, add = written.unflatten(1, (2, heads, width)).unbind(1)
        memory = write(memory, weights[:, heads:], erase.sigmoid(), add)
        found = (weights[:, :heads] @ memory).reshape(batch, heads * width)
        return h, NTMState(memory, weights, found, controller), add

    def forward(
        self, x: Float[Tensor, "batch time inputs"], state: NTMState | None = None
    ) -> tuple[Float[Tensor, "batch time outputs"], NTMState]:
        """Logits of every step, and the state after the last one.

        Raises:
            ValueError: x is not [batch, time >= 1, inputs].
        """
        y, state, *_ = self._run(x, state)
        return y, state

    def trace(self, x: Float[Tensor, "batch time inputs"]) -> NTMTrace:
        """Where the heads were, and what was written, from the start on."""
        _, _, weights, added = self._run(x, None)
        return NTMTrace(torch.stack(weights, 1), torch.stack(added, 1))

    def _run(self, x: Tensor, state: NTMState | None) -> tuple[Tensor, NTMState, list[Tensor], list[Tensor]]:
        wanted = self.controller.in_features - self.heads * self.width
        if x.ndim != 3 or x.shape[2] != wanted or x.shape[1] == 0:
            raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, {wanted}]")
        x = x.to(self.output.weight.dtype)
        state = self.start(x.shape[0]) if state is None else state
        given = F.linear(x, self.controller.weight[:, :wanted], self.controller.bias)
        outputs, weights, added = [], [], []
        for t in range(x.shape[1]):
            h, state, add = self.step(given[:, t], state)
            outputs.append(h)
            weights.append(state.weights)
            added.append(add)
        return self.output(torch.stack(outputs, 1)), state, weights, added
