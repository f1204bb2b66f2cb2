"""Clipping by the global norm: torch's numbers, the direction kept, accumulation first, no silent non-finite norm."""

import copy
import dataclasses
import math

import pytest
import torch
from contract import recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deepcanon.foundations.gradient_clipping import (
    clip_gradients_,
    clipped,
    clipped_by_value,
    global_norm,
)
from deepcanon.parts.clipping import clip_in_step
from deepcanon.recipes.gradient_clipping import Config


def flat(gradients):
    return torch.cat([gradient.flatten() for gradient in gradients])


def cosine(one, other):
    return torch.nn.functional.cosine_similarity(flat(one), flat(other), 0).item()


def network(seed=0, scale=1.0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    (scale * net(torch.randn(4, 5)).square().sum()).backward()
    return net


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3), limit=st.floats(1e-2, 1e2))
def test_equals_torch(seed, scale, limit):
    ours, theirs = network(seed, scale), network(seed, scale)
    norm = clip_gradients_(ours.parameters(), limit)
    torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs.parameters(), limit), rtol=1e-6, atol=1e-7)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-6 + 1e-6 / limit, atol=1e-7)


@pytest.mark.parametrize("limit", [1e-3, 1.0, 1e3])
def test_direction_unchanged_and_the_norm_before_is_reported(limit):
    gradients = [p.grad.double() for p in network(scale=5).parameters()]
    after, norm = clipped(gradients, limit)
    assert norm.item() == pytest.approx(flat(gradients).norm().item(), rel=1e-12)
    assert global_norm(after).item() == pytest.approx(min(limit, norm.item()), rel=1e-12)
    assert cosine(after, gradients) == pytest.approx(1, abs=1e-12)
    if limit > norm:
        assert all(torch.equal(a, b) for a, b in zip(after, gradients, strict=True))


def test_by_value_and_by_parameter_turn_the_direction():
    gradients = [p.grad.double() for p in network(scale=5).parameters()]
    by_value = clipped_by_value(gradients, 0.1)
    assert by_value.norm == global_norm(gradients) and flat(by_value.gradients).abs().max() <= 0.1
    each = [clipped([gradient], 0.5).gradients[0] for gradient in gradients]
    assert cosine(by_value.gradients, gradients) < 0.9 and cosine(each, gradients) < 0.99


def test_after_accumulation():
    """Two micro-batches added and then clipped are the whole batch clipped; clipped one by one they are not."""
    torch.manual_seed(0)
    net, x, y = nn.Linear(6, 2), torch.randn(8, 6), 5 * torch.randn(8, 2)

    def add(model, rows):
        (model(x[rows]) - y[rows]).square().sum().backward()

    whole, parts, early = (copy.deepcopy(net) for _ in range(3))
    add(whole, slice(0, 8))
    clip_gradients_(whole.parameters(), 1.0)
    for rows in (slice(0, 4), slice(4, 8)):
        add(parts, rows)
        add(early, rows)
        clip_gradients_(early.parameters(), 1.0)
    clip_gradients_(parts.parameters(), 1.0)
    torch.testing.assert_close(parts.weight.grad, whole.weight.grad)
    assert (early.weight.grad - whole.weight.grad).abs().max() > 1e-2


def test_after_the_loss_scale_is_divided_out():
    """Clipping scaled gradients clips at a limit that is 1024 times too small."""
    plain, scaled, wrong = network(), network(scale=1024.0), network(scale=1024.0)
    expected = clip_gradients_(plain.parameters(), 0.5)
    for parameter in scaled.parameters():
        parameter.grad /= 1024
    assert clip_gradients_(scaled.parameters(), 0.5).item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(flat(p.grad for p in scaled.parameters()), flat(p.grad for p in plain.parameters()))
    clip_gradients_(wrong.parameters(), 0.5)
    assert global_norm([p.grad / 1024 for p in wrong.parameters()]) < 1e-3


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_an_error_and_changes_nothing(bad):
    net = network()
    list(net.parameters())[2].grad[1, 3] = bad
    before = [p.grad.clone() for p in net.parameters()]
    with pytest.raises(FloatingPointError, match=r"gradients \[2\] of 4 are not finite"):
        clip_gradients_(net.parameters(), 1.0)
    assert all(
        torch.equal(p.grad.nan_to_num(7), b.nan_to_num(7)) for p, b in zip(net.parameters(), before, strict=True)
    )
    for function in (clipped, clipped_by_value):
        with pytest.raises(FloatingPointError):
            function(before, 1.0)
    with pytest.raises(FloatingPointError, match="overflows"):
        clipped([torch.full((4,), 3e38)], 1.0)


def test_the_fused_part_takes_the_same_step():
    first, second = network(scale=9), network(scale=9)
    fused = torch.optim.SGD(first.parameters(), 0.1, 0.9, fused=True)
    norm = clip_in_step(fused, 0.7)
    assert norm.item() == pytest.approx(clip_gradients_(second.parameters(), 0.7).item(), rel=1e-6)
    torch.optim.SGD(second.parameters(), 0.1, 0.9).step()
    torch.testing.assert_close(flat(first.parameters()), flat(second.parameters()), rtol=1e-6, atol=1e-7)


def test_parameters_without_a_gradient_are_left_out():
    net = network()
    net[0].weight.grad = None
    expected = flat(p.grad for p in net.parameters() if p.grad is not None).norm()
    torch.testing.assert_close(clip_gradients_(net.parameters(), 100.0), expected)


# The recipe


def test_both_arms_begin_with_the_same_weights_and_only_one_diverges():
    """At a rate of 0.2 and T = 100 the network that is not clipped is lost in 60 steps, and the clipped one is not."""
    options = dataclasses.replace(Config(), learning_rates=(0.002, 0.2), iterations=60)
    trainee = dataclasses.replace(recipes.trainee("gradient_clipping"), config=options)
    trained, take_step = recipes.start(trainee, 60)
    for parameter in trained.model.parameters():
        assert all(torch.equal(parameter[0], other) for other in parameter[1:])
    for _ in range(60):
        take_step()
    assert trained.courses.diverged.tolist() == [False, False, False, True]
    assert all(torch.isfinite(parameter[:3]).all() for parameter in trained.model.parameters())
    norms = trained.courses.norms
    assert norms[:, 3].max() > 100 * norms[:, 1].max()


def test_what_cannot_be_is_said():
    for limit in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="clipped at a positive number"):
            clipped([torch.ones(2)], limit)
    with pytest.raises(ValueError, match="no gradients"):
        clip_gradients_([nn.Parameter(torch.ones(2))], 1.0)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("slope", [0.0, 3.0])
def test_an_infinite_limit_never_clips(fused, slope):
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.full((2,), slope)
    norm = clip_in_step(torch.optim.SGD([weight], lr=1.0, fused=fused), float("inf"))
    assert weight.tolist() == [-slope, -slope] and norm == pytest.approx(slope * 2**0.5)
