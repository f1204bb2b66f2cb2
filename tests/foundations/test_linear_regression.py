"""Linear regression: the minimum by three methods, what streams, what is refused, and the API of an estimator."""

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import linear_regression as oracle

import deepcanon
from deepcanon.foundations import LinearRegression
from deepcanon.foundations.linear_regression import (
    Triangle,
    linear_gradient,
    linear_objective,
    merge_triangles,
    solve_triangle,
    triangle,
)
from deepcanon.parts.lbfgs import LBFGS


@pytest.fixture
def xy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 20
    return x, x @ rng.normal(size=6) + rng.normal(size=200) + 3


def diabetes():
    from sklearn.datasets import load_diabetes

    return load_diabetes(return_X_y=True)


def test_diabetes_has_the_known_fit():
    """R^2, mean squared error and the noise's maximum-likelihood sigma on all rows; n - 2 or n - p would miss them."""
    x, y = diabetes()
    model = LinearRegression().fit(x, y)
    assert round(model.score(x, y), 5) == 0.51775
    assert round(float(((model.predict(x) - y) ** 2).mean()), 2) == 2859.70
    assert round(model.variance_.sqrt().item(), 3) == 53.476
    assert round((model.variance_ * 442 / 440).sqrt().item(), 3) != 53.476


def test_it_equals_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = diabetes()
    ours, theirs = LinearRegression().fit(x, y), linear_model.LinearRegression().fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-12)
    ours, theirs = LinearRegression(ridge=0.01).fit(x, y), linear_model.Ridge(alpha=0.01 * len(x)).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_descent_and_lbfgs_end_at_the_normal_equations(ridge):
    x, y = diabetes()
    x = (x - x.mean(0)) / x.std(0)
    x, y = torch.from_numpy(x), torch.from_numpy(y)[:, None]
    exact = LinearRegression(ridge=ridge).fit(x, y)
    wanted = torch.cat([exact.coef_.flatten(), exact.intercept_])
    curvature = torch.linalg.eigvalsh(x.T @ x / len(x)) + ridge
    rate = 2 / (min(curvature[0].item(), 1.0) + curvature[-1].item())
    weight, bias = torch.zeros(1, 10, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for _ in range(4000):
        by_weight, by_bias = linear_gradient(weight, bias, x, y, ridge=ridge)
        weight, bias = weight - rate * by_weight, bias - rate * by_bias
    found = torch.cat([weight.flatten(), bias])
    assert (found - wanted).norm() / wanted.norm() <= 1e-6
    linear = torch.nn.Linear(10, 1, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=200, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-9, tolerance_change=0)  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = linear_objective(linear.weight, linear.bias, x, y, ridge=ridge)
        loss.backward()
        return loss

    optimizer.step(closure)
    found = torch.cat([linear.weight.flatten(), linear.bias]).detach()
    assert (found - wanted).norm() / wanted.norm() <= 1e-6


def test_the_fit_is_the_maximum_of_the_likelihood(xy):
    """Any step away from coefficients, intercept or variance lowers log p; and it holds what equation (8) says."""
    x, y = (torch.from_numpy(a) for a in xy)
    model = LinearRegression().fit(x, y)
    best = model.log_likelihood(x, y).sum()
    n, v = len(x), model.variance_
    torch.testing.assert_close(best, -0.5 * n * ((2 * torch.pi * v).log() + 1))
    for name in ("coef_", "intercept_", "variance_"):
        for step in (1e-3, -1e-3):
            moved = LinearRegression().fit(x, y)
            value = getattr(moved, name)
            setattr(moved, name, value + step * value.abs().max())
            assert moved.log_likelihood(x, y).sum() < best, name


def test_residuals_are_orthogonal_to_the_columns_and_to_one(xy):
    x, y = xy
    rest = y - LinearRegression().fit(x, y).predict(x)
    assert abs(rest.sum()) < 1e-8
    assert np.abs(rest @ (x - x.mean(0))).max() < 1e-8


def test_the_bias_is_free_and_an_unpenalised_constant_is_not(xy):
    """A shift of the target moves the intercept alone, at any ridge; penalising the bias would not let it."""
    x, y = xy
    one, other = (LinearRegression(ridge=3.0).fit(x, t) for t in (y, y + 1000))
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-6)
    np.testing.assert_allclose(other.intercept_ - one.intercept_, 1000, rtol=1e-9)
    heavy = LinearRegression(ridge=1e12).fit(x, y)
    np.testing.assert_allclose(heavy.predict(x), y.mean(), rtol=1e-6)


