"""Initial weights: their distributions, equality with torch.nn.init, whole modules, and signals through 50 layers."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from contract import recipes
from oracles import initialization as oracle
from scipy import stats
from torch import nn

from deepcanon.errors import UsageError
from deepcanon.foundations import initialization
from deepcanon.foundations.initialization import (
    fans,
    gain,
    glorot_normal_,
    glorot_uniform_,
    he_normal_,
    he_uniform_,
    identity_,
    initialize,
    normal_,
    orthogonal_,
    orthogonal_factor,
    propagate,
    propagated_variance,
    truncated_normal_,
    truncated_std,
)
from deepcanon.recipes.initialization import Config
from deepcanon.settings import build_config


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(function, *args, shape=(256, 16, 5, 5), **kwargs):
    return function(torch.empty(shape, dtype=torch.float64), *args, generator=random(), **kwargs)


FAN_IN, FAN_OUT = 16 * 25, 256 * 25
DRAWS = {
    "glorot_normal": (lambda: drawn(glorot_normal_, 1.5), stats.norm(0, 1.5 * (2 / (FAN_IN + FAN_OUT)) ** 0.5)),
    "he_normal": (lambda: drawn(he_normal_), stats.norm(0, (2 / FAN_IN) ** 0.5)),
    "he_normal_leaky": (lambda: drawn(he_normal_, "leaky_relu", 0.5), stats.norm(0, (1.6 / FAN_IN) ** 0.5)),
    "normal": (lambda: drawn(normal_, 0.01), stats.norm(0, 0.01)),
    "truncated": (lambda: drawn(truncated_normal_, 0.3), stats.truncnorm(-2, 2, 0, 0.3 / 0.8796256610342398)),
    "glorot_uniform": (
        lambda: drawn(glorot_uniform_),
        stats.uniform(-((6 / (FAN_IN + FAN_OUT)) ** 0.5), 2 * (6 / (FAN_IN + FAN_OUT)) ** 0.5),
    ),
    "he_uniform": (lambda: drawn(he_uniform_), stats.uniform(-((6 / FAN_IN) ** 0.5), 2 * (6 / FAN_IN) ** 0.5)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_have_the_distribution_of_the_paper(name):
    """Kolmogorov-Smirnov on 102,400 numbers sees a scale that is 1 % off; the variance is exact to 2 %."""
    draw, expected = DRAWS[name]
    values = draw().flatten().numpy()
    assert stats.kstest(values, expected.cdf).pvalue > 1e-3
    assert abs(values.var() / expected.var() - 1) < 0.02


def test_the_scale_that_forgets_the_truncation_is_caught(monkeypatch):
    monkeypatch.setattr(initialization, "truncated_std", lambda bound: 1.0)
    assert abs(drawn(truncated_normal_, 0.3).std().item() / 0.3 - 0.8796) < 0.01


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (glorot_normal_, nn.init.xavier_normal_),
        (glorot_uniform_, nn.init.xavier_uniform_),
        (he_normal_, lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
        (he_uniform_, lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu")),
        (orthogonal_, nn.init.orthogonal_),
        (lambda w, generator: orthogonal_(w, 1.3, generator), lambda w: nn.init.orthogonal_(w, 1.3)),
    ],
)
@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (64, 24, 3, 3)])
def test_the_variance_is_that_of_torch(ours, theirs, shape):
    mine, other = ours(torch.empty(shape), generator=random()), theirs(torch.empty(shape))
    assert abs(mine.var().item() / other.var().item() - 1) < 0.03
    assert abs(stats.kurtosis(mine.flatten()) - stats.kurtosis(other.flatten())) < 0.1


def test_the_same_numbers_as_torch_from_the_same_stream():
    """normal_ draws as torch does, so that code which moves to `initialize` keeps its weights."""
    torch.manual_seed(5)
    expected = nn.init.kaiming_normal_(torch.empty(20, 30), nonlinearity="relu")
    assert torch.equal(he_normal_(torch.empty(20, 30), generator=random(5)), expected)


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu"])
def test_gains_are_those_of_torch(name):
    assert gain(name) == pytest.approx(nn.init.calculate_gain(name), abs=1e-12)
    assert gain("leaky_relu", 0.3) == pytest.approx(nn.init.calculate_gain("leaky_relu", 0.3), abs=1e-12)


@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "selu"])
def test_the_gain_restores_the_variance(name):
    """E[(g phi(z))^2] = 1: what the gain is for. (5/3 for tanh is a convention, and 1.593 would do it.)"""
    assert gain(name) ** 2 * propagated_variance(2, name)[1].item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(30, 30), (40, 10), (10, 40), (8, 4, 3, 3)])
def test_orthogonal_rows_or_columns(shape):
    weight = orthogonal_(torch.empty(shape, dtype=torch.float64), 1.7, random()).flatten(1)
    small = weight if weight.shape[0] <= weight.shape[1] else weight.T
    torch.testing.assert_close(small @ small.T, 1.7**2 * torch.eye(len(small), dtype=torch.float64))


def test_orthogonal_is_uniform_over_rotations_only_with_the_signs():
    """The trace of a uniform orthogonal matrix has mean 0 and variance 1 (Diaconis); LAPACK's Q alone has not."""
    normals = torch.randn(2000, 4, 4, generator=random(), dtype=torch.float64)
    traces = np.array([orthogonal_factor(normal).trace().item() for normal in normals])
    raw = np.array([torch.linalg.qr(normal)[0].trace().item() for normal in normals])
    assert abs(traces.mean()) < 0.1 and abs(traces.var() - 1) < 0.15
    assert abs(raw.mean()) > 0.3


