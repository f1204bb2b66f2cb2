r"""Recurrent networks that classify a text: what they hold after its last REAL word, or their mean or maximum over it.

Papers: Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", IEEE Transactions on Signal Processing 1997;
Graves, Mohamed and Hinton 2013 (arXiv:1303.5778), layers on top of each other; Gal and Ghahramani 2016
(arXiv:1512.05287), section 4.2, the dropout of word types; Kim 2014 (arXiv:1408.5882), the task.

Legend: n words of a text, x_t the vector of word t [D]; h_t the state of a cell f that has read words 1 to t, g_t of
one that has read words n to t, [H] each; z what is known of the text; r a mask of dropout; K classes. Shapes: batch B,
time T.

(1) h_t = f(x_t, h_{t-1}),  t = 1, ..., n;   g_t = f'(x_t, g_{t+1}),  t = n, ..., 1;   zeros before the first
(2) a further layer reads [h_t, g_t]
(3) z = [h_n, g_1] ("last"), or of [h_t, g_t] the mean ("mean") or each unit's maximum ("max") over t = 1, ..., n
(4) y = W (z o r) + a, the logits; r as in eq. (5) of `text_cnn`

Token 0 is padding, at the ends of rows. n is the length of each text, not of the batch: the state after padding is not
that of the text, a mean over padding is too small, and a cell that reads backward would begin with padding. So texts
are read forward by the kernel over the whole width, where later padding changes nothing, and turned around each within
its own length for g; (3) looks at real words only. A text without words has z = 0.

Departures: forget biases start at 1 (Gers et al. 2000, see `lstm`); vectors of words start uniform within +-0.25, as in
`text_cnn`.

>>> model = SentimentRNN(50, 3, dimensions=8, hidden_size=5).eval()
>>> tokens = torch.tensor([[5, 9, 2, 7], [3, 4, 0, 0]])
>>> model(tokens).shape, torch.allclose(model(tokens), model(torch.nn.functional.pad(tokens, (0, 3))))
(torch.Size([2, 3]), True)
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deepcanon.parts.masks import reversed_rows
from deepcanon.parts.recurrence import add_layers, kernel_layer, last_real, uniform_layers_, weights_of
from deepcanon.parts.word_embedding import PADDING, WordEmbedding

__all__ = ["SentimentRNN", "pooled"]

BLOCKS = {"lstm": 4, "gru": 3, "rnn": 1}
POOLS = ("last", "mean", "max")
INITIAL = 0.25  # vectors of words are uniform within +- this


def pooled(
    states: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"], pool: str
) -> Float[Tensor, "batch size"]:
    """The mean or the maximum (3) over the real steps; zeros of a row without any.

    Raises:
        ValueError: the shapes do not fit, or another pool.
    """
    if states.ndim != 3 or real.shape != states.shape[:2] or pool not in POOLS[1:]:
        raise ValueError(f"states {tuple(states.shape)} and mask {tuple(real.shape)} do not fit, or no pool {pool!r}")
    inside = real[..., None]
    if pool == "mean":
        return torch.where(inside, states, 0.0).sum(1) / inside.sum(1).clamp_min(1)
    most = torch.where(inside, states, -torch.inf).amax(1)
    return torch.where(inside.any(1), most, 0.0)


class SentimentRNN(nn.Module):
    """Logits of the classes of texts.

    Args:
        symbols: number of tokens, padding (0) among them.
        classes: K.
        dimensions: D.
        hidden_size: H of each direction.
        num_layers: layers, each reading both directions of the one below.
        cell: "lstm", "gru" or "rnn" (tanh).
        both: read backward too.
        pool: what z is, "last", "mean" or "max".
        dropout: share of z, and of what is passed between layers, that is dropped in training.
        embedding_dropout: probability that all occurrences of a word in a batch are read as zeros in training.
        frozen: whether the vectors of words stay as they are.

    The layers' parameters have the names of torch's `nn.LSTM`, `nn.GRU` or `nn.RNN`.
    """

    def __init__(
        self,
        symbols: int,
        classes: int,
        *,
        dimensions: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        cell: Literal["lstm", "gru", "rnn"] = "lstm",
        both: bool = True,
        pool: Literal["last", "mean", "max"] = "last",
        dropout: float = 0.5,
        embedding_dropout: float = 0.0,
        frozen: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if cell not in BLOCKS or pool not in POOLS or num_layers < 1:
            raise ValueError(f"no such network: cell {cell!r}, pool {pool!r}, {num_layers} layers")
        placed = {"device": device, "dtype": dtype}
        self.embedding = WordEmbedding(symbols, dimensions, dropout=embedding_dropout, frozen=frozen, **placed)
        self.layers = nn.Module()
        add_layers(self.layers, BLOCKS[cell], dimensions, hidden_size, num_layers, both=both, **placed)
        self.drop = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size * (1 + both), classes, **placed)
        self.hidden_size, self.num_layers, self.cell, self.both, self.pool = hidden_size, num_layers, cell, both, pool
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Vectors of words uniform in +-0.25, layers in +-1/sqrt(H), their biases 0 but those of LSTM forget gates."""
        self.embedding.reset_parameters(INITIAL)
        block = 1 if self.cell == "lstm" else 0
        uniform_layers_(self.layers, self.hidden_size, block, float(self.cell == "lstm"))
        self.output.reset_parameters()

    def _read(self, x: Tensor, layer: int, end: str = "") -> Float[Tensor, "batch time hidden"]:
        zero = x.new_zeros(x.shape[0], self.hidden_size)  # a length would fix the batch of an exported graph
        start = (zero, zero) if self.cell == "lstm" else (zero,)
        return kernel_layer(x, start, weights_of(self.layers, layer, end))[0]

    def features(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch features"]:
        """z of (3).

        Raises:
            ValueError: the tokens are not [batch, time >= 1], or (on a CPU) padding stands before a word.
        """
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise ValueError(f"tokens {tuple(tokens.shape)} are not [batch, time >= 1]")
        real = tokens != PADDING
        lengths = real.sum(1)
        if (
            tokens.device.type == "cpu"
            and not torch.compiler.is_compiling()
            and bool((~real[:, :-1] & real[:, 1:]).any())
        ):
            raise ValueError("padding stands before a word: it belongs at the ends of the rows")
        x = self.embedding(tokens)
        for layer in range(self.num_layers):
            x = self.drop(x) if layer else x
            states = [self._read(x, layer)]  # (1)
            if self.both:
                backward = self._read(reversed_rows(x, lengths), layer, "_reverse")
                states.append(reversed_rows(backward, lengths))
            x = torch.cat(states, 2)  # (2)
        if self.pool != "last":
            return pooled(x, real, self.pool)
        ends = [last_real(x[..., : self.hidden_size], real)] + [x[:, 0, self.hidden_size :]] * self.both
        return torch.where(real.any(1, keepdim=True), torch.cat(ends, 1), 0.0)  # (3)

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch classes"]:
        """The logits y of (4)."""
        return self.output(self.drop(self.features(tokens)))  # (4)
