"""Optimizers by name."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from deepcanon.foundations.adagrad import Adagrad
from deepcanon.foundations.gradient_descent import GradientDescent
from deepcanon.foundations.momentum import Momentum
from deepcanon.foundations.weight_decay import decay_groups
from deepcanon.options import Optimization
from deepcanon.parts.optimizers import SGD, Adadelta, AdamW

__all__ = ["OPTIMIZERS", "optimizer_of", "set_rate"]

Builder = Callable[[Any, Optimization, tuple[float, float]], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Builder] = {
    "sgd": lambda groups, options, betas: SGD(
        groups, options.learning_rate, options.momentum, nesterov=options.momentum > 0, fused=True
    ),
    "adamw": lambda groups, options, betas: AdamW(groups, options.learning_rate, betas, fused=True),
    "gradient-descent": lambda groups, options, betas: GradientDescent(groups, options.learning_rate),
    "momentum": lambda groups, options, betas: Momentum(groups, options.learning_rate, options.momentum),
    "nesterov": lambda groups, options, betas: Momentum(groups, options.learning_rate, options.momentum, nesterov=True),
    "adagrad": lambda groups, options, betas: Adagrad(groups, options.learning_rate),
    "adadelta": lambda groups, options, betas: Adadelta(groups, options.learning_rate, rho=0.95),
}
"""From parameter groups, options and the two decay rates of Adam's averages to an optimizer."""


def optimizer_of(
    options: Optimization,
    *modules: nn.Module,
    betas: tuple[float, float] = (0.9, 0.999),
    slower: Sequence[nn.Parameter] = (),
    share: float = 1.0,
) -> torch.optim.Optimizer:
    """The optimizer that the options name, for the parameters of some modules; biases and normalisation never decay.

    Args:
        slower: parameters whose learning rate is the share `share` of that of the others.
    """
    groups = [group for module in modules for group in decay_groups(module, options.weight_decay)]
    if slower:
        slow = {id(parameter) for parameter in slower}
        parts = [(group, rate, kind) for group in groups for rate, kind in ((1.0, False), (share, True))]
        groups = [
            {**group, "params": [p for p in group["params"] if (id(p) in slow) is kind], "share": rate}
            for group, rate, kind in parts
        ]
        groups = [group for group in groups if group["params"]]
    return OPTIMIZERS[options.optimizer](groups, options, betas)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Gives every parameter group its learning rate in this step."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)
