"""Initial weights by name."""

from collections.abc import Callable

from torch import nn

from deepcanon.foundations.initialization import initialize

__all__ = ["INITIALIZERS"]

INITIALIZERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "he": lambda module: module,  # as the systems of this package draw their weights themselves
    "glorot": lambda module: initialize(module, "glorot"),
    "orthogonal": lambda module: initialize(module, "orthogonal"),
    "small": lambda module: initialize(module, "small"),
    "zero": lambda module: initialize(module, "zero"),
    "lecun": lambda module: initialize(module, "he", nonlinearity="linear"),  # variance 1 / fan_in
}
"""Sets the weights of a module in place; biases begin at 0."""
