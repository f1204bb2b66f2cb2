r"""Neural n-gram language model: a feed-forward network from the vectors of the last words to the next one.

Paper: Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", JMLR 3, 2003.

Legend: V words; n the order; C [V, m] a vector for each word, shared by all places of the history; H [h, (n-1)m], d [h]
hidden layer; U [V, h], W [V, (n-1)m], b [V] output layer.

(1) x = (C(w_{t-n+1}), ..., C(w_{t-1}))              the vectors of the last n - 1 words, one after the other
(2) y = b + W x + U tanh(d + H x)                    W = 0 without direct connections
(3) p(w_t = i | w_{t-n+1} ... w_{t-1}) = exp(y_i) / sum_j exp(y_j)
(4) loss: the mean of -log p(w_t | ...) over the text
(5) mixed with another model q:  lambda p + (1 - lambda) q, lambda chosen on other text

As a factorisation: the table of all y, a row for each history, has rank h + 1 (with W h + (n-1)m + 1) at most.

Departures: the paper trains by stochastic gradient descent on single words with weight decay; how it is trained here is
the recipe's matter. Before the text stands its border symbol (the sentence end), as many times as needed. Dropout, of
the vectors and the hidden layer, is not the paper's.

>>> model = NeuralLM(10, order=3, embedding_size=4, hidden_size=5)
>>> model(torch.tensor([[1, 2], [2, 3]])).shape
torch.Size([2, 10])
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.vocabulary_loss import linear_nll

__all__ = ["NeuralLM", "mixture_weight", "next_token_nll"]


def next_token_nll(
    features: Float[Tensor, "rows features"], output: nn.Linear, targets: Int[Tensor, "rows"]
) -> Float[Tensor, ""]:
    """(4) in nats, over the whole vocabulary: the logits are `output` of the features, in the features' type."""
    if features.device.type == "cpu" and not torch.compiler.is_compiling():
        return linear_nll(features, output.weight, output.bias, targets, features.dtype)
    logits = output(features)
    return F.cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), targets)


def mixture_weight(p: Float[Tensor, "tokens"], q: Float[Tensor, "tokens"], rounds: int = 100) -> float:
    """lambda of (5) that makes a text likeliest, by expectation maximisation from 1/2.

    Args:
        p, q: the probability of each token by the two models.
    """
    if p.shape != q.shape or p.ndim != 1 or not len(p):
        raise ValueError(f"probabilities {tuple(p.shape)} and {tuple(q.shape)} are not of the same tokens")
    share = 0.5
    for _ in range(rounds):
        mine = share * p
        share = float((mine / (mine + (1 - share) * q)).mean())
    return share


class NeuralLM(nn.Module):
    """Gives the logits of the next word after each history.

    Args:
        vocabulary_size: V.
        order: n; a history has n - 1 words.
        embedding_size: m.
        hidden_size: h.
        direct: whether W connects the vectors with the output.
        dropout: share dropped of the vectors and of the hidden layer.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        order: int = 5,
        embedding_size: int = 60,
        hidden_size: int = 100,
        direct: bool = False,
        dropout: float = 0.0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if order < 2:
            raise ValueError(f"order {order} leaves no word to predict from: at least 2")
        make = {"device": device, "dtype": dtype}
        self.vocabulary_size, self.length, self.direct = vocabulary_size, order - 1, direct
        width = self.length * embedding_size
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, **make)
        self.hidden = nn.Linear(width, hidden_size, **make)
        self.output = nn.Linear(hidden_size + direct * width, vocabulary_size, **make)
        self.vectors_dropout, self.hidden_dropout = nn.Dropout(dropout), nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.normal_(self.output.weight, std=0.05)

    def features(self, history: Int[Tensor, "batch length"]) -> Float[Tensor, "batch features"]:
        """tanh(d + H x), and x where it is connected: what the output layer reads."""
        if history.ndim != 2 or history.shape[1] != self.length:
            raise ValueError(f"histories {tuple(history.shape)} are not [batch, {self.length}]")
        x = self.vectors_dropout(self.embedding(history).flatten(1))  # (1)
        h = self.hidden_dropout(self.hidden(x).tanh())
        return torch.cat([h, x.to(h.dtype)], 1) if self.direct else h

    def forward(self, history: Int[Tensor, "batch length"]) -> Float[Tensor, "batch vocabulary"]:
        """y of (2), of the word after each history."""
        return self.output(self.features(history))
