"""Weight decay: one half of lambda, L2 against decoupled, who takes part, ridge in closed form, and refusals."""

import math

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import weight_decay as oracle
from torch import nn

from deepcanon.foundations import Adagrad, GradientDescent, Momentum, l2_penalty, ridge_solution
from deepcanon.foundations.weight_decay import decay_groups, l2_gradients, shrink_


def regression(examples=30, features=6, outputs=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(examples, features, generator=generator, dtype=torch.float64) + 0.5
    w = torch.randn(features, outputs, generator=generator, dtype=torch.float64)
    noise = torch.randn(examples, outputs, generator=generator, dtype=torch.float64)
    return x, x @ w - 3 + noise


def test_the_gradient_of_the_penalty_is_lambda_times_the_weights():
    weights = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    auto = torch.autograd.grad(l2_penalty(weights, 0.3), weights)
    zeros = [torch.zeros_like(w) for w in weights]
    for mine, other, weight in zip(l2_gradients(weights, zeros, 0.3), auto, weights, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-15, rtol=0)
        torch.testing.assert_close(mine, 0.3 * weight, atol=1e-15, rtol=0)
    assert all((zero == 0).all() for zero in zeros)


def descend(make, decay_in, steps=50):
    """Weights after training a linear model; `decay_in` says how the decay 0.3 enters."""
    x, y = regression()
    weight = torch.full((2, 6), 0.5, dtype=torch.float64, requires_grad=True)
    option = {"weight_decay": 0.3} if decay_in == "option" else {}
    optimizer = make([weight], **option)
    rate = optimizer.param_groups[0]["lr"]
    for _ in range(steps):
        optimizer.zero_grad()
        loss = 0.5 * (x @ weight.T - y).square().sum(1).mean()
        (loss + l2_penalty([weight], 0.3) if decay_in == "loss" else loss).backward()
        if decay_in == "gradient":
            weight.grad = l2_gradients([weight], [weight.grad], 0.3)[0]
        if decay_in == "decoupled":
            shrink_([weight], rate, 0.3)
        optimizer.step()
    return weight.detach()


OPTIMIZERS = {
    "descent": lambda given, **options: GradientDescent(given, 0.05, **options),
    "momentum": lambda given, **options: Momentum(given, 0.05, **options),
    "adagrad": lambda given, **options: Adagrad(given, 0.05, **options),
    "torch-sgd": lambda given, **options: torch.optim.SGD(given, 0.05, **options),
    "adam": lambda given, **options: torch.optim.Adam(given, 0.05, **options),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_penalty_gradient_and_option_are_one_convention(name):
    ends = [descend(OPTIMIZERS[name], way) for way in ("loss", "gradient", "option")]
    torch.testing.assert_close(ends[1], ends[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(ends[2], ends[0], atol=1e-12, rtol=0)
    assert (ends[0] - descend(OPTIMIZERS[name], "none")).abs().max() > 0.01


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decoupled_decay_is_l2_under_plain_descent_only(name):
    gap = (descend(OPTIMIZERS[name], "decoupled") - descend(OPTIMIZERS[name], "gradient")).abs().max().item()
    if name in ("descent", "torch-sgd"):
        assert gap < 1e-13
    else:
        assert gap > 1e-3


def test_shrinking_before_adam_is_adamw():
    theirs = descend(lambda given: torch.optim.AdamW(given, 0.05, weight_decay=0.3), "none")
    torch.testing.assert_close(descend(OPTIMIZERS["adam"], "decoupled"), theirs, atol=1e-13, rtol=0)


def test_under_adam_l2_spares_weights_with_large_gradients():
    """Gradients of mean zero and sizes 1 and 100: decoupled decay shrinks both weights alike, L2 the calm one."""
    rng = np.random.default_rng(0)
    gradients = rng.choice([-1.0, 1.0], size=(400, 2)) * np.array([1.0, 100.0])
    start = np.array([1.0, 1.0])
    calm, wild = oracle.adam(start, gradients, 1e-3, 1.0, False) - oracle.adam(start, gradients, 1e-3, 0.0, False)
    assert calm < 20 * wild < 0
    calm, wild = oracle.adam(start, gradients, 1e-3, 1.0, True) - oracle.adam(start, gradients, 1e-3, 0.0, True)
    assert calm == pytest.approx(wild, rel=0.1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.conv = nn.Conv1d(4, 4, 3)
        self.batch_norm = nn.BatchNorm1d(4)
        self.layer_norm = nn.LayerNorm((4, 5))  # scales of two axes
        self.hidden = nn.Linear(4, 4)
        self.output = nn.Linear(4, 7)
        self.output.weight = self.embedding.weight  # tied
        self.temperature = nn.Parameter(torch.ones(()))
        self.frozen = nn.Parameter(torch.ones(3, 3), requires_grad=False)


def test_biases_and_normalisation_are_free_by_default():
    net = Net()
    decayed, free = decay_groups(net, 0.01)
    names = {id(p): name for name, p in net.named_parameters()}
    assert [names[id(p)] for p in decayed["params"]] == ["embedding.weight", "conv.weight", "hidden.weight"]
    assert {names[id(p)] for p in free["params"]} == {
        "temperature", "conv.bias", "batch_norm.weight", "batch_norm.bias", "layer_norm.weight", "layer_norm.bias",
        "hidden.bias", "output.bias",
    }  # fmt: skip
    assert decayed["weight_decay"] == 0.01 and free["weight_decay"] == 0.0


def test_free_parameters_do_not_move_without_a_gradient():
    net = Net()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    GradientDescent(decay_groups(net, 0.5), 0.1).step()
    for name, p in net.named_parameters():
        decays = name in ("embedding.weight", "conv.weight", "hidden.weight")
        torch.testing.assert_close(p.detach(), before[name] * (0.95 if decays else 1.0))


def test_the_rule_can_be_replaced():
    net = Net()
    decayed, free = decay_groups(net, 0.01, exclude=lambda name, parameter: name == "embedding.weight")
    assert [p is net.embedding.weight for p in free["params"]] == [True]
    assert len(decayed["params"]) == 10


@pytest.mark.parametrize(("examples", "features"), [(30, 6), (5, 9)])
def test_descent_with_l2_reaches_the_closed_form(examples, features):
    """A12: to 1e-8, bias not penalised; also with fewer examples than features."""
    x, y = regression(examples, features)
    exact = ridge_solution(x, y, 0.2)
    weight = torch.zeros(2, features, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = Momentum([{"params": [weight], "weight_decay": 0.2}, {"params": [bias]}], 0.05, nesterov=True)
    for _ in range(1500):
        optimizer.zero_grad()
        (0.5 * (x @ weight.T + bias - y).square().sum(1).mean()).backward()
        optimizer.step()
    torch.testing.assert_close(weight.detach(), exact.weight, atol=1e-8, rtol=0)
    torch.testing.assert_close(bias.detach(), exact.bias, atol=1e-8, rtol=0)


def test_ridge_shifts_with_the_targets_and_shrinks_with_lambda():
    x, y = regression()
    one, other = ridge_solution(x, y, 0.2), ridge_solution(x, y + 100, 0.2)
    torch.testing.assert_close(one.weight, other.weight, atol=1e-11, rtol=0)
    torch.testing.assert_close(one.bias + 100, other.bias, atol=1e-11, rtol=0)
    norms = [ridge_solution(x, y, decay).weight.norm().item() for decay in (0.0, 0.01, 0.1, 1.0, 10.0)]
    assert norms == sorted(norms, reverse=True) and norms[-1] < 0.2 * norms[0]


def test_the_best_lambda_of_a_linear_student():
    """Krogh and Hertz: noise^2 / (n spread^2) has the least expected error, exact and simulated."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 15))
    x -= x.mean(0)
    values = np.linalg.eigvalsh(x.T @ x / 20)
    best = oracle.best_decay(2.0, 20, 0.7)
    risks = [oracle.ridge_risk(values, share * best, 2.0, 20, 0.7) for share in (0.5, 0.9, 1.0, 1.1, 2.0)]
    assert min(risks) == risks[2]
    errors = []
    for _ in range(400):
        w = 0.7 * rng.normal(size=(15, 1))
        y = x @ w + 2 * rng.normal(size=(20, 1))
        found = ridge_solution(torch.from_numpy(x), torch.from_numpy(y), best).weight.T.numpy()
        errors.append(((found - w) ** 2).sum())
    assert np.mean(errors) == pytest.approx(risks[2], rel=0.05)


def test_refusals(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the user has no run-time check of shapes
    x, y = regression(4, 6)
    with pytest.raises(ValueError, match="4 examples do not determine 6 weights"):
        ridge_solution(x, y, 0.0)
    with pytest.raises(ValueError, match=r"inputs \(4, 6\) and targets \(3, 2\)"):
        ridge_solution(x, y[:3], 0.1)
    with pytest.raises(ValueError, match="finite"):
        ridge_solution(x * math.nan, y, 0.1)
    weight = torch.ones(2, 2)
    for decay in (-0.1, math.nan, math.inf):
        for call in (
            lambda decay: l2_penalty([weight], decay),
            lambda decay: l2_gradients([weight], [weight], decay),
            lambda decay: decay_groups(nn.Linear(2, 2), decay),
            lambda decay: ridge_solution(x, y, decay),
            lambda decay: shrink_([weight], 0.1, decay),
        ):
            with pytest.raises(ValueError, match="a decay is finite"):
                call(decay)
    with pytest.raises(ValueError, match="change their sign"):
        shrink_([weight], 2.0, 0.7)
    with pytest.raises(ValueError, match="no weights"):
        l2_penalty([], 0.1)
    with pytest.raises(ValueError, match=r"\[\(2, 2\)\] and gradients \[\(3, 2\)\]"):
        l2_gradients([weight], [torch.ones(3, 2)], 0.1)
