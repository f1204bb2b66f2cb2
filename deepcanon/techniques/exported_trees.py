"""A network on trees as one module for use elsewhere: trees of any shape, as rows of nodes, to what every node says.

Which nodes wait for which differs from tree to tree. So nodes are computed one after the other, children before their
parents, by a loop that the exported graph keeps (`parts.exported_loops`), of all trees of a batch at once.
"""

from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.parts.exported_loops import looped, put

__all__ = ["HOW", "NodeByNode"]

HOW = (
    "Number the nodes of a tree from 0 on, children before their parents, so that the root is the last one. words: of"
    " a leaf the number of its word in the vocabulary, 0 if it is not there; -1 of all others. left, right: the numbers"
    " of a node's children, 0 of a leaf. Fill the trees of a batch up with 0: what is said of these nodes has no"
    " meaning."
)


class NodeByNode(nn.Module):
    """A classifier of the nodes of trees, `TreeClassifier`, without the order of a forest."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, words: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Probabilities of the classes of every node [batch, nodes, classes].

        Args:
            words: numbers of words, -1 of inner nodes [batch, nodes].
            left, right: places of the children [batch, nodes].
        """
        classifier: Any = self.classifier
        network = classifier.network
        rule, weights = network.composition()
        leaves = network.leaves(words.clamp_min(0).flatten()).unflatten(0, words.shape)
        inner = words < 0

        def at(rows: Tensor, t: Tensor) -> Tensor:
            return rows.index_select(1, t.view(1))[:, 0]

        def body(t: Tensor, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            (states,) = values
            below = [
                states.gather(1, at(side, t)[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]
                for side in (left, right)
            ]
            joined = rule.forward(torch.cat(below, 1), weights)
            return (put(states, t, torch.where(at(inner, t)[:, None], joined, at(leaves, t))),)

        (states,) = looped(body, (torch.zeros_like(leaves),), words.shape[1])
        return classifier.head(states[:, :, : network.size]).softmax(2)
