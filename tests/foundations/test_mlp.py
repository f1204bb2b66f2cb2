"""Backpropagation by hand: equal to autograd and to finite differences, and the bugs that this must catch."""

import numpy as np
import pytest
import torch
from contract.trainees import in_float64, start, steps_of, trainee
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import mlp as oracle
from torch import nn

from deepcanon.errors import UsageError
from deepcanon.foundations import MLP, mlp


def explicit(net, x, y):
    """Loss, gradient of the input and gradients by name, without autograd."""
    logits, caches = mlp.forward_cached(net.layers, x)
    loss, cache = mlp.cross_entropy_forward(logits, y)
    grad_x, grads = mlp.backward_cached(net.layers, caches, mlp.cross_entropy_backward(cache))
    return loss, grad_x, {name: grads[parameter] for name, parameter in net.named_parameters()}


def automatic(net, x, y):
    x = x.clone().requires_grad_()
    loss = nn.functional.cross_entropy(net(x), y)
    names, parameters = zip(*net.named_parameters(), strict=True)
    grad_x, *grads = torch.autograd.grad(loss, (x, *parameters))
    return loss.detach(), grad_x, dict(zip(names, grads, strict=True))


def disagreement(ours, theirs):
    """The largest absolute difference over the loss, the input's gradient and every parameter's; inf by shape."""
    pairs = [(ours[0], theirs[0]), (ours[1], theirs[1]), *((ours[2][name], theirs[2][name]) for name in theirs[2])]
    if any(mine.shape != other.shape for mine, other in pairs):
        return float("inf")
    return max((mine - other).abs().max().item() for mine, other in pairs)


def problem(seed, batch=6, features=4, classes=3, hidden=(5, 5)):
    torch.manual_seed(seed)
    net = MLP(features, classes, hidden=hidden, dtype=torch.float64)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return net, torch.randn(batch, features, dtype=torch.float64), torch.randint(classes, (batch,))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 9),
    features=st.integers(1, 7),
    classes=st.integers(1, 6),
    hidden=st.lists(st.integers(1, 8), max_size=4).map(tuple),
)
def test_explicit_equals_autograd(seed, batch, features, classes, hidden):
    net, x, y = problem(seed, batch, features, classes, hidden)
    assert disagreement(explicit(net, x, y), automatic(net, x, y)) < 1e-10


def test_explicit_equals_finite_differences_of_the_oracle():
    net, x, y = problem(0)
    loss, grad_x, grads = explicit(net, x, y)
    params, inputs = {k: v.numpy().copy() for k, v in net.state_dict().items()}, x.numpy().copy()
    assert abs(loss.item() - oracle.loss(params, inputs, y.numpy())) < 1e-12

    def objective():
        return oracle.loss(params, inputs, y.numpy())

    for mine, array in [(grad_x, inputs), *((grads[name], params[name]) for name in params)]:
        np.testing.assert_allclose(mine.numpy(), oracle.numerical_gradient(objective, array), atol=1e-8)


