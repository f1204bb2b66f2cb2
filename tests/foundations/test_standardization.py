"""Input normalisation: statistics of the training set only, constants, the inverse, and the theory of its speed."""

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import standardization as oracle

from deepcanon.foundations import Unstandardize, fit_standardize
from deepcanon.foundations.standardization import curvature_spread, training_statistics
from deepcanon.representation import PCA


def offset_data(seed=0, n=500):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(6, 6)) / 4 + np.eye(6)
    return torch.from_numpy((rng.normal(size=(n, 6)) @ mix) * [1, 10, 0.1, 3, 1, 1] + [50, -20, 3, 0, 8, 5])


@pytest.mark.parametrize("per", ["value", "channel", "feature"])
def test_statistics_do_not_depend_on_the_cut_into_batches(per):
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=(50, 3, 4, 4))).to(torch.uint8)
    whole = training_statistics([x], per)
    for size in (1, 7, 49):
        for a, b in zip(whole, training_statistics(x.split(size), per), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    for mine, other in zip(whole, oracle.statistics(x.double().numpy(), per), strict=True):
        np.testing.assert_allclose(mine.numpy(), other, rtol=1e-6)


@pytest.mark.parametrize("per", ["value", "channel", "feature"])
def test_the_training_set_has_mean_zero_and_deviation_one_and_others_are_scaled_by_it(per):
    torch.manual_seed(0)
    train, other = torch.rand(400, 2, 3, 3) * 4 + 7, torch.rand(50, 2, 3, 3) * 9
    scaled = fit_standardize(train.split(100), per)
    mean, deviation = training_statistics([scaled(train)], per)
    assert mean.abs().max() < 1e-5 and (deviation - 1).abs().max() < 1e-5
    shift, scale = training_statistics([train], per)
    if per == "channel":
        shift, scale = shift[:, None, None], scale[:, None, None]
    torch.testing.assert_close(scaled(other), (other - shift) / scale)
    assert scaled(other).mean().abs() > 0.5, "the other set was scaled by statistics of its own"


@pytest.mark.parametrize("per", ["value", "channel", "feature"])
def test_the_inverse_brings_everything_back(per):
    x = torch.randn(20, 2, 5, 3, dtype=torch.float64) * 30 + 100
    scaled = fit_standardize([x], per).double()
    back = Unstandardize(scaled)
    torch.testing.assert_close(back(scaled(x)), x, rtol=1e-12, atol=1e-12)
    assert set(back.state_dict()) == {"shift", "scale"}


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3, -1e-30, 255.0])
def test_a_constant_feature_becomes_zero(value):
    """Also where the mean of equal numbers is not that number: 0.1 summed a thousand times."""
    x = torch.full((1001, 3), value, dtype=torch.float64)
    x[:, 0] = torch.linspace(-1, 1, 1001)
    scaled = fit_standardize(x.split(97))
    assert scaled(x)[:, 1:].abs().max() == 0 and scaled.scale[1:].tolist() == [1.0, 1.0]
    other = x.clone()
    other[:, 1] += 2  # it may vary in the test set, and is not blown up there
    torch.testing.assert_close(scaled(other)[:, 1], torch.full((1001,), 2.0), rtol=0.02, atol=1e-6)


def test_large_offsets_lose_no_digits():
    x = 1e6 + torch.tensor([[0.0], [1.0], [2.0], [3.0]], dtype=torch.float64)
    mean, deviation = training_statistics(x.split(1))
    assert mean.item() == 1e6 + 1.5 and deviation.item() == pytest.approx(1.25**0.5)


def test_statistics_of_all_examples_are_not_those_of_the_training_set():
    """The leak that a split before any statistic prevents, as a number."""
    rng = torch.Generator().manual_seed(0)
    train, test = torch.randn(50, 1, generator=rng), torch.randn(50, 1, generator=rng) + 5
    honest, leaking = fit_standardize([train]), fit_standardize([train, test])
    assert honest(test).mean() > 4 and leaking(test).mean() < 1.5


# Why it is faster


def test_the_spread_of_the_curvature_falls_with_each_step_of_normalisation():
    x = offset_data()
    centred = x - x.mean(0)
    scaled = fit_standardize([x]).double()(x)
    white = torch.from_numpy(PCA(whiten="pca").fit_transform(x.numpy()))
    spreads = [curvature_spread(rows).item() for rows in (x, centred, scaled, white)]
    assert spreads[0] > 20 * spreads[1] > 400 * spreads[2] > 400 * spreads[3]
    assert spreads[3] == pytest.approx(1, abs=1e-9)


def test_a_mean_adds_one_large_eigenvalue():
    """White inputs moved by mu: eigenvalues 1 except two, whose product is 1 and sum 2 + |mu|^2."""
    white = torch.from_numpy(PCA(whiten="pca").fit_transform(offset_data().numpy()))
    mu = torch.tensor([3.0, 0, 0, 4.0, 0, 0], dtype=torch.float64)
    largest = (27 + (27**2 - 4) ** 0.5) / 2
    assert curvature_spread(white + mu).item() == pytest.approx(largest**2, rel=1e-9)


def test_gradient_descent_takes_steps_in_proportion_to_the_spread():
    """A linear unit at its best rate: the error shrinks by (spread - 1) / (spread + 1) a step."""
    x = offset_data()
    weights = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = fit_standardize([x]).double()(x)
    design = torch.cat([rows, torch.ones(len(rows), 1)], 1)
    hessian = design.T @ design / len(rows)
    values = torch.linalg.eigvalsh(hessian)
    rate, error = 2 / (values[0] + values[-1]), torch.cat([weights, weights[:1]])
    norms = []
    for _ in range(400):
        error = error - rate * hessian @ error
        norms.append(error.norm().item())
    spread = curvature_spread(rows).item()
    assert norms[-1] / norms[-2] == pytest.approx((spread - 1) / (spread + 1), rel=1e-3)


def test_a_combination_that_is_constant_makes_the_spread_infinite():
    x = torch.randn(40, 3, dtype=torch.float64)
    assert curvature_spread(torch.cat([x, x.sum(1, keepdim=True)], 1)) == torch.inf
    assert curvature_spread(x[:2]) == torch.inf and curvature_spread(x) < 10


@pytest.mark.real_data("mnist")
def test_the_statistics_of_mnist():
    from deepcanon.data import open_data

    data = open_data(("images",), "mnist", options={"images": {"valid_share": 0.0}})
    mean, deviation = training_statistics(data["train"].x.split(10_000), "value")
    assert mean.item() / 255 == pytest.approx(0.130660, abs=1e-6)
    assert deviation.item() / 255 == pytest.approx(0.308108, abs=1e-6)


def test_refusals(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x = torch.randn(4, 3)
    for call, words in (
        (lambda: training_statistics([x], "row"), "feature"),
        (lambda: training_statistics([]), "no batches"),
        (lambda: training_statistics([x[:0]]), r"\(0, 3\)"),
        (lambda: training_statistics([x[0]]), r"\(3,\)"),
        (lambda: training_statistics([x, x[:, :2]]), r"\(2,\) after one of \(3,\)"),
        (lambda: training_statistics([x / 0]), "not finite"),
        (lambda: curvature_spread(x[0]), r"\(3,\)"),
        (lambda: Unstandardize(fit_standardize([x]))(x[:, :2]), "3 statistics"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
