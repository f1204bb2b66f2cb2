r"""Attention that sees where it was at the step before: its next place follows from that one and from nearby words.

Papers: Chorowski, Bahdanau, Serdyuk, Cho and Bengio, "Attention-Based Models for Speech Recognition", 2015
(arXiv:1506.07503), eqs. (8) and (9); Gehring, Auli, Grangier and Dauphin, "A Convolutional Encoder Model for Neural
Machine Translation", 2017 (arXiv:1611.02344), section 3.

Legend: x_i words of the source, y_t of the target, y_0 the sign at which sentences begin and end; E, F embeddings
[words, D]; h_i annotations [batch B, S, H] of the words around place i; f features [B, S, K] of the weights before;
a, c weights and context; s_t states of the decoder [B, H]; [;] vectors one after the other.

(1) h_i = tanh(sum_j U_j E x_{i+j} + u)                   j from -(window // 2) to window // 2, 0 beyond the REAL words
(2) s_0 = tanh(W_s mean_i h_i + b_s),  a_0 = 0,  c_0 = 0
(3) f_i = sum_j K_j a_{t-1, i+j}                          j from -(reach // 2) to reach // 2
(4) e_i = v . tanh(W_q [F y_{t-1} ; c_{t-1}] + b_q + W_h h_i + W_f f_i)
(5) a_t = softmax(e) over the real words;  c_t = sum_i a_{t, i} E x_i
(6) s_t = GRU([F y_{t-1} ; c_t], s_{t-1})
(7) r_t = tanh(W_r [s_t ; F y_{t-1} ; c_t] + b_r)
(8) p(y_t | y_<t, x) = softmax(W_o r_t + b_o)

Away from the ends of a sentence no annotation and no score can tell the number of a place or of a step, so that
sentences longer than those of the training are attended to alike. An annotation that is also the value would let a
weight lie on a neighbour, which tells as much; therefore the values are the words themselves.

Departures: Chorowski et al. ask with the state s_{t-1}, which can count, and attend to its annotations; Gehring et al.
have deeper convolutions, a second stack of them for the values, and embeddings of the places. W_f has as many inputs as
there are features, K is shared by all words; dropout on embeddings and on r.

Shown by: attention.

>>> model = LocationAwareSeq2Seq(9, 8, 6, embedding_size=5)
>>> source, lengths = torch.tensor([[2, 3, 1], [4, 1, 1]]), torch.tensor([3, 2])
>>> readout, weights = model(source, lengths, torch.tensor([[1, 5], [1, 6]]))
>>> tuple(readout.shape), tuple(weights.shape), weights[1, :, 2].tolist()
((2, 2, 6), (2, 2, 3), [0.0, 0.0])
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.attention import additive_scores, attend
from deepcanon.parts.masks import real_positions
from deepcanon.sequence.attention import gru_cell

__all__ = ["LocationAwareSeq2Seq", "Place"]


class Place(NamedTuple):
    """The decoder between two steps, batch first: s_t, c_t and a_t, and what it attends to."""

    hidden: Tensor
    context: Tensor
    weights: Tensor
    values: Tensor
    keys: Tensor
    real: Tensor


class LocationAwareSeq2Seq(nn.Module):
    """Equations (1) to (8); the readout r_t is handed out, and ``output`` makes logits of it.

    Args:
        source_words, target_words: sizes of the vocabularies.
        hidden_size: H, of the annotations, the scores, the decoder and r.
        embedding_size: D.
        window: words that an annotation sees, an odd number.
        reach: places around its own whose weights before a score sees, an odd number.
        features: K of each place.
        dropout: share of embeddings and readout that is dropped while training.
        keep_bias: initial bias of the update gate, towards keeping the state.

    Raises:
        ValueError: a window is not an odd number.
    """

    moving = ("hidden", "context", "weights")

    def __init__(
        self,
        source_words: int,
        target_words: int,
        hidden_size: int = 256,
        *,
        embedding_size: int = 256,
        window: int = 5,
        reach: int = 13,
        features: int = 8,
        dropout: float = 0.0,
        keep_bias: float = 0.0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        if window % 2 != 1 or reach % 2 != 1:
            raise ValueError(f"a window has a middle: {window} and {reach} must be odd numbers")
        both = 2 * embedding_size
        self.source = nn.Embedding(source_words, embedding_size, **make)
        self.target = nn.Embedding(target_words, embedding_size, **make)
        self.around = nn.Conv1d(embedding_size, hidden_size, window, padding=window // 2, **make)
        self.start_layer = nn.Linear(hidden_size, hidden_size, **make)
        self.query = nn.Linear(both, hidden_size, **make)
        self.memory = nn.Linear(hidden_size, hidden_size, bias=False, **make)
        self.before = nn.Conv1d(1, features, reach, padding=reach // 2, bias=False, **make)
        self.location = nn.Linear(features, hidden_size, bias=False, **make)
        self.vector = nn.Parameter(torch.empty(hidden_size, **make).uniform_(-1, 1) / math.sqrt(hidden_size))
        self.decoder = nn.GRUCell(both, hidden_size, **make)
        self.readout = nn.Linear(hidden_size + both, hidden_size, **make)
        self.output = nn.Linear(hidden_size, target_words, **make)
        self.dropout = nn.Dropout(dropout)
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=0.1)
        if keep_bias:
            nn.init.constant_(self.decoder.bias_ih[hidden_size : 2 * hidden_size], keep_bias)

    def start(self, source: Int[Tensor, "batch time"], lengths: Int[Tensor, "batch"]) -> Place:
        """The state before the first word, eqs. (1) and (2)."""
        real = real_positions(lengths, source.shape[1])
        words = self.dropout(self.source(source)) * real[:, :, None]
        annotations = self.around(words.mT).mT.tanh() * real[:, :, None]  # (1)
        hidden = self.start_layer(annotations.sum(1) / lengths[:, None]).tanh()  # (2)
        nowhere = torch.zeros_like(words[:, :, 0])
        return Place(hidden, torch.zeros_like(words[:, 0]), nowhere, words, self.memory(annotations), real)

    def step(self, tokens: Int[Tensor, "batch"], state: Place) -> tuple[Float[Tensor, "batch words"], Place]:
        """Logits of the next word after these, and the next state."""
        readout, state = self._step(self.target(tokens), state)
        return self.output(readout), state

    def _step(self, word: Tensor, state: Place) -> tuple[Tensor, Place]:
        features = self.before(state.weights[:, None]).mT  # (3)
        keys = state.keys + self.location(features)
        scores = additive_scores(self.query(torch.cat([word, state.context], 1)), keys, self.vector)  # (4)
        context, weights = attend(scores, state.values, state.real)  # (5)
        given = torch.cat([word, context], 1)
        hidden = gru_cell(given, state.hidden, self.decoder)  # (6)
        readout = self.dropout(self.readout(torch.cat([hidden, given], 1)).tanh())  # (7)
        return readout, state._replace(hidden=hidden, context=context, weights=weights)

    def forward(
        self, source: Int[Tensor, "batch time"], lengths: Int[Tensor, "batch"], inputs: Int[Tensor, "batch steps"]
    ) -> tuple[Float[Tensor, "batch steps readout"], Float[Tensor, "batch steps time"]]:
        """r and a of all steps of given targets (teacher forcing).

        Args:
            lengths: real words of each source, at least 1; the rest is padding, whatever stands there.
            inputs: y_0 .. y_{T-1}.

        Raises:
            ValueError: the shapes do not fit.
        """
        if source.ndim != 2 or inputs.ndim != 2 or len(inputs) != len(source) or not inputs.shape[1]:
            raise ValueError(f"sources {tuple(source.shape)} and inputs {tuple(inputs.shape)} do not fit")
        state, readouts, weights = self.start(source, lengths), [], []
        for word in self.dropout(self.target(inputs)).unbind(1):
            readout, state = self._step(word, state)
            readouts.append(readout)
            weights.append(state.weights)
        return torch.stack(readouts, 1), torch.stack(weights, 1)
