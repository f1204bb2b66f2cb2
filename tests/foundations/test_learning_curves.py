"""Learning curves: six kinds told apart over many seeds, exact statistics, and the reading of a range test."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import learning_curves as oracle

from deepcanon.foundations import diagnose, learning_curves, read_range
from deepcanon.foundations.learning_curves import periodicity, range_rate, range_words, smooth, trend

N = 300
T = np.arange(N)
CURVES = {
    "falling": (lambda rng: 0.2 + 2 * np.exp(-T / 120), "falling"),
    "plateau": (lambda rng: 0.5 + 2 * np.exp(-T / 15) + 0.02 * rng.normal(size=N), "plateau"),
    "diverging": (lambda rng: 0.5 + np.exp(-T / 30) + np.exp((T - 250) / 15) + 0.05 * rng.normal(size=N), "diverging"),
    "oscillating": (lambda rng: 1 + 0.4 * np.sin(T * rng.uniform(0.2, 2.8)) + 0.05 * rng.normal(size=N), "oscillating"),
    "noisy falling": (lambda rng: 2.3 * np.exp(-T / 200) + 0.15 * rng.normal(size=N), "falling"),
    "not a number": (lambda rng: np.where(T < 290, 1 / (1 + T / 50), np.nan), "not finite"),
    # and those between them
    "flat": (lambda rng: np.full(N, 0.7), "plateau"),
    "straight line": (lambda rng: 3 - T / N, "falling"),
    "alternating": (lambda rng: 1 + 0.3 * (-1.0) ** T, "oscillating"),
    "noise": (lambda rng: 1 + 0.3 * rng.normal(size=N), "plateau"),
    "rising from the start": (lambda rng: 1 + T / N + 0.1 * rng.normal(size=N), "diverging"),
    "falling with swings": (lambda rng: 3 * np.exp(-T / 150) + 0.1 * np.sin(T) + 0.02 * rng.normal(size=N), "falling"),
    "creeping up behind its fall": (lambda rng: 0.3 + 2 * np.exp(-T / 10) + 0.1 * T / N, "plateau"),
    "infinite": (lambda rng: np.where(T == 10, np.inf, 1.0), "not finite"),
}


@pytest.mark.parametrize("kind", CURVES)
def test_each_kind_of_curve_is_told(kind):
    """Over 40 seeds: the six kinds never mistaken, and scale does not matter."""
    draw, expected = CURVES[kind]
    for seed in range(40):
        curve = draw(np.random.default_rng(seed))
        for scale in (1.0, 1e-3, 50.0):
            found = diagnose(torch.from_numpy(scale * np.asarray(curve, dtype=float)))
            assert found.verdict == expected, f"{kind}, seed {seed}, scale {scale}: {found}"
        assert found.advice


def test_oscillation_is_not_called_on_noise_more_often_than_chance():
    """Fisher's p is uniform on noise: the share of p < 0.05 over 400 draws is near 0.05."""
    rng = np.random.default_rng(0)
    found = [float(periodicity(torch.from_numpy(rng.normal(size=41)), 1)[1]) for _ in range(400)]
    small = sum(p < 0.05 for p in found) / 400
    assert 0.02 < small < 0.085


def test_without_the_error_of_the_trend_noise_would_fall(monkeypatch):
    """A planted bug: a fall that chance explains counts as one."""
    curves = [torch.from_numpy(1 + 0.3 * np.random.default_rng(seed).normal(size=60)) for seed in range(40)]
    honest = [diagnose(curve).verdict for curve in curves]
    assert honest.count("falling") <= 1
    monkeypatch.setattr(learning_curves, "SURE", 0.0)
    assert [diagnose(curve).verdict for curve in curves].count("falling") > 5


# Smoothing


def test_smoothing_of_a_constant_is_that_constant_from_the_first_step():
    assert torch.allclose(smooth(torch.full((20,), 3.0), 0.99), torch.full((20,), 3.0).double())
    biased = torch.tensor([(1 - 0.99) * 3.0]).double()
    assert not torch.allclose(smooth(torch.full((1,), 3.0), 0.99), biased)


def test_smoothing_is_causal_and_keeps_nothing_at_zero():
    values = torch.randn(30, dtype=torch.float64)
    assert torch.equal(smooth(values, 0.0), values)
    other = values.clone()
    other[20:] += 5
    assert torch.equal(smooth(other)[:20], smooth(values)[:20]) and not torch.equal(smooth(other), smooth(values))


def test_a_hole_leaves_the_mean_as_it_was():
    values = torch.tensor([math.nan, 1.0, 2.0, math.inf, 3.0], dtype=torch.float64)
    found = smooth(values, 0.5)
    np.testing.assert_allclose(found.numpy(), oracle.smooth(values.tolist(), 0.5))
    assert found[0].isnan() and found[3] == found[2] and found[4] > found[3]


def test_the_trend_of_a_line_is_exact():
    change, error, noise = trend(7 - 0.25 * torch.arange(41, dtype=torch.float64))
    assert change.item() == pytest.approx(-10) and error < 1e-12 and noise < 1e-12


# The range test


def curve(rates, at=0.3):
    """A loss that falls in the logarithm of the rate up to `at`, and rises behind it."""
    return 0.5 + 1.8 / (1 + (rates / 0.01) ** 0.8) + (rates / at) ** 3


