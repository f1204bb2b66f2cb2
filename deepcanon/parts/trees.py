r"""Binary trees of any shape in flat tensors, evaluated height by height: one product for all nodes of one height.

Papers: Socher, Perelygin, Wu, Chuang, Manning, Ng and Potts, "Recursive Deep Models for Semantic Compositionality Over
a Sentiment Treebank", EMNLP 2013, section 4, whose networks are evaluated so; Goller and Kuechler, "Learning
Task-Dependent Distributed Representations by Backpropagation Through Structure", 1996, the gradient.

Legend: a node i has a state s_i [S]; words are leaves; l(i) and r(i) are the children of an inner node; h(i) its
height, 0 of a leaf and 1 + max(h(l), h(r)) otherwise; L the loss, g_i = dL / ds_i.

(1) s_i = f([s_l(i); s_r(i)]; weights) of an inner node. It waits for lower nodes only: all nodes of one height, of all
    trees of a batch, are one call of f
(2) from the highest to the lowest: (e_i, [c_l; c_r]) = f'(g_i), and g_l(i) += c_l, g_r(i) += c_r. A node has one
    parent, so that no two rows of a height add to the same place
(3) the gradient of the weights is one product over all inner nodes of all heights, of e_i and the pairs

What is not done by (2) and (3) but by autograd has the same numbers up to rounding (`by_autograd`), and node by node
too. Derivatives are first ones only.

>>> class Mean(Composition):
...     def forward(self, pairs, weights):
...         return pairs.unflatten(1, (2, -1)).mean(1) * weights[0]
...     def backward(self, grad, pairs, states, weights):
...         return grad, torch.cat([grad, grad], 1) * weights[0] / 2
...     def gradients(self, errors, pairs, states, weights):
...         return ((errors * pairs.unflatten(1, (2, -1)).mean(1)).sum(0),)
>>> tree = Trees.of([((0, 1), 2)])  # the words 0, 1 and 2, of which the first two are joined first
>>> forest = tree.forest()
>>> table = torch.tensor([[8.0], [4.0], [2.0]])
>>> evaluate(Mean(), table[forest.words], forest, torch.ones(1))[forest.roots].tolist()
[[4.0]]
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["NOTHING", "Composition", "Forest", "Trees", "Weights", "by_autograd", "evaluate"]

NOTHING = -100
"""The label of a node that has none; torch's losses leave it out by default."""


class Forest(NamedTuple):
    """Trees of a batch, their nodes in the order of their heights, leaves first; within a height tree after tree.

    Attributes:
        words: number of the word at each leaf.
        children: places of the two children of each inner node, among all nodes.
        sizes: inner nodes of height 1, 2, ...
        roots: places of the roots, in the order of the trees.
        labels: of every node, `NOTHING` where there is none.
    """

    words: Int[Tensor, "leaves"]
    children: Int[Tensor, "inner 2"]
    sizes: tuple[int, ...]
    roots: Int[Tensor, "trees"]
    labels: Int[Tensor, "nodes"]

    def moved(self, move: Any) -> "Forest":
        """The same after a function of each tensor, such as `run.to`."""
        words, children, sizes, roots, labels = self
        return Forest(move(words), move(children), sizes, move(roots), move(labels))


