"""Mixture densities: they integrate to one, have the paper's form, keep their unit, and know the best there is."""

import json
import math

import numpy as np
import pytest
import torch

import deepcanon
from deepcanon.data import DataError
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Run
from deepcanon.errors import UsageError
from deepcanon.recipes.mixture_density_rnn import Config, Recipe
from deepcanon.sequence import MixtureDensityRNN, mixture_mean, mixture_nll, mixture_of, mixture_sample
from deepcanon.sequence.mixture_density_rnn import output_size
from deepcanon.settings import Settings


def random_outputs(features, components, rows=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, output_size(features, components), generator=generator, dtype=torch.float64)


def test_densities_integrate_to_one_and_have_their_mean():
    grid = torch.linspace(-25, 25, 1001, dtype=torch.float64)
    cell = float(grid[1] - grid[0])
    one = mixture_of(random_outputs(1, 4), 1, 4)
    density = mixture_nll(type(one)(*(part.expand(1001, *part.shape[1:]) for part in one)), grid[:, None]).neg().exp()
    assert float(density.sum()) * cell == pytest.approx(1, abs=1e-6)
    assert float((density * grid).sum()) * cell == pytest.approx(float(mixture_mean(one)), abs=1e-6)
    points = torch.cartesian_prod(grid[::4], grid[::4])
    two = mixture_of(random_outputs(2, 3), 2, 3, floor=0.2)
    density = mixture_nll(type(two)(*(part.expand(len(points), *part.shape[1:]) for part in two)), points).neg().exp()
    assert float(density.sum()) * (4 * cell) ** 2 == pytest.approx(1, abs=1e-4)


def test_two_columns_are_as_in_the_paper():
    """Equations (24) and (25) as they are printed."""
    outputs = 0.5 * random_outputs(2, 1, 50)
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    _, m1, m2, s1, s2, r = outputs.T
    rho, s1, s2 = r.tanh(), s1.exp(), s2.exp()
    z1, z2 = (x[:, 0] - m1) / s1, (x[:, 1] - m2) / s2
    z = z1**2 + z2**2 - 2 * rho * z1 * z2
    density = (-z / (2 * (1 - rho**2))).exp() / (2 * math.pi * s1 * s2 * (1 - rho**2).sqrt())
    torch.testing.assert_close(mixture_nll(mixture_of(outputs, 2, 1), x), -density.log())


def test_what_is_far_away_or_nearly_collinear_stays_finite():
    """A sum of exponentials would be log 0, and 1 - tanh^2 would be 0."""
    outputs = torch.zeros(1, output_size(2, 3), requires_grad=True)
    with torch.no_grad():
        outputs[0, -3:] = torch.tensor([30.0, -30.0, 0.0])
    nll = mixture_nll(mixture_of(outputs, 2, 3, 1e-3), torch.tensor([[60.0, -60.0]])).sum()
    (gradient,) = torch.autograd.grad(nll, outputs)
    assert math.isfinite(float(nll)) and float(nll) > 1000 and bool(gradient.isfinite().all())


def test_the_floor_bounds_what_a_repeated_value_can_gain():
    outputs = torch.zeros(1, 3)
    outputs[0, 2] = -40.0
    value = torch.zeros(1, 1)
    most = 0.5 * math.log(2 * math.pi) + math.log(1e-3)
    assert float(mixture_nll(mixture_of(outputs, 1, 1, 1e-3), value)) == pytest.approx(most, abs=1e-4)
    assert float(mixture_nll(mixture_of(outputs, 1, 1), value)) < most - 30


def test_samples_have_the_moments_of_the_mixture():
    one = mixture_of(random_outputs(2, 3, seed=3), 2, 3)
    many = type(one)(*(part.expand(200_000, *part.shape[1:]) for part in one))
    drawn = mixture_sample(many, torch.Generator().manual_seed(0))
    mean = mixture_mean(one)[0]
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.03, rtol=0)
    weights, scales = one.log_weights.exp()[0], one.log_scales.exp()[0]
    away, rho = one.means[0] - mean, one.raw_correlations[0, :, 0].tanh()
    variance = (weights[:, None] * (scales**2 + away**2)).sum(0)
    covariance = (weights * (rho * scales.prod(1) + away.prod(1))).sum()
    found = torch.cov(drawn.T)
    torch.testing.assert_close(found.diagonal(), variance, rtol=0.03, atol=0)
    assert float(found[0, 1]) == pytest.approx(float(covariance), abs=0.05)


