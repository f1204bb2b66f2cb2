"""Self-normalising networks: the constants, the fixed point, 32 layers, alpha-dropout, and toy versions caught."""

import math

import pytest
import torch
import torch.nn.functional as F
from contract.trainees import start, trainee
from jaxtyping import TypeCheckError
from oracles import selu as oracle
from torch import nn

from deepcanon.techniques.hidden_layers import DROPOUTS
from deepcanon.techniques.initializers import INITIALIZERS
from deepcanon.vision import SELU, AlphaDropout
from deepcanon.vision.selu import (
    ALPHA,
    LAMBDA,
    SATURATED,
    alpha_dropout,
    alpha_dropout_affine,
    propagated_moments,
    selu,
    selu_moments,
)

DEPTH, WIDTH = 32, 256


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_constants_solve_the_two_conditions():
    assert oracle.constants() == pytest.approx((LAMBDA, ALPHA), abs=1e-11)
    assert -LAMBDA * ALPHA == SATURATED
    zero, one = torch.zeros(1).double(), torch.ones(1).double()
    mean, variance = selu_moments(zero, one)
    assert abs(mean.item()) < 1e-12 and abs(variance.item() - 1) < 1e-12


def test_the_fixed_point_attracts():
    """Theorem 1: from other variances, the layers come back to mean 0 and variance 1."""
    for start_at in (0.5, 0.8, 1.3, 1.5):
        mean, variance = torch.zeros(1).double(), torch.full((1,), start_at).double()
        gap = abs(start_at - 1)
        for _ in range(60):
            mean, variance = selu_moments(torch.zeros(1).double(), variance + mean.square())
        assert abs(mean.item()) < 0.02 * gap and abs(variance.item() - 1) < 0.02 * gap


def test_values_and_gradients_are_those_of_torch():
    z = torch.linspace(-30, 30, 241, dtype=torch.float64).requires_grad_()
    for ours in (selu, SELU()):
        y, expected = ours(z), F.selu(z)
        torch.testing.assert_close(y, expected, atol=1e-14, rtol=1e-14)
        for one, other in zip(*(torch.autograd.grad(v.sum(), z) for v in (y, expected)), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("p", [0.0, 0.1])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_thirty_two_layers_keep_mean_and_variance(p, seed):
    means, variances = propagated_moments(DEPTH, WIDTH, p=p, generator=generator(seed), batch=256)
    assert means[-1].abs() <= 0.15 and 0.7 <= variances[-1] <= 1.3
    assert means.abs().max() <= 0.15 and 0.7 <= variances.min() <= variances.max() <= 1.3


def network(scheme, units=SELU, dropout=None, depth=DEPTH):
    torch.manual_seed(0)
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(WIDTH, WIDTH), units(), *([dropout()] if dropout else [])]
    return INITIALIZERS[scheme](nn.Sequential(*layers))


TOYS = {
    "He's weights": lambda: network("he").apply(he),
    "Glorot's weights and ReLU": lambda: network("glorot", nn.ReLU),
    "torch's own weights": lambda: network("he"),
    "ReLU": lambda: network("lecun", nn.ReLU),
    "ordinary dropout": lambda: network("lecun", dropout=lambda: DROPOUTS["standard"](0.3)),
    "ELU": lambda: network("lecun", nn.ELU),
}


def he(layer):
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=(2 / WIDTH) ** 0.5)


def last(net):
    with torch.no_grad():
        y = net(torch.randn(256, WIDTH, generator=generator(1)))
    return y.mean().item(), y.var().item()


@pytest.mark.parametrize("name", TOYS)
def test_networks_that_do_not_normalise_themselves_are_caught(name):
    for right in (network("lecun"), network("lecun", dropout=lambda: DROPOUTS["alpha"](0.1))):
        mean, variance = last(right)
        assert abs(mean) <= 0.15 and 0.7 <= variance <= 1.3
    mean, variance = last(TOYS[name]())
    assert abs(mean) > 0.15 or not 0.7 <= variance <= 1.3


def test_weights_have_a_variance_of_one_over_their_inputs():
    torch.manual_seed(0)
    layer = INITIALIZERS["lecun"](nn.Linear(300, 2000))
    assert abs(300 * layer.weight.var().item() - 1) < 0.01 and (layer.bias == 0).all()


