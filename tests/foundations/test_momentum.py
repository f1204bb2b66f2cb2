"""Momentum: torch's own steps at a constant rate, what differs when the rate changes, the best pairs, and refusals."""

import copy
import math

import numpy as np
import pytest
import torch
from oracles import momentum as oracle

from deepcanon.foundations import GradientDescent, Momentum
from deepcanon.foundations.momentum import best_heavy_ball, nesterov_rate, sutskever_momentum, ufldl_momentum

FORMS = [(nesterov, on_use) for nesterov in (False, True) for on_use in (False, True)]


def parameters(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    shapes = [(5, 3), (7,), (2, 2, 2), ()]
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def loss_of(given):
    return sum((p.square().mean() + (3 * p).sin().sum() + p.sum() ** 2 / 10) for p in given)


def train(optimizer, given, steps=200, rate=lambda step: 0.02):
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.zero_grad()
        loss_of(given).backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in given])


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize(("nesterov", "on_use"), FORMS)
def test_equals_torch_at_a_constant_rate(nesterov, on_use, decay):
    ours, theirs = parameters(), parameters()
    options = {"nesterov": nesterov, "weight_decay": decay}
    mine = train(Momentum(ours, 0.02, 0.9, rate_on_use=on_use, **options), ours)
    other = train(torch.optim.SGD(theirs, 0.02, 0.9, **options), theirs)
    torch.testing.assert_close(mine, other, atol=1e-12, rtol=0)
    assert (mine - torch.cat([p.detach().flatten() for p in parameters()])).abs().max() > 0.1


@pytest.mark.parametrize("nesterov", [False, True])
def test_only_the_rate_on_use_equals_torch_when_the_rate_changes(nesterov):
    ends = []
    for make in (
        lambda given: torch.optim.SGD(given, 0.02, 0.9, nesterov=nesterov),
        lambda given: Momentum(given, 0.02, 0.9, nesterov=nesterov, rate_on_use=True),
        lambda given: Momentum(given, 0.02, 0.9, nesterov=nesterov),
    ):
        given = parameters()
        ends.append(train(make(given), given, steps=40, rate=lambda step: 0.02 if step < 20 else 0.002))
    torch.testing.assert_close(ends[1], ends[0], atol=1e-12, rtol=0)
    assert (ends[2] - ends[0]).abs().max() > 0.01


def test_after_a_cut_of_the_rate_the_classical_form_coasts():
    """No gradient comes after the cut: the old velocity runs out at full length, or is rescaled with the rate."""
    moved = {}
    for on_use in (False, True):
        x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = Momentum([x], 0.1, 0.9, rate_on_use=on_use)
        x.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        start, optimizer.param_groups[0]["lr"] = x.item(), 0.01
        for _ in range(400):
            x.grad = torch.zeros(1, dtype=torch.float64)
            optimizer.step()
        moved[on_use] = start - x.item()
    assert moved[False] == pytest.approx(0.1 * 0.9 / (1 - 0.9), rel=1e-12)
    assert moved[True] == pytest.approx(0.01 * 0.9 / (1 - 0.9), rel=1e-12)


def test_no_dampening_and_momentum_zero_is_gradient_descent():
    x = torch.zeros(1, requires_grad=True)
    optimizer = Momentum([x], 1.0, 0.5)
    for expected in (-1.0, -2.5, -4.25):
        x.grad = torch.ones(1)
        optimizer.step()
        assert x.item() == expected
    for nesterov in (False, True):
        ours, theirs = parameters(), parameters()
        mine = train(Momentum(ours, 0.02, 0.0, nesterov=nesterov), ours)
        torch.testing.assert_close(mine, train(GradientDescent(theirs, 0.02), theirs), atol=1e-13, rtol=0)


def test_a_changing_momentum_follows_the_recursion():
    """UFLDL's jump of momentum under a rate that changes too, against the pair of equations."""
    gradients = np.random.default_rng(0).normal(size=(30, 4))
    x = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer, place, velocity = Momentum([x], 0.1), np.zeros(4), np.zeros(4)
    for step, gradient in enumerate(gradients):
        group = optimizer.param_groups[0]
        group["momentum"], group["lr"] = ufldl_momentum(step), 0.1 / (1 + step)
        x.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        velocity = (0.5 if step < 20 else 0.95) * velocity - 0.1 / (1 + step) * gradient
        place = place + velocity
    np.testing.assert_allclose(x.detach().numpy(), place, atol=1e-14)


