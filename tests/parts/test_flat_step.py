"""The step on a flat vector is the oracle's Adam, AdamW and SGD; the state stays the optimizer's."""

import numpy as np
import pytest
import torch
from oracles import flat_perceptron as oracle

from deepcanon.parts.flat_step import FlatStep, stretches

GRADIENTS = [np.random.default_rng(t).normal(size=10) for t in range(12)]
START = np.linspace(-1, 1, 10)
CASES = {
    "adam": (lambda p: torch.optim.Adam(p, 0.05, fused=True), lambda: oracle.adam(START, GRADIENTS, 0.05)),
    "adam with decay": (
        lambda p: torch.optim.Adam(p, 0.05, weight_decay=0.3, fused=True),
        lambda: oracle.adam(START, GRADIENTS, 0.05, decay=0.3),
    ),
    "adamw": (
        lambda p: torch.optim.AdamW(p, 0.05, (0.7, 0.95), weight_decay=0.3, fused=True),
        lambda: oracle.adam(START, GRADIENTS, 0.05, (0.7, 0.95), decay=0.3, decoupled=True),
    ),
    "sgd": (
        lambda p: torch.optim.SGD(p, 0.05, fused=True),
        lambda: oracle.sgd(START, GRADIENTS, 0.05),
    ),
    "momentum": (
        lambda p: torch.optim.SGD(p, 0.05, 0.8, weight_decay=0.3, fused=True),
        lambda: oracle.sgd(START, GRADIENTS, 0.05, 0.8, decay=0.3),
    ),
    "nesterov": (
        lambda p: torch.optim.SGD(p, 0.05, 0.8, nesterov=True, fused=True),
        lambda: oracle.sgd(START, GRADIENTS, 0.05, 0.8, nesterov=True),
    ),
}


def vectors():
    vector, gradient = torch.tensor(START), torch.zeros(10, dtype=torch.float64)
    parameters = [torch.nn.Parameter(part) for part in (vector[:6].view(2, 3), vector[6:])]
    for parameter, slope in zip(parameters, stretches(gradient, parameters), strict=True):
        parameter.grad = slope
    return vector, gradient, parameters


@pytest.mark.parametrize("name", CASES)
def test_steps_are_the_oracles(name):
    make, expected = CASES[name]
    vector, gradient, parameters = vectors()
    step = FlatStep(make(parameters), parameters, vector, gradient)
    assert step.by_kernel
    for g in GRADIENTS:
        gradient.copy_(torch.tensor(g))
        step()
    np.testing.assert_allclose(vector.numpy(), expected(), atol=1e-12)
    np.testing.assert_allclose(parameters[1].detach().numpy(), vector[6:].numpy())


def test_an_optimizer_of_fewer_parameters_takes_its_own_step():
    vector, gradient, parameters = vectors()
    step = FlatStep(torch.optim.SGD(parameters[:1], 1.0, fused=True), parameters, vector, gradient)
    gradient.fill_(1.0)
    step()
    assert not step.by_kernel
    np.testing.assert_allclose(vector.numpy(), np.concatenate([START[:6] - 1, START[6:]]))


def test_loaded_state_is_another():
    vector, gradient, parameters = vectors()
    adam = torch.optim.Adam(parameters, 0.1, fused=True)
    step = FlatStep(adam, parameters, vector, gradient)
    assert step.holds(adam)
    adam.load_state_dict(adam.state_dict())
    assert not step.holds(adam) and not step.holds(torch.optim.Adam(parameters, 0.1, fused=True))
