"""The perceptron on a flat vector: its gradient is the oracle's and autograd's, and the module stays a module."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import safetensors.torch
import torch
from oracles import flat_perceptron as oracle
from torch import nn

from deepcanon.parts import optimizers
from deepcanon.parts.flat_perceptron import SLOPES, FlatPerceptron
from deepcanon.techniques.losses import LOSSES
from deepcanon.techniques.optimizers import optimizer_of

UNITS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
SHAPES = [((4, 3), 5), ((4, 6, 3), 1), ((3, 5, 7, 2), 6), ((5, 4, 4, 4, 3), 9)]


def network(sizes, unit="relu", dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    layers = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after, dtype=dtype), UNITS[unit]()]
    return nn.Sequential(*layers[:-1])


def flat_of(net, unit="relu"):
    return FlatPerceptron([layer for layer in net if isinstance(layer, nn.Linear)], unit)


def batch(sizes, rows, seed=1, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(rows, sizes[0], generator=generator, dtype=torch.float64)
    return x.to(dtype), torch.randint(sizes[-1], (rows,), generator=generator)


def gradient(flat, x, y, loss="cross-entropy"):
    return flat.gradient(x.numpy(), lambda z: SLOPES[loss](z, y.numpy()))


@pytest.mark.parametrize("loss", SLOPES)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("sizes", "rows"), SHAPES)
def test_gradient_is_the_oracles_and_autograds(sizes, rows, unit, loss):
    net, (x, y) = network(sizes, unit), batch(sizes, rows)
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    weights, biases = ([getattr(l, name).detach().numpy().copy() for l in layers] for name in ("weight", "bias"))
    expected, grad_w, grad_b = oracle.loss_and_gradient(weights, biases, x.numpy(), y.numpy(), unit, loss)
    automatic = LOSSES[loss](net(x), y)
    slopes = torch.autograd.grad(automatic, list(net.parameters()))
    flat = flat_of(net, unit)
    found = gradient(flat, x, y, loss)
    assert found.dim() == 0 and abs(float(found) - expected) < 1e-12 and abs(float(found) - automatic.item()) < 1e-12
    torch.testing.assert_close(torch.from_numpy(flat(x.numpy())).T, net(x).detach(), atol=1e-12, rtol=1e-12)
    for layer, w, b in zip(layers, grad_w, grad_b, strict=True):
        np.testing.assert_allclose(layer.weight.grad.numpy(), w, atol=1e-12, rtol=1e-12)
        np.testing.assert_allclose(layer.bias.grad.numpy(), b, atol=1e-12, rtol=1e-12)
    for parameter, slope in zip(net.parameters(), slopes, strict=True):
        torch.testing.assert_close(parameter.grad, slope, atol=1e-12, rtol=1e-12)


def test_oracle_is_the_slope_of_its_own_loss():
    weights, biases = [np.array([[0.3, -0.5]]), np.array([[0.7], [-0.2]])], [np.array([0.1]), np.array([0.0, 0.4])]
    x, y = np.array([[1.0, 2.0], [-1.5, 0.3]]), [0, 1]
    for unit in UNITS:
        for loss in oracle.LOSSES:
            _, grad_w, _ = oracle.loss_and_gradient(weights, biases, x, y, unit, loss)
            ends = []
            for move in (1e-5, -1e-5):
                weights[0][0, 1] += move
                ends.append(oracle.loss_and_gradient(weights, biases, x, y, unit, loss)[0])
                weights[0][0, 1] -= move
            assert grad_w[0][0, 1] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-9)


class Options:
    """What `optimizer_of` reads."""

    learning_rate, momentum = 0.01, 0.9

    def __init__(self, optimizer, weight_decay=0.0):
        self.optimizer, self.weight_decay = optimizer, weight_decay


MAKERS = {
    "adamw": lambda net: optimizer_of(Options("adamw"), net),
    "sgd": lambda net: optimizer_of(Options("sgd"), net),
    "adagrad": lambda net: optimizer_of(Options("adagrad"), net),
    "adamw, decay of the weights alone": lambda net: optimizer_of(Options("adamw", 0.1), net),
    "sgd, decay of the weights alone": lambda net: optimizer_of(Options("sgd", 0.1), net),
    "adam": lambda net: torch.optim.Adam(net.parameters(), 0.01, fused=True),
    "adam, coupled decay": lambda net: torch.optim.Adam(net.parameters(), 0.01, weight_decay=0.1, fused=True),
    "adam, not fused": lambda net: torch.optim.Adam(net.parameters(), 0.01),
    "amsgrad": lambda net: torch.optim.Adam(net.parameters(), 0.01, amsgrad=True, fused=True),
    "sgd without momentum": lambda net: optimizers.SGD(net.parameters(), 0.1, fused=True),
    "two rates": lambda net: optimizers.AdamW(
        [{"params": [net[0].bias, net[2].weight]}, {"params": [net[0].weight, net[2].bias], "lr": 0.002}], 0.01,
        betas=(0.8, 0.99), fused=True,
    ),
}  # fmt: skip


def trained(maker, by_hand, steps=100, dtype=torch.float64, sizes=(5, 16, 4), unit="tanh", rows=32):
    net = network(sizes, unit, dtype)
    optimizer, flat = maker(net), flat_of(net, unit)
    for step in range(steps):
        x, y = batch(sizes, rows, seed=step, dtype=dtype)
        for group in optimizer.param_groups:
            group["lr"] *= 0.99
        if by_hand:
            gradient(flat, x, y)
            flat.step(optimizer)
        else:
            optimizer.zero_grad()
            LOSSES["cross-entropy"](net(x), y).backward()
            optimizer.step()
    return net, optimizer


@pytest.mark.parametrize("name", MAKERS)
def test_a_hundred_steps_are_those_of_autograd_and_torch(name):
    (ours, mine), (theirs, other) = (trained(MAKERS[name], by_hand) for by_hand in (True, False))
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)
    one, two = mine.state_dict(), other.state_dict()
    assert one["param_groups"] == two["param_groups"] and one["state"].keys() == two["state"].keys()
    for key, entries in two["state"].items():
        assert one["state"][key].keys() == entries.keys()
        for entry, value in entries.items():
            torch.testing.assert_close(one["state"][key][entry], value, atol=1e-12, rtol=1e-11)


@pytest.mark.parametrize(("name", "most"), [("adamw", 1e-5), ("sgd", 1e-6)])
def test_float32_drifts_by_rounding_alone(name, most):
    """Adam divides by the roots of small squares, so that rounding grows: after 100 steps 3e-7, of SGD 3e-8."""
    size = {"dtype": torch.float32, "sizes": (20, 64, 64, 4), "unit": "relu"}
    (ours, _), (theirs, _) = (trained(MAKERS[name], by_hand, **size) for by_hand in (True, False))
    assert max((a - b).abs().max().item() for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)) < most


def test_the_module_stays_a_module():
    net = network((4, 6, 3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    flat, (x, y) = flat_of(net), batch((4, 6, 3), 5)
    gradient(flat, x, y)
    assert list(net.state_dict()) == list(before) and flat.state_dict() == {}
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert all(p.is_contiguous() and p.is_leaf and p.requires_grad for p in net.parameters())
    assert sum(p.numel() for p in net.parameters()) == flat.size == len(flat.vector)
    twin = copy.deepcopy(net)
    flat.vector.mul_(2)
    assert all(torch.equal(2 * a, b) for a, b in zip(twin.parameters(), net.parameters(), strict=True))
    restored = safetensors.torch.load(safetensors.torch.save(net.state_dict()))
    assert all(torch.equal(restored[name], value) for name, value in net.state_dict().items())


def test_loaded_weights_are_seen_and_replaced_memory_too():
    net, other, (x, _) = network((4, 6, 3)), network((4, 6, 3), seed=5), batch((4, 6, 3), 5)
    flat = flat_of(net)
    flat(x.numpy())
    vector = flat.vector
    net.load_state_dict(other.state_dict())
    np.testing.assert_allclose(flat(x.numpy()).T, other(x).detach().numpy(), atol=1e-12)
    assert flat.vector is vector
    net.float()
    assert flat(x.numpy()).dtype == np.float32 and flat.vector is not vector
    net.double()
    with torch.no_grad():
        net[0].weight.data = other[0].weight.data * 3
    other[0].weight.data = net[0].weight.data.clone()
    np.testing.assert_allclose(flat(x.numpy()).T, other(x).detach().numpy(), atol=1e-6)
    assert gradient(flat, x, torch.zeros(5, dtype=torch.long)).dtype == torch.float64


@pytest.mark.parametrize("name", ["adamw", "sgd", "adam, coupled decay"])
def test_restored_optimizer_goes_on_to_the_same_bits(name):
    from deepcanon.engine.state import pack, unpack

    def steps(net, flat, optimizer, first, last):
        for step in range(first, last):
            gradient(flat, *batch((4, 6, 3), 5, seed=step))
            flat.step(optimizer)

    def begin():
        net = network((4, 6, 3))
        return net, flat_of(net), MAKERS[name](net)

    whole, half, again = begin(), begin(), begin()
    steps(*whole, 0, 20)
    steps(*half, 0, 8)
    steps(*again, 0, 3)  # it has vectors of its own already
    held: dict = {}
    tree = pack([half[0].state_dict(), half[2].state_dict()], held)
    saved = unpack(tree, safetensors.torch.load(safetensors.torch.save(held)))
    again[0].load_state_dict(saved[0])
    again[2].load_state_dict(saved[1])
    steps(*again, 8, 20)
    assert all(torch.equal(a, b) for a, b in zip(whole[0].parameters(), again[0].parameters(), strict=True))


def test_gradient_is_clipped_to_its_norm():
    net, (x, y) = network((4, 6, 3)), batch((4, 6, 3), 5)
    flat = flat_of(net)
    gradient(flat, x, y)
    whole = flat.gradient_vector.clone()
    norm = float(whole.norm())
    assert flat.clip(2 * norm) == pytest.approx(norm) and torch.equal(flat.gradient_vector, whole)
    assert flat.clip(norm / 2) == pytest.approx(norm)
    torch.testing.assert_close(flat.gradient_vector, whole / 2)
    flat.gradient_vector[0] = torch.inf
    with pytest.raises(FloatingPointError, match="no weight"):
        flat.clip(1.0)


def test_what_has_no_flat_vector_is_refused():
    shared = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="used twice"):
        FlatPerceptron([shared, shared])
    with pytest.raises(ValueError, match="no backward by hand for gelu"):
        FlatPerceptron([shared], "gelu")
    with pytest.raises(ValueError, match="with a bias"):
        FlatPerceptron([nn.Linear(3, 3, bias=False)])
    with pytest.raises(ValueError, match="of one type"):
        FlatPerceptron([shared, nn.Linear(3, 3, dtype=torch.float64)])(np.ones((1, 3)))
