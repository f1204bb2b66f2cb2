"""Softmax regression: the closed-form gradient, invariances, the unique minimum, and refusals."""

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import softmax_regression as oracle

from deepcanon.foundations import SoftmaxRegression
from deepcanon.foundations.softmax_regression import fit_softmax, softmax_gradient, softmax_objective


def problem(rng, n=12, features=5, classes=4):
    weight, bias = rng.normal(size=(classes, features)), rng.normal(size=classes)
    return weight, bias, rng.normal(size=(n, features)), rng.integers(classes, size=n)


def tensors(*arrays):
    return tuple(torch.from_numpy(np.asarray(array)) for array in arrays)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_objective_and_gradient_equal_the_oracle(decay):
    weight, bias, x, y = problem(np.random.default_rng(0))
    value = softmax_objective(*tensors(weight, bias, x, y), decay=decay)
    assert abs(value.item() - oracle.objective(x, y, weight, bias, decay)) < 1e-12
    ours = softmax_gradient(*tensors(weight, bias, x, y), decay=decay)
    for mine, theirs in zip(ours, oracle.gradient(x, y, weight, bias, decay), strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, atol=1e-12)


def test_closed_form_gradient_equals_autograd():
    weight, bias, x, y = tensors(*problem(np.random.default_rng(1)))
    weight.requires_grad_(), bias.requires_grad_()
    auto = torch.autograd.grad(softmax_objective(weight, bias, x, y, decay=0.2), (weight, bias))
    for mine, theirs in zip(softmax_gradient(weight.detach(), bias.detach(), x, y, decay=0.2), auto, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-13, rtol=0)


def test_reductions_agree_and_the_bias_is_not_penalised():
    weight, bias, x, y = tensors(*problem(np.random.default_rng(2)))
    nll = softmax_objective(weight, bias, x, y, decay=0.5, reduction="none")
    mean = softmax_objective(weight, bias, x, y, decay=0.5)
    torch.testing.assert_close(mean, nll.mean() + 0.25 * weight.square().sum())
    torch.testing.assert_close(softmax_objective(weight, bias, x, y, decay=0.5, reduction="sum"), len(y) * mean)
    torch.testing.assert_close(softmax_objective(weight, bias + 7, x, y, decay=0.5), mean)


def test_without_decay_one_vector_on_every_row_changes_nothing():
    weight, bias, x, y = tensors(*problem(np.random.default_rng(3)))
    moved = weight + torch.randn(1, weight.shape[1], dtype=weight.dtype)
    torch.testing.assert_close(softmax_objective(moved, bias, x, y), softmax_objective(weight, bias, x, y))


def test_large_logits_do_not_overflow():
    model = SoftmaxRegression(1, 2)
    model.weight.data = torch.tensor([[1e4], [-1e4]])
    x, y = torch.ones(2, 1), torch.tensor([0, 1])
    nll = softmax_objective(model.weight, model.bias, x, y, reduction="none")
    assert nll.tolist() == [0.0, 2e4]
    assert all(torch.isfinite(g).all() for g in softmax_gradient(model.weight.detach(), model.bias.detach(), x, y))


def test_two_starts_reach_the_same_minimum():
    """Decay makes the minimum unique in W: L-BFGS from zero and from far away agree."""
    _, _, x, y = tensors(*problem(np.random.default_rng(4), n=60))
    ends = []
    for start in (0.0, 3.0):
        model = SoftmaxRegression(5, 4, dtype=torch.float64)
        with torch.no_grad():
            model.weight.add_(start * torch.randn(4, 5, dtype=torch.float64))
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe",
                                      tolerance_grad=1e-10, tolerance_change=1e-15)  # fmt: skip

        def closure(model=model):
            model.weight.grad, model.bias.grad = softmax_gradient(
                model.weight.detach(), model.bias.detach(), x, y, decay=0.05
            )
            return model.objective(x, y, decay=0.05)

        optimizer.step(closure)
        ends.append(model.weight.detach())
    torch.testing.assert_close(*ends, atol=1e-6, rtol=0)


def test_wrong_shapes_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the user has no run-time check of shapes
    model = SoftmaxRegression(5, 3)
    with pytest.raises(ValueError, match=r"\(4, 6\).*\(3, 5\)"):
        model.objective(torch.zeros(4, 6), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"labels \(4, 1\)"):
        model.objective(torch.zeros(4, 5), torch.zeros(4, 1, dtype=torch.int64))


@pytest.mark.parametrize("decay", [1e-3, 0.3])
def test_the_fit_is_the_minimum(decay):
    _, _, x, y = tensors(*problem(np.random.default_rng(4), n=40))
    model = fit_softmax(x, y, 4, decay=decay, iterations=400)
    for gradient in softmax_gradient(model.weight, model.bias, x, y, decay=decay):
        assert gradient.abs().max() < 1e-5
    assert not model.weight.requires_grad and model.weight.dtype == x.dtype
    best = model.objective(x, y, decay=decay)
    assert best < fit_softmax(x, y, 4, decay=decay, iterations=2).objective(x, y, decay=decay)
