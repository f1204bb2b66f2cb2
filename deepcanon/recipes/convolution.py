"""Convolution and pooling, forward and backward: compared with SciPy and torch at random shapes.

Task: each step draws a convolution layer (kernel 1 to 5, stride 1 to 3, valid, torch's or
TensorFlow's same padding, flipped kernel or not) and a pooling layer (max and mean, padding counted
or not, sizes rounded down or up), and compares outputs and all gradients in float64. Data: none.
Metrics: the largest relative differences; ours 2e-15 in 300 layers. The pictures show which pixels
each convention's windows see, for the --size, --kernel and --stride that you give. Two seconds.

    deepcanon train convolution --size 13 --kernel 6 --stride 5
"""

from dataclasses import dataclass
from typing import Any

from deepcanon.options import Count
from deepcanon.targets import metric, target

SYSTEM = "vision.convolution"
DATA = ("nothing",)
METRICS = {
    "outputs": metric("largest relative difference of the outputs from SciPy's", "", "min"),
    "inputs": metric("largest relative difference of the gradient of the inputs", "", "min"),
    "weights": metric("largest relative difference of the gradient of the weights", "", "min"),
    "biases": metric("largest relative difference of the gradient of the biases", "", "min"),
    "pooling": metric(
        "largest relative difference of pooling and its gradient from torch's", "", "min"
    ),
    "layers": metric("random layers that were compared"),
}
SCIPY = "scipy.signal.correlate2d and convolve2d, 300 random layers in float64"
TARGETS = (
    target("scipy", "worst test/outputs <= 1e-10", "X", SCIPY),
    target("scipy", "worst test/inputs <= 1e-10", "X", SCIPY),
    target("scipy", "worst test/weights <= 1e-10", "X", SCIPY),
    target("scipy", "worst test/biases <= 1e-10", "X", SCIPY),
    target("scipy", "worst test/pooling <= 1e-10", "X", "torch's max_pool2d and avg_pool2d"),
    target("scipy", "test/layers == 300 +- 0", "X", SCIPY),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    layers: Count = 300
    """Random convolution layers, and as many pooling layers, to compare."""
    size: Count = 6
    """Of the pictures: pixels along an axis."""
    kernel: Count = 3
    """Of the pictures: side of the filter."""
    stride: Count = 2
    """Of the pictures: pixels from one window to the next."""


PRESETS = {
    "smoke": (Config(layers=20), {}),
    "default": (Config(), {}),
    "paper": (Config(size=13, kernel=6, stride=5), {}),
    "verify:scipy": (Config(), {"threads": 1}),
}

import torch
from torch import nn

from deepcanon import engine
from deepcanon.errors import UsageError
from deepcanon.techniques.convolution_checks import (
    draw_layer,
    errors_of_layer,
    errors_of_pooling,
    filtered,
    windows,
)

COMPARED = ("outputs", "inputs", "weights", "biases", "pooling")


class Recipe(engine.Recipe[Config]):
    state = ("tally",)
    tally: Any
    parallel = "none: two seconds of work"
    splits = ("test",)

    @classmethod
    def learn(cls, config, data):
        if config.kernel > config.size:
            raise UsageError(f"--kernel {config.kernel} does not fit into --size {config.size}")
        return {}

    def build(self):
        self.tally = nn.Module()
        self.tally.register_buffer("layers", torch.zeros((), dtype=torch.int64))
        self.tally.register_buffer("worst", torch.zeros(len(COMPARED), dtype=torch.float64))

    def plan(self):
        return self.config.layers

    def step(self, step):
        """One random layer of each kind."""
        random = self.run.numpy("layer")
        found = errors_of_layer(draw_layer(random)) | {"pooling": errors_of_pooling(random)}
        errors = torch.tensor([found[name] for name in COMPARED], dtype=torch.float64)
        self.tally.layers.add_(1)
        self.tally.worst.copy_(torch.maximum(self.tally.worst, errors))
        return dict(zip(COMPARED, errors, strict=True))

    def evaluate(self, split):
        found = dict(zip(COMPARED, self.tally.worst, strict=True))
        return found | {"layers": self.tally.layers}

    def figures(self):
        config = self.config
        seen = windows(config.size, config.kernel, config.stride)
        return {"windows": seen, "filtered": filtered(min(config.kernel, 16))}