def slope(make, steps=1200):
    """Contraction per step of the distance to the minimum of a quadratic with condition 100."""
    curvatures = torch.logspace(0, 2, 5, dtype=torch.float64)
    x = torch.ones(5, dtype=torch.float64, requires_grad=True)
    optimizer, sizes = make([x]), []
    for _ in range(steps):
        x.grad = curvatures * x.detach()
        optimizer.step()
        sizes.append(x.detach().abs().max().item())
    return -math.log(sizes[-1] / sizes[steps // 2 - 1]) / (steps / 2)


def test_measured_slopes_on_condition_100():
    """A09: 99/101 a step for descent, 9/11 for the heavy ball, 9/10 for Nesterov; each slope within 1 %."""
    ball, nesterov = best_heavy_ball(1.0, 100.0), nesterov_rate(1.0, 100.0)
    assert ball.contraction == pytest.approx(9 / 11, abs=1e-15)
    assert nesterov.contraction == pytest.approx(0.9, abs=1e-15)
    measured = slope(lambda given: Momentum(given, ball.rate, ball.momentum))
    assert measured == pytest.approx(-math.log(9 / 11), rel=0.01)
    measured = slope(lambda given: Momentum(given, nesterov.rate, nesterov.momentum, nesterov=True))
    assert measured == pytest.approx(-math.log(0.9), rel=0.011)
    assert slope(lambda given: GradientDescent(given, 2 / 101)) == pytest.approx(-math.log(99 / 101), rel=0.01)


def test_the_best_heavy_ball_is_best():
    """Over the whole spectrum no other pair has a smaller largest eigenvalue."""
    spectrum = np.geomspace(1, 100, 60)

    def worst(rate, mu):
        return max(oracle.spectral_radius(h, rate, mu) for h in spectrum)

    best = best_heavy_ball(1.0, 100.0)
    assert worst(best.rate, best.momentum) == pytest.approx(9 / 11, abs=1e-6)
    for rate in (0.9, 0.98, 1.02, 1.1):
        for mu in (0.9, 0.98, 1.0, 1.02, 1.1):
            assert worst(rate * best.rate, mu * best.momentum) > 9 / 11 + 1e-4, (rate, mu)
    pair = nesterov_rate(1.0, 100.0)
    largest = max(oracle.spectral_radius(h, pair.rate, pair.momentum, nesterov=True) for h in spectrum)
    assert largest == pytest.approx(0.9, abs=1e-6)


def test_schedules():
    assert [ufldl_momentum(step) for step in (0, 19, 20)] == [0.5, 0.5, 0.95]
    assert [round(sutskever_momentum(250 * k), 6) for k in range(4)] == [0.5, 0.75, 0.833333, 0.875]
    assert sutskever_momentum(249) == 0.5 and sutskever_momentum(10**7, largest=0.9) == 0.9


@pytest.mark.parametrize(("nesterov", "on_use"), FORMS)
def test_saved_and_loaded_goes_on_with_the_same_bits(nesterov, on_use):
    given = parameters(torch.float32)
    optimizer = Momentum(given, 0.02, 0.9, nesterov=nesterov, rate_on_use=on_use)
    train(optimizer, given, steps=7)
    twins = [p.detach().clone().requires_grad_() for p in given]
    other = Momentum(twins, 0.5, 0.1)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(train(optimizer, given, steps=10), train(other, twins, steps=10))


def test_closure_and_parameters_without_gradient():
    x, idle = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = Momentum([x, idle], 0.1)

    def closure():
        optimizer.zero_grad()
        loss = x.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert x.tolist() == pytest.approx([0.8, 0.8]) and idle.tolist() == [1.0, 1.0]
    assert idle not in optimizer.state


def test_refusals():
    x = torch.zeros(3, requires_grad=True)
    for options in ({"lr": -0.1}, {"lr": math.nan}, {"lr": 0.1, "weight_decay": math.inf}):
        with pytest.raises(ValueError, match=r"lr is|weight_decay is"):
            Momentum([x], **options)
    for momentum in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"lies in \[0, 1\)"):
            Momentum([x], 0.1, momentum)
    x.grad = torch.zeros(3).to_sparse()
    with pytest.raises(ValueError, match="dense gradients"):
        Momentum([x], 0.1).step()
    for call in (lambda: ufldl_momentum(-1), lambda: ufldl_momentum(0, end=1.0), lambda: sutskever_momentum(-1)):
        with pytest.raises(ValueError, match="not a schedule"):
            call()
    for rule in (best_heavy_ball, nesterov_rate):
        with pytest.raises(ValueError, match="curvatures"):
            rule(0.0, 1.0)
