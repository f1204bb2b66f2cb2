"""Logistic regression: the loss at its edges, scikit-learn's minimum, labels, and separable data."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import logistic_regression as oracle

import deepcanon
from deepcanon.foundations import LogisticRegression, SoftmaxRegression, logistic_loss
from deepcanon.foundations.logistic_regression import decay_of_c, logistic_gradient, logistic_objective, separates


def problem(rng, n=80, features=5):
    x = rng.normal(size=(n, features))
    y = (x @ rng.normal(size=features) + rng.normal(size=n) > 0).astype(np.int64)
    return torch.from_numpy(x), torch.from_numpy(y)


def fitted(x, y, decay, iterations=300):
    model = LogisticRegression(x.shape[1], dtype=torch.float64)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=iterations, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-11, tolerance_change=0)  # fmt: skip

    def closure():
        weight, bias = model.weight.detach(), model.bias.detach()
        model.weight.grad, model.bias.grad = logistic_gradient(weight, bias, x, y, decay=decay)
        return logistic_objective(weight, bias, x, y, decay=decay)

    optimizer.step(closure)
    return model.requires_grad_(False)


def test_loss_from_logits_is_exact_where_a_rounded_probability_would_be_infinite():
    a = torch.tensor([1e4, -1e4, 40.0, -40.0, 0.0, 800.0], dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 0, 1, 1])
    losses = logistic_loss(a, y, reduction="none")
    wanted = [1e4, 1e4, math.log1p(math.exp(-40)), math.log1p(math.exp(-40)), math.log(2), 0.0]
    np.testing.assert_allclose(losses, wanted, rtol=1e-12, atol=1e-300)
    assert losses[2] > 0  # log(sigmoid(40)) by way of the probability is 0
    assert -torch.log(torch.sigmoid(a[2])) == 0 and torch.isinf(-torch.log(1 - torch.sigmoid(a[0])))
    weight, bias = torch.full((1,), 1e4, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    gradient = logistic_gradient(weight, bias, torch.ones(2, 1, dtype=torch.float64), torch.tensor([0, 1]))
    assert all(torch.isfinite(g).all() for g in gradient)


def test_closed_form_gradient_equals_autograd():
    x, y = problem(np.random.default_rng(1))
    weight, bias = torch.randn(5, dtype=torch.float64, requires_grad=True), torch.randn((), dtype=torch.float64)
    bias.requires_grad_()
    auto = torch.autograd.grad(logistic_objective(weight, bias, x, y, decay=0.2), (weight, bias))
    for mine, theirs in zip(logistic_gradient(weight.detach(), bias.detach(), x, y, decay=0.2), auto, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-13, rtol=0)


@pytest.mark.parametrize("c", [0.1, 1.0, 50.0])
def test_it_equals_scikit_learn_at_its_c(c):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = problem(np.random.default_rng(2))
    ours = fitted(x, y, decay_of_c(c, len(x)))
    theirs = linear_model.LogisticRegression(C=c, tol=1e-12, max_iter=5000).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(ours.weight, theirs.coef_[0], atol=2e-6)
    np.testing.assert_allclose(ours.bias, theirs.intercept_[0], atol=2e-6)


def test_at_the_minimum_without_decay_probabilities_match_frequencies():
    """The first-order condition: predicted and true counts agree, in total and along every feature."""
    x, y = problem(np.random.default_rng(3))
    model = fitted(x, y, 0.0)
    rest = model(x).sigmoid() - y
    assert abs(rest.sum()) < 1e-6 and (rest @ x).abs().max() < 1e-6
    assert not separates(model(x), y)


def test_the_bias_is_not_penalised():
    x, y = problem(np.random.default_rng(4))
    w, b = torch.randn(5, dtype=torch.float64), torch.tensor(30.0, dtype=torch.float64)
    gap = logistic_objective(w, b, x, y, decay=0.5) - logistic_objective(w, b, x, y)
    torch.testing.assert_close(gap, 0.25 * w.square().sum())


def test_two_classes_of_softmax_are_the_same_model():
    x, y = problem(np.random.default_rng(5))
    model, soft = LogisticRegression(5, dtype=torch.float64), SoftmaxRegression(5, 2, dtype=torch.float64)
    torch.nn.init.normal_(model.weight), torch.nn.init.normal_(model.bias)
    soft.weight.data[1], soft.bias.data[1] = model.weight.data, model.bias.data
    torch.testing.assert_close(model.objective(x, y), soft.objective(x, y))
    torch.testing.assert_close(model.pair(x).softmax(1)[:, 1], model(x).sigmoid())


def test_separation_is_proved_by_the_weights_and_only_by_them():
    rng = np.random.default_rng(6)
    x, y = problem(rng)
    assert not separates(x @ torch.ones(5, dtype=torch.float64), y)
    apart = y * 2.0 - 1 + 0.5 * torch.from_numpy(rng.uniform(-1, 1, size=len(y)))
    assert separates(apart, y) and separates(1e-9 * apart, y)
    assert not separates(torch.where(torch.arange(len(y)) == 3, 0.0, apart), y)  # on the plane is not apart
    assert not separates(-apart, y)
    assert bool(separates(apart, y)) == oracle.separates(apart, y)


def test_separable_data_have_no_minimum_but_a_certificate():
    """Without decay the loss can be made as small as one likes by scaling; the certificate comes before that."""
    x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]], dtype=torch.float64)
    y = torch.tensor([0, 0, 1, 1])
    model = fitted(x, y, 0.0, iterations=3)
    assert separates(model(x), y)
    losses = [logistic_loss(s * model(x), y).item() for s in (1, 10, 100)]
    assert losses[0] > losses[1] > losses[2]
    with_decay = fitted(x, y, 0.01)
    weight, bias = with_decay.weight, with_decay.bias
    assert max(g.abs().max() for g in logistic_gradient(weight, bias, x, y, decay=0.01)) < 1e-9


def test_labels_and_shapes_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    a = torch.zeros(3)
    for bad in (torch.tensor([-1, 1, 1]), torch.tensor([1, 2, 1]), torch.tensor([0.0, 1.0, 1.0])):
        with pytest.raises(ValueError, match="labels are the integers 0 and 1"):
            logistic_loss(a, bad)
    with pytest.raises(ValueError, match=r"labels \(3, 1\)"):
        logistic_loss(a, torch.zeros(3, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="no examples"):
        logistic_loss(a[:0], torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"inputs \(4, 6\) do not fit weight \(5,\)"):
        LogisticRegression(5)(torch.zeros(4, 6))
    with pytest.raises(ValueError, match="reduction"):
        logistic_loss(a, torch.zeros(3, dtype=torch.int64), reduction="max")
    for c, n in ((0.0, 5), (-1.0, 5), (1.0, 0)):
        with pytest.raises(ValueError, match="C must be above 0"):
            decay_of_c(c, n)
    with pytest.raises(ValueError, match="0 features"):
        LogisticRegression(0)


# The recipe


def trained(tmp_path, name="run", **options):
    settings = {"preset": "smoke", "threads": 1, "precision": "fp32", "quiet": True, **options}
    return deepcanon.train("logistic-regression", out=tmp_path / name, **settings)


@pytest.mark.parametrize("optimizer", ["lbfgs", "sgd"])
def test_separable_data_without_a_penalty_end_with_the_reason(tmp_path, optimizer):
    own = {"batch": 50} if optimizer == "sgd" else {}
    run = trained(tmp_path, penalty=0.0, optimizer=optimizer, steps=400, evaluate_every=400, **own)
    status = run.status()
    assert "a plane separates the classes" in status["reason"] and status["step"] < 400
    assert run.evaluate("train")["accuracy"] == 1.0


def test_both_optimizers_reach_one_objective_and_the_classes_can_be_chosen(tmp_path):
    values = []
    for optimizer, steps, own in (("lbfgs", 200, {}), ("sgd", 1500, {"learning_rate": 1.0, "batch": 100})):
        run = trained(tmp_path, optimizer, optimizer=optimizer, classes=("3", "8"), steps=steps, valid_share=0.0,
                      evaluate_every=steps, **own)  # fmt: skip
        values.append(run.evaluate("train")["objective"])
        assert set(run.predict(run.recipe.run.data["test"].x[:1])[0]["probabilities"]) == {"3", "8"}
    assert values[1] == pytest.approx(values[0], rel=0.01)


def test_wrong_classes_are_named(tmp_path):
    from deepcanon.errors import UsageError

    for wrong in (("1",), ("1", "1"), ("1", "eleven")):
        with pytest.raises(UsageError, match="--classes takes two of 0, 1, 2"):
            trained(tmp_path, "-".join(wrong), classes=wrong)


@pytest.mark.real_data("mnist")
def test_zero_against_one_on_mnist_makes_one_mistake(tmp_path):
    """C = 1 in scikit-learn's convention; without the factor 1/n in the decay the count is another one."""
    run = trained(tmp_path, data="mnist", classes=("0", "1"), valid_share=0.0, steps=200, evaluate_every=200)
    values = run.evaluate("test")
    assert round(values["mistakes"]) == 1 and round(values["accuracy"], 5) == 0.99953
