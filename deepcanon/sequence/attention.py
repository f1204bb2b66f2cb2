r"""Sequence to sequence with attention: at every step the decoder attends to the source words that it needs.

Papers: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", 2015
(arXiv:1409.0473), sections 3 and A.1.2; Luong, Pham and Manning, "Effective Approaches to Attention-based Neural
Machine Translation", 2015 (arXiv:1508.04025), section 3.1, global attention.

Legend: x_i words of the source, y_t of the target, y_0 the sign at which sentences begin and end; E, F embeddings
[words, D]; h_i annotations [batch B, S, 2 H]; s_t states of the decoder [B, H]; a, c weights and context of
`parts.attention`; [;] vectors one after the other.

(1) h_i = [forward GRU of E x_1 .. E x_i ; backward GRU of E x_n .. E x_i], n the REAL length
(2) s_0 = tanh(W_s h'_1 + b_s), h'_1 the backward state at the first word
Bahdanau's form, in which the context enters the recurrence:
(3) a_t, c_t = attention(s_{t-1}; h)                      the PREVIOUS state asks
(4) s_t = GRU([F y_{t-1} ; c_t], s_{t-1})
(5) r_t = tanh(W_r [s_t ; F y_{t-1} ; c_t] + b_r)
Luong's form, in which it does not, so that all steps attend by one product:
(6) s_t = GRU(F y_{t-1}, s_{t-1})
(7) a_t, c_t = attention(s_t; h)                          the CURRENT state asks
(8) r_t = tanh(W_r [s_t ; c_t] + b_r)
(9) p(y_t | y_<t, x) = softmax(W_o r_t + b_o)

W_h h of the attention, E W and F W of the GRUs are computed once, before the loops, and the softmax of all steps is one
product. The weights are handed out too: what Xu et al. 2015 (arXiv:1502.03044) and See et al. 2017 (arXiv:1704.04368)
add to the nats of a sentence is a function of them, eqs. (7) and (5) of `parts.attention`. `fast` takes the loops of
(1), (4) and (6) by hand (`parts.gru_by_hand`), with equal results.

Departures: the reset gate acts after the recurrent product, as torch's; (5) is a tanh layer of s_t where Bahdanau et
al. have a maxout layer of s_{t-1}; Luong's decoder begins with (2) and has one layer of GRU, where theirs has four of
LSTM, and no feeding of r into the next step; dropout on embeddings and on r.

>>> model = AttentionSeq2Seq(9, 8, 6, embedding_size=5)
>>> source, lengths = torch.tensor([[2, 3, 1], [4, 1, 1]]), torch.tensor([3, 2])
>>> readout, weights = model(source, lengths, torch.tensor([[1, 5], [1, 6]]))
>>> tuple(readout.shape), tuple(weights.shape), weights[1, :, 2].tolist()
((2, 2, 6), (2, 2, 3), [0.0, 0.0])
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.attention import Attention, Score
from deepcanon.parts.exported_loops import recurrent_states
from deepcanon.parts.gru_by_hand import GRURule, attentive_gru
from deepcanon.parts.masks import real_positions, reversed_rows
from deepcanon.parts.recurrence import kernel_layer
from deepcanon.parts.recurrence_by_hand import recur
from deepcanon.sequence.gru import gru_sequence, gru_step

__all__ = ["AttentionSeq2Seq", "Looking", "annotations", "gru_cell", "gru_layer"]

Form = Literal["bahdanau", "luong"]
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


class Looking(NamedTuple):
    """The decoder between two steps, batch first: s_t, and what it attends to."""

    hidden: Tensor
    memory: Tensor
    keys: Tensor
    real: Tensor


def gru_cell(
    x: Float[Tensor, "batch input"], hidden: Float[Tensor, "batch hidden"], cell: nn.GRUCell
) -> Float[Tensor, "batch hidden"]:
    """One step of a GRU, on any device: torch's own cell has kernels for the CPU and for CUDA only."""
    return gru_step(F.linear(x, cell.weight_ih, cell.bias_ih), hidden, cell.weight_hh, cell.bias_hh).hidden


def gru_layer(
    x: Float[Tensor, "batch time input"], start: Float[Tensor, "batch hidden"], cell: nn.GRUCell, fast: bool = True
) -> Float[Tensor, "batch time hidden"]:
    """The states of a GRU over a sequence; by hand where gradients are wanted, else by torch's kernel. An exported
    graph has a loop, for sequences of any length."""
    weights: Weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    if torch.compiler.is_exporting():
        return recurrent_states(lambda word, hidden: gru_cell(word, hidden, cell), x, start)
    if not fast:
        return gru_sequence(x, start, *weights)[0]
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return recur(GRURule(), x, (start,), *weights)[0]
    return kernel_layer(x, (start,), weights)[0]


def annotations(
    x: Float[Tensor, "batch time input"],
    lengths: Int[Tensor, "batch"],
    forward: nn.GRUCell,
    backward: nn.GRUCell,
    fast: bool = True,
) -> tuple[Float[Tensor, "batch time both"], Float[Tensor, "batch hidden"]]:
    """Eq. (1), and the backward state at the first word. Values at padding have no meaning and must be masked.

    Raises:
        ValueError: the shapes do not fit.
    """
    if x.ndim != 3 or not x.shape[1] or lengths.shape != x.shape[:1]:
        raise ValueError(f"x {tuple(x.shape)} is not [batch, time >= 1, input] with lengths {tuple(lengths.shape)}")
    zero = x.new_zeros(x.shape[0], forward.hidden_size)  # of any number of rows, also when exported
    ahead = gru_layer(x, zero, forward, fast)
    back = reversed_rows(gru_layer(reversed_rows(x, lengths), zero, backward, fast), lengths)
    return torch.cat([ahead, back], 2), back[:, 0]


