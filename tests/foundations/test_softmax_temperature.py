"""Softmax with a temperature: values to twelve digits, its limits, its gradient, and calibration."""

from decimal import Decimal, getcontext
from itertools import pairwise

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import softmax_temperature as oracle

from deepcanon.foundations import calibration_error, fit_temperature, softmax_temperature
from deepcanon.foundations.softmax_temperature import entropy, log_softmax_temperature, reliability

LOGITS = torch.tensor([3.0, 1.0, 0.2], dtype=torch.float64)


def exact(logits, temperature):
    """With fifty digits."""
    getcontext().prec = 50
    powers = [(Decimal(a) / Decimal(temperature)).exp() for a in logits]
    return [float(p / sum(powers)) for p in powers]


def test_the_known_example():
    assert [round(p, 4) for p in softmax_temperature(LOGITS, 1.0).tolist()] == [0.8360, 0.1131, 0.0508]


@pytest.mark.parametrize(("temperature", "written"), [(1.0, "1"), (0.1, "0.1"), (10.0, "10")])
def test_logits_and_their_multiples_by_ten_and_a_tenth_to_twelve_digits(temperature, written):
    ours = softmax_temperature(LOGITS, temperature)
    np.testing.assert_allclose(ours, exact(("3", "1", "0.2"), written), rtol=1e-12, atol=0)
    np.testing.assert_allclose(ours, softmax_temperature(LOGITS / temperature, 1.0), rtol=1e-12, atol=0)


def test_probabilities_divided_by_the_temperature_are_another_thing():
    """The planted bug: dividing what comes out, not what goes in, changes nothing after renormalising."""
    wrong = softmax_temperature(LOGITS, 1.0) / 10
    assert (wrong / wrong.sum() - softmax_temperature(LOGITS, 10.0)).abs().max() > 0.1


def test_limits():
    rows = torch.tensor([[3.0, 1.0, 0.2], [2.0, 2.0, -5.0]], dtype=torch.float64)
    cold = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], dtype=torch.float64)
    for temperature in (0.0, 1e-3, 1e-300):
        torch.testing.assert_close(softmax_temperature(rows, temperature), cold, rtol=0, atol=1e-15)
    for temperature in (1e18, float("inf")):
        torch.testing.assert_close(softmax_temperature(rows, temperature), torch.full_like(rows, 1 / 3))
    cold_to_hot = [entropy(softmax_temperature(rows, t)) for t in (0.1, 0.5, 1.0, 3.0, 30.0)]
    assert all((a < b).all() for a, b in pairwise(cold_to_hot))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_of_ten_thousand_do_not_overflow(dtype):
    rows = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4 - 1, -1e4 - 2]], dtype=dtype)
    for temperature in (1e-300 if dtype == torch.float64 else 1e-37, 1e-3, 1.0, 1e4):
        p = softmax_temperature(rows, temperature)
        assert torch.isfinite(p).all()
        torch.testing.assert_close(p.sum(1), torch.ones(2, dtype=dtype))
    assert log_softmax_temperature(rows, 1.0)[0].tolist() == [0.0, -2e4, -1e4]
    np.testing.assert_allclose(softmax_temperature(rows[1], 1.0), exact(("2", "1", "0"), "1"), rtol=1e-6)


def test_the_gradient_scales_by_one_over_the_temperature():
    for temperature in (0.5, 1.0, 20.0):
        logits = LOGITS.clone().requires_grad_()
        (-log_softmax_temperature(logits, temperature)[1]).backward()
        wanted = (softmax_temperature(LOGITS, temperature) - torch.tensor([0.0, 1, 0])) / temperature
        torch.testing.assert_close(logits.grad, wanted, rtol=1e-12, atol=1e-15)
    # At high temperature the gradient of distillation is that of matched logits, over K T^2 (section 2.1 of Hinton).
    teacher, student = torch.tensor([[1.0, -2, 1], [0.5, 0.5, -1]]).double()
    student.requires_grad_()
    t = 1e4
    (-(softmax_temperature(teacher, t) * log_softmax_temperature(student, t)).sum()).backward()
    torch.testing.assert_close(student.grad * 3 * t * t, (student - teacher).detach(), rtol=1e-3, atol=1e-3)


def test_scaled_logits_get_their_scale_back_as_the_temperature():
    """Labels drawn from softmax(a): of logits c a the best temperature is near c, exactly c times that of a."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(2 * rng.normal(size=(4000, 5)))
    labels = torch.multinomial(logits.softmax(1), 1, generator=torch.Generator().manual_seed(0)).squeeze(1)
    one = fit_temperature(logits, labels)
    assert one == pytest.approx(1.0, abs=0.06)
    assert fit_temperature(7 * logits, labels) == pytest.approx(7 * one, rel=1e-9)
    raw, best = 4 * logits, fit_temperature(4 * logits, labels)
    before, after = (calibration_error(softmax_temperature(raw, t), labels) for t in (1.0, best))
    assert before > 0.1 and after < 0.03
    assert torch.equal(softmax_temperature(raw, best).argmax(1), raw.argmax(1))


def test_at_the_best_temperature_loss_and_mean_entropy_are_equal():
    rng = np.random.default_rng(1)
    logits, labels = torch.from_numpy(3 * rng.normal(size=(300, 4))), torch.from_numpy(rng.integers(4, size=300))
    labels[:150] = logits[:150].argmax(1)
    best = fit_temperature(logits, labels)
    loss = oracle.nll(logits.numpy(), labels.numpy(), best)
    assert loss == pytest.approx(entropy(softmax_temperature(logits, best)).mean().item(), rel=1e-9)
    for other in (0.99 * best, 1.01 * best):
        assert oracle.nll(logits.numpy(), labels.numpy(), other) > loss


def test_without_a_minimum_the_bounds_are_the_answer():
    logits = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    assert fit_temperature(logits, torch.tensor([0, 1])) == 1e-2  # always right: as sure as allowed
    assert fit_temperature(logits, torch.tensor([1, 0])) == 1e2  # always wrong: as unsure as allowed
    assert fit_temperature(torch.zeros(3, 2), torch.tensor([0, 1, 0])) == 1e2


def test_reliability_counts_every_row_once():
    p = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75], [0.8125, 0.1875]])  # three of them on an edge
    counts, confidence, accuracy = reliability(p, torch.tensor([0, 0, 0, 0]), 4)
    assert counts.tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(accuracy, [0, 1, 0, 1])
    np.testing.assert_allclose(confidence, [0, 0.5, 0.75, 0.90625])
    assert calibration_error(torch.eye(3)[[0, 1, 2]], torch.tensor([0, 1, 2])) == 0


def test_bad_input_is_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for bad in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature must be at least 0"):
            softmax_temperature(LOGITS, bad)
    with pytest.raises(ValueError, match="minus infinity"):
        log_softmax_temperature(LOGITS, 0.0)
    with pytest.raises(ValueError, match="no axis of classes"):
        softmax_temperature(torch.tensor(1.0), 1.0)
    with pytest.raises(ValueError, match=r"labels \(3,\)"):
        fit_temperature(torch.zeros(2, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="NaN"):
        fit_temperature(torch.full((2, 2), torch.nan), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="bounds"):
        fit_temperature(torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64), lowest=2.0, highest=1.0)
    with pytest.raises(ValueError, match="bin"):
        reliability(torch.eye(2), torch.tensor([0, 1]), 0)
