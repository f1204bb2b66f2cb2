"""Products of Jacobians: the exact rates of linear, tanh and LSTM paths, and the doors for any module."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from contract import recipes
from oracles import gradient_flow as oracle
from torch import nn

from deepcanon.errors import UsageError
from deepcanon.foundations.gradient_flow import (
    cell_flow,
    driven_flow,
    gradient_flow,
    memory_flow,
    memory_path,
    normal_matrix,
    perceptron_flow,
    spectral_norm,
    unroll,
)
from deepcanon.recipes.gradient_flow import Config
from deepcanon.settings import build_config

F64 = torch.float64


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=random(seed), dtype=F64)


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.0, 1.1])
@pytest.mark.parametrize("size", [6, 7])
def test_linear_network_keeps_rho_to_the_t(radius, size):
    weight = normal_matrix(size, radius, random(1), F64)
    flow = gradient_flow(unroll(lambda u, s: weight @ s + u, randn(100, size)), randn(size))
    expected = radius ** torch.arange(1, 101, dtype=F64)
    torch.testing.assert_close(flow.norms, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [2, 7, 30])
def test_normal_matrix_is_normal_and_has_its_radius(size):
    weight = normal_matrix(size, 0.8, random(size), F64)
    torch.testing.assert_close(weight @ weight.T, weight.T @ weight, atol=1e-12, rtol=0)
    assert torch.linalg.eigvals(weight).abs().max().item() == pytest.approx(0.8, abs=1e-12)
    assert torch.linalg.svdvals(weight)[0].item() == pytest.approx(0.8, abs=1e-12)
    if size > 2:
        assert (weight - weight.T).abs().max() > 0.01  # not the easy case of a symmetric one


def test_the_norm_of_a_matrix_that_is_not_normal_rises_first():
    """Spectral radius 0.9 and yet 20 times more gradient on the way: only the rate at last is rho."""
    weight = torch.tensor([[0.9, 5.0], [0.0, 0.9]], dtype=F64)
    norms = gradient_flow([lambda s: weight @ s] * 220, randn(2)).norms
    assert norms[0] > 5 and norms.max() > 15 and norms[-1] < 1e-6
    assert (norms[-1] / norms[-2]).item() == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize("radius", [0.5, 0.9])
def test_tanh_below_radius_one_vanishes_exponentially(radius):
    weight = normal_matrix(20, radius, random(2), F64)
    norms = gradient_flow(unroll(lambda u, h: torch.tanh(weight @ h + u), 0.5 * randn(100, 20)), randn(20)).norms
    assert (norms <= radius ** torch.arange(1, 101, dtype=F64) * (1 + 1e-9)).all()
    assert np.polyfit(np.arange(100), norms.log().numpy(), 1)[0] <= math.log(radius)


@pytest.mark.parametrize(("bias", "each", "after_100"), [(1.0, 0.7310586, 2.48e-14), (5.0, 0.9933071, 0.5109)])
def test_the_memory_of_an_lstm_decays_as_the_sigmoid_of_its_forget_bias(bias, each, after_100):
    """Zero weights: exact. 0.731^100 is nothing: a forget bias of 1 alone carries no 100 steps; 5 carries half."""
    cell = nn.LSTMCell(3, 4, dtype=F64)
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        cell.bias_ih[4:8] = bias
    path = memory_path(cell, randn(100, 2, 3))
    expected = torch.sigmoid(torch.tensor(bias, dtype=F64)) ** torch.arange(1, 101, dtype=F64)
    torch.testing.assert_close(path, expected[:, None, None].expand(100, 2, 4), rtol=1e-12, atol=0)
    assert path[0, 0, 0].item() == pytest.approx(each, abs=1e-7)
    assert path[-1, 0, 0].item() == pytest.approx(after_100, rel=2e-3)
    # With zero weights nothing but the memory carries anything: the whole Jacobian is that path.
    zero = torch.zeros(1, 4, dtype=F64)
    flow = gradient_flow(unroll(cell, randn(100, 1, 3)), (zero, zero))
    memory_part = flow.norms / path[:, 0, 0]
    assert (memory_part >= 1 - 1e-9).all() and (memory_part < 1.2).all()


def test_the_memory_path_is_the_derivative_with_all_gates_held():
    cell = nn.LSTMCell(3, 4, dtype=F64)
    inputs, zero = randn(10, 1, 3), torch.zeros(1, 4, dtype=F64)
    hiddens, state = [zero], (zero, zero)
    for one in inputs:
        state = cell(one, state)
        hiddens.append(state[0].detach())
    memory = start = zero.clone().requires_grad_()
    for one, hidden in zip(inputs, hiddens, strict=False):
        memory = cell(one, (hidden, memory))[1]
    (slope,) = torch.autograd.grad(memory.sum(), start)
    torch.testing.assert_close(slope, memory_path(cell, inputs)[-1], rtol=1e-10, atol=1e-14)


def test_an_lstm_cell_with_a_state_of_two_tensors_equals_central_differences():
    cell = nn.LSTMCell(3, 4, dtype=F64)
    inputs, state = randn(5, 1, 3), (randn(1, 4, seed=1), randn(1, 4, seed=2))
    flow = gradient_flow(unroll(cell, inputs), state)
    ih, hh, b, c = (p.detach().numpy() for p in cell.parameters())
    start = np.concatenate([s.numpy().ravel() for s in state])
    jacobian = oracle.lstm_jacobian(ih, hh, b + c, inputs[:, 0].numpy(), start)
    np.testing.assert_allclose(flow.singular_values[-1], np.linalg.svd(jacobian, compute_uv=False), atol=1e-8)


# Whole networks


def test_a_driven_linear_network_keeps_its_radius_and_tanh_loses_more():
    linear = driven_flow(40, 6, 0.9, nn.Identity(), input_scale=0.5, generator=random(3))
    torch.testing.assert_close(linear.norms, 0.9 ** torch.arange(1, 41, dtype=F64), rtol=1e-6, atol=0)
    tanh = driven_flow(40, 6, 0.9, input_scale=0.5, generator=random(3))  # the same weights and inputs
    assert (tanh.norms < linear.norms).all()
    strong = driven_flow(40, 6, 0.9, input_scale=5.0, generator=random(3))
    assert strong.norms[-1] < tanh.norms[-1]
    assert torch.equal(tanh.norms, driven_flow(40, 6, 0.9, input_scale=0.5, generator=random(3)).norms)


def test_cells_begin_at_zero_and_the_memory_is_a_mean_over_its_units():
    inputs, zero = randn(7, 1, 3), torch.zeros(1, 4, dtype=F64)
    gru, lstm = nn.GRUCell(3, 4, dtype=F64), nn.LSTMCell(3, 4, dtype=F64)
    assert torch.equal(cell_flow(gru, inputs).norms, gradient_flow(unroll(gru, inputs), zero).norms)
    assert torch.equal(cell_flow(lstm, inputs).norms, gradient_flow(unroll(lstm, inputs), (zero, zero)).norms)
    memory = memory_flow(lstm, inputs)
    expected = memory_path(lstm, inputs)[:, 0].numpy().prod(1) ** 0.25
    np.testing.assert_allclose(memory.norms, expected, rtol=1e-12)
    assert memory.singular_values is None
    with torch.no_grad():
        lstm.bias_ih[4:8] = -800.0  # a memory that is lost at once is a small number, not NaN
    assert 0 < memory_flow(lstm, inputs).norms[-1] < 1e-300


def test_a_perceptron_of_orthogonal_layers_keeps_all_singular_values():
    flow = perceptron_flow(6, 8, "linear", "orthogonal", random())
    torch.testing.assert_close(flow.singular_values, torch.ones(6, 8, dtype=F64))
    relu = perceptron_flow(6, 8, "relu", "he", random())
    assert relu.norms.shape == (6,) and not torch.equal(
        relu.norms, perceptron_flow(6, 8, "relu", "he", random(1)).norms
    )


# Any module


def test_layers_of_a_network_give_jacobians_over_depth():
    layers = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 3)).double()
    x = randn(4)
    flow = gradient_flow(layers, x)
    for depth in range(1, 4):
        jacobian = torch.autograd.functional.jacobian(layers[:depth], x)
        assert flow.norms[depth - 1].item() == pytest.approx(torch.linalg.matrix_norm(jacobian, 2).item(), rel=1e-9)
    assert flow.singular_values.shape == (3, 3)


def test_images_through_convolutions():
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 16, 5)).double()
    flow = gradient_flow(layers, randn(1, 1, 6, 6))
    jacobian = torch.autograd.functional.jacobian(layers, randn(1, 1, 6, 6)).reshape(5, 36)
    torch.testing.assert_close(flow.singular_values[-1], torch.linalg.svdvals(jacobian))


class Twice(torch.autograd.Function):
    """A backward of one's own, which cannot be batched."""

    @staticmethod
    def forward(context, x):
        return 2 * x

    @staticmethod
    def backward(context, gradient):
        assert float(gradient.sum()) == 1
        return 2 * gradient


