"""Corruption as the papers define it, the clean target, and what the best reconstruction is known to be."""

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import denoising_autoencoder as oracle

from deepcanon.parts.reconstruction import squared_error_of
from deepcanon.representation import DenoisingAutoencoder
from deepcanon.representation.denoising_autoencoder import (
    add_gaussian,
    jacobian_norm,
    mask_inputs,
    nearest,
    salt_and_pepper,
    way_back,
)


def generator():
    return torch.Generator().manual_seed(0)


def test_corruptions_have_the_stated_shares_and_scale():
    x = torch.full((400, 200), 0.5, dtype=torch.float64)
    masked = mask_inputs(x, 0.25, generator())
    assert set(masked.unique().tolist()) == {0.0, 0.5}, "masking neither scales nor adds"
    assert (masked == 0).double().mean() == pytest.approx(0.25, abs=0.01)
    pepper = salt_and_pepper(x, 0.3, generator())
    assert [(pepper == v).double().mean().item() for v in (0, 1)] == pytest.approx([0.15, 0.15], abs=0.01)
    noisy = add_gaussian(x, 0.2, generator()) - x
    assert noisy.std() == pytest.approx(0.2, rel=0.02) and abs(noisy.mean()) < 0.003
    for wrong in (lambda: mask_inputs(x, 1.5), lambda: salt_and_pepper(x, -0.1), lambda: add_gaussian(x, -1.0)):
        with pytest.raises(ValueError):
            wrong()


def test_every_call_draws_new_noise_and_a_generator_repeats_it():
    x = torch.rand(20, 30)
    for corrupt in (mask_inputs, salt_and_pepper, add_gaussian):
        random = generator()
        first, second = corrupt(x, 0.4, random), corrupt(x, 0.4, random)
        assert not torch.equal(first, second) and torch.equal(first, corrupt(x, 0.4, generator()))


class Linear(torch.nn.Module):
    """The activation of a linear autoencoder."""

    def forward(self, x):
        return x


def test_on_gaussian_data_a_linear_one_becomes_the_wiener_filter():
    """Equation (5) for a density that is known; against the corrupted target it would become the identity."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    covariance, sigma = root @ root.T / 4 + 0.1 * np.eye(4), 0.7
    x = torch.from_numpy(rng.multivariate_normal(np.zeros(4), covariance, size=40_000))
    u = add_gaussian(x, sigma, generator())
    model = DenoisingAutoencoder(4, 4, activation=Linear, output="linear", tied=False, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=300, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = squared_error_of(model(u), x)
        loss.backward()
        return loss

    optimizer.step(closure)
    reached = (model.weight @ model.encoder.weight).detach().numpy()
    np.testing.assert_allclose(reached, oracle.wiener(covariance, sigma), atol=0.03)
    assert np.abs(reached - np.eye(4)).max() > 0.3


def test_the_jacobian_is_that_of_autograd():
    model = DenoisingAutoencoder(5, 3, dtype=torch.float64)
    x = torch.randn(4, 5, dtype=torch.float64)
    whole = torch.stack([torch.autograd.functional.jacobian(lambda row: model.encode(row[None])[0], row) for row in x])
    torch.testing.assert_close(jacobian_norm(model, x), whole.square().sum((1, 2)))


def test_tied_weights_are_one_tensor():
    tied, free = DenoisingAutoencoder(5, 3), DenoisingAutoencoder(5, 3, tied=False)
    assert "weight" not in dict(tied.named_parameters()) and "weight" in dict(free.named_parameters())
    squared_error_of(tied(torch.rand(4, 5)), torch.rand(4, 5)).backward()
    only_encoder = DenoisingAutoencoder(5, 3)
    only_encoder.load_state_dict(tied.state_dict())
    x = torch.rand(4, 5)
    tied.zero_grad()
    tied.decode(tied.encode(x).detach()).sum().backward()
    assert tied.encoder.weight.grad.abs().sum() > 0, "the decoder's share of the gradient is lost"


def test_the_way_back_is_the_one_to_the_nearest_point(monkeypatch):
    """Of a line in space: half of the way back, and as far in the other direction."""
    line = torch.zeros(2001, 3, dtype=torch.float64)
    line[:, 0] = torch.linspace(-5, 5, 2001)
    away = torch.randn(50, 2, dtype=torch.float64)
    u = torch.cat([torch.rand(50, 1, dtype=torch.float64), away / away.norm(dim=1, keepdim=True)], 1)
    found = nearest(u, line)
    assert (found[:, 0] - u[:, 0]).abs().max() <= 0.0025 and not found[:, 1:].any()
    half, beyond = way_back(u, (u + found) / 2, line), way_back(u, 2 * u - found, line)
    assert half["cosine"] > 0.999 and half["distance"].item() == pytest.approx(0.5, abs=0.001)
    assert beyond["cosine"] < -0.999 and beyond["distance"].item() == pytest.approx(2, abs=0.001)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"\(3, 5\).*\(2001, 3\)"):
        nearest(torch.zeros(3, 5, dtype=torch.float64), line)
