r"""Sequence to sequence: one network packs a sentence into a vector, another one unpacks it in the other language.

Papers: Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks", 2014 (arXiv:1409.3215), the
reversed source; Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation", 2014 (arXiv:1406.1078), eqs. 2 to 8, the unit, and the vector that every step sees ("peeky").

Legend: x_i words of the source, y_t of the target, y_0 the sign at which sentences begin and end; E, F embeddings
[words, D]; z the vector of the source [batch B, H]; s_t states of the decoder [B, H]; [;] vectors one after the other.

(1) z = last state of a GRU over E x_n .. E x_1, n the REAL length: reversed, the first words of both sentences are near
(2) plain:  s_0 = z;  s_t = GRU(F y_{t-1}, s_{t-1});       r_t = s_t
(3) peeky:  s_0 = tanh(W_s z + b_s);  s_t = GRU([F y_{t-1} ; z], s_{t-1});   r_t = tanh(W_r [s_t ; F y_{t-1} ; z] + b_r)
(4) p(y_t | y_<t, x) = softmax(W_o r_t + b_o)

Whatever the source has to say must fit into z: the longer it is, the worse (`attention` has no such limit).

Departures: one layer of GRU in both forms, where Sutskever et al. have four of LSTM; the reset gate acts after the
recurrent product, as torch's; a tanh layer where Cho et al. have maxout; z is the last state itself, which they
take through a tanh layer first; dropout on embeddings and on r.

>>> model = Seq2Seq(9, 8, 6, embedding_size=5, peeky=True)
>>> readout, _ = model(torch.tensor([[2, 3, 1], [4, 1, 1]]), torch.tensor([3, 2]), torch.tensor([[1, 5], [1, 6]]))
>>> tuple(readout.shape), tuple(model.output(readout).shape)
((2, 2, 6), (2, 2, 8))
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.masks import real_positions, reversed_rows
from deepcanon.parts.recurrence import last_real
from deepcanon.sequence.attention import gru_cell, gru_layer

__all__ = ["Packed", "Seq2Seq"]


class Packed(NamedTuple):
    """The decoder between two steps, batch first: s_t and z."""

    hidden: Tensor
    vector: Tensor


class Seq2Seq(nn.Module):
    """Equations (1) to (4); the readout r_t is handed out, and ``output`` makes logits of it.

    Args:
        source_words, target_words: sizes of the vocabularies.
        hidden_size: H, of encoder and decoder.
        embedding_size: D.
        peeky: whether every step and the output see z, eq. (3).
        backwards: whether the source is read from its end.
        dropout: share of embeddings and readout that is dropped while training.
        fast: loops by hand.
    """

    def __init__(
        self,
        source_words: int,
        target_words: int,
        hidden_size: int = 256,
        *,
        embedding_size: int = 256,
        peeky: bool = False,
        backwards: bool = True,
        dropout: float = 0.0,
        fast: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        self.peeky, self.backwards, self.fast = peeky, backwards, fast
        self.source = nn.Embedding(source_words, embedding_size, **make)
        self.target = nn.Embedding(target_words, embedding_size, **make)
        self.encoder = nn.GRUCell(embedding_size, hidden_size, **make)
        self.decoder = nn.GRUCell(embedding_size + hidden_size * peeky, hidden_size, **make)
        if peeky:
            self.start_layer = nn.Linear(hidden_size, hidden_size, **make)
            self.readout = nn.Linear(2 * hidden_size + embedding_size, hidden_size, **make)
        self.output = nn.Linear(hidden_size, target_words, **make)
        self.dropout = nn.Dropout(dropout)
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=0.1)

    def start(self, source: Int[Tensor, "batch time"], lengths: Int[Tensor, "batch"]) -> Packed:
        """The state before the first word, eq. (1).

        Raises:
            ValueError: the shapes do not fit.
        """
        if source.ndim != 2 or not source.shape[1] or lengths.shape != source.shape[:1]:
            raise ValueError(
                f"source {tuple(source.shape)} is not [batch, time >= 1] of {tuple(lengths.shape)} lengths"
            )
        words = self.dropout(self.source(reversed_rows(source, lengths) if self.backwards else source))
        states = gru_layer(words, words.new_zeros(words.shape[0], self.encoder.hidden_size), self.encoder, self.fast)
        vector = last_real(states, real_positions(lengths, source.shape[1]))
        return Packed(self.start_layer(vector).tanh() if self.peeky else vector, vector)

    def step(self, tokens: Int[Tensor, "batch"], state: Packed) -> tuple[Float[Tensor, "batch words"], Packed]:
        """Logits of the next word after these, and the next state."""
        word, (hidden, vector) = self.target(tokens), state
        hidden = gru_cell(torch.cat([word, vector], 1) if self.peeky else word, hidden, self.decoder)
        readout = self._read(hidden, word, vector)
        return self.output(readout), Packed(hidden, vector)

    def _read(self, hidden: Tensor, word: Tensor, vector: Tensor) -> Tensor:
        """r of eq. (2) or (3), of one step or of all."""
        read = self.readout(torch.cat([hidden, word, vector], -1)).tanh() if self.peeky else hidden
        return self.dropout(read)

    def forward(
        self, source: Int[Tensor, "batch time"], lengths: Int[Tensor, "batch"], inputs: Int[Tensor, "batch steps"]
    ) -> tuple[Float[Tensor, "batch steps readout"], None]:
        """r of all steps of given targets (teacher forcing); None stands where `attention` has its weights.

        Args:
            lengths: real words of each source, at least 1; the rest is padding, whatever stands there.
            inputs: y_0 .. y_{T-1}.

        Raises:
            ValueError: the shapes do not fit.
        """
        if inputs.ndim != 2 or len(inputs) != len(source) or not inputs.shape[1]:
            raise ValueError(f"sources {tuple(source.shape)} and inputs {tuple(inputs.shape)} do not fit")
        state, words = self.start(source, lengths), self.dropout(self.target(inputs))
        vector = state.vector[:, None].expand(-1, words.shape[1], -1)
        given = torch.cat([words, vector], 2) if self.peeky else words
        hidden = gru_layer(given, state.hidden, self.decoder, self.fast)
        return self._read(hidden, words, vector), None