def test_a_module_with_a_backward_of_its_own():
    torch.testing.assert_close(gradient_flow([Twice.apply] * 3, randn(4)).norms, torch.tensor([2.0, 4.0, 8.0]).double())


def test_a_map_that_forgets_its_input_ends_the_flow():
    flow = gradient_flow([torch.tanh, torch.zeros_like, torch.tanh], randn(4))
    assert flow.norms[0] > 0 == flow.norms[1] == flow.norms[2]


def test_probes_estimate_the_frobenius_norm_without_a_matrix():
    weight = randn(50, 50) / 50**0.5
    chain = unroll(lambda u, h: torch.tanh(weight @ h + u), 0.3 * randn(8, 50, seed=1))
    exact, probed = gradient_flow(chain, randn(50)), gradient_flow(chain, randn(50), 200, random())
    assert probed.norms is None and probed.singular_values is None
    assert ((probed.frobenius / exact.frobenius).log().abs() < 0.2).all()


def test_power_iteration_finds_the_largest_singular_value():
    layers = nn.Sequential(nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 20)).double()
    x = randn(30)
    exact = gradient_flow(layers, x).norms[-1].item()
    assert spectral_norm(layers, x, 300, random()).item() == pytest.approx(exact, rel=1e-4)
    few = spectral_norm(layers, x, 3, random()).item()
    assert 0.3 * exact < few < exact
    assert spectral_norm(torch.zeros_like, x, 5, random()) == 0


