"""Schedules at their ends and borders, the floor of a constant rate, what 1/t does to it, and refusals."""

import math

import pytest
import torch
from oracles import learning_rate_decay as oracle

from deepcanon.foundations import cosine_decay, exponential_decay, inverse_decay, step_decay
from deepcanon.foundations.learning_rate_decay import constant_rate, inverse_variance, stationary_variance, whole_epochs

FALLING = (
    lambda t, total: step_decay(t, total),
    lambda t, total: exponential_decay(t, total, last=0.05),
    lambda t, total: inverse_decay(t, total, last=0.05),
    lambda t, total: cosine_decay(t, total, last=0.05),
)


@pytest.mark.parametrize("schedule", FALLING)
def test_the_first_step_has_the_full_rate_and_it_never_rises(schedule):
    for total in (1, 7, 100):
        shares = [schedule(t, total) for t in range(total + 1)]
        assert shares[0] == 1.0
        assert shares == sorted(shares, reverse=True) and shares[-1] < 0.06
        assert schedule(3 * total, total) == shares[-1]  # a run that is continued keeps the last rate


def test_ends():
    for schedule in (exponential_decay, inverse_decay, cosine_decay):
        assert schedule(50, 50, last=0.03) == pytest.approx(0.03, rel=1e-12)
    assert cosine_decay(10, 10) == 0.0 and constant_rate(10, 10) == 1.0
    ratios = {round(exponential_decay(t + 1, 20) / exponential_decay(t, 20), 12) for t in range(20)}
    assert len(ratios) == 1
    assert inverse_decay(1, 4, last=0.2) == 0.5 and inverse_decay(2, 4, last=0.2) == pytest.approx(1 / 3)


def test_a_drop_counts_from_its_step_on():
    assert [step_decay(t, 8) for t in (3, 4, 5, 6, 8)] == pytest.approx([1, 0.1, 0.1, 0.01, 0.01])
    assert step_decay(7, 8, drops=()) == 1.0


def test_per_epoch_the_whole_first_epoch_keeps_the_first_rate():
    """Decay comes after, not before, the first epoch; per step it begins at once."""
    shares = [exponential_decay(whole_epochs(step, 5), 4, last=0.0625) for step in range(20)]
    assert shares == pytest.approx([1.0] * 5 + [0.5] * 5 + [0.25] * 5 + [0.125] * 5)
    assert exponential_decay(1, 20, last=0.0625) < 1


def test_bottous_schedule_is_the_inverse_one():
    rate, curvature, steps = 0.3, 2.0, 50
    last = 1 / (1 + rate * curvature * steps)
    for t in range(steps + 1):
        assert inverse_decay(t, steps, last=last) == pytest.approx(1 / (1 + rate * curvature * t), rel=1e-12)


def walk(schedule, rate, curvature, noise, steps, walkers=40_000):
    """Mean square of many walkers on the noisy quadratic after the last step."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.zeros(walkers)
    for t in range(steps):
        xi = torch.randn(walkers, generator=generator)
        theta -= rate * schedule(t, steps) * (curvature * theta + noise * xi)
    return theta.double().square().mean().item()


def test_the_plateau_of_a_constant_rate():
    """A10: lr s^2 / (h (2 - lr h)) within 5 %, for small and for large lr h."""
    for rate, curvature, noise in ((0.1, 2.0, 1.0), (0.5, 1.0, 0.3), (1.5, 1.0, 1.0)):
        expected = stationary_variance(rate, curvature, noise)
        assert walk(constant_rate, rate, curvature, noise, 60) == pytest.approx(expected, rel=0.05)


def test_inverse_decay_goes_below_the_plateau_as_calculated():
    rate, curvature, noise, steps = 0.5, 1.0, 1.0, 200
    last = 1 / (1 + rate * curvature * steps)
    found = walk(lambda t, total: inverse_decay(t, total, last=last), rate, curvature, noise, steps)
    assert found == pytest.approx(inverse_variance(steps, rate, curvature, noise), rel=0.05)
    assert found < 0.05 * stationary_variance(rate, curvature, noise)


def test_the_plateau_is_the_limit_of_the_recursion_and_1_over_t_of_its_own():
    moment = oracle.second_moment([0.4] * 500, 1.5, 0.7, start=9.0)
    assert stationary_variance(0.4, 1.5, 0.7) == pytest.approx(moment, rel=1e-12)
    values = [inverse_variance(t, 0.4, 1.5, 0.7, start=1.0) for t in (10**4, 10**5, 10**6)]
    assert values[0] / values[1] == pytest.approx(10, rel=0.01)
    assert 10**6 * values[2] == pytest.approx((0.7 / 1.5) ** 2, rel=0.01)
    assert inverse_variance(0, 0.4, 1.5, 0.7, start=9.0) == 81.0


def test_a_schedule_whose_rates_have_a_finite_sum_stops_short():
    """Robbins and Monro's first condition: without noise 1/t arrives however long the way, halving does not."""
    curvature, left = 1.0, {}
    for name, rates in {
        "inverse": [0.5 / (1 + 0.5 * t) for t in range(2000)],
        "halving": [0.5 * 0.5**t for t in range(2000)],
    }.items():
        left[name] = oracle.second_moment(rates, curvature, 0.0, 100.0)
    assert left["inverse"] < 1e-2 and left["halving"] > 100


def test_refusals():
    for schedule in (constant_rate, step_decay, exponential_decay, inverse_decay, cosine_decay):
        for step, steps in ((-1, 5), (0, 0)):
            with pytest.raises(ValueError, match=f"step {step} of {steps}"):
                schedule(step, steps)
    for schedule in (exponential_decay, inverse_decay):
        with pytest.raises(ValueError, match="never reaches 0"):
            schedule(1, 5, last=0.0)
        with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
            schedule(1, 5, last=1.5)
    for options in ({"factor": 0.0}, {"factor": math.nan}, {"drops": (0.0,)}, {"drops": (0.5, 1.5)}):
        with pytest.raises(ValueError, match="must lie in"):
            step_decay(1, 5, **options)
    with pytest.raises(ValueError, match="steps in an epoch"):
        whole_epochs(3, 0)
    for function in (stationary_variance, lambda *options: inverse_variance(3, *options)):
        with pytest.raises(ValueError, match="diverges"):
            function(2.0, 1.0, 1.0)
        with pytest.raises(ValueError, match="finite and positive"):
            function(0.1, math.nan, 1.0)
