"""Vectors of words, of which padding has none, and word types that are dropped in training.

Paper: Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016
(arXiv:1512.05287), section 4.2: a word is dropped everywhere it occurs.

Legend: V tokens of D numbers; e_v the vector of token v; m_v 0 with probability p, else 1 / (1 - p).

(1) x = e_v, and 0 for padding, whatever stands in its row
(2) in training x = m_v e_v, one m_v for all occurrences of v in a batch

>>> embedding = WordEmbedding(6, 3)
>>> embedding(torch.tensor([[4, 5, 0]]))[0, 2].tolist()
[0.0, 0.0, 0.0]
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["PADDING", "UNKNOWN_WORD", "WordEmbedding"]

PADDING, UNKNOWN_WORD = 0, 1
"""The tokens that are not words of the training texts: what fills a batch up, and any other word."""


class WordEmbedding(nn.Module):
    """Vectors [..., D] of tokens.

    Args:
        symbols: V, padding and the unknown word among them.
        dimensions: D.
        dropout: p of (2).
        frozen: whether the vectors are not trained.

    The unknown word begins as zeros, so that one which training never meets has no say.
    """

    def __init__(
        self, symbols: int, dimensions: int, *, dropout: float = 0.0, frozen: bool = False, device=None, dtype=None
    ) -> None:
        super().__init__()
        if symbols < 2 or not 0 <= dropout < 1:
            raise ValueError(f"{symbols} symbols and a dropout of {dropout}: at least 2, and from 0 to below 1")
        empty = torch.empty(symbols, dimensions, device=device, dtype=dtype)
        self.weight = nn.Parameter(empty, requires_grad=not frozen)
        self.dropout = dropout
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, bound: float = 0.25) -> None:
        """Uniform within +- `bound`; zeros for padding and the unknown word."""
        self.weight.uniform_(-bound, bound)
        self.weight[: UNKNOWN_WORD + 1] = 0

    def forward(self, tokens: Int[Tensor, "..."]) -> Float[Tensor, "... dimensions"]:
        """The vectors of tokens."""
        vectors = F.embedding(tokens, self.weight)
        scale = (tokens != PADDING).to(vectors.dtype)  # (1)
        if self.training and self.dropout:
            # Of every token of the vocabulary, so that each of several processes has the same words dropped.
            drawn = torch.rand(len(self.weight), device=self.weight.device)
            kept = (drawn >= self.dropout).to(vectors.dtype) / (1 - self.dropout)
            scale = scale * kept[tokens]  # (2)
        return vectors * scale[..., None]
