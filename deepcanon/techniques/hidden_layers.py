"""What stands in the hidden layers of a deep fully connected classifier, by name: one host for four techniques.

The recipe `mlp` is the host. A hidden layer is built from three tables and that of the activations, which the options
name; each technique is an experiment that trains the host in several forms, on the same data from the same seeds:

    batch-norm     W, normalisation, activation        --normalization none | batch
    activations    W, activation; or a maxout layer    --activation relu | leaky-relu | prelu ...; --layer maxout
    selu           W, SELU, alpha-dropout              --activation selu --initialization lecun --dropout-kind alpha
    highway        H T + x (1 - T)                     --layer highway --transform-bias -2

The four system files read alike: equations of the values, of the gradient where the paper gives it, then modules. They
do not import each other; what two of them need (noise of the global batch, its statistics) is in `parts`.
"""

from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from deepcanon.errors import UsageError
from deepcanon.foundations.dropout import Dropout
from deepcanon.foundations.mlp import MLP
from deepcanon.options import HiddenLayers
from deepcanon.parts.batch_norm import BatchNorm1d
from deepcanon.parts.flat_perceptron import ACTIVATIONS as WRITTEN_OUT
from deepcanon.techniques.activations import ACTIVATIONS
from deepcanon.vision.activations import Maxout
from deepcanon.vision.highway import Highway
from deepcanon.vision.selu import AlphaDropout

__all__ = [
    "DROPOUTS",
    "HIDDEN_LAYERS",
    "NORMALIZATIONS",
    "check_hidden_layers",
    "parameters_of",
    "perceptron",
    "written_out_layers",
]

NORMALIZATIONS: dict[str, Callable[[int], nn.Module] | None] = {"none": None, "batch": BatchNorm1d}
"""From a number of units to a module that stands between a linear map and its activation."""

DROPOUTS: dict[str, Callable[[float], nn.Module]] = {"standard": Dropout, "alpha": AlphaDropout}
"""From the probability of a drop to a module."""


def _maxout(before: int, after: int, options: HiddenLayers) -> nn.Module:
    return Maxout(before, after, pieces=options.pieces)


def _highway(before: int, after: int, options: HiddenLayers) -> nn.Module | None:
    if before != after:  # nothing can be passed on
        return None
    return Highway(after, transform_bias=options.transform_bias, activation=ACTIVATIONS[options.activation])


HIDDEN_LAYERS: dict[str, Callable[[int, int, HiddenLayers], nn.Module | None]] = {
    "plain": lambda before, after, options: None,
    "maxout": _maxout,
    "highway": _highway,
}
"""From sizes and options to a whole hidden layer; None: a linear map, normalisation and activation."""


def check_hidden_layers(options: HiddenLayers, hidden: tuple[int, ...], batch: int) -> None:
    """Raises UsageError where options do not fit each other or the layers."""
    if options.normalization == "batch" and batch < 2:
        raise UsageError("--batch 1: batch normalisation needs at least two examples in a step")
    if options.layer == "highway" and not any(a == b for a, b in pairwise(hidden)):
        raise UsageError("--layer highway needs neighbours of equal width, such as --hidden 50 50 50")


def perceptron(
    options: HiddenLayers, features: int, classes: int, *, hidden: tuple[int, ...], dropout: float, input_dropout: float
) -> MLP:
    """The multilayer perceptron that the options describe.

    Args:
        features: values of an input.
        hidden: units of each hidden layer.
        dropout, input_dropout: probabilities of dropping a hidden unit and an input.
    """
    return MLP(
        features,
        classes,
        hidden=hidden,
        dropout=dropout,
        input_dropout=input_dropout,
        activation=ACTIVATIONS[options.activation],
        normalization=NORMALIZATIONS[options.normalization],
        layer=lambda before, after: HIDDEN_LAYERS[options.layer](before, after, options),
        dropout_layer=DROPOUTS[options.dropout_kind],
    )


def parameters_of(options: dict[str, Any], features: int, classes: int) -> int:
    """Learned numbers of the perceptron that some options of the recipe `mlp` describe.

    Args:
        options: "hidden", and of `HiddenLayers` what is not at its default.
    """
    own = {name: value for name, value in options.items() if name in {f.name for f in fields(HiddenLayers)}}
    sizes: dict[str, Any] = {"hidden": tuple(options["hidden"]), "dropout": 0.0, "input_dropout": 0.0}
    with torch.device("meta"):
        return sum(p.numel() for p in perceptron(HiddenLayers(**own), features, classes, **sizes).parameters())


def written_out_layers(options: HiddenLayers) -> bool:
    """Whether `parts.flat_perceptron` has hidden layers of this kind."""
    return options.layer == "plain" and options.normalization == "none" and options.activation in WRITTEN_OUT
