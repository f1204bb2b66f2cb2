"""Trees height by height: the numbers of node-wise recursion, gradients by hand, what does not fit."""

import numpy as np
import pytest
import torch

from deepcanon.parts.trees import NOTHING, Composition, Forest, Trees, by_autograd, evaluate

SIZE = 3


class Affine(Composition):
    """tanh(W [left; right]), in portions of two nodes."""

    rows = 2

    def forward(self, pairs, weights):
        return torch.tanh(pairs @ weights[0].T)

    def backward(self, grad, pairs, states, weights):
        delta = grad * (1 - states**2)
        return delta, delta @ weights[0]

    def gradients(self, errors, pairs, states, weights):
        return (errors.T @ pairs,)


def drawn(rng, words):
    """A random binary tree of words as nested tuples."""
    if words == 1:
        return int(rng.integers(7))
    left = int(rng.integers(1, words))
    return drawn(rng, left), drawn(rng, words - left)


def recursive(tree, table, weight):
    """States of all nodes of a tree, children before parents, the root last: one node after the other."""
    if not isinstance(tree, tuple):
        return [table[tree]]
    left, right = (recursive(side, table, weight) for side in tree)
    return [*left, *right, np.tanh(weight @ np.concatenate([left[-1], right[-1]]))]


def material(count=9):
    rng = np.random.default_rng(0)
    trees = [drawn(rng, int(words)) for words in [1, 2, *rng.integers(1, 12, count - 2)]]
    table, weight = rng.normal(size=(7, SIZE)), rng.normal(size=(SIZE, 2 * SIZE))
    return trees, table, weight


@pytest.mark.parametrize("way", [evaluate, by_autograd])
def test_all_heights_at_once_equal_node_by_node(way):
    trees, table, weight = material()
    forest = Trees.of(trees).forest()
    states = way(Affine(), torch.from_numpy(table)[forest.words], forest, torch.from_numpy(weight))
    for tree, root in zip(trees, forest.roots.tolist(), strict=True):
        np.testing.assert_allclose(states[root], recursive(tree, table, weight)[-1], rtol=0, atol=1e-12)
    order = Trees.of(trees).order()
    every = np.concatenate([recursive(tree, table, weight) for tree in trees])
    np.testing.assert_allclose(states, every[order], rtol=0, atol=1e-12)


def test_gradients_by_hand_equal_those_of_autograd():
    trees, table, weight = material()
    forest, found = Trees.of(trees).forest(), []
    for way in (evaluate, by_autograd):
        leaves, w = torch.from_numpy(table).requires_grad_(), torch.from_numpy(weight).requires_grad_()
        states = way(Affine(), leaves[forest.words], forest, w)
        scale = torch.arange(states.numel()).reshape(states.shape).cos()  # every node counts, each in its own way
        found.append(torch.autograd.grad((states * scale).sum(), (leaves, w)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_tree_has_the_same_states_in_any_company():
    trees, table, weight = material()
    table, weight, whole = torch.from_numpy(table), torch.from_numpy(weight), Trees.of(trees)

    def roots(forest):
        return evaluate(Affine(), table[forest.words], forest, weight)[forest.roots]

    together = roots(whole.forest())
    for row in range(len(trees)):
        torch.testing.assert_close(
            roots(whole.take(torch.tensor([row])).forest())[0], together[row], rtol=0, atol=1e-12
        )
    rows = torch.tensor([4, 0, 4, 2])
    torch.testing.assert_close(roots(whole.take(rows).forest()), together[rows], rtol=0, atol=1e-12)


def test_words_alone_need_no_product():
    forest = Trees.of([3, 1]).forest()
    weight = torch.ones(SIZE, 2 * SIZE, requires_grad=True)
    leaves = torch.randn(2, SIZE, requires_grad=True)
    states = evaluate(Affine(), leaves, forest, weight)
    states.sum().backward()
    assert forest.sizes == () and torch.equal(states, leaves)
    assert not weight.grad.any() and bool((leaves.grad == 1).all())


def test_words_are_renumbered_and_inner_nodes_are_not():
    trees = Trees.of([((0, 1), 2)]).numbered(torch.tensor([5, 6, 7]))
    assert trees.words.tolist() == [5, 6, -1, 7, -1]
    forest = trees.forest()
    assert forest.words.tolist() == [5, 6, 7] and forest.labels.tolist() == [NOTHING] * 5
    moved = forest.moved(lambda part: part + 1)
    assert moved.words.tolist() == [6, 7, 8] and moved.sizes == forest.sizes


def test_shapes_that_do_not_fit_are_named():
    forest = Trees.of([(0, 1)]).forest()
    weight = torch.ones(SIZE, 2 * SIZE)
    with pytest.raises(ValueError, match=r"heights of \(1, 1\) nodes do not make 1 inner nodes"):
        evaluate(Affine(), torch.ones(2, SIZE), Forest(*forest[:2], (1, 1), *forest[3:]), weight)