def test_factors_do_not_depend_on_the_cuts(xy):
    x, y = (torch.from_numpy(a) for a in xy)
    y = y[:, None]
    whole = triangle(x, y)
    cuts = [triangle(a, b) for a, b in zip(x.split([1, 2, 7, 190]), y.split([1, 2, 7, 190]), strict=True)]
    parts = merge_triangles(*cuts, triangle(x[:0], y[:0]))
    assert int(parts.examples) == 200
    torch.testing.assert_close(parts.factor, whole.factor, rtol=1e-9, atol=1e-9)
    for mine, other in zip(solve_triangle(parts, 6), oracle.fit(x.numpy(), y.numpy()), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-8)
    with pytest.raises(ValueError, match="do not merge"):
        merge_triangles(whole, triangle(x[:, :3], y))
    assert isinstance(whole, Triangle)


def test_qr_keeps_the_digits_that_forming_the_square_loses():
    """Condition 1e7: the normal equations by X^T X are off in the second digit, the factorisation is not."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 1)) + 1e-7 * rng.normal(size=(50, 3))
    truth = np.array([1.0, -2.0, 3.0])
    y = x @ truth + 1
    ours = LinearRegression().fit(x, y).coef_
    centred = x - x.mean(0)
    squared = np.linalg.lstsq(centred.T @ centred, centred.T @ (y - y.mean()), rcond=None)[0]
    assert np.abs(ours.numpy() - truth).max() < 1e-5
    assert np.abs(squared - truth).max() > 1e-2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x[:6], r"6 sample\(s\) do not determine 6 weights and a bias"),
        (lambda x: np.where(np.arange(6) == 2, 7.1, x), r"constant features \(columns 2\)"),
        (lambda x: np.where(np.arange(6) == 4, x[:, :1] - 2 * x[:, 1:2], x), r"depend linearly.*\(columns 0, 1, 4\)"),
        (lambda x: np.where(np.arange(6) == 4, np.nan, x), "Input X contains NaN"),
        (lambda x: np.where(np.arange(6) == 4, np.inf, x), "Input X contains NaN or infinity"),
        (lambda x: x[:0], "0 sample"),
        (lambda x: x[:, :0], "0 feature"),
        (lambda x: x + 1j, "Complex"),
    ],
)
def test_what_has_no_fit_is_named(xy, change, said):
    x, y = xy
    x = change(x)
    with pytest.raises(ValueError, match=said):
        LinearRegression().fit(x, y[: len(x)])
    if "singular" in said or "columns" in said or "determine" in said:
        assert np.isfinite(LinearRegression(ridge=1e-3).fit(x, y[: len(x)]).predict(x)).all()


def test_bad_targets_and_ridges_are_named(xy, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x, y = xy
    for bad, said in ((None, "y to be passed"), (y[:5], "a row for each"), (y * np.nan, "Input y contains NaN")):
        with pytest.raises(ValueError, match=said):
            LinearRegression().fit(x, bad)
    for ridge in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="ridge"):
            LinearRegression(ridge=ridge).fit(x, y)
    w, b = torch.zeros(1, 6), torch.zeros(1)
    with pytest.raises(ValueError, match=r"targets \(200,\) are not \[200, 1\]"):  # else it would broadcast
        linear_objective(w, b, torch.zeros(200, 6), torch.zeros(200))
    with pytest.raises(ValueError, match="do not fit weight"):
        linear_gradient(w, b, torch.zeros(200, 5), torch.zeros(200, 1))


def test_manners(xy):
    x, y = xy
    model = LinearRegression(ridge=0.1)
    assert model.get_params() == {"ridge": 0.1} and model.set_params(ridge=0.0) is model
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(x)
    assert model.fit(x, y) is model and model.n_features_in_ == 6
    assert isinstance(model.predict(x), np.ndarray) and isinstance(model.predict(torch.from_numpy(x)), torch.Tensor)
    with pytest.raises(ValueError, match="expecting 6 features"):
        model.predict(x[:, :5])
    other = LinearRegression()
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


def test_what_another_solver_found_is_kept_measured_and_compared(xy):
    x, y = (torch.from_numpy(values) for values in xy)
    exact = LinearRegression(ridge=0.2).fit(x, y)
    weight, bias = exact.coef_[None].clone(), exact.intercept_[None].clone()
    other = LinearRegression(ridge=0.2).keep(weight, bias, exact.variance_[None], torch.tensor(200.0), flat=True)
    assert other.coef_.shape == exact.coef_.shape and other.distance(exact) == 0
    least = exact.objective(x, y[:, None])
    torch.testing.assert_close(least, linear_objective(weight, bias, x, y[:, None], ridge=0.2))
    weight += 0.1  # the solver proceeds: what was kept stays
    assert other.distance(exact) == 0 and other.objective(x, y[:, None]) == least
    assert other.keep(weight, bias, exact.variance_[None], torch.tensor(200.0)).coef_.shape == (1, 6)
    length = torch.cat([exact.coef_, exact.intercept_[None]]).norm()
    torch.testing.assert_close(other.distance(exact), 0.1 * 6**0.5 / length)
    assert other.objective(x, y[:, None]) > least


# The recipe


def trained(tmp_path, name="run", **options):
    settings = {"preset": "smoke", "threads": 1, "precision": "fp32", "quiet": True, **options}
    return deepcanon.train("linear-regression", out=tmp_path / name, **settings)


def test_the_recipe_gives_the_same_fit_from_every_solver_and_batch(tmp_path):
    whole = {"valid_share": 0.0, "test_share": 0.0}
    values = trained(tmp_path, **whole).evaluate("train")
    assert round(values["r2"], 5) == 0.51775 and round(values["sigma"], 3) == 53.476
    again = trained(tmp_path, "batches", batch=50, **whole)
    assert again.status()["step"] == 9
    torch.testing.assert_close(again.evaluate("train")["mse"], values["mse"], rtol=1e-10, atol=0)
    lbfgs = trained(tmp_path, "lbfgs", solver="lbfgs", tolerance=1e-7, evaluate_every=1000, **whole)
    assert "gradient vanishes" in lbfgs.status()["reason"] and lbfgs.evaluate("train")["gap"] <= 1e-6
    descent = trained(tmp_path, "descent", solver="gradient-descent", ridge=1.0, evaluate_every=1000, **whole)
    assert "gradient vanishes" in descent.status()["reason"] and descent.evaluate("train")["gap"] <= 1e-6


def test_a_descent_that_stands_still_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(LBFGS, "step", lambda self, closure: closure())  # as where rounding hides the way
    run = trained(tmp_path, solver="lbfgs", evaluate_every=1000)
    assert run.status()["step"] == 1 and "no step decreases the loss" in run.status()["reason"]


def test_a_table_of_numbers_is_learned_and_predicted_with_its_band(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["a,b,y"] + [f"{a:.6f},{b:.6f},{3 * a - 2 * b + 5 + 0.1 * e:.6f}" for a, b, e in rng.normal(size=(150, 3))]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(rows) + "\n")
    run = trained(tmp_path, data=str(table))
    assert run.evaluate("test")["r2"] > 0.99 and run.evaluate("test")["sigma"] == pytest.approx(0.1, rel=0.3)
    (record,) = run.predict(torch.tensor([[1.0, 1.0]]))
    assert record["value"] == pytest.approx(6.0, abs=0.1)
    assert record["high"] - record["low"] == pytest.approx(3.92 * run.evaluate("train")["sigma"], rel=1e-6)


def test_a_singular_table_is_refused_by_its_columns_and_a_ridge_helps(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{2 * i},{i * i + 0.5}\n" for i in range(40)))
    with pytest.raises(Exception, match=r"singular design: features depend linearly .* \(the columns are a, b\)"):
        trained(tmp_path, data=str(table))
    run = trained(tmp_path, "ridge", data=str(table), ridge=0.01)
    assert run.evaluate("train")["r2"] > 0.5


def test_a_classifier_says_that_the_target_holds_numbers(tmp_path):
    from deepcanon.errors import UsageError

    for name in ("logistic-regression", "naive-bayes"):
        with pytest.raises(UsageError, match="whose target holds names"):
            deepcanon.train(name, out=tmp_path / name, preset="smoke", data="diabetes", threads=1, quiet=True)
