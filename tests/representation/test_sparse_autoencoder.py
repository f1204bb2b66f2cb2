"""The gradient of the coupled penalty, and the two wrong forms of it that look alike."""

import numpy as np
import pytest
import torch
from oracles import sparse_autoencoder as oracle

from deepcanon.representation import SparseAutoencoder, sparse_objective, sparsity_penalty, squash

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
    model, x = problem()
    sparse_objective(model, x, **SETTING).backward()
    weight, eps = model.encoder.weight, 1e-6
    for index in ((0, 0), (3, 5), (2, 1)):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[index] += sign * eps
                values.append(sparse_objective(model, x, **SETTING).item())
                weight[index] -= sign * eps
        numeric = (values[0] - values[1]) / (2 * eps)
        assert weight.grad[index].item() == pytest.approx(numeric, rel=1e-7)


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
