r"""Recursive network: the state of a phrase by one linear map of its two parts, the same at every node of the tree.

Papers: Socher, Lin, Ng and Manning, "Parsing Natural Scenes and Natural Language with Recursive Neural Networks", ICML
2011, section 3; Socher, Perelygin, Wu, Chuang, Manning, Ng and Potts, "Recursive Deep Models for Semantic
Compositionality Over a Sentiment Treebank", EMNLP 2013, section 4.1; Goller and Kuechler, "Learning Task-Dependent
Distributed Representations by Backpropagation Through Structure", 1996.

Legend: b, c states of the left and the right part [d], h = [b; c] [2d]; p state of the phrase [d]; W [d, 2d];
L word vectors [words, d]; g the gradient at p.

(1) p = tanh(W h + bias)
(2) a leaf's state is its word's row of L
(3) with delta = g o (1 - p^2):  dE / dW = sum of delta h^T over the inner nodes,  dE / dh = W^T delta
(4) at the start W = [E E] + uniform +-1/(2 sqrt(d)), bias 0, L uniform in +-r

A node's parts act on it one by one: W b + W' c has no product of b and c, so that "not" moves every phrase the same way
until tanh saturates. `RNTN` adds the product, `MVRNN` gives each word a matrix.

Departures: (4) adds the identity E, as the code that its authors released later does, since products of random
matrices vanish over twenty heights. The softmax at every node is the caller's.

>>> from deepcanon.parts.trees import Trees
>>> net = RecursiveNetwork(words=4, size=3)
>>> states = net(Trees.of([((0, 1), 2), 3]).forest())
>>> tuple(states.shape)
(6, 3)
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.trees import Composition, Forest, Weights, evaluate

__all__ = ["LinearComposition", "RecursiveNetwork", "linear_composition"]


def linear_composition(
    pairs: Float[Tensor, "n pair"], weight: Float[Tensor, "size pair"], bias: Float[Tensor, "size"]
) -> Float[Tensor, "n size"]:
    """Eq. (1) of n nodes.

    Raises:
        ValueError: the shapes do not fit.
    """
    if pairs.ndim != 2 or pairs.shape[1] != weight.shape[1]:
        raise ValueError(f"pairs {tuple(pairs.shape)} and weight {tuple(weight.shape)} do not fit")
    return nn.functional.linear(pairs, weight, bias).tanh()


class LinearComposition(Composition):
    """Eqs. (1) and (3)."""

    def forward(self, pairs: Tensor, weights: Weights) -> Tensor:
        """The states of parents [n, S]; pairs [n, 2 S] are those of their two children, end to end."""
        return linear_composition(pairs, *weights)

    def backward(self, grad: Tensor, pairs: Tensor, states: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
        delta = grad * (1 - states * states)
        return delta, delta @ weights[0]

    def gradients(self, errors: Tensor, pairs: Tensor, states: Tensor, weights: Weights) -> tuple[Tensor, ...]:
        return errors.T @ pairs, errors.sum(0)


class RecursiveNetwork(nn.Module):
    """States of all nodes of a forest.

    Args:
        words: rows of the table of word vectors.
        size: d of every state.
        spread: r of eq. (4).
    """

    def __init__(self, words: int, size: int = 30, *, spread: float = 0.1, device=None, dtype=None):
        super().__init__()
        self.size, self.spread = size, spread
        make = {"device": device, "dtype": dtype}
        self.vectors = nn.Parameter(torch.empty(words, size, **make))
        self.weight = nn.Parameter(torch.empty(size, 2 * size, **make))
        self.bias = nn.Parameter(torch.empty(size, **make))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Eq. (4)."""
        nn.init.uniform_(self.vectors, -self.spread, self.spread)
        bound = 0.5 / math.sqrt(self.size)
        nn.init.uniform_(self.weight, -bound, bound)
        for side in self.weight.split(self.size, 1):
            side.diagonal().add_(1)
        nn.init.zeros_(self.bias)

    def leaves(self, words: Int[Tensor, "n"]) -> Float[Tensor, "n size"]:
        """The states of words, eq. (2)."""
        return nn.functional.embedding(words, self.vectors)

    def composition(self) -> tuple[Composition, Weights]:
        """Eq. (1) and its weights."""
        return LinearComposition(), (self.weight, self.bias)

    def forward(self, forest: Forest) -> Float[Tensor, "nodes size"]:
        """Eqs. (1) and (2) at every node, in the order of the forest."""
        rule, weights = self.composition()
        return evaluate(rule, self.leaves(forest.words), forest, *weights)