# Alpha-dropout


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(p):
    y = selu(torch.randn(1_000_000, generator=generator()))
    z = AlphaDropout(p)(y, generator(1))
    assert abs(z.mean() - y.mean()) < 1e-2 and abs(z.var() - y.var()) < 1e-2
    dropped = (z - z.min()).abs() < 1e-6
    assert abs(dropped.float().mean() - p) < 0.01


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5])
def test_the_affine_map_is_exact(p):
    """From mean and variance of the mixture, not from the published formula."""
    assert alpha_dropout_affine(p) == pytest.approx(oracle.affine(p), abs=1e-10)
    q, old = 1 - p, -SATURATED
    a = (q * (1 + p * old**2)) ** -0.5
    assert alpha_dropout_affine(p) == pytest.approx((a, a * old * p), abs=1e-12)


def test_the_mean_over_all_masks_keeps_a_unit_of_mean_zero():
    x = torch.tensor([0.5, -1.2, 0.7], dtype=torch.float64)
    x = x - x.mean()
    assert abs(oracle.average(x.numpy(), 0.2).mean()) < 1e-10
    kept = torch.tensor([True, False, True])
    a, b = alpha_dropout_affine(0.2)
    expected = torch.stack([a * x[0] + b, torch.tensor(a * SATURATED + b).double(), a * x[2] + b])
    torch.testing.assert_close(alpha_dropout(x, kept, 0.2), expected)


def toy_dropout(x, kept, p, bug):
    a, b = alpha_dropout_affine(p)
    if bug == "sets units to zero":
        return x * kept / (1 - p)
    if bug == "no affine map":
        return torch.where(kept, x, SATURATED)
    if bug == "the value alpha instead of -lambda alpha":
        return torch.where(kept, a * x + b, a * -ALPHA + b)
    if bug == "p and 1 - p changed over":
        a, b = alpha_dropout_affine(1 - p)
        return torch.where(kept, a * x + b, a * SATURATED + b)
    return torch.where(kept, a * x - b, a * SATURATED - b)


@pytest.mark.parametrize(
    "bug",
    [
        "sets units to zero",
        "no affine map",
        "the value alpha instead of -lambda alpha",
        "p and 1 - p changed over",
        "the sign of b",
    ],
)
def test_toy_versions_move_the_moments(bug):
    y = selu(torch.randn(1_000_000, generator=generator()))
    kept = torch.rand(y.shape, generator=generator(1)) >= 0.1
    z = toy_dropout(y, kept, 0.1, bug)
    assert abs(z.mean() - y.mean()) > 1e-2 or abs(z.var() - y.var()) > 1e-2


def test_off_in_eval_mode_and_every_value_has_its_own_mask():
    layer, x = AlphaDropout(0.4), torch.ones(300, 400)
    assert layer.eval()(x) is x and str(layer) == "AlphaDropout(p=0.4)"
    kept = (layer.train()(x, generator()) > 0).float()
    assert abs(kept.mean() - 0.6) < 0.01
    assert kept.mean(0).std() < 0.05 and kept.mean(1).std() < 0.05


def test_several_processes_draw_the_masks_of_one():
    x = torch.randn(6, 5)
    whole = AlphaDropout(0.5)(x, generator(3))
    for rank in range(2):
        layer = AlphaDropout(0.5)
        layer.rank, layer.world = rank, 2
        assert torch.equal(layer(x[rank::2], generator(3)), whole[rank::2])


@pytest.mark.parametrize("p", [-0.1, 1.0, math.nan])
def test_a_probability_of_one_is_refused(p):
    with pytest.raises(ValueError, match="lies in"):
        AlphaDropout(p)


def test_other_refusals():
    for call in (
        lambda: alpha_dropout(torch.zeros(2, 3), torch.ones(3, dtype=torch.bool), 0.1),
        lambda: propagated_moments(0, 3),
        lambda: selu_moments(torch.zeros(2), torch.zeros(2)),
    ):
        with pytest.raises((ValueError, TypeCheckError), match=r"\d"):
            call()


def test_a_perceptron_takes_all_of_it():
    options = {"activation": "selu", "initialization": "lecun", "dropout_kind": "alpha", "dropout": 0.1}
    recipe, step = start(trainee("mlp").with_({**options, "hidden": (8,) * 3}), 3)
    kinds = [type(layer).__name__ for layer in recipe.model.layers]
    assert kinds == ["Linear", "SELU", "AlphaDropout"] * 3 + ["Linear"] and not recipe.by_hand
    assert step()["loss"] > 0
