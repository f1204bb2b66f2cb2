r"""Bigram language model as a matrix factorisation: the logit of a pair of words is a product of two vectors.

Paper: Mnih and Hinton, "Three new graphical models for statistical language modelling", ICML 2007: the log-bilinear
model with a history of one word, whose vector is not multiplied by a matrix (it would be absorbed).

Legend: V words; h_i [r] the vector of the word i that stands before, v_j [r] and b_j of the word j that follows; c(ij)
how often j follows i; r the rank.

(1) s_ij = h_i . v_j + b_j
(2) p(j | i) = exp(s_ij) / sum_k exp(s_ik)
(3) loss: - sum_ij c(ij) log p(j | i) / sum_ij c(ij)

The counts enter through the softmax (3), not by a squared error: pairs never seen get what the low rank gives them, as
words with similar neighbours share it. With rank V and pairs that have all been seen the minimum of (3) is the table of
relative frequencies c(ij) / c(i).

Departures: none of the equations. Before the text stands its border symbol.

>>> import torch
>>> model = FactorizedBigramLM(10, rank=3)
>>> model(torch.tensor([[1], [2]])).shape
torch.Size([2, 10])
"""

from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["FactorizedBigramLM"]


class FactorizedBigramLM(nn.Module):
    """Gives the logits of the next word after each word.

    Args:
        vocabulary_size: V.
        rank: r.
        dropout: share dropped of h_i.
    """

    length = 1
    """Words of a history."""

    def __init__(self, vocabulary_size: int, rank: int = 100, *, dropout: float = 0.0, device=None, dtype=None):
        super().__init__()
        if vocabulary_size < 1 or rank < 1:
            raise ValueError(f"vocabulary_size {vocabulary_size} and rank {rank} must be at least 1")
        make = {"device": device, "dtype": dtype}
        self.vocabulary_size = vocabulary_size
        self.embedding = nn.Embedding(vocabulary_size, rank, **make)
        self.output = nn.Linear(rank, vocabulary_size, **make)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.normal_(self.output.weight, std=0.1)

    def features(self, history: Int[Tensor, "batch length"]) -> Float[Tensor, "batch rank"]:
        """h_i of the last word of each history."""
        if history.ndim != 2 or history.shape[1] != 1:
            raise ValueError(f"histories {tuple(history.shape)} are not [batch, 1]")
        return self.dropout(self.embedding(history[:, 0]))

    def forward(self, history: Int[Tensor, "batch length"]) -> Float[Tensor, "batch vocabulary"]:
        """s of (1)."""
        return self.output(self.features(history))

    def matrix(self) -> Float[Tensor, "vocabulary vocabulary"]:
        """s of (1) for all pairs, without dropout."""
        return self.embedding.weight @ self.output.weight.T + self.output.bias
