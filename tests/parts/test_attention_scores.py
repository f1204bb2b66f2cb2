"""Masks and attention: pads change nothing, W h is computed once, shapes that do not fit are refused."""

import math

import jaxtyping
import pytest
import torch

from deepcanon.parts import attention
from deepcanon.parts.attention import Attention, attend, coverage_loss, doubly_stochastic_loss
from deepcanon.parts.masks import masked_softmax, real_positions

SCORES = ("additive", "dot", "general", "location")


def make(score):
    torch.manual_seed(0)
    return Attention(5, 5, score, size=3, longest=9).double()


@pytest.mark.parametrize("score", SCORES)
def test_what_stands_on_pads_changes_no_bit(score):
    module, real = make(score), real_positions(torch.tensor([4, 2, 0]), 4)
    query, memory = torch.randn(3, 2, 5).double(), torch.randn(3, 4, 5).double()
    altered = torch.where(real[:, :, None], memory, 1e3 * torch.randn(3, 4, 5).double())
    for one, other in zip(module(query, memory, real), module(query, altered, real), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("score", SCORES)
def test_steps_taken_together_are_steps_taken_alone(score):
    module, real = make(score), real_positions(torch.tensor([4, 2]), 4)
    query, memory = torch.randn(2, 3, 5).double(), torch.randn(2, 4, 5).double()
    keys = module.keys(memory)
    together = module(query, memory, real)
    for t in range(3):
        alone = module(query[:, t], memory, real, keys)
        assert torch.allclose(alone.context, together.context[:, t], atol=1e-12)
        assert torch.allclose(alone.weights, together.weights[:, t], atol=1e-12)


def test_scores_on_pads_and_empty_rows_reach_no_gradient():
    scores = torch.full((2, 3), torch.nan)
    scores[0, :2] = torch.tensor([0.0, 1.0])
    scores.requires_grad_()
    weights = masked_softmax(scores, real_positions(torch.tensor([2, 0]), 3))
    (weights * torch.arange(6.0).view(2, 3)).sum().backward()
    assert weights[1].eq(0).all() and weights[0].sum().item() == pytest.approx(1)
    assert scores.grad.isfinite().all() and scores.grad[1].eq(0).all() and scores.grad[0, 2] == 0


def test_large_scores_do_not_overflow():
    weights = masked_softmax(torch.tensor([[1e4, -1e4, 3e38]]), torch.tensor([[True, True, False]]))
    assert weights.tolist() == [[1, 0, 0]]


def test_weights_before_the_pads_are_removed_would_not_sum_to_one():
    """The mistake that the mask before the softmax avoids."""
    scores, real = torch.zeros(1, 4), real_positions(torch.tensor([2]), 4)
    assert (scores.softmax(-1) * real).sum().item() == 0.5
    assert masked_softmax(scores, real).sum().item() == 1


def test_coverage_and_double_stochasticity_count_real_steps_only():
    weights = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]])
    two = torch.tensor([[True, True, False]])
    assert coverage_loss(weights, two).item() == 0
    assert doubly_stochastic_loss(weights, two, torch.ones(1, 2, dtype=torch.bool)).item() == 0
    assert coverage_loss(weights, torch.ones(1, 3, dtype=torch.bool)).item() == 1
    assert doubly_stochastic_loss(weights, torch.ones(1, 3, dtype=torch.bool), torch.tensor([[True, False]])) == 0.25


def test_what_does_not_fit_is_refused_with_the_shapes():
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused, match="wide as the memory, not 3 and 4"):
        Attention(3, 4, "dot")
    with pytest.raises(refused, match="score"):
        Attention(3, 4, "cosine")
    with pytest.raises(refused, match="longest"):
        Attention(3, 4, "location")
    location = Attention(3, 4, "location", longest=2)
    with pytest.raises(refused, match="3 places are more than the 2"):
        location(torch.zeros(1, 3), torch.zeros(1, 3, 4))
    with pytest.raises(refused, match="real"):
        masked_softmax(torch.zeros(2, 4), torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(refused, match="memory"):
        attend(torch.zeros(2, 4), torch.zeros(2, 3, 5))
    with pytest.raises(refused, match="query"):
        Attention(3, 4)(torch.zeros(2, 4), torch.zeros(2, 3, 4))


@pytest.mark.parametrize("time", [(), (3,)])
def test_additive_scores_some_rows_at_a_time_are_those_of_tanh(time, monkeypatch):
    """Values and gradients, with as many rows together as the cache takes: two of five."""
    monkeypatch.setattr(attention, "CACHE", 2 * math.prod(time) * 4 * 6)
    drawn = torch.Generator().manual_seed(0)
    given = [
        torch.randn(*shape, generator=drawn, dtype=torch.float64, requires_grad=True)
        for shape in ((5, *time, 6), (5, 4, 6), (6,))
    ]
    query, keys, vector = given
    plain = (query[..., None, :] + (keys[:, None] if time else keys)).tanh() @ vector
    found = attention.additive_scores(query, keys, vector)
    torch.testing.assert_close(found, plain)
    slopes = [torch.autograd.grad(scores.square().sum(), given) for scores in (found, plain)]
    for ours, theirs in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, theirs)
    with torch.no_grad():
        assert torch.equal(attention.additive_scores(query, keys, vector), found)
