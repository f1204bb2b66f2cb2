"""torch's optimizers without the import of its compiler: the same updates, and a first step that does not wait for it.

`torch.optim` marks its methods as not to be compiled, and to do so imports the compiler at the first call, which takes
as long as importing torch. These classes take the methods without the mark. Use torch's own where the optimizer's step
itself is compiled.

    >>> import torch
    >>> from deepcanon.parts.optimizers import SGD
    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> optimizer = SGD([weight], lr=0.5)
    >>> weight.grad = torch.ones(1)
    >>> optimizer.step()
    >>> weight.item()
    0.5
"""

import inspect
from typing import Any

import torch

__all__ = ["LBFGS", "SGD", "Adadelta", "Adam", "AdamW", "Optimizer"]


def _plain(method: Any) -> Any:
    """The function under all its decorators."""
    return inspect.unwrap(method)


class Optimizer(torch.optim.Optimizer):
    """The base class of your own optimizers."""

    add_param_group = _plain(torch.optim.Optimizer.add_param_group)
    state_dict = _plain(torch.optim.Optimizer.state_dict)
    load_state_dict = _plain(torch.optim.Optimizer.load_state_dict)
    zero_grad = _plain(torch.optim.Optimizer.zero_grad)


class SGD(Optimizer, torch.optim.SGD):
    step = torch.no_grad()(_plain(torch.optim.SGD.step))


class Adadelta(Optimizer, torch.optim.Adadelta):
    step = torch.no_grad()(_plain(torch.optim.Adadelta.step))


class Adam(Optimizer, torch.optim.Adam):
    step = torch.no_grad()(_plain(torch.optim.Adam.step))


class AdamW(Optimizer, torch.optim.AdamW):
    step = torch.no_grad()(_plain(torch.optim.AdamW.step))


class LBFGS(Optimizer, torch.optim.LBFGS):
    step = torch.no_grad()(_plain(torch.optim.LBFGS.step))
