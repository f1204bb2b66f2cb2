"""Activations by name."""

from torch import nn

from deepcanon.vision.activations import ELU, LeakyReLU, PReLU, RReLU
from deepcanon.vision.selu import SELU

__all__ = ["ACTIVATIONS"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky-relu": LeakyReLU,
    "prelu": PReLU,
    "rrelu": RReLU,
    "elu": ELU,
    "selu": SELU,
}
"""From no arguments to a module that acts on each value by itself. Maxout units are layers: see `hidden_layers`."""