BUGS = {
    "transposed weight": ("linear_backward", lambda cache, g: (g @ cache[1].T, g.T @ cache[0], g.sum(0))),
    "transposed weight gradient": ("linear_backward", lambda cache, g: (g @ cache[1], (g.T @ cache[0]).T, g.sum(0))),
    "missing bias gradient": ("linear_backward", lambda cache, g: (g @ cache[1], g.T @ cache[0], 0 * g.sum(0))),
    "bias gradient averaged": ("linear_backward", lambda cache, g: (g @ cache[1], g.T @ cache[0], g.mean(0))),
    "input instead of mask": ("relu_backward", lambda cache, g: g),
    "mask of the gradient": ("relu_backward", lambda cache, g: g.relu()),
    "missing 1/m": ("cross_entropy_backward", lambda cache, g=1.0: (
        cache[0].exp() - nn.functional.one_hot(cache[1], cache[0].shape[1]))),
    "one-hot forgotten": ("cross_entropy_backward", lambda cache, g=1.0: cache[0].exp() / len(cache[1])),
    "sign": ("cross_entropy_backward", lambda cache, g=1.0: (
        nn.functional.one_hot(cache[1], cache[0].shape[1]) - cache[0].exp()) / len(cache[1])),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_caught(bug, monkeypatch):
    net, x, y = problem(1)
    assert disagreement(explicit(net, x, y), automatic(net, x, y)) < 1e-10
    monkeypatch.setattr(mlp, *BUGS[bug])
    try:
        wrong = disagreement(explicit(net, x, y), automatic(net, x, y))
    except (ValueError, RuntimeError):
        return  # a shape that does not fit is a bug that announces itself
    assert wrong > 1e-3


def test_two_forwards_before_a_backward_do_not_overwrite_each_other():
    net, x, _ = problem(2)
    other, ones = torch.randn_like(x), torch.ones(len(x), 3, dtype=x.dtype)
    alone = [mlp.backward_cached(net.layers, mlp.forward_cached(net.layers, value)[1], ones) for value in (x, other)]
    first, second = mlp.forward_cached(net.layers, x)[1], mlp.forward_cached(net.layers, other)[1]
    for caches, (grad_x, grads) in zip((first, second), alone, strict=True):
        again_x, again = mlp.backward_cached(net.layers, caches, ones)
        assert torch.equal(again_x, grad_x) and all(torch.equal(again[p], grads[p]) for p in grads)


def test_caches_are_freed_and_serve_once():
    net, x, _ = problem(3)
    outputs, caches = mlp.forward_cached(net.layers, x)
    mlp.backward_cached(net.layers, caches, torch.ones_like(outputs))
    assert caches == []
    with pytest.raises(ValueError, match="0 caches for 5 layers"):
        mlp.backward_cached(net.layers, caches, torch.ones_like(outputs))


def test_a_shared_layer_accumulates():
    torch.manual_seed(4)
    shared = nn.Linear(4, 4, dtype=torch.float64)
    layers = nn.Sequential(shared, nn.ReLU(), shared, nn.ReLU(), shared)
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    outputs, caches = mlp.forward_cached(layers, x)
    weights = torch.randn_like(outputs)
    grad_x, grads = mlp.backward_cached(layers, caches, weights)
    auto = torch.autograd.grad((layers(x) * weights).sum(), (x, shared.weight, shared.bias))
    assert len(grads) == 2
    for mine, theirs in zip((grad_x, grads[shared.weight], grads[shared.bias]), auto, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=0)


def test_dropout_by_hand_keeps_the_mean_and_masks_the_gradient():
    generator = torch.Generator().manual_seed(0)
    x = torch.ones(200, 200, dtype=torch.float64)
    y, cache = mlp.dropout_forward(x, 0.3, generator)
    assert abs(y.mean().item() - 1) < 0.02
    assert torch.equal(mlp.dropout_backward(cache, x), y)
    net = MLP(4, 3, hidden=(8,), dropout=0.5).eval()
    assert torch.equal(mlp.forward_cached(net.layers, x[:5, :4].float())[0], net(x[:5, :4].float()))


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="Tanh"):
        mlp.forward_cached([nn.Tanh()], torch.zeros(1, 1))


# The recipe


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "adamw", "weight_decay": 0.01, "learning_rate": 0.01, "activation": "tanh"},
        {"loss": "squared", "activation": "sigmoid", "hidden": ()},
        {"optimizer": "adagrad", "loss": "squared", "max_norm": 0.5},
    ],
)
def test_the_ways_of_the_recipe_are_equal(options):
    ways = ["flat", "autograd", "explicit"] if not options else ["flat", "autograd"]
    traces = {}
    for way in ways:
        of = trainee("mlp").with_({**options, "backward": way})
        recipe, take_step = start(of, 40)
        in_float64(recipe)
        traces[way] = [row["loss"] for row in steps_of(recipe, take_step, 40)]
        assert recipe.by_hand is (way == "flat")
    for way in ways[1:]:
        np.testing.assert_allclose(traces["flat"], traces[way], rtol=1e-10)


def test_dropout_leaves_it_to_autograd():
    recipe, _ = start(trainee("mlp").with_({"dropout": 0.2}), 5)
    assert not recipe.by_hand
    with pytest.raises(UsageError, match="flat does not support dropout"):
        start(trainee("mlp").with_({"dropout": 0.2, "backward": "flat"}), 5)