class Trees:
    """Trees one after the other; the nodes of each in an order in which children come before their parent.

    Args:
        starts: [trees + 1], where the nodes of each tree begin; its root is its last node.
        words: [nodes], the number of the word of a leaf; -1 of an inner node.
        children: [nodes, 2], places within the tree; -1 of a leaf.
        heights: [nodes], 0 of a leaf.
        labels: [nodes], or `NOTHING`.
    """

    def __init__(self, starts: Tensor, words: Tensor, children: Tensor, heights: Tensor, labels: Tensor):
        self.starts, self.words, self.children = starts, words, children
        self.heights, self.labels = heights, labels

    @classmethod
    def of(cls, nested: Sequence[Any]) -> "Trees":
        """Trees given as nested pairs of word numbers, such as ((0, 1), 2); without labels."""
        starts, words, heights = [0], list[int](), list[int]()
        children = list[tuple[int, ...]]()

        def add(node: Any, base: int) -> int:
            pair = tuple(add(child, base) for child in node) if isinstance(node, tuple) else (-1, -1)
            words.append(-1 if isinstance(node, tuple) else node)
            heights.append(1 + max(heights[base + k] for k in pair) if isinstance(node, tuple) else 0)
            children.append(pair)
            return len(words) - 1 - base

        for tree in nested:
            add(tree, starts[-1])
            starts.append(len(words))
        columns = (torch.tensor(column) for column in (starts, words, children, heights, [NOTHING] * len(words)))
        return cls(*columns)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The tensors, in the order of the constructor."""
        return self.starts, self.words, self.children, self.heights, self.labels

    def take(self, rows: Int[Tensor, "some"]) -> "Trees":
        """The trees with these numbers, in this order."""
        sizes = self.starts.diff().index_select(0, rows)
        starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        shift = self.starts.index_select(0, rows) - starts[:-1]
        nodes = torch.arange(int(starts[-1])) + shift.repeat_interleave(sizes)
        return Trees(starts, *(part.index_select(0, nodes) for part in self.parts[1:]))

    def numbered(self, table: Int[Tensor, "words"]) -> "Trees":
        """The same trees with the word `table[w]` instead of w."""
        leaf = self.words >= 0
        words = torch.where(leaf, table.index_select(0, self.words.clamp_min(0)), self.words)
        return Trees(self.starts, words, *self.parts[2:])

    def order(self) -> Int[Tensor, "nodes"]:
        """The nodes in the order of `forest`."""
        return self.heights.argsort(stable=True)

    def forest(self) -> Forest:
        """All trees as one batch."""
        order = self.order()
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        counts = self.heights.bincount(minlength=1).tolist()
        inner = order[counts[0] :]
        base = self.starts[:-1].repeat_interleave(self.starts.diff())
        children = self.children.index_select(0, inner) + base.index_select(0, inner)[:, None]
        return Forest(
            self.words.index_select(0, order[: counts[0]]),
            place.index_select(0, children.flatten()).view(-1, 2),
            tuple(counts[1:]),
            place.index_select(0, self.starts[1:] - 1),
            self.labels.index_select(0, order),
        )


Weights = tuple[Tensor, ...]


class Composition(ABC):
    """f of eq. (1) and its derivative, written by hand."""

    rows: int = 1 << 20
    """Nodes that are computed at a time, so that what is computed of them stays in the cache."""

    @abstractmethod
    def forward(self, pairs: Float[Tensor, "n pair"], weights: Weights) -> Float[Tensor, "n state"]:
        """Eq. (1): parents from [left; right]."""

    @abstractmethod
    def backward(
        self,
        grad: Float[Tensor, "n state"],
        pairs: Float[Tensor, "n pair"],
        states: Float[Tensor, "n state"],
        weights: Weights,
    ) -> tuple[Float[Tensor, "n errors"], Float[Tensor, "n pair"]]:
        """Eq. (2): the errors e, which `gradients` takes, and the gradient of the pairs."""

    @abstractmethod
    def gradients(
        self,
        errors: Float[Tensor, "inner errors"],
        pairs: Float[Tensor, "inner pair"],
        states: Float[Tensor, "inner state"],
        weights: Weights,
    ) -> tuple[Tensor, ...]:
        """Eq. (3): a gradient for each of the weights."""


def _levels(sizes: Sequence[int], rows: int = 1 << 20) -> list[tuple[int, int]]:
    """First and last inner node of every height, or of portions of it."""
    found, begin = list[tuple[int, int]](), 0
    for size in sizes:
        found += [(begin + k, begin + min(k + rows, size)) for k in range(0, size, rows)]
        begin += size
    return found


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rule: Composition, children: Tensor, sizes: tuple[int, ...], leaves: Tensor, *weights: Tensor
    ) -> Tensor:
        first, inner, size = len(leaves), len(children), leaves.shape[1]
        states = leaves.new_empty(first + inner, size)
        states[:first] = leaves
        pairs = leaves.new_empty(inner, 2 * size)
        for begin, end in _levels(sizes, rule.rows):
            below = pairs[begin:end]
            torch.index_select(states, 0, children[begin:end].flatten(), out=below.view(-1, size))
            states[first + begin : first + end] = rule.forward(below, weights)
        ctx.rule, ctx.sizes = rule, sizes
        ctx.save_for_backward(children, pairs, states, *weights)
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        children, pairs, states, *weights = ctx.saved_tensors
        first, size = len(states) - len(children), states.shape[1]
        grad, errors = gradients[0].clone(memory_format=torch.contiguous_format), None
        for begin, end in reversed(_levels(ctx.sizes, ctx.rule.rows)):
            here = slice(first + begin, first + end)
            own, below = ctx.rule.backward(grad[here], pairs[begin:end], states[here], tuple(weights))
            if errors is None:
                errors = own.new_empty(len(children), *own.shape[1:])
            errors[begin:end] = own
            grad.index_add_(0, children[begin:end].flatten(), below.reshape(-1, size))
        if errors is None:  # words alone
            found: tuple[Tensor, ...] = tuple(torch.zeros_like(weight) for weight in weights)
        else:
            found = ctx.rule.gradients(errors, pairs, states[first:], tuple(weights))
        return None, None, None, grad[:first], *found


def evaluate(
    rule: Composition, leaves: Float[Tensor, "leaves state"], forest: Forest, *weights: Tensor
) -> Float[Tensor, "nodes state"]:
    """The states of all nodes, eqs. (1) to (3), in the order of the forest.

    Raises:
        ValueError: the leaves or the heights do not fit the forest.
    """
    _check(leaves, forest.children, forest.sizes)
    if torch.compiler.is_compiling():
        return by_autograd(rule, leaves, forest, *weights)
    return _Evaluate.apply(rule, forest.children, forest.sizes, leaves, *weights)


def by_autograd(
    rule: Composition, leaves: Float[Tensor, "leaves state"], forest: Forest, *weights: Tensor
) -> Float[Tensor, "nodes state"]:
    """The same height by height, differentiated by autograd: what `evaluate` is compared with."""
    states = leaves
    for begin, end in _levels(forest.sizes):
        pairs = states.index_select(0, forest.children[begin:end].flatten()).view(end - begin, -1)
        states = torch.cat([states, rule.forward(pairs, weights)])
    return states


def _check(leaves: Tensor, children: Tensor, sizes: Sequence[int]) -> None:
    if leaves.ndim != 2 or children.ndim != 2 or children.shape[1] != 2:
        raise ValueError(f"leaves {tuple(leaves.shape)} and children {tuple(children.shape)} are not [n, S] and [m, 2]")
    if sum(sizes) != len(children) or 0 in sizes:
        raise ValueError(f"heights of {tuple(sizes)} nodes do not make {len(children)} inner nodes")
