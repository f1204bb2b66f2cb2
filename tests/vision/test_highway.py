"""Highway layers: carry and transform in their places, the sign of the bias, depth 50 at the start, planted bugs."""

import math

import pytest
import torch
from contract.trainees import start, trainee
from jaxtyping import TypeCheckError
from torch import nn

from deepcanon.errors import UsageError
from deepcanon.techniques.initializers import INITIALIZERS
from deepcanon.vision import Highway
from deepcanon.vision.highway import highway, initial_correlation, transform_gates

DEPTH, UNITS = 50, 50


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def chain(layer=Highway, depth=DEPTH, bias=-4.0):
    torch.manual_seed(0)
    return nn.Sequential(*[layer(UNITS, transform_bias=bias) for _ in range(depth)]).double()


def passed_on(net):
    """Correlation of inputs and outputs."""
    x = drawn(400, UNITS)
    with torch.no_grad():
        return torch.corrcoef(torch.stack([x.flatten(), net(x).flatten()]))[0, 1].item()


def gradient_kept(net):
    """The norm of the gradient in the inputs over that in the outputs."""
    x, grad = drawn(64, UNITS).requires_grad_(), drawn(64, UNITS, seed=1)
    (dx,) = torch.autograd.grad(net(x), x, grad)
    return (dx.norm() / grad.norm()).item()


def test_closed_gates_pass_the_inputs_on_and_open_ones_are_a_plain_layer():
    x = drawn(6, UNITS)
    shut, opened = Highway(UNITS, transform_bias=-800.0).double(), Highway(UNITS, transform_bias=800.0).double()
    assert torch.equal(shut(x), x)
    torch.testing.assert_close(opened(x), torch.relu(opened.transform(x)))
    (jacobian,) = torch.autograd.functional.jacobian(lambda row: shut(row[None])[0], (x[0],))
    assert torch.equal(jacobian, torch.eye(UNITS).double())


def test_every_unit_has_its_own_gate():
    layer, x = Highway(3, transform_bias=0.0).double(), drawn(2, 3)
    nn.init.zeros_(layer.gate.weight)
    with torch.no_grad():
        layer.gate_bias.copy_(torch.tensor([-800.0, 800.0, 0.0]))
    h = torch.relu(layer.transform(x))
    expected = torch.stack([x[:, 0], h[:, 1], (x[:, 2] + h[:, 2]) / 2], 1)
    torch.testing.assert_close(layer(x), expected)


def test_fifty_new_layers_pass_inputs_and_gradients_on():
    assert passed_on(chain()) >= 0.9 and 0.2 <= gradient_kept(chain()) <= 2
    generator = torch.Generator().manual_seed(0)
    assert initial_correlation(49, UNITS, -4.0, generator) >= 0.9
    assert initial_correlation(49, UNITS, 0.0, generator) <= 0.5


# Toy versions


class Toy(Highway):
    bug = ""

    def forward(self, x):
        h, t = self.activation(self.transform(x)), self.gates(x)
        if self.bug == "carry and transform changed over":
            return h * (1 - t) + x * t
        if self.bug == "the bias has the other sign":
            t = torch.sigmoid(self.gate(x) - self.gate_bias)
        if self.bug == "one gate for all units":
            t = t.mean(1, keepdim=True).expand_as(h)
        if self.bug == "no carry":
            return h * t
        if self.bug == "residual without a gate on x":
            return h * t + x
        if self.bug == "H is linear":
            h = self.transform(x)
        return h * t + x * (1 - t)


def toy(name):
    return type("Toy", (Toy,), {"bug": name})


@pytest.mark.parametrize("bug", ["carry and transform changed over", "the bias has the other sign", "no carry"])
def test_swapped_gates_and_a_wrong_sign_lose_the_inputs(bug):
    """The probe of depth: a plain net in disguise passes nothing on at the start."""
    assert passed_on(chain(toy(""))) >= 0.9
    assert passed_on(chain(toy(bug))) <= 0.5


@pytest.mark.parametrize("bug", ["one gate for all units", "residual without a gate on x", "H is linear"])
def test_other_mixtures_are_not_the_layer(bug):
    x = drawn(6, UNITS)
    right, wrong = chain(toy(""), 1, -1.0), chain(toy(bug), 1, -1.0)
    torch.testing.assert_close(right(x), chain(depth=1, bias=-1.0)(x))
    assert (right(x) - wrong(x)).abs().max() > 0.1


# Around it


@pytest.mark.parametrize("scheme", ["he", "glorot", "orthogonal", "small", "lecun"])
def test_initialisations_leave_the_bias_of_the_gates(scheme):
    net = INITIALIZERS[scheme](chain(depth=2, bias=-3.0))
    assert all(torch.equal(layer.gate_bias, torch.full((UNITS,), -3.0).double()) for layer in net)


def test_what_is_passed_on_keeps_its_precision_under_autocast():
    net, x = chain(depth=3, bias=-800.0).float(), drawn(4, UNITS).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net(x), x)


def test_shapes_are_said():
    for call in (
        lambda: highway(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 1)),
        lambda: transform_gates([nn.Linear(3, 3)], torch.zeros(2, 3)),
        lambda: initial_correlation(0, 3, -1.0),
    ):
        with pytest.raises((ValueError, TypeCheckError), match=r"\d"):
            call()


def test_a_perceptron_of_highway_layers_begins_with_a_plain_one():
    options = {"layer": "highway", "hidden": (8, 8, 8, 5), "transform_bias": -3.0, "activation": "tanh"}
    recipe, step = start(trainee("mlp").with_(options), 3)
    kinds = [type(layer).__name__ for layer in recipe.model.layers]
    assert kinds == ["Linear", "Tanh", "Highway", "Highway", "Linear", "Tanh", "Linear"]
    before = recipe.model.layers[2].gate_bias.clone()
    assert (before == -3).all() and isinstance(recipe.model.layers[2].activation, nn.Tanh)
    step()
    assert not torch.equal(recipe.model.layers[2].gate_bias, before)


def test_layers_of_different_width_are_refused():
    with pytest.raises(UsageError, match="--layer highway needs neighbours of equal width"):
        start(trainee("mlp").with_({"layer": "highway", "hidden": (8, 7)}), 1)


def test_a_trial_that_diverged_is_not_the_best_of_its_arm():
    recipe, _ = start(trainee("highway"), 1)
    losses = {"highway": [0.1, 0.3], "plain": [math.nan, 2.0], "half_open": [4.0, math.nan]}
    recipe.comparison.results = [
        {"arm": arm, "phase": phase, "also": {"train/nll": value}}
        for arm, values in losses.items()
        for phase, value in zip(("tune", "seeds"), values, strict=True)
    ]
    found = recipe.findings()
    assert found["train_highway"] == 0.3 and found["train_half_open"] == math.inf
    assert found["ratio_plain"] == pytest.approx(2.0 / 0.3) and found["ratio_half_open"] == pytest.approx(4.0 / 0.3)
