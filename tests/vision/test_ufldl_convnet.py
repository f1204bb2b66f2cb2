"""UFLDL's network: the error through mean pooling, decay on weights alone, momentum and rate, the exercise's sizes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import ufldl_convnet as oracle

from deepcanon.foundations.momentum import Momentum
from deepcanon.foundations.weight_decay import decay_groups
from deepcanon.vision import UfldlConvNet
from deepcanon.vision.ufldl_convnet import halved_rate, raised_momentum


def small():
    torch.manual_seed(0)
    net = UfldlConvNet(1, 3, size=(8, 9), filters=2, kernel_size=3, dtype=torch.float64)
    torch.nn.init.normal_(net.convolution.bias)
    return net, torch.randn(5, 1, 8, 9, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])


def arrays(net):
    return {name: value.detach().numpy().copy() for name, value in net.named_parameters()}


def test_gradients_are_those_of_the_exercise_with_decay_on_weights_alone():
    net, x, labels = small()
    expected = oracle.gradients(arrays(net), x.numpy(), labels.numpy(), decay=0.3)
    F.cross_entropy(net(x), labels).backward()
    for group in decay_groups(net, 0.3):
        for parameter in group["params"]:
            parameter.grad += group["weight_decay"] * parameter.detach()
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), expected[name], atol=1e-12, err_msg=name)


def test_thirty_steps_are_those_of_the_starter_code():
    """v = m v + a g; theta -= v: the velocity keeps the rate with which a gradient entered."""
    net, x, labels = small()
    params, velocity = arrays(net), {name: 0.0 for name in arrays(net)}
    optimizer = Momentum(decay_groups(net, 0.01), 0.1, 0.5, rate_on_use=False)
    for step in range(30):
        rate, mu = 0.1 * halved_rate(step, 12.0), raised_momentum(step, 0.95)
        for group in optimizer.param_groups:
            group["lr"], group["momentum"] = rate, mu
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()
        found = oracle.gradients(params, x.numpy(), labels.numpy(), decay=0.01)
        for name, gradient in found.items():
            velocity[name] = (0.5 if step < 20 else 0.95) * velocity[name] + 0.1 / 2 ** (step // 12) * gradient
            params[name] -= velocity[name]
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), params[name], atol=1e-10, err_msg=name)


def test_momentum_rises_after_20_steps_and_the_rate_halves_with_each_epoch():
    assert [raised_momentum(step, 0.95) for step in (0, 19, 20)] == [0.5, 0.5, 0.95]
    assert [halved_rate(step, 234.375) for step in (0, 234, 235, 469)] == [1, 1, 0.5, 0.25]


def test_the_exercises_sizes():
    net = UfldlConvNet(1, 10)
    assert net.output.in_features == 10 * 10 * 20
    assert sum(p.numel() for p in net.parameters()) == 20 * 82 + 2001 * 10
    assert net.convolution.weight.std().item() == pytest.approx(0.1, rel=0.1)
    with pytest.raises(ValueError, match="8 x 8 are too small for filters of 9 x 9"):
        UfldlConvNet(1, 2, size=(8, 8))
    with pytest.raises(ValueError, match=r"expected \[batch, 1, 28, 28\]"):
        net(torch.zeros(1, 3, 28, 28))