def rates(steps=200, lowest=1e-5, highest=3.0):
    return torch.tensor([range_rate(step, steps, lowest, highest) for step in range(steps)], dtype=torch.float64)


def test_rates_rise_by_a_constant_factor_from_end_to_end():
    found = rates()
    assert found[0].item() == pytest.approx(1e-5) and found[-1].item() == pytest.approx(3.0)
    assert (found[1:] / found[:-1]).std() < 1e-12


def test_a_u_shape_is_read():
    found = rates()
    reading = read_range(found, curve(found), keep=0.0)
    place = int(curve(found).argmin())
    assert reading.inside and reading.best == pytest.approx(float(found[place]), rel=0.1)
    assert reading.suggested == reading.best / 10
    assert 1e-3 < reading.steepest < reading.best < reading.largest < 3.0
    assert reading.last / reading.minimum > 1.5
    noisy = curve(found) + 0.05 * torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    again = read_range(found, noisy)
    assert again.inside and 0.5 < again.best / reading.best < 2
    assert 1e-3 < again.steepest < again.best, "the first steps of the smoothed curve are noise, not a fall"


def basin(rates):
    """A loss that is nearly flat over two decades."""
    return 0.3 + 2 * (1e-4 / rates) + (rates / 0.5) ** 4


def spread(draw, rule, times=40):
    """The largest over the smallest answer of a rule, over repetitions of a noisy curve."""
    found = [rule(draw(np.random.default_rng(seed))) for seed in range(times)]
    return max(found) / min(found)


def test_a_flat_minimum_is_its_middle_whatever_the_noise():
    """Over two decades every rate is as good: the place of the minimum is chance, the middle is not."""
    found = rates(lowest=1e-4, highest=10.0)

    def draw(rng):
        return basin(found) + torch.from_numpy(0.03 * rng.normal(size=len(found)))

    lowest = spread(draw, lambda losses: float(found[int(smooth(losses).argmin())]))
    assert lowest > 6 and spread(draw, lambda losses: read_range(found, losses).best) < 2
    middle = np.mean([math.log(read_range(found, draw(np.random.default_rng(seed))).best) for seed in range(40)])
    assert 0.05 < math.exp(middle) < 0.2, "between the rates at which the loss rises on either side"


def test_a_rounding_that_moves_the_minimum_hardly_moves_the_best_rate():
    """Two equal minima more than a decade apart: a millionth decides which of them is the lower one."""
    found = rates(lowest=1e-4, highest=10.0)
    losses = basin(found) + torch.from_numpy(0.03 * np.random.default_rng(0).normal(size=len(found)))
    first, second = 90, 133
    losses[[first, second]] = losses.min() - 0.01
    answers, minima = [], []
    for sign in (1, -1):
        nudged = losses.clone()
        nudged[first] += sign * 1e-6
        minima.append(int(nudged.argmin()))
        answers.append(read_range(found, nudged, keep=0.0).best)
    assert minima == [second, first] and found[second] / found[first] > 10
    assert answers[0] == pytest.approx(answers[1], rel=0.15)


def test_a_loss_that_explodes_is_read_up_to_its_last_number():
    found = rates()
    losses = curve(found)
    losses[170:] = math.nan
    losses[180:] = 1.0  # numbers that come after it say nothing
    reading = read_range(found, losses, keep=0.0)
    assert reading.inside and reading.last == math.inf and reading.largest <= found[169]
    assert reading.best == read_range(found, curve(found), keep=0.0).best


def test_a_range_without_a_minimum_inside_is_said_to_have_none():
    found = rates(highest=0.01)
    assert not read_range(found, curve(found), keep=0.0).inside  # still falls at the largest rate
    rising = rates(lowest=0.5)
    assert not read_range(rising, curve(rising), keep=0.0).inside  # rises from the start


def test_a_reading_is_told_in_words():
    for highest, words in ((3.0, "a U: the minimum"), (0.01, "still falling at the largest rate")):
        found = rates(highest=highest)
        told = range_words(read_range(found, curve(found), keep=0.0), found, curve(found)).splitlines()
        assert told[0].startswith(words) and told[1].startswith("suggested rate")
        assert told[3].startswith("the curve up to the minimum: falling")
    rising = rates(lowest=0.5)
    told = range_words(read_range(rising, curve(rising), keep=0.0), rising, curve(rising)).splitlines()
    assert told[0].startswith("no U") and len(told) == 3, "one loss before the minimum is not a curve"


def test_refusals(monkeypatch):
    values = torch.rand(40)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for call, words in (
        (lambda: smooth(values, 1.0), "keep"),
        (lambda: smooth(values[:, None]), r"\(40, 1\)"),
        (lambda: diagnose(values[:20]), r"\(20,\)"),
        (lambda: trend(torch.tensor([1.0, math.nan, 2.0])), "not finite"),
        (lambda: range_rate(5, 5, 0.1, 1.0), "is not a range test"),
        (lambda: range_rate(0, 5, 1.0, 0.1), "is not a range test"),
        (lambda: read_range(values, values), "rise"),
        (lambda: read_range(values.sort().values, values[:30]), r"\(40,\) rates and \(30,\)"),
        (lambda: read_range(rates(40), values / 0), "from the start"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
