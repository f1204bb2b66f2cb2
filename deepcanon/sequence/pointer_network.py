r"""Pointer network: answers with a sequence of the points that it was given, by attention that points at them.

Paper: Vinyals, Fortunato and Jaitly, "Pointer Networks", 2015 (arXiv:1506.03134), section 2.3.

Legend: batch B, points P of F coordinates, steps T; e_j the encoder's hidden vector after point j [H], e_P a learned
vector that stands for the end; d_t the decoder's hidden vector; y_t the place pointed at in step t.

(1) e_1 .. e_P, s = LSTM(x_1 .. x_P);   d_t, s = LSTM(x_{y_{t-1}}, s), the first input a learned vector
(2) u_tj = v . tanh(W_1 e_j + W_2 d_t + b)
(3) p(y_t = j) = softmax(u_t)_j: the attention itself is the answer, so that there are as many answers as points

The input of the decoder is the ELEMENT that was pointed at, not a mean of all: the answer is a place of the input, and
so the same network reads sets of any size. All sets of a batch have one size: nothing is padded.

Departures: the weights of the inputs and v begin larger, uniform in [-1, 1] and [-0.3, 0.3], and the forget gates open
(bias 1); all others uniform in 1 / sqrt(H). With the paper's 0.08 for all, coordinates in [0, 1] hardly move the hidden
vectors: the loss on hulls of 5 to 10 points stood at 1.91 after 190,000 sets, where it is 0.5 after 26,000 otherwise.

>>> net = PointerNetwork(2, 8)
>>> points, answer = torch.rand(3, 5, 2), torch.tensor([[0, 2, 1, -1, -1]]).expand(3, -1)
>>> logits = net(points, answer)  # place 5 is the end
>>> tuple(logits.shape), tuple(net.decode(points).shape), pointer_nll(logits, answer).ndim
((3, 6, 6), (3, 5), 0)
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.attention import additive_scores
from deepcanon.parts.exported_loops import looped, put, recurrent_states
from deepcanon.sequence.lstm import lstm_cell

__all__ = ["PointerNetwork", "pointer_nll"]


def pointer_nll(
    logits: Float[Tensor, "batch steps places"], targets: Int[Tensor, "batch answers"]
) -> Float[Tensor, ""]:
    """Mean negative log-likelihood in nats of the places and of the end after them.

    Args:
        logits: of one step more than the answers; the last place is the end.
        targets: places; -1 from the end of an answer on.

    Raises:
        ValueError: the shapes do not fit.
    """
    if logits.ndim != 3 or targets.shape != (logits.shape[0], logits.shape[1] - 1):
        raise ValueError(f"targets {tuple(targets.shape)} do not fit logits {tuple(logits.shape)}")
    given = F.pad(targets, (0, 1), value=-1)
    asked = F.pad(targets >= 0, (1, 0), value=True)  # every place, and the step after the last
    losses = F.cross_entropy(
        logits.transpose(1, 2), torch.where(given < 0, logits.shape[2] - 1, given), reduction="none"
    )
    return torch.where(asked, losses, 0.0).sum() / asked.sum()


class PointerNetwork(nn.Module):
    """Encoder and decoder of one LSTM layer each, and the pointer of eq. (2).

    Args:
        features: coordinates of a point.
        hidden: H.
    """

    def __init__(self, features: int = 2, hidden: int = 256, *, device=None, dtype=None):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        self.encoder = nn.LSTM(features, hidden, batch_first=True, **make)
        self.decoder = nn.LSTM(features, hidden, batch_first=True, **make)
        self.memory = nn.Linear(hidden, hidden, bias=False, **make)  # W_1
        self.query = nn.Linear(hidden, hidden, **make)  # W_2, b
        self.vector = nn.Parameter(torch.empty(hidden, **make))  # v
        self.start = nn.Parameter(torch.empty(features, **make))
        self.end = nn.Parameter(torch.empty(hidden, **make))
        wide = {"encoder.weight_ih_l0": 1.0, "decoder.weight_ih_l0": 1.0, "vector": 0.3}
        for name, weight in self.named_parameters():
            bound = wide.get(name, 1 / math.sqrt(hidden))
            nn.init.uniform_(weight, -bound, bound)
        for lstm in (self.encoder, self.decoder):
            lstm.bias_ih_l0.data[hidden : 2 * hidden] += 1

    def _read(self, points: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """W_1 e of the points and of the end [B, P + 1, H], and the encoder's last state."""
        if points.ndim != 3:
            raise ValueError(f"points {tuple(points.shape)} are not [batch, points, features]")
        if torch.compiler.is_exporting():  # as a loop, for sets of any size
            zero = points.new_zeros(points.shape[0], 2 * self.encoder.hidden_size)
            both = recurrent_states(
                lambda x, last: torch.cat(_stepped(self.encoder, x, *last.chunk(2, 1)), 1), points, zero
            )
            hidden, cell = both.chunk(2, 2)
            state = hidden[:, -1], cell[:, -1]
        else:
            hidden, last = self.encoder(points)
            state = last[0][0], last[1][0]
        return self.memory(torch.cat([hidden, self.end.expand(points.shape[0], 1, -1)], 1)), state

    def forward(
        self, points: Float[Tensor, "batch points features"], targets: Int[Tensor, "batch answers"]
    ) -> Float[Tensor, "batch steps places"]:
        """Logits of the places and, last, of the end, in one step more than the answers have places.

        Args:
            targets: what was pointed at; -1 from the end of an answer on.

        Raises:
            ValueError: points that are not [batch, points, features].
        """
        keys, (hidden, cell) = self._read(points)
        places = targets.clamp_min(0)[:, :, None].expand(-1, -1, points.shape[2])
        shown = torch.cat([self.start.expand(points.shape[0], 1, -1), points.gather(1, places)], 1)
        steps, _ = self.decoder(
            shown, (hidden[None], cell[None])
        )  # (1): all steps at once, since the answers are given
        return additive_scores(self.query(steps), keys, self.vector)

    def decode(
        self, points: Float[Tensor, "batch points features"], distinct: bool = False, most: int | None = None
    ) -> Int[Tensor, "batch _"]:
        """The likeliest place at every step; -1 from the end on.

        Args:
            distinct: name every point once (tours); otherwise the network ends where it wants, and may repeat a point.
            most: steps; as many as there are points, if not given.

        Raises:
            ValueError: more distinct places than points, or points that are not [batch, points, features].
        """
        if distinct and most is not None and most > points.shape[1]:
            raise ValueError(f"there are no {most} distinct places in sets of {points.shape[1]} points")
        keys, (hidden, cell) = self._read(points)
        batch, size, features = points.shape
        here = torch.arange(size + 1, device=points.device)

        def body(t: Tensor, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            shown, hidden, cell, ended, found, *taken = values
            hidden, cell = _stepped(self.decoder, shown, hidden, cell)
            scores = additive_scores(self.query(hidden), keys, self.vector)
            place = (scores.masked_fill(taken[0], -torch.inf) if taken else scores).argmax(1)
            ended = ended | (place == size)
            found = put(found, t, torch.where(ended, -1, place))
            shown = behind.gather(1, place[:, None, None].expand(-1, 1, features))[:, 0]
            return shown, hidden, cell, ended, found, *(names | (here == place[:, None]) for names in taken)

        behind = torch.cat([points, points[:, -1:]], 1)  # what is read after the end has no meaning
        none = here.expand(batch, -1) < 0
        found = points.new_full((batch, size if most is None else most), -1, dtype=torch.int64)
        begin = (self.start.expand(batch, -1), hidden, cell, none[:, 0], found)
        taken = (none | (here == size),) if distinct else ()
        return looped(body, (*begin, *taken), found.shape[1], lambda values: ~values[3].all())[4]


def _stepped(lstm: Any, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the layer."""
    sums = F.linear(x, lstm.weight_ih_l0, lstm.bias_ih_l0) + F.linear(hidden, lstm.weight_hh_l0, lstm.bias_hh_l0)
    return lstm_cell(sums, cell)
