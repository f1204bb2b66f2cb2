r"""Hierarchical encoder-decoder (HRED): one network reads the words of each turn, another remembers the dialogue.

Papers: Sordoni et al., "A Hierarchical Recurrent Encoder-Decoder for Generative Context-Aware Query Suggestion", 2015
(arXiv:1507.02221), section 3, whose equations these are; Serban et al., "Building End-To-End Dialogue Systems Using
Generative Hierarchical Neural Network Models", 2016 (arXiv:1507.04808), the same for dialogues.

Legend: w_{m,1} .. w_{m,N} the words of turn m, of which w_{m,N} is END; w_{m,0} = END; E embeddings [words, D];
u_m vector of a turn, s_m state of the dialogue after it, d_{m,n} state of the decoder, each [batch B, H]; r [B, D].

(1) u_m = last state of a GRU over E w_{m,1} .. E w_{m,N}, from 0
(2) s_m = GRU(u_m, s_{m-1}),   s_0 = 0
(3) d_{m,-1} = tanh(D_0 s_{m-1} + b_0)
(4) d_{m,n} = GRU(E w_{m,n}, d_{m,n-1}),   n = 0 .. N - 1
(5) r_{m,n} = H_o d_{m,n} + E_o E w_{m,n} + b_o
(6) p(w_{m,n+1} | all words before it) = softmax(O r_{m,n} + o)

A dialogue is one stream END w_{1,1} .. END w_{2,1} .. END (`parts.turns`), and the loss of its last word has a gradient
in its first. Two other contexts of the same decoder are what HRED is compared with:

- "last": s_m = GRU(u_m, 0) instead of (2), so that a turn depends on the one before it and on no earlier one;
- "stream": one GRU that runs through all turns, d_{m,-1} = d_{m-1,N-1}, without (1) to (3): a plain language model.

With `every_step` the decoder sees s_{m-1} at each word, not in its first state alone: [E w ; s_{m-1}] in (4), and
H_s s_{m-1} is added to (5): the authors' own code has it so by default. A name of two turns ago (`planted-names`) is
then learned in 200 updates; from the first state alone it is not in 600.

Once the words are known, turns depend on each other by (2) alone: all turns of a batch are read by (1) side by side,
and all are predicted by (4) side by side. `fast=False` follows the stream word by word instead, with equal results.

Departures: the decoder reads END before the first word, as before every other, where the papers' has nothing to read;
the reset gate acts after the recurrent product, as torch's; one table of word vectors serves encoder and decoder, and
with `tied` the output too; dropout on word vectors and on r; weights into a GRU are Glorot's.

>>> model = HRED(9, 6, embedding_size=5)
>>> readout = model(torch.tensor([[1, 4, 1, 5, 6], [1, 7, 7, 1, 1]]))
>>> tuple(readout.shape), tuple(model.output(readout).shape)
((2, 5, 5), (2, 5, 9))
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.masks import real_positions
from deepcanon.parts.turns import Turns, turns_of
from deepcanon.sequence.attention import gru_cell, gru_layer

__all__ = ["HRED", "Context", "StepCell", "Talk", "Writing"]

Context = Literal["session", "last", "stream"]


class Talk(NamedTuple):
    """A dialogue after some words of its stream, batch first.

    decoder, turn, session: d_{m,n}; the state of (1) in the turn that is not closed yet; s_{m-1}.
    begun: [batch], whether a word was read.
    """

    decoder: Tensor
    turn: Tensor
    session: Tensor
    begun: Tensor


class Writing(NamedTuple):
    """The decoder within a turn, batch first: d_{m,n}, and s_{m-1}, which no word of the turn changes."""

    decoder: Tensor
    session: Tensor


class HRED(nn.Module):
    """Equations (1) to (6); r is handed out, and ``output`` makes logits of it.

    Args:
        words: size of the vocabulary.
        hidden_size: H, of all three networks.
        embedding_size: D, of word vectors and of r.
        end: the number of END.
        context: what a turn knows of those before it: "session", "last" or "stream".
        every_step: whether the decoder sees the state of the dialogue at each word.
        tied: whether O is E.
        dropout: share of word vectors and of r that is dropped while training.
        fast: turns side by side; else word by word.

    Raises:
        ValueError: there is no such context, or nothing that every step could see.
    """

    def __init__(
        self,
        words: int,
        hidden_size: int = 256,
        *,
        embedding_size: int = 256,
        end: int = 1,
        context: Context = "session",
        every_step: bool = False,
        tied: bool = False,
        dropout: float = 0.0,
        fast: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        if context not in ("session", "last", "stream"):
            raise ValueError(f"context {context!r} is not 'session', 'last' or 'stream'")
        if context == "stream" and every_step:
            raise ValueError("a stream has no state of the dialogue that every step could see")
        self.end, self.context, self.every_step, self.fast = end, context, every_step, fast
        self.embedding = nn.Embedding(words, embedding_size, **make)
        self.decoder = nn.GRUCell(embedding_size + hidden_size * every_step, hidden_size, **make)
        if context != "stream":
            self.encoder = nn.GRUCell(embedding_size, hidden_size, **make)
            self.session = nn.GRUCell(hidden_size, hidden_size, **make)
            self.start = nn.Linear(hidden_size, hidden_size, **make)
        self.of_state = nn.Linear(hidden_size, embedding_size, **make)
        self.of_word = nn.Linear(embedding_size, embedding_size, bias=False, **make)
        if every_step:
            self.of_session = nn.Linear(hidden_size, embedding_size, bias=False, **make)
        self.output = nn.Linear(embedding_size, words, **make)
        self.dropout = nn.Dropout(dropout)
        if tied:
            self.output.weight = self.embedding.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Orthogonal weights between states, so that what a turn says reaches the decoder two networks further on."""
        nn.init.normal_(self.embedding.weight, std=0.3)
        for module in self.modules():
            if isinstance(module, nn.GRUCell):
                for into, back in zip(module.weight_ih.chunk(3), module.weight_hh.chunk(3), strict=True):
                    nn.init.xavier_uniform_(into)
                    nn.init.orthogonal_(back)
        if self.context != "stream":
            nn.init.orthogonal_(self.start.weight)

    def begin(self, count: int) -> Talk:
        """The state before a stream, for this many rows."""
        zero = self.embedding.weight.new_zeros(count, self.decoder.hidden_size)
        return Talk(zero, zero, zero, torch.zeros(count, dtype=torch.bool, device=zero.device))

    def step(self, tokens: Int[Tensor, "batch"], state: Talk) -> tuple[Float[Tensor, "batch words"], Talk]:
        """Logits of the next word after these, and the next state."""
        readout, state = self._step(self.embedding(tokens), tokens == self.end, state)
        return self.output(readout), state

    def listen(self, stream: Int[Tensor, "batch time"], lengths: Int[Tensor, "batch"] | None = None) -> Writing:
        """What the next turn begins with, after complete ones, which are read side by side; its first input is END.

        Args:
            stream: END w .. END .. END, with the END that closes the last turn.
            lengths: words of each stream, that END among them; what follows is no part of it.

        Raises:
            ValueError: the shapes do not fit, or a stream does not begin with END.
        """
        if lengths is None:
            lengths = torch.full(stream.shape[:1], stream.shape[1], device=stream.device)
        turns = turns_of(stream.cpu(), lengths.cpu(), self.end).moved(lambda part: part.to(stream.device))
        words, zero = self.embedding(stream), self.begin(len(stream)).decoder
        if self.context == "stream":
            after, place = gru_layer(words, zero, self.decoder), lengths - 1
            return Writing(_at(torch.cat([zero[:, None], after], 1), place), zero)
        ends = (stream == self.end) & real_positions(lengths, stream.shape[1])
        session = _at(self._remembered(words.flatten(0, 1), len(words), turns), ends.sum(1) - 1)
        # (3)
        return Writing(self.start(session).tanh(), session)

    def write(self, tokens: Int[Tensor, "batch"], state: Writing) -> tuple[Float[Tensor, "batch words"], Writing]:
        """Logits of the next word of a turn after these, and the next state: of the decoder alone."""
        readout, hidden = self._write(self.embedding(tokens), *state)
        return self.output(readout), Writing(hidden, state.session)

    def _step(self, word: Tensor, closes: Tensor, state: Talk) -> tuple[Tensor, Talk]:
        """r of one word, which may close a turn."""
        hidden, turn, session, begun = state
        if self.context != "stream":
            # (1) and (2)
            turn = gru_cell(word, turn, self.encoder)
            complete, closes = (closes & begun)[:, None], closes[:, None]
            session = torch.where(complete, self._next(turn, session), session)
            turn = torch.where(closes, torch.zeros_like(turn), turn)
            # (3)
            hidden = torch.where(closes, self.start(session).tanh(), hidden)
        readout, hidden = self._write(word, hidden, session)
        return readout, Talk(hidden, turn, session, torch.ones_like(begun))

    def _write(self, word: Tensor, hidden: Tensor, session: Tensor) -> tuple[Tensor, Tensor]:
        """r after one word, and d."""
        # (4)
        hidden = gru_cell(torch.cat([word, session], 1) if self.every_step else word, hidden, self.decoder)
        return self.dropout(self._read(hidden, word, session)), hidden

    def _next(self, turn: Tensor, session: Tensor) -> Tensor:
        """s_m of eq. (2)."""
        return gru_cell(turn, session if self.context == "session" else torch.zeros_like(session), self.session)

    def _read(self, hidden: Tensor, word: Tensor, session: Tensor) -> Tensor:
        """r of eq. (5), of one word or of all."""
        read = self.of_state(hidden) + self.of_word(word)
        return read + self.of_session(session) if self.every_step else read

    def forward(
        self, stream: Int[Tensor, "batch time"], turns: Turns | None = None
    ) -> Float[Tensor, "batch time readout"]:
        """r after each word of whole streams; the value at a time does not depend on later words.

        Args:
            turns: where the turns lie, if that is known; places that are not in it get values without a meaning.

        Raises:
            ValueError: the streams are not [batch, time >= 1], or do not begin with END.
        """
        if stream.ndim != 2 or not stream.shape[1]:
            raise ValueError(f"streams {tuple(stream.shape)} are not [batch, time >= 1]")
        words = self.dropout(self.embedding(stream))
        if not self.fast or torch.compiler.is_compiling():
            state, found = self.begin(len(stream)), []
            for word, tokens in zip(words.unbind(1), stream.unbind(1), strict=True):
                readout, state = self._step(word, tokens == self.end, state)
                found.append(readout)
            return torch.stack(found, 1)
        if self.context == "stream":
            hidden = gru_layer(words, self.begin(len(stream)).decoder, self.decoder)
            return self.dropout(self._read(hidden, words, hidden))
        if turns is None:
            whole = torch.full((len(stream),), stream.shape[1])
            turns = turns_of(stream.cpu(), whole, self.end).moved(lambda part: part.to(stream.device))
        return self._side_by_side(words, turns)

    def _side_by_side(self, words: Tensor, turns: Turns) -> Tensor:
        """r of all places, with all turns read and predicted at once."""
        flat = words.flatten(0, 1)
        sessions = self._remembered(flat, len(words), turns).flatten(0, 1)
        # (3)
        starts, found, seen = self.start(sessions).tanh(), [], []
        for group in turns.written:
            # (4)
            given = _taken(flat, group.places)
            if self.every_step:
                above = sessions.index_select(0, group.slots)[:, None].expand(-1, given.shape[1], -1)
                given = torch.cat([given, above], 2)
                seen.append(above.flatten(0, 1))
            states = gru_layer(given, starts.index_select(0, group.slots), self.decoder)
            found.append(states.flatten(0, 1))
        hidden = _taken(torch.cat(found), turns.back)
        session = _taken(torch.cat(seen), turns.back) if self.every_step else hidden
        return self.dropout(self._read(hidden, words, session))

    def _remembered(self, flat: Tensor, batch: int, turns: Turns) -> Tensor:
        """s_{m-1} of each turn m [batch, turns, H], of the words of all streams [places, D]."""
        vectors = flat.new_zeros(batch * turns.most, self.decoder.hidden_size)
        for group in turns.read:
            # (1)
            zero = vectors.new_zeros(len(group.slots), vectors.shape[1])
            states = gru_layer(_taken(flat, group.places), zero, self.encoder)
            vectors = vectors.index_copy(0, group.slots, _at(states, group.lengths - 1))
        return self._sessions(vectors.unflatten(0, (batch, turns.most)))

    def _sessions(self, vectors: Tensor) -> Tensor:
        """s_{m-1} of each turn m, of the vectors [batch, turns, H] of all turns."""
        zero = torch.zeros_like(vectors[:, 0])
        if self.context == "last":
            after = self._next(vectors.flatten(0, 1), vectors.flatten(0, 1)).unflatten(0, vectors.shape[:2])
        else:
            # (2)
            after = gru_layer(vectors, zero, self.session)
        return torch.cat([zero[:, None], after[:, :-1]], 1)


class StepCell(nn.Module):
    """One step with the state as single tensors, for export: (word, *Talk) -> logits and the next state.

    Args:
        model: whose parameters are shared.
    """

    def __init__(self, model: HRED):
        super().__init__()
        self.model = model

    def forward(
        self, word: Int[Tensor, "batch"], decoder: Tensor, turn: Tensor, session: Tensor, begun: Tensor
    ) -> tuple[Tensor, ...]:
        """Logits [batch, words], and the parts of the next state."""
        logits, after = self.model.step(word, Talk(decoder, turn, session, begun))
        return logits, *after


def _at(states: Float[Tensor, "batch time size"], places: Int[Tensor, "batch"]) -> Float[Tensor, "batch size"]:
    """The state of each row at its place."""
    return states.gather(1, places[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]


def _taken(rows: Float[Tensor, "places size"], places: Int[Tensor, "..."]) -> Tensor:
    """Rows by number, in the shape of the numbers."""
    return F.embedding(places, rows)
