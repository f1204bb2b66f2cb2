import subprocess
import sys

import pytest
import torch

from deepcanon.parts import optimizers

OPTIONS = {
    "SGD": [{"lr": 0.1}, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "fused": True}],
    "Adam": [{"lr": 0.1}, {"lr": 0.1, "fused": True}],
    "AdamW": [{"lr": 0.1, "weight_decay": 0.2, "fused": True}],
    "LBFGS": [{"lr": 1.0, "max_iter": 3, "line_search_fn": "strong_wolfe"}],
}


def descend(optimizer_class, options, steps, state=None):
    weight = torch.nn.Parameter(torch.arange(4, dtype=torch.float64))
    optimizer = optimizer_class([weight], **options)

    def closure():
        optimizer.zero_grad()
        loss = (weight - 1).pow(4).sum()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return weight.detach(), optimizer


@pytest.mark.parametrize(("name", "options"), [(name, one) for name, some in OPTIONS.items() for one in some])
def test_the_updates_and_the_state_are_those_of_torch(name, options):
    ours, mine = descend(getattr(optimizers, name), options, 4)
    theirs, their = descend(getattr(torch.optim, name), options, 4)
    assert torch.equal(ours, theirs)
    assert str(mine.state_dict()) == str(their.state_dict())
    other = descend(getattr(optimizers, name), options, 0)[1]
    other.load_state_dict(their.state_dict())
    assert str(other.state_dict()) == str(their.state_dict())


def test_no_step_imports_the_compiler():
    code = """
import sys, torch
from deepcanon.parts.optimizers import LBFGS, SGD, Adam, AdamW
from deepcanon.foundations import Adagrad, GradientDescent, Momentum
for kind in (LBFGS, SGD, Adam, AdamW, Adagrad, GradientDescent, lambda p, lr: Momentum(p, lr, 0.9)):
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = kind([weight], lr=0.1)
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.zero_grad()
    weight.grad = torch.ones(2)
    optimizer.step(lambda: torch.zeros(()))
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