def test_two_branches_are_known_by_two_gaussians_and_not_by_one():
    """Values 1 or -1 with noise: the gap is that of the entropies."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.1
    values = torch.randint(2, (4000, 1), generator=generator) * 2.0 - 1
    values = values + noise * torch.randn(4000, 1, generator=generator)
    found = {}
    for count in (1, 2):
        outputs = torch.zeros(output_size(1, count))
        outputs[count : 2 * count] = torch.linspace(-0.5, 0.5, count) if count > 1 else 0
        outputs.requires_grad_()
        optimizer = torch.optim.Adam([outputs], 0.07)
        for _ in range(100):
            nll = mixture_nll(mixture_of(outputs.expand(4000, -1), 1, count), values).mean()
            optimizer.zero_grad()
            nll.backward()
            optimizer.step()
        found[count] = nll.item()
    normal = 0.5 * math.log(2 * math.pi * math.e)
    assert found[1] == pytest.approx(normal + 0.5 * math.log(1 + noise**2), abs=0.01)
    assert found[2] == pytest.approx(normal + math.log(noise) + math.log(2), abs=0.02)


def series_recipe(x, **options):
    """The recipe on one series [T, F]; the first two thirds are for training."""
    cut = 2 * len(x) // 3
    data = Dataset("series", {"train": Split(x[:cut]), "valid": Split(x[cut:])}, {"columns": ["a", "b"][: x.shape[1]]})
    config = Config(**{"hidden": 6, "components": 2, "window": 20, **options})
    run = Run(Settings(steps=1, device="cpu"), None, lambda: data)
    torch.manual_seed(0)
    return Recipe(config, {**Recipe.learn(config, data), "reader": data.describe()}, run)


def test_a_change_of_units_changes_nats_by_its_logarithm():
    """What forgets the Jacobian of the standardisation measures the same in every unit."""
    x = torch.randn(90, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).cumsum(0)
    with torch.no_grad():
        metres = series_recipe(x).evaluate("valid")
        mixed = series_recipe(x * torch.tensor([1000.0, 0.5]) + 7).evaluate("valid")
    assert mixed["nll"] - metres["nll"] == pytest.approx(math.log(1000) + math.log(0.5), abs=1e-4)
    assert mixed["mse"] == pytest.approx(metres["mse"], rel=1e-4)
    recipe = series_recipe(x * 1000)
    raw = x[None, :30] * 1000
    trained = recipe.losses(recipe.prepared(raw)).detach()
    torch.testing.assert_close(trained.double(), recipe.scored(raw)[0].detach(), atol=1e-4, rtol=0)


def test_a_long_series_is_measured_in_pieces_that_hand_on_their_state(monkeypatch):
    x = torch.randn(90, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    recipe = series_recipe(x)
    with torch.no_grad():
        whole = recipe.evaluate("valid")
        monkeypatch.setattr("deepcanon.techniques.forecasting.AT_ONCE", 7)
        assert recipe.evaluate("valid")["nll"] == pytest.approx(whole["nll"], abs=1e-6)
        monkeypatch.setattr("deepcanon.techniques.forecasting.CONTEXT", 1)
        assert abs(recipe.evaluate("valid")["nll"] - whole["nll"]) > 1e-6


@pytest.mark.parametrize("difference", [False, True])
def test_series_side_by_side_are_answered_as_alone(monkeypatch, difference):
    random = torch.Generator().manual_seed(0)
    recipe = series_recipe(torch.randn(90, 2, dtype=torch.float64, generator=random).cumsum(0), difference=difference)
    monkeypatch.setattr("deepcanon.techniques.forecasting.TOGETHER", 64)
    many = [torch.randn(length, 2, dtype=torch.float64, generator=random) for length in (9, 3, 40, 9, 17, 100)]
    with torch.no_grad():
        found = recipe.predict(many)
        for one, answer in zip(many, found, strict=True):
            assert answer["steps"] == len(one) - 1 - difference
            assert answer["value"] == pytest.approx(recipe.scored(one[None])[0].mean().item(), abs=1e-5)
    with pytest.raises(DataError, match=r"series 2: has \d rows.*; give \d or more"):
        recipe.predict([many[0], many[0][: 1 + difference]])


def test_differences_have_the_density_of_the_values_and_forecasts_are_of_values():
    """A walk whose steps are Gaussian for the model: nats in the units of the values, forecasts from the last one."""
    random = torch.Generator().manual_seed(0)
    x = 500 + (0.3 + 2 * torch.randn(400, 1, dtype=torch.float64, generator=random)).cumsum(0)
    recipe = series_recipe(x, difference=True, components=1)
    cut = len(recipe.run.data["train"])
    with torch.no_grad():
        for parameter in recipe.model.parameters():
            parameter.zero_()  # each standardised step has mean 0 and scale 1
        steps = x[:cut].diff(dim=0)
        shift, scale = steps.mean(), steps.std()
        z = (x[cut:] - x[cut - 1 : -1] - shift) / scale
        nats = 0.5 * z.square() + scale.log() + 0.5 * math.log(2 * math.pi)
        measured = recipe.evaluate("valid")
        assert measured["nll"] == pytest.approx(nats.mean().item(), abs=2e-3)
        assert measured["mse"] == pytest.approx(((z * scale) / x[:cut].std()).square().mean().item(), rel=2e-3)
        paths = recipe.sampled(x[-10:], 2000, 25, random)
    assert paths[:, 0].mean().item() == pytest.approx((x[-1] + shift).item(), abs=0.2)
    assert paths[:, -1].mean().item() == pytest.approx((x[-1] + 25 * shift).item(), abs=1.2)
    assert paths[:, -1].std().item() == pytest.approx(5 * scale.item(), rel=0.08)


def test_differences_that_do_not_change_and_generated_series_are_refused(tmp_path):
    line = torch.stack([torch.arange(90.0), torch.randn(90)], 1).double()
    with pytest.raises(UsageError, match=r"column 'a' changes by the same amount in every row: leave --difference out"):
        series_recipe(line, difference=True)
    with pytest.raises(UsageError, match="--difference is for a series of your own"):
        deepcanon.train("mixture-density-rnn", preset="smoke", difference=True, out=tmp_path / "run", quiet=True)


def test_an_impossible_network_or_value_is_refused():
    with pytest.raises(ValueError, match="0 columns"):
        MixtureDensityRNN(0)
    with pytest.raises(ValueError, match=r"is not \[batch, time >= 1, 2\]"):
        MixtureDensityRNN(2)(torch.zeros(3, 5, 1))
    with pytest.raises(ValueError, match="4 outputs are not of 1 components over 1 columns"):
        mixture_of(torch.zeros(2, 4), 1, 1)
    with pytest.raises(ValueError, match=r"values \(2,\) do not fit"):
        mixture_nll(mixture_of(torch.zeros(2, 3), 1, 1), torch.zeros(2))


def test_a_series_of_ones_own_is_learned_and_continued_when_its_file_is_gone(tmp_path):
    from contract.own_series import own_series

    path = own_series(tmp_path / "own")
    run = deepcanon.train("mixture-density-rnn", data=str(path), out=tmp_path / "run", steps=30, hidden=16, quiet=True)
    newer = tmp_path / "newer.csv"
    newer.write_text("\n".join(path.read_text().splitlines()[:200]))
    path.unlink()
    forecast = run.generate(length=30, count=50)
    assert forecast.times[0] == "2023-10-28" and np.asarray(forecast.paths).shape == (50, 30, 2)
    low, _, high = forecast.quantiles()
    assert low[..., 0].min() > 5 and high[..., 0].max() < 40 and (low <= high).all()
    assert low[..., 1].min() > 600 and high[..., 1].max() < 2500  # the user's units
    again = deepcanon.load(tmp_path / "run").generate(length=30, count=50)
    assert json.dumps(list(again.rows())) == json.dumps(list(forecast.rows()))
    assert run.generate(prompt=str(newer), length=2, count=5).times == ["2023-07-19", "2023-07-20"]
    (record,) = run.predict([newer])
    assert record["steps"] == 198 and 0 < record["value"] < 12
