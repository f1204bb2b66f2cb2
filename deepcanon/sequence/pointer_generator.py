r"""Pointer-generator network: at every step it writes a word of its vocabulary, or copies one of the article.

Paper: See, Liu and Manning, "Get To The Point: Summarization with Pointer-Generator Networks", 2017
(arXiv:1704.04368), section 2.

Legend: the vocabulary has V words, word 0 the unknown one; x_i words of the article, y_t of the summary, y_0 the sign
at which texts begin and end, as numbers of the EXTENDED vocabulary of this article: words that the vocabulary lacks
have the numbers V, V + 1, ... in the order in which the article has them first; E embeddings [V, D]; h_i annotations
[batch B, S, 2 H]; s_t = [hidden vector ; memory] of the decoder [B, 2 H]; a weights [B, S], c contexts, C coverage.

(1) h_i = [forward LSTM of E x_1 .. E x_i ; backward LSTM of E x_n .. E x_i], n the REAL length
(2) z_t = W_z [E y_{t-1} ; c_{t-1}] + b_z, c_0 = 0;   s_t = LSTM(z_t, s_{t-1})
(3) e_ti = v . tanh(W_h h_i + W_s s_t + w_c C_ti + b_a),   a_t = softmax over the real places
(4) C_t = sum_{u<t} a_u;   c_t = sum_i a_ti h_i
(5) P_vocab = softmax(W_o r_t + b_o),   r_t = W_r [hidden vector ; c_t] + b_r
(6) p_gen = sigmoid(w_g . [c_t ; s_t ; z_t] + b_g)
(7) P(w) = p_gen P_vocab(w) + (1 - p_gen) sum_{i: x_i = w} a_ti over the extended vocabulary: places that hold the same
    word ADD their weights, and P_vocab of what the vocabulary lacks is 0
(8) loss_t = -log(P(y_t) + eps);   coverage loss: `parts.attention.coverage_loss`

What is read is looked up as x where x < V, else as the unknown word: so is a word that was copied, on the next step.
For (8) the distribution (7) is never made: of P_vocab the target's entry is taken, of a the places that hold it.

`covering` says how far coverage is switched on: training is long without it, since it begins as noise, and ends so.

Departures: s_0 is made of the hidden vectors at both ends of the article, by tanh and for the memory by a linear layer,
where the authors' program reduces memories too, by ReLU; w_c begins at 0, so that switching coverage on moves nothing
at first; dropout on embeddings and on r.

>>> model = PointerGenerator(9, 6, embedding_size=5)
>>> article, lengths = torch.tensor([[2, 9, 10, 9, 1], [4, 1, 1, 1, 1]]), torch.tensor([5, 2])
>>> written = model(article, lengths, torch.tensor([[1, 9], [1, 6]]))
>>> chances = model.distribution(written, article)
>>> tuple(chances.shape), bool((chances.sum(2) - 1).abs().max() < 1e-5), bool(chances[0, 0, 9] > 0)
((2, 2, 11), True, True)
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.attention import Attention, additive_scores, attend
from deepcanon.parts.exported_loops import recurrent_states
from deepcanon.parts.masks import real_positions, reversed_rows
from deepcanon.parts.recurrence import kernel_layer, last_real
from deepcanon.parts.recurrence_by_hand import without_autocast
from deepcanon.sequence.lstm import lstm_cell

__all__ = ["Decoding", "PointerGenerator", "Written", "copied_mass", "copying_nll", "extended_distribution"]

EPSILON = 1e-12


class Written(NamedTuple):
    """Of all steps: r [batch, steps, R], a [batch, steps, places] and p_gen [batch, steps]."""

    readout: Tensor
    weights: Tensor
    generated: Tensor


class Decoding(NamedTuple):
    """The decoder between two steps, batch first, and the article that it attends to."""

    hidden: Tensor
    cell: Tensor
    context: Tensor
    coverage: Tensor
    memory: Tensor
    keys: Tensor
    real: Tensor
    article: Tensor
    slots: Tensor


def extended_distribution(
    vocabulary: Float[Tensor, "batch steps words"],
    weights: Float[Tensor, "batch steps places"],
    generated: Float[Tensor, "batch steps"],
    article: Int[Tensor, "batch places"],
    extra: int,
) -> Float[Tensor, "batch steps extended"]:
    """P of eq. (7), of V words and ``extra`` words more.

    Raises:
        ValueError: the shapes do not fit.
    """
    _fits(weights, generated, article)
    if vocabulary.shape[:2] != generated.shape:
        raise ValueError(f"probabilities {tuple(vocabulary.shape)} do not fit p_gen {tuple(generated.shape)}")
    # (7)
    whole = F.pad(generated[:, :, None] * vocabulary, (0, extra))
    places = article[:, None].expand(-1, weights.shape[1], -1)
    return whole.scatter_add(2, places, (1 - generated)[:, :, None] * weights)


def copied_mass(
    weights: Float[Tensor, "batch steps places"],
    article: Int[Tensor, "batch places"],
    targets: Int[Tensor, "batch steps"],
) -> Float[Tensor, "batch steps"]:
    """sum_{i: x_i = y_t} a_ti of eq. (7), without a vector of all words.

    Raises:
        ValueError: the shapes do not fit.
    """
    _fits(weights, targets, article)
    return torch.where(article[:, None] == targets[:, :, None], weights, 0.0).sum(2)


def copying_nll(
    nll: Float[Tensor, "words"],
    known: Float[Tensor, "words"],
    copied: Float[Tensor, "words"],
    generated: Float[Tensor, "words"],
) -> Float[Tensor, "words"]:
    """The loss of eq. (8) in nats of each word.

    Args:
        nll: -log P_vocab of the word; whatever it is where the vocabulary lacks the word.
        known: 1 where the vocabulary has the word, else 0.
        copied: what `copied_mass` gave.
        generated: p_gen.

    Raises:
        ValueError: the shapes do not fit.
    """
    if not nll.shape == known.shape == copied.shape == generated.shape:
        shapes = [tuple(part.shape) for part in (nll, known, copied, generated)]
        raise ValueError(f"losses, marks of known words, copied mass and p_gen {shapes} do not fit")
    # (8)
    return -(generated * known * (-nll).exp() + (1 - generated) * copied + EPSILON).log()


def _fits(weights: Tensor, steps: Tensor, article: Tensor) -> None:
    if weights.ndim != 3 or steps.shape != weights.shape[:2] or article.shape != (len(weights), weights.shape[2]):
        shapes = [tuple(part.shape) for part in (weights, steps, article)]
        raise ValueError(f"weights, steps and article {shapes} are not [batch, steps, places], their first two, others")


class PointerGenerator(nn.Module):
    """Equations (1) to (7); the readout r_t is handed out, and ``output`` makes logits of it.

    Args:
        words: V, of articles and summaries.
        hidden_size: H, of each direction of the encoder and of the decoder; r has as many units.
        embedding_size: D; z has as many units.
        copies: False: p_gen is 1, a sequence to sequence with attention of the same size.
        dropout: share of embeddings and readout that is dropped while training.
    """

    covering: Tensor

    def __init__(
        self,
        words: int,
        hidden_size: int = 256,
        *,
        embedding_size: int = 128,
        copies: bool = True,
        dropout: float = 0.0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        make = {"device": device, "dtype": dtype}
        self.words, self.hidden_size = words, hidden_size
        self.embedding = nn.Embedding(words, embedding_size, **make)
        self.forwards = nn.LSTMCell(embedding_size, hidden_size, **make)
        self.backwards = nn.LSTMCell(embedding_size, hidden_size, **make)
        self.start_layer = nn.Linear(2 * hidden_size, 2 * hidden_size, **make)
        self.given = nn.Linear(embedding_size + 2 * hidden_size, embedding_size, **make)  # W_z
        self.decoder = nn.LSTMCell(embedding_size, hidden_size, **make)
        self.attention = Attention(2 * hidden_size, 2 * hidden_size, size=hidden_size, **make)
        self.covered = nn.Parameter(torch.zeros(hidden_size, **make))  # w_c
        self.readout = nn.Linear(3 * hidden_size, hidden_size, **make)
        self.output = nn.Linear(hidden_size, words, **make)
        self.switch = nn.Linear(4 * hidden_size + embedding_size, 1, **make) if copies else None  # w_g
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("covering", torch.ones((), **make))
        nn.init.normal_(self.embedding.weight, std=0.1)
        for cell in (self.forwards, self.backwards, self.decoder):
            nn.init.constant_(cell.bias_ih[hidden_size : 2 * hidden_size], 1.0)

    def embedded(self, numbers: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time size"]:
        """E of what the vocabulary has, and of the unknown word for all else."""
        return self.dropout(self.embedding(torch.where(numbers < self.words, numbers, 0)))

    def start(self, article: Int[Tensor, "batch places"], lengths: Int[Tensor, "batch"], extra: int = -1) -> Decoding:
        """The state before the first word, eq. (1).

        Args:
            extra: words that the extended vocabulary of any article has beyond V; -1 counts them.
        """
        if article.ndim != 2 or not article.shape[1] or lengths.shape != article.shape[:1]:
            raise ValueError(f"articles {tuple(article.shape)} with lengths {tuple(lengths.shape)} do not fit")
        x, size = self.embedded(article), self.hidden_size
        # (1)
        ahead, back = _states(x, self.forwards), _states(reversed_rows(x, lengths), self.backwards)
        back = reversed_rows(back, lengths)
        memory, real = torch.cat([ahead, back], 2), real_positions(lengths, article.shape[1])
        hidden, cell = self.start_layer(torch.cat([last_real(ahead, real), back[:, 0]], 1)).split(size, 1)
        if torch.compiler.is_exporting():  # as many as there are places: how many it is differs from batch to batch
            extra = article.shape[1]
        extra = self.beyond(article) if extra < 0 else extra
        return Decoding(
            hidden.tanh(), cell, memory.new_zeros(article.shape[0], 2 * size), memory.new_zeros(article.shape), memory,
            self.attention.keys(memory), real, article, memory.new_zeros(article.shape[0], extra),
        )  # fmt: skip

    def beyond(self, article: Int[Tensor, "batch places"]) -> int:
        """How many words the extended vocabularies have beyond V: of the article that has most."""
        return max(0, int(article.max()) + 1 - self.words)

    def _step(self, word: Tensor, state: Decoding) -> tuple[Tensor, Tensor, Decoding]:
        """z_t, a_t and the next state; ``word`` is the word's share of z_t, with its bias."""
        into_context = self.given.weight[:, self.embedding.embedding_dim :]
        # (2)
        z = word + F.linear(state.context, into_context)
        sums = F.linear(z, self.decoder.weight_ih, self.decoder.bias_ih)
        sums = sums + F.linear(state.hidden, self.decoder.weight_hh, self.decoder.bias_hh)
        hidden, cell = lstm_cell(sums, state.cell)
        # (3)
        query = self.attention.query(torch.cat([hidden, cell], 1))
        seen = (self.covering * state.coverage)[:, :, None] * self.covered
        scores = additive_scores(query, state.keys + seen, self.attention.vector)
        context, weights = attend(scores, state.memory, state.real)
        # (4)
        coverage = state.coverage + weights
        return z, weights, state._replace(hidden=hidden, cell=cell, context=context, coverage=coverage)

    def _written(self, inside: Tensor, hidden: Tensor, cell: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """r and p_gen of eqs. (5) and (6), of one step or of all."""
        # (5)
        readout = self.dropout(self.readout(torch.cat([hidden, context], -1)))
        # (6)
        if self.switch is None:
            return readout, torch.ones_like(hidden[..., 0])
        return readout, self.switch(torch.cat([context, hidden, cell, inside], -1))[..., 0].sigmoid()

    def forward(
        self, article: Int[Tensor, "batch places"], lengths: Int[Tensor, "batch"], inputs: Int[Tensor, "batch steps"]
    ) -> Written:
        """All steps of given summaries (teacher forcing).

        Args:
            article: numbers of the extended vocabulary.
            lengths: real words of each article, at least 1; the rest is padding, whatever stands there.
            inputs: y_0 .. y_{T-1}, of the same numbers.

        Raises:
            ValueError: the shapes do not fit.
        """
        if inputs.ndim != 2 or len(inputs) != len(article) or not inputs.shape[1]:
            raise ValueError(f"articles {tuple(article.shape)} and inputs {tuple(inputs.shape)} do not fit")
        state, found = self.start(article, lengths, 0), []
        into_word = self.given.weight[:, : self.embedding.embedding_dim]
        for word in F.linear(self.embedded(inputs), into_word, self.given.bias).unbind(1):
            z, weights, state = self._step(word, state)
            found.append((z, state.hidden, state.cell, state.context, weights))
        *inside, weights = (torch.stack(parts, 1) for parts in zip(*found, strict=True))
        readout, generated = self._written(*inside)
        return Written(readout, weights, generated)

    def step(self, tokens: Int[Tensor, "batch"], state: Decoding) -> tuple[Float[Tensor, "batch words"], Decoding]:
        """log P of eq. (7) of the next word after these, and the next state."""
        into_word = self.given.weight[:, : self.embedding.embedding_dim]
        word = F.linear(self.embedded(tokens[:, None])[:, 0], into_word, self.given.bias)
        z, weights, state = self._step(word, state)
        readout, generated = self._written(z, state.hidden, state.cell, state.context)
        written = Written(readout[:, None], weights[:, None], generated[:, None])
        return self.distribution(written, state.article, state.slots.shape[1])[:, 0].log(), state

    def distribution(
        self, written: Written, article: Int[Tensor, "batch places"], extra: int = -1
    ) -> Float[Tensor, "batch steps extended"]:
        """P of eq. (7) of all steps: for looking, not for training."""
        words = self.output(written.readout).softmax(2)
        extra = self.beyond(article) if extra < 0 else extra
        if self.switch is None:
            return F.pad(words, (0, extra))
        return extended_distribution(words, written.weights, written.generated, article, extra)


def _states(x: Float[Tensor, "batch time input"], cell: nn.LSTMCell) -> Float[Tensor, "batch time hidden"]:
    """The hidden vectors of an LSTM over a sequence, from zeros; an exported graph has a loop, for any length."""
    zero = x.new_zeros(x.shape[0], cell.hidden_size)
    if not torch.compiler.is_exporting():
        with without_autocast(x.device):  # not every processor has the kernel in bf16
            return kernel_layer(x, (zero, zero), (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh))[0]

    def step(word: Tensor, last: Tensor) -> Tensor:
        hidden, memory = last.chunk(2, 1)
        sums = F.linear(word, cell.weight_ih, cell.bias_ih) + F.linear(hidden, cell.weight_hh, cell.bias_hh)
        return torch.cat(lstm_cell(sums, memory), 1)

    return recurrent_states(step, x, torch.cat([zero, zero], 1)).chunk(2, 2)[0]