def test_truncated_std():
    assert truncated_std(2.0) == pytest.approx(0.8796256610342398, abs=1e-12)
    assert truncated_std(50.0) == pytest.approx(1.0, abs=1e-12)
    assert truncated_std(2.0) == pytest.approx(oracle.truncated_std(2.0), abs=1e-10)


def test_identity_convolution_gives_back_its_input():
    images = torch.randn(2, 3, 6, 5)
    layer = nn.Conv2d(3, 3, 3, padding=1)
    assert torch.equal(initialize(layer, "identity")(images), images)
    assert identity_(torch.empty(4, 6), generator=random()).abs().max() < 0.01


# Whole modules


class Everything(nn.Module):
    """One layer of each kind that `initialize` knows, and two that it leaves alone."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(200, 300)
        self.convolution = nn.Conv2d(32, 64, 3, groups=4)
        self.transposed = nn.ConvTranspose2d(64, 32, 4, groups=2)
        self.lstm, self.gru_cell = nn.LSTM(60, 80), nn.GRUCell(60, 80)
        self.attention = nn.MultiheadAttention(96, 4)
        self.embedding, self.norm = nn.Embedding(40, 30), nn.LayerNorm(200)


EXPECTED_FANS = {
    "linear.weight": (200, 300),
    "convolution.weight": (8 * 9, 16 * 9),
    "transposed.weight": (32 * 16, 16 * 16),
    "lstm.weight_ih_l0": (60, 80),
    "lstm.weight_hh_l0": (80, 80),
    "gru_cell.weight_ih": (60, 80),
    "gru_cell.weight_hh": (80, 80),
    "attention.in_proj_weight": (96, 96),
    "attention.out_proj.weight": (96, 96),
}


@pytest.mark.parametrize("scheme", ["he", "glorot", "small", "zero"])
def test_initialize_gives_every_layer_the_variance_of_its_own_fans(scheme):
    module = Everything()
    kept = {n: p.clone() for n, p in module.named_parameters() if n.startswith(("embedding", "norm"))}
    assert initialize(module, scheme, random()) is module
    for name, (into, out) in EXPECTED_FANS.items():
        variance = {"he": 2 / into, "glorot": 2 / (into + out), "small": 1e-4, "zero": 0.0}[scheme]
        weight = module.get_parameter(name)
        assert weight.var().item() == pytest.approx(variance, rel=0.07), name
        assert weight.requires_grad
    for name, parameter in module.named_parameters():
        if name in kept:
            assert torch.equal(parameter, kept[name]), name
        elif "bias" in name:
            assert not parameter.any(), name


def test_initialize_orthogonal_takes_gates_and_groups_one_by_one():
    module = initialize(Everything(), "orthogonal", random())
    gates = (*module.lstm.weight_hh_l0.chunk(4), *module.gru_cell.weight_hh.chunk(3))
    others = (*module.attention.in_proj_weight.chunk(3), *module.convolution.weight.flatten(1).chunk(4))
    for block in (*gates, *others):
        torch.testing.assert_close(block @ block.T, torch.eye(len(block)), atol=1e-5, rtol=0)


def test_initialize_identity_is_the_recurrence_of_le_et_al():
    """Identity recurrence, inputs N(0, 0.001), ReLU: without input the state stays for ever."""
    layer = initialize(nn.RNN(60, 60, nonlinearity="relu"), "identity", random())
    assert torch.equal(layer.weight_hh_l0, torch.eye(60))
    assert layer.weight_ih_l0.std().item() == pytest.approx(0.001, rel=0.05)
    state = torch.rand(1, 1, 60)
    assert torch.equal(layer(torch.zeros(200, 1, 60), state)[1], state)
    with pytest.raises(ValueError, match="need ReLU units"):
        initialize(nn.RNN(5, 5), "identity")
    with pytest.raises(ValueError, match="not LSTM"):
        initialize(nn.LSTM(5, 5), "identity")


def test_the_generator_alone_decides():
    first, second = (initialize(nn.Linear(30, 20), "glorot", random(3)).weight for _ in range(2))
    other = initialize(nn.Linear(30, 20), "glorot", random(4)).weight
    assert torch.equal(first, second) and not torch.equal(first, other)
    module, state = Everything(), torch.get_rng_state()
    for scheme in ("he", "glorot", "orthogonal", "small", "zero"):
        initialize(module, scheme, random())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_gain_of_the_units_scales_he_glorot_and_orthogonal():
    for scheme, default in (("he", "relu"), ("glorot", "linear"), ("orthogonal", "linear")):
        plain = initialize(nn.Linear(40, 40), scheme, random()).weight
        tanh = initialize(nn.Linear(40, 40), scheme, random(), nonlinearity="tanh").weight
        torch.testing.assert_close(tanh / plain, torch.full((40, 40), (5 / 3) / gain(default)))


# Signals through 50 layers, the whole of it in tests/oracles and the recipe; here the theory


@pytest.mark.parametrize(("name", "scale"), [("relu", 2.0), ("linear", 1.0), ("selu", 1.0)])
def test_a_wide_network_keeps_its_variance(name, scale):
    found = propagated_variance(50, name, scale)
    assert (found / scale - 1).abs().max() < 1e-5


def test_tanh_with_glorot_decays_as_one_over_twice_the_depth():
    found = propagated_variance(5000, "tanh")
    assert found[49].item() == pytest.approx(0.01, abs=0.001)
    assert 2 * 5000 * found[-1].item() == pytest.approx(1, abs=0.01)
    assert found[49] < found[9] < found[0] == 1


def test_small_weights_vanish_exponentially():
    found = propagated_variance(50, "relu", 512e-4)
    torch.testing.assert_close(found[1:] / found[:-1], torch.full((49,), 0.0256, dtype=torch.float64))


@pytest.mark.parametrize(("name", "scheme", "scale"), [("relu", "he", 2.0), ("linear", "glorot", 1.0)])
def test_theory_and_networks_agree(name, scheme, scale):
    """12 networks of 20 layers of 100 units, forwards and backwards; the planted factor 2 gives 2^19."""
    ratios = []
    for seed in range(12):
        layers = [initialize(nn.Linear(100, 100), scheme, random(100 * seed + i)) for i in range(20)]
        x = torch.randn(30, 100, generator=random(seed)).requires_grad_()
        first = z = layers[0](x)
        for layer in layers[1:]:
            z = layer(initialization.ACTIVATIONS[name](z))
        forward = (z.var() / first.var()).item()
        (back,) = torch.autograd.grad(z, first, torch.randn(z.shape, generator=random(seed + 1)))
        ratios.append((forward, back.var().item()))
    forward, backward = np.mean(ratios, 0)
    assert 0.5 < forward < 2 and 0.5 < backward < 2
    assert propagated_variance(20, name, 2 * scale)[-1] / (2 * scale) > 2**18


def test_propagate_sends_inputs_forwards_and_a_gradient_back():
    """Layer by layer as the module that it draws: activations are the units' answers, gradients are autograd's."""
    x = torch.randn(6, 10, generator=random(1), dtype=torch.float64)
    found = propagate(x, 4, "tanh", "glorot", random(2), nonlinearity_of_gain="tanh")
    generator, z = random(2), []
    for layer in range(4):
        linear = initialize(nn.Linear(10, 10, dtype=torch.float64), "glorot", generator, nonlinearity="tanh")
        z.append(linear(z[-1].tanh() if layer else x))
    for one, inputs, activations in zip(z, found.inputs, found.activations, strict=True):
        torch.testing.assert_close(inputs, one.detach())
        torch.testing.assert_close(activations, one.detach().tanh())
        assert not inputs.requires_grad and not activations.requires_grad
    top = torch.randn(z[-1].shape, generator=generator, dtype=torch.float64)
    for gradient, expected in zip(found.gradients, torch.autograd.grad(z[-1], z, top), strict=True):
        torch.testing.assert_close(gradient, expected)
    with torch.no_grad():
        assert len(propagate(x, 1, "relu", "he", random()).gradients) == 1


# The recipe


def measured(steps=3, **options):
    of = recipes.trainee("initialization")
    trained, take_step = recipes.start(dataclasses.replace(of, config=build_config(Config, options)), steps)
    for _ in range(steps):
        take_step()
    return trained


def test_the_recipe_finds_the_theory():
    """20 layers of 200 units: linear and tanh within a tenth of the widest, small weights at their exact rate."""
    found = measured(depth=20, width=200, activations=("linear", "tanh"), schemes=("glorot", "small"), batch=8)
    values = {name: float(value) for name, value in found.evaluate("test").items()}
    assert values["linear_glorot_last"] == pytest.approx(1, abs=0.4)
    assert values["tanh_glorot_last"] == pytest.approx(propagated_variance(20, "tanh")[-1].item(), rel=0.2)
    assert values["linear_small_per_layer"] == pytest.approx(200e-4, rel=0.05)
    assert values["linear_small_gradient_first"] < 1e-25
    assert set(found.figures()) == {"variance", "activations", "table"}


def test_the_recipe_takes_any_scheme_and_activation():
    every = measured(1, depth=3, width=8, activations=tuple(initialization.ACTIVATIONS), batch=4,
                     schemes=initialization.SCHEMES, own_gain=True)  # fmt: skip
    values = every.evaluate("test")
    assert len(every.arms) == 36 and all(math.isfinite(value) for value in values.values())
    assert values["linear_identity_last"] == 1 and values["linear_orthogonal_last"].item() == pytest.approx(1)
    assert values["tanh_zero_last"] == 0 and len(every.figures()) == 3


@pytest.mark.parametrize("options", [{"schemes": ("xavier",)}, {"activations": ()}, {"depth": 1}])
def test_the_recipe_refuses(options):
    with pytest.raises(UsageError):
        measured(1, **options)


# Errors


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="no scheme 'xavier'"):
        initialize(nn.Linear(2, 2), "xavier")
    with pytest.raises(ValueError, match="no layer that a scheme is known for"):
        initialize(nn.ReLU(), "he")
    with pytest.raises(ValueError, match=r"\(5,\) has no fans"):
        fans(torch.empty(5))
    with pytest.raises(ValueError, match=r"\(0, 5\) has no fans"):
        he_normal_(torch.empty(0, 5))
    with pytest.raises(ValueError, match="6 outputs cannot be shared by 4 groups"):
        fans(torch.empty(6, 2), groups=4)
    with pytest.raises(ValueError, match="no gain is known for 'swish'"):
        gain("swish")
    with pytest.raises(ValueError, match="no activation 'swish'"):
        propagated_variance(3, "swish")
    with pytest.raises(ValueError, match=r"3 layers of 'swish' do not take inputs \(2, 4\)"):
        propagate(torch.zeros(2, 4), 3, "swish", "he")
    with pytest.raises(ValueError, match="finite and not negative"):
        normal_(torch.empty(2, 2), math.nan)
    with pytest.raises(ValueError, match="positive bound"):
        truncated_normal_(torch.empty(2, 2), 1.0, bound=0.0)