class AttentionSeq2Seq(nn.Module):
    """Equations (1) to (9); the readout r_t is handed out, and ``output`` makes logits of it.

    Args:
        source_words, target_words: sizes of the vocabularies.
        hidden_size: H, of each direction of the encoder and of the decoder; r has as many units.
        embedding_size: D.
        form: which recurrence, "bahdanau" or "luong".
        score: of the attention; "dot" projects nothing, so it needs Luong's form with an encoder of H/2 a direction.
        longest: words of the longest source, which the location score must know.
        dropout: share of embeddings and readout that is dropped while training.
        keep_bias: initial bias of the update gates, towards keeping the state. A negative one makes units forget: where
            to look next then follows from the words around, less from counting them, which fails on longer sentences.
        fast: loops by hand.

    Raises:
        ValueError: a form has no such name, or sizes do not fit the score.
    """

    def __init__(
        self,
        source_words: int,
        target_words: int,
        hidden_size: int = 256,
        *,
        embedding_size: int = 256,
        form: Form = "bahdanau",
        score: Score = "additive",
        longest: int | None = None,
        dropout: float = 0.0,
        keep_bias: float = 0.0,
        fast: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        if form not in ("bahdanau", "luong"):
            raise ValueError(f"form {form!r} is not 'bahdanau' or 'luong'")
        if score == "dot" and hidden_size % 2:
            raise ValueError(f"the dot score needs an even number of units, not {hidden_size}")
        self.form, self.fast = form, fast
        each = hidden_size // 2 if score == "dot" else hidden_size
        both = 2 * each
        self.source = nn.Embedding(source_words, embedding_size, **make)
        self.target = nn.Embedding(target_words, embedding_size, **make)
        self.forwards = nn.GRUCell(embedding_size, each, **make)
        self.backwards = nn.GRUCell(embedding_size, each, **make)
        self.start_layer = nn.Linear(each, hidden_size, **make)
        self.attention = Attention(hidden_size, both, score, longest=longest, **make)
        given = both if form == "bahdanau" else 0
        self.decoder = nn.GRUCell(embedding_size + given, hidden_size, **make)
        read = hidden_size + both + (embedding_size if form == "bahdanau" else 0)
        self.readout = nn.Linear(read, hidden_size, **make)
        self.output = nn.Linear(hidden_size, target_words, **make)
        self.dropout = nn.Dropout(dropout)
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=0.1)
        for cell in (self.forwards, self.backwards, self.decoder) if keep_bias else ():
            nn.init.constant_(cell.bias_ih[cell.hidden_size : 2 * cell.hidden_size], keep_bias)

    def start(self, source: Int[Tensor, "batch time"], lengths: Int[Tensor, "batch"]) -> Looking:
        """The state before the first word, eqs. (1) and (2)."""
        memory, first = annotations(
            self.dropout(self.source(source)), lengths, self.forwards, self.backwards, self.fast
        )
        hidden = self.start_layer(first).tanh()
        return Looking(hidden, memory, self.attention.keys(memory), real_positions(lengths, source.shape[1]))

    def step(self, tokens: Int[Tensor, "batch"], state: Looking) -> tuple[Float[Tensor, "batch words"], Looking]:
        """Logits of the next word after these, and the next state."""
        readout, _, hidden = self._step(self.target(tokens), state)
        return self.output(readout), state._replace(hidden=hidden)

    def _step(self, word: Tensor, state: Looking) -> tuple[Tensor, Tensor, Tensor]:
        """r_t, a_t and s_t of one step."""
        hidden, memory, keys, real = state
        if self.form == "bahdanau":
            # (3) to (5)
            context, weights = self.attention(hidden, memory, real, keys)
            hidden = gru_cell(torch.cat([word, context], 1), hidden, self.decoder)
            read = torch.cat([hidden, word, context], 1)
        else:
            # (6) to (8)
            hidden = gru_cell(word, hidden, self.decoder)
            context, weights = self.attention(hidden, memory, real, keys)
            read = torch.cat([hidden, context], 1)
        return self.dropout(self.readout(read).tanh()), weights, hidden

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
        state, words = self.start(source, lengths), self.dropout(self.target(inputs))
        if self.form == "luong":
            hidden = gru_layer(words, state.hidden, self.decoder, self.fast)
            context, weights = self.attention(hidden, state.memory, state.real, state.keys)
            read = torch.cat([hidden, context], 2)
        elif self.fast and self.attention.score == "additive" and torch.is_grad_enabled():
            hidden, context, weights = self._by_hand(words, state)
            read = torch.cat([hidden, words, context], 2)
        else:
            found = []
            for word in words.unbind(1):
                found.append(self._step(word, state))
                state = state._replace(hidden=found[-1][2])
            return torch.stack([r for r, _, _ in found], 1), torch.stack([a for _, a, _ in found], 1)
        return self.dropout(self.readout(read).tanh()), weights

    def _by_hand(self, words: Tensor, state: Looking) -> tuple[Tensor, Tensor, Tensor]:
        """States, contexts and weights of eqs. (3) and (4)."""
        cell, attention, size = self.decoder, self.attention, words.shape[2]
        into_words, into_context = cell.weight_ih.split([size, cell.input_size - size], 1)
        given = F.linear(words, into_words, cell.bias_ih)
        keys = state.keys + attention.query.bias
        return attentive_gru(
            given, state.hidden, state.memory, keys, state.real, attention.query.weight, attention.vector, into_context,
            cell.weight_hh, cell.bias_hh,
        )  # fmt: skip
