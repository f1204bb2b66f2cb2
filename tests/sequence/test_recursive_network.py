"""The recursive network: one weight at every node, each tree as if it were alone, what one number cannot do."""

import jaxtyping
import numpy as np
import pytest
import torch

from deepcanon.parts.trees import Trees
from deepcanon.sequence import RNTN, RecursiveNetwork, linear_composition

TREES = [((0, 1), (2, (3, 1))), 4, ((5, 5), 0)]


def network(size=4, spread=1.0):
    torch.manual_seed(0)
    return RecursiveNetwork(6, size, spread=spread).double()


def test_a_tree_has_the_same_root_alone_and_in_a_batch():
    net, whole = network(), Trees.of(TREES)
    forest = whole.forest()
    roots = net(forest)[forest.roots]
    for row in range(len(TREES)):
        alone = whole.take(torch.tensor([row])).forest()
        torch.testing.assert_close(net(alone)[alone.roots][0], roots[row], rtol=0, atol=1e-12)


def test_the_same_parts_in_another_order_or_shape_are_another_phrase():
    net = network()
    forest = Trees.of([((0, 1), 2), (0, (1, 2)), ((1, 0), 2)]).forest()
    first, regrouped, swapped = net(forest)[forest.roots]
    assert (first - regrouped).abs().max() > 1e-2 and (first - swapped).abs().max() > 1e-2


def test_a_leaf_is_its_word_and_nothing_else():
    net = network()
    forest = Trees.of([3]).forest()
    assert torch.equal(net(forest), net.vectors[3:4])


def test_at_the_start_a_phrase_is_nearly_the_sum_of_its_words():
    """Eq. (4): with vectors so small that tanh is linear, and without the noise."""
    net = network(spread=1e-4)
    with torch.no_grad():
        net.weight.copy_(torch.eye(4).repeat(1, 2))
        forest = Trees.of([((0, 1), (2, (3, 1)))]).forest()
        total = net.vectors[[0, 1, 2, 3, 1]].sum(0)
        torch.testing.assert_close(net(forest)[forest.roots][0], total, rtol=1e-6, atol=0)


def test_the_tensor_network_without_its_tensor_is_this_one():
    net, forest = network(), Trees.of(TREES).forest()
    other = RNTN(6, 4).double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            getattr(other, name).copy_(parameter)
        other.tensor.zero_()
        torch.testing.assert_close(other(forest), net(forest), rtol=0, atol=1e-14)


def test_not_moves_a_phrase_by_the_same_vector_before_tanh_whatever_the_phrase():
    """No product of the two parts: what "not" adds does not depend on what follows."""
    net = network()
    forest = Trees.of([(0, 1), (0, 2), (3, 1), (3, 2)]).forest()
    with torch.no_grad():
        sums = net(forest)[forest.roots].atanh()
    np.testing.assert_allclose(sums[0] - sums[2], sums[1] - sums[3], atol=1e-12)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        linear_composition(torch.ones(2, 5), torch.ones(3, 6), torch.ones(3))