def test_the_order_of_the_product_matters():
    """A planted bug, J_{t-1} DF_t instead of DF_t J_{t-1}, has other norms from the second step on."""
    weight, drive, start = randn(5, 5), randn(6, 5, seed=1), randn(5, seed=2)
    flow = gradient_flow(unroll(lambda u, h: torch.tanh(weight @ h + u), drive), start)
    h, wrong = start, torch.eye(5, dtype=F64)
    for place, u in enumerate(drive):
        h = torch.tanh(weight @ h + u)
        wrong = wrong @ (1 - h**2).diag() @ weight
        gap = (torch.linalg.matrix_norm(wrong, 2) / flow.norms[place] - 1).abs().item()
        assert gap < 1e-9 if place == 0 else gap > 1e-3


# The recipe


def measured(steps=1, **options):
    small = {"length": 16, "hidden": 5, "depth": 5, "width": 8, "perceptrons": ("relu-he", "linear-orthogonal")}
    of = recipes.trainee("gradient_flow")
    config = build_config(Config, {**small, **options})
    trained, take_step = recipes.start(dataclasses.replace(of, config=config), steps)
    for _ in range(steps):
        take_step()
    return trained


def test_the_recipe_finds_the_theory():
    trained = measured(2, radii=(0.9,), forget_biases=(1.0, -0.5))
    values = {name: float(value) for name, value in trained.evaluate("test").items()}
    assert values["linear_gap"] < 1e-6 and values["tanh_90_factor"] <= 0.9
    for name, bias in (("1", 1.0), ("minus_0_5", -0.5)):
        expected = 1 / (1 + math.exp(-bias))
        assert values[f"memory_{name}_factor"] == pytest.approx(expected, rel=3e-3)
    assert values["linear_orthogonal_factor"] == pytest.approx(1, abs=1e-9)
    figures = trained.figures()
    assert set(figures) == {"norms", "singular-values", "table"} and "memory_minus_0_5" in figures["table"].text


def test_a_cell_without_weights_is_exact():
    values = measured(1, cell_scheme="zero", radii=(1.0,)).evaluate("test")
    assert values["memory_1_last"].item() == pytest.approx((1 / (1 + math.exp(-1))) ** 16, rel=1e-9)
    assert values["gru_factor"].item() == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize(
    "options", [{"perceptrons": ("relu",)}, {"cell_scheme": "identity"}, {"radii": (0.0,)}, {"length": 1}]
)
def test_the_recipe_refuses(options):
    with pytest.raises(UsageError):
        measured(1, **options)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="no map in the chain"):
        gradient_flow([], randn(3))
    with pytest.raises(ValueError, match="not list"):
        gradient_flow([torch.tanh], [torch.ones(3, dtype=torch.int64)])
    with pytest.raises(ValueError, match="map 2 is not finite"):
        gradient_flow([torch.tanh, lambda s: s * math.nan], randn(3))
    with pytest.raises(ValueError, match=r"\(4, 1, 5\) are not \[time, batch, 3\]"):
        memory_path(nn.LSTMCell(3, 4), torch.zeros(4, 1, 5))
    with pytest.raises(ValueError, match="size 1"):
        normal_matrix(1, 0.5)
