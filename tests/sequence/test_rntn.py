"""The tensor network: its product, its gradients, toys that would pass on the loss alone."""

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import rntn as oracle

from deepcanon.parts.trees import Trees, by_autograd
from deepcanon.sequence import RNTN, tensor_composition
from deepcanon.sequence.rntn import TensorComposition

TREES = [((0, 1), (2, (3, 1))), 4, ((5, 5), 0)]


def network(size=4):
    torch.manual_seed(0)
    return RNTN(6, size, spread=1.0).double()


def test_the_product_is_the_triple_loop():
    rng = np.random.default_rng(0)
    size = 5
    weights = rng.normal(size=(size, 2 * size)), rng.normal(size=size), rng.normal(size=(size, 2 * size, 2 * size))
    pairs = rng.normal(size=(7, 2 * size)) / size
    found = tensor_composition(*map(torch.from_numpy, (pairs, *weights)))
    right = [oracle.compose(row[:size], row[size:], *weights) for row in pairs]
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-10)
    h = torch.from_numpy(pairs)
    weight, bias, tensor = map(torch.from_numpy, weights)
    slow = torch.tanh(torch.einsum("ni,kij,nj->nk", h, tensor, h) + h @ weight.T + bias)
    torch.testing.assert_close(found, slow, rtol=0, atol=1e-10)


def test_more_nodes_than_are_computed_at_a_time_have_the_same_gradients():
    net = network()
    rng = np.random.default_rng(1)
    trees = [(int(a), (int(b), int(c))) for a, b, c in rng.integers(6, size=(300, 3))]
    forest = Trees.of(trees).forest()
    assert forest.sizes[0] > 2 * TensorComposition.rows
    found = []
    for slow in (False, True):
        leaves = net.vectors[forest.words]
        doubled = (net.tensor + net.tensor.transpose(1, 2)).permute(1, 2, 0).flatten(1)
        weights = net.weight, net.bias, doubled
        states = by_autograd(TensorComposition(), leaves, forest, *weights) if slow else net(forest)
        loss = (states * torch.arange(states.numel()).reshape(states.shape).sin()).sum()
        found.append(torch.autograd.grad(loss, list(net.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_tree_has_the_same_root_alone_and_in_a_batch():
    net, whole = network(), Trees.of(TREES)
    forest = whole.forest()
    roots = net(forest)[forest.roots]
    for row in range(len(TREES)):
        alone = whole.take(torch.tensor([row])).forest()
        torch.testing.assert_close(net(alone)[alone.roots][0], roots[row], rtol=0, atol=1e-12)


def test_what_not_does_depends_on_what_follows():
    """The difference that eq. (1) makes: a network without the product moves every phrase alike."""
    net = network()
    forest = Trees.of([(0, 1), (0, 2), (3, 1), (3, 2)]).forest()
    with torch.no_grad():
        sums = net(forest)[forest.roots].atanh()
    assert ((sums[0] - sums[2]) - (sums[1] - sums[3])).abs().max() > 1e-2


def test_off_diagonal_blocks_of_the_tensor_join_the_two_parts():
    """With b and c each alone in the product (a toy that squares its parts) the parts would not interact."""
    net = network()
    with torch.no_grad():
        net.tensor[:, :4, 4:] = 0
        net.tensor[:, 4:, :4] = 0
        forest = Trees.of([(0, 1), (0, 2), (3, 1), (3, 2)]).forest()
        sums = net(forest)[forest.roots].atanh()
    np.testing.assert_allclose(sums[0] - sums[2], sums[1] - sums[3], atol=1e-11)


def test_an_antisymmetric_slice_adds_nothing():
    """h^T V h sees V + V^T only; a fast path that halves or doubles the diagonal would differ."""
    net, forest = network(), Trees.of(TREES).forest()
    before = net(forest)
    with torch.no_grad():
        other = torch.randn_like(net.tensor)
        net.tensor.add_(other - other.transpose(1, 2))
        torch.testing.assert_close(net(forest), before, rtol=0, atol=1e-12)
        net.tensor.add_(torch.eye(8))
        assert (net(forest) - before).abs().max() > 1e-3


def test_the_start_is_that_of_the_equations():
    torch.manual_seed(0)
    net = RNTN(50, 16, spread=0.01)
    assert net.vectors.abs().max() <= 0.01 and not net.bias.any()
    assert (net.weight - torch.eye(16).repeat(1, 2)).abs().max() <= 0.125
    assert 0.9 / 64 < net.tensor.abs().max() <= 1 / 64


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        tensor_composition(torch.ones(2, 5), torch.ones(3, 6), torch.ones(3), torch.ones(3, 6, 6))
