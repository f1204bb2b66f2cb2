"""The gradient of the coupled penalty, and the two wrong forms of it that look alike."""

import numpy as np
import pytest
import torch
from oracles import sparse_autoencoder as oracle

import deepcanon
from deepcanon.representation import SparseAutoencoder, sparse_objective, sparsity_penalty
from deepcanon.representation.sparse_autoencoder import Squash, sparse_backward, squash

SETTING = {"rho": 0.05, "beta": 3.0, "decay": 1e-2}


def problem():
    torch.manual_seed(0)
    model = SparseAutoencoder(6, 4, dtype=torch.float64)
    return model, torch.rand(9, 6, dtype=torch.float64)


def test_the_gradient_is_that_of_the_exercise():
    model, x = problem()
    sparse_objective(model, x, **SETTING).backward()
    params = {name: p.detach().numpy() for name, p in model.named_parameters()}
    expected = oracle.gradient(params, x.numpy(), *SETTING.values())
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, expected[name], rtol=1e-8, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    """B05: every parameter, the penalty on; the norm of the difference is at most 1e-8 of that of the sum."""
    model, x = problem()

    def slopes(**setting):
        value = sparse_objective(model, x, **{**SETTING, **setting})
        return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])

    numeric, step = [], 1e-5
    with torch.no_grad():
        for parameter in model.parameters():
            for entry in parameter.view(-1):
                values = []
                for sign in (1, -2):
                    entry += sign * step
                    values.append(sparse_objective(model, x, **SETTING).item())
                entry += step
                numeric.append((values[0] - values[1]) / (2 * step))
    numeric = torch.tensor(numeric, dtype=torch.float64)

    def error(slope):
        return float((slope - numeric).norm() / (slope + numeric).norm())

    assert error(slopes()) <= 1e-8
    assert error(slopes(beta=0.0)) > 0.1  # the penalty has its share


def test_the_gradient_in_closed_form_is_that_of_the_objective_and_adds_up_over_shares():
    model, x = problem()
    wanted = sparse_objective(model, x, **SETTING)
    slopes = torch.autograd.grad(wanted, list(model.parameters()))
    torch.testing.assert_close(sparse_backward(model, x, **SETTING), wanted.detach())
    torch.testing.assert_close([p.grad for p in model.parameters()], list(slopes))

    def share(rows):
        """What one of two processes computes: of the sums that it adds it knows the first, that of the activations."""
        known = iter([model.encode(x).sum(0).detach()])
        value = sparse_backward(model, rows, len(x), lambda own: next(known, own), **free)
        return value, [p.grad for p in model.parameters()]

    free = {**SETTING, "decay": 0.0}
    whole = sparse_backward(model, x, **free), [p.grad for p in model.parameters()]
    one, other = share(x[:2]), share(x[2:])
    torch.testing.assert_close([a + b for a, b in zip(one[1], other[1], strict=True)], whole[1])
    penalty = SETTING["beta"] * sparsity_penalty(model.encode(x).mean(0).detach(), SETTING["rho"])
    torch.testing.assert_close(one[0] + other[0] - penalty, whole[0])


def test_the_recipe_s_gradient_over_shares_is_that_of_the_objective(tmp_path):
    run = deepcanon.train("sparse-autoencoder", preset="smoke", steps=2, out=tmp_path / "run", threads=1, quiet=True)
    recipe, config = run.recipe, run.config
    x = recipe.rows("train")[:300]
    value = recipe.backward(x, len(x))
    found = [parameter.grad.clone() for parameter in recipe.model.parameters()]
    wanted = sparse_objective(recipe.model, x, rho=config.rho, beta=config.beta, decay=config.decay)
    torch.testing.assert_close(value, wanted.detach(), check_dtype=False)
    for mine, theirs in zip(found, torch.autograd.grad(wanted, list(recipe.model.parameters())), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)


def test_the_penalty_is_of_the_mean_not_the_mean_of_penalties():
    h = torch.tensor([[0.0, 0.3], [0.2, 0.3]], dtype=torch.float64).clamp_min(1e-9)
    coupled = sparsity_penalty(h.mean(0), 0.1)
    separate = torch.stack([sparsity_penalty(row, 0.1) for row in h]).mean()
    assert coupled < 0.2 < separate
    assert sparsity_penalty(torch.full((3,), 0.1, dtype=torch.float64), 0.1).abs() < 1e-15


def test_units_that_are_never_or_always_on_have_a_finite_slope():
    rho = torch.tensor([0.0, 1.0, 1e-30], dtype=torch.float64, requires_grad=True)
    penalty = sparsity_penalty(rho, 0.01)
    penalty.backward()
    assert torch.isfinite(penalty) and torch.isfinite(rho.grad).all()
    assert torch.isfinite(sparsity_penalty(rho.detach().float(), 0.01))
    for wrong in (0.0, 1.0):
        with pytest.raises(ValueError):
            sparsity_penalty(rho.detach(), wrong)


def test_squashed_values_lie_in_the_range_of_the_output_unit():
    x = torch.randn(2000, dtype=torch.float64)
    y = squash(x, x.std())
    assert y.min() == pytest.approx(0.1) and y.max() == pytest.approx(0.9)
    assert squash(torch.zeros(3), 1.0).tolist() == pytest.approx([0.5] * 3)
    torch.testing.assert_close(Squash(x.std()).inverse(y[None])[0], x.clamp(-3 * x.std(), 3 * x.std()))


def test_training_brings_the_mean_activation_to_rho():
    torch.manual_seed(0)
    model, x = SparseAutoencoder(16, 8), torch.rand(200, 16)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = sparse_objective(model, x, rho=0.05, beta=3.0)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert (model.encode(x).mean(0) - 0.05).abs().max() < 0.02
