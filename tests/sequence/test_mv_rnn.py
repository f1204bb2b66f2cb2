"""Matrix-vector networks: which matrix acts on which vector, exact logic, gradients of both nonlinearities."""

import itertools

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import mv_rnn as oracle

from deepcanon.parts.trees import Trees, by_autograd
from deepcanon.sequence import MVRNN, matrix_composition
from deepcanon.sequence.mv_rnn import MatrixComposition

WORDS = FALSE, TRUE, NOT, AND = range(4)


def exact():
    """One number a word, clipped at -1 and 1, with W = [1 2], W_M = [0 1]: false is -1, true is 1.

    not q = 1 * 1 * 0 + 2 * (-1/2) q = -q. and q = -1/2 + 2 * 1/4 * q = (q - 1) / 2, then p and q = p + (q - 1), cut.
    The matrix of every formula is 1.
    """
    net = MVRNN(4, 1, rank=None, nonlinearity="clip").double()
    with torch.no_grad():
        net.vectors.copy_(torch.tensor([[-1.0], [1.0], [0.0], [-0.5]]))
        net.matrices.copy_(torch.tensor([[1.0], [1.0], [-0.5], [0.25]]))
        net.weight.copy_(torch.tensor([[1.0, 2.0]]))
        net.matrix_weight.copy_(torch.tensor([[0.0, 1.0]]))
        net.bias.zero_()
    return net


def formulas(depth):
    """(value, tree) of formulas with so many operators below each other at most."""
    if depth == 0:
        return [(False, FALSE), (True, TRUE)]
    below = formulas(depth - 1)
    found = below + [(not value, (NOT, tree)) for value, tree in below]
    return found + [(a and b, (p, (AND, q))) for (a, p), (b, q) in itertools.product(below, below)]


def test_logic_is_exact_with_one_number_for_each_word():
    every = formulas(2)
    rng = np.random.default_rng(0)
    for _ in range(6):  # up to depth 8, of a few
        some = [every[k] for k in rng.choice(len(every), 10, replace=False)]
        every += [(not value, (NOT, tree)) for value, tree in some]
        every += [(a and b, (p, (AND, q))) for (a, p), (b, q) in zip(some, some[::-1], strict=True)]
    forest = Trees.of([tree for _, tree in every]).forest()
    with torch.no_grad():
        found = exact()(forest)[forest.roots, 0]
    assert found.tolist() == [1.0 if value else -1.0 for value, _ in every]


def test_uncrossed_matrices_are_no_logic():
    """A toy in which each matrix acts on its own vector, W [A a; B b], ignores the operator's matrix at "not"."""
    net = exact()
    with torch.no_grad():
        uncrossed = net.weight[0] @ (net.matrices * net.vectors)[[NOT, TRUE], 0]
        assert uncrossed.clamp(-1, 1) == 1  # "not true" would be true
        forest = Trees.of([(NOT, TRUE)]).forest()
        assert net(forest)[forest.roots, 0] == -1


def test_the_matrix_of_each_part_acts_on_the_other_vector():
    rng = np.random.default_rng(0)
    (a, A), (b, B) = ((rng.normal(size=3), rng.normal(size=(3, 3))) for _ in range(2))
    weight, matrix_weight = rng.normal(size=(3, 6)), rng.normal(size=(3, 6))
    pair = torch.from_numpy(np.concatenate([a, A.ravel(), b, B.ravel()]))[None]
    found = matrix_composition(pair, torch.from_numpy(weight), torch.zeros(3).double(), torch.from_numpy(matrix_weight))
    np.testing.assert_allclose(found[0, :3], np.tanh(weight[:, :3] @ B @ a + weight[:, 3:] @ A @ b), atol=1e-12)
    own = np.tanh(weight[:, :3] @ A @ a + weight[:, 3:] @ B @ b)
    swapped = np.tanh(weight[:, :3] @ A @ b + weight[:, 3:] @ B @ a)
    for toy in (own, swapped):
        assert np.abs(found[0, :3].numpy() - toy).max() > 1e-2
    np.testing.assert_allclose(found[0, 3:].view(3, 3), matrix_weight @ np.vstack([A, B]), atol=1e-12)


def test_a_word_matrix_is_a_product_of_low_rank_and_a_diagonal():
    torch.manual_seed(0)
    net = MVRNN(5, 6, rank=2, spread=0.5).double()
    with torch.no_grad():
        found = net.word_matrices(torch.arange(5))
        params = {name: value.numpy() for name, value in net.named_parameters()}
        for word in range(5):
            np.testing.assert_allclose(found[word], oracle.word(params, word, 6, 2)[1], atol=1e-14)
        low = found - torch.diag_embed(net.diagonals)
    assert torch.linalg.matrix_rank(low).tolist() == [2] * 5
    assert sum(p.numel() for p in (net.vectors, net.diagonals, net.factors)) == 5 * (2 * 6 + 2 * 2 * 6)


@pytest.mark.parametrize("rank", [None, 1])
def test_at_the_start_a_matrix_is_the_identity_and_noise(rank):
    torch.manual_seed(0)
    net = MVRNN(50, 8, rank=rank, spread=0.01)
    with torch.no_grad():
        gap = (net.word_matrices(torch.arange(50)) - torch.eye(8)).abs().max()
    assert 0 < gap <= 0.01


@pytest.mark.parametrize("nonlinearity", ["tanh", "clip"])
def test_gradients_by_hand_equal_those_of_autograd_in_portions(nonlinearity):
    torch.manual_seed(0)
    net = MVRNN(6, 3, rank=1, nonlinearity=nonlinearity, spread=0.5).double()
    rng = np.random.default_rng(0)
    forest = Trees.of([(int(a), (int(b), int(c))) for a, b, c in rng.integers(6, size=(300, 3))]).forest()
    assert forest.sizes[0] > MatrixComposition.rows
    found = []
    for slow in (False, True):
        vectors = net.vectors[forest.words]
        leaves = torch.cat([vectors, net.word_matrices(forest.words).flatten(1)], 1)
        weights = net.weight, net.bias, net.matrix_weight
        rule = MatrixComposition(nonlinearity)
        states = by_autograd(rule, leaves, forest, *weights)[:, :3] if slow else net(forest)
        loss = (states * torch.arange(states.numel()).reshape(states.shape).sin()).sum()
        found.append(torch.autograd.grad(loss, list(net.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_what_does_not_fit_is_refused():
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        MVRNN(4, 2, nonlinearity="relu")
    weight = torch.ones(3, 6)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        matrix_composition(torch.ones(2, 5), weight, torch.ones(3), weight)
