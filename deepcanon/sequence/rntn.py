r"""Recursive neural tensor network: the state of a phrase by a product of its two parts through a tensor.

Paper: Socher, Perelygin, Wu, Chuang, Manning, Ng and Potts, "Recursive Deep Models for Semantic Compositionality Over
a Sentiment Treebank", EMNLP 2013, sections 4.3 and 4.4.

Legend: b, c states of the left and the right part [d], h = [b; c] [2d]; p state of the phrase [d]; V the tensor, one
slice V^k [2d, 2d] for each entry of p; W [d, 2d]; L word vectors [words, d]; g the gradient at p.

(1) p_k = tanh(h^T V^k h + W_k h + bias_k)
(2) a leaf's state is its word's row of L
(3) with delta = g o (1 - p^2):  dE / dV^k = sum of delta_k h h^T,  dE / dW = sum of delta h^T over the inner nodes,
    and dE / dh = W^T delta + sum_k delta_k (V^k + V^k^T) h
(4) at the start W = [E E] + uniform +-1/(2 sqrt(d)), V uniform +-1/(4d), bias 0, L uniform in +-r

With V = 0 it is the recursive network (`RecursiveNetwork`). What decides whether "not" turns a good film into a bad one
is (1): b multiplies c.

Departures: (4) for W and V is what the authors' released code does, E the identity: the paper says nothing of it, and
products of random matrices vanish over twenty heights. r is 0.1 instead of 0.0001, with which the first epochs learn
nothing. The tensor is [d, 2d, 2d], slices first, and the fast path takes V^k + V^k^T, which gives the same p.

>>> from deepcanon.parts.trees import Trees
>>> net = RNTN(words=4, size=3)
>>> states = net(Trees.of([((0, 1), 2), 3]).forest())
>>> tuple(states.shape)
(6, 3)
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deepcanon.parts.trees import Composition, Forest, Weights, evaluate

__all__ = ["RNTN", "TensorComposition", "tensor_composition"]


def tensor_composition(
    pairs: Float[Tensor, "n pair"],
    weight: Float[Tensor, "size pair"],
    bias: Float[Tensor, "size"],
    tensor: Float[Tensor, "size pair pair"],
) -> Float[Tensor, "n size"]:
    """Eq. (1) of n nodes.

    Raises:
        ValueError: the shapes do not fit.
    """
    size, pair = weight.shape
    if pairs.ndim != 2 or pairs.shape[1] != pair or tensor.shape != (size, pair, pair):
        shapes = f"pairs {tuple(pairs.shape)}, weight {tuple(weight.shape)} and tensor {tuple(tensor.shape)}"
        raise ValueError(f"{shapes} do not fit")
    products = (pairs[:, :, None] * pairs[:, None, :]).flatten(1)  # h h^T
    return torch.tanh(torch.addmm(bias, pairs, weight.T) + products @ tensor.flatten(1).T)


class TensorComposition(Composition):
    """Eqs. (1) and (3) with the tensor as a matrix: row i holds V^k_ij + V^k_ji for every (j, k)."""

    rows = 128

    def forward(self, pairs: Tensor, weights: Weights) -> Tensor:
        """The states of parents [n, S]; pairs [n, 2 S] are those of their two children, end to end."""
        weight, bias, doubled = weights
        linear = torch.addmm(bias, pairs, weight.T)
        return torch.baddbmm(linear[:, None], pairs[:, None], self._through(pairs, doubled), alpha=0.5)[:, 0].tanh()

    def backward(self, grad: Tensor, pairs: Tensor, states: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
        weight, _, doubled = weights
        delta = grad * (1 - states * states)
        below = torch.baddbmm((delta @ weight)[:, :, None], self._through(pairs, doubled), delta[:, :, None])
        return delta, below[:, :, 0]

    def gradients(self, errors: Tensor, pairs: Tensor, states: Tensor, weights: Weights) -> tuple[Tensor, ...]:
        gradient = torch.zeros_like(weights[2])
        for delta, h in zip(errors.split(self.rows), pairs.split(self.rows), strict=True):
            gradient.addmm_(h.T, (h[:, :, None] * delta[:, None, :]).flatten(1), alpha=0.5)
        return errors.T @ pairs, errors.sum(0), gradient

    @staticmethod
    def _through(pairs: Tensor, doubled: Tensor) -> Tensor:
        """(V^k + V^k^T) h [n, 2d, d]."""
        return (pairs @ doubled).view(len(pairs), pairs.shape[1], -1)


class RNTN(nn.Module):
    """States of all nodes of a forest.

    Args:
        words: rows of the table of word vectors.
        size: d of every state.
        spread: r of eq. (4).
    """

    def __init__(self, words: int, size: int = 25, *, spread: float = 0.1, device=None, dtype=None):
        super().__init__()
        self.size, self.spread = size, spread
        make = {"device": device, "dtype": dtype}
        self.vectors = nn.Parameter(torch.empty(words, size, **make))
        self.weight = nn.Parameter(torch.empty(size, 2 * size, **make))
        self.bias = nn.Parameter(torch.empty(size, **make))
        self.tensor = nn.Parameter(torch.empty(size, 2 * size, 2 * size, **make))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Eq. (4)."""
        nn.init.uniform_(self.vectors, -self.spread, self.spread)
        bound = 0.5 / math.sqrt(self.size)
        nn.init.uniform_(self.weight, -bound, bound)
        for side in self.weight.split(self.size, 1):
            side.diagonal().add_(1)
        nn.init.uniform_(self.tensor, -0.25 / self.size, 0.25 / self.size)
        nn.init.zeros_(self.bias)

    def leaves(self, words: Int[Tensor, "n"]) -> Float[Tensor, "n size"]:
        """The states of words, eq. (2)."""
        return nn.functional.embedding(words, self.vectors)

    def composition(self) -> tuple[Composition, Weights]:
        """Eq. (1) and its weights."""
        doubled = (self.tensor + self.tensor.transpose(1, 2)).permute(1, 2, 0).flatten(1)
        return TensorComposition(), (self.weight, self.bias, doubled)

    def forward(self, forest: Forest) -> Float[Tensor, "nodes size"]:
        """Eqs. (1) and (2) at every node, in the order of the forest."""
        rule, weights = self.composition()
        return evaluate(rule, self.leaves(forest.words), forest, *weights)
