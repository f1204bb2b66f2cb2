"""What an initialisation does to a deep network before any training: variances against depth.

Task: networks of equal layers are drawn again and again; standard normal inputs go forwards, a
standard normal gradient goes back. Each step is one draw of every scheme under every activation.
Data: none. Metrics: the variance of the units' inputs in the last layer divided by that in the
first, and of the gradient in the first divided by that in the last, means over draws; also their
lowest and highest values in between. Theory: constant for ReLU with He and for linear units with
Glorot; 0.0104 after 50 layers of tanh with Glorot; 0.0256 per layer for ReLU with N(0, 0.01) at
width 512; ours the same. Two minutes on one core.

    deepcanon train initialization --depth 30 --activations relu tanh --schemes he glorot orthogonal
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from deepcanon.options import Range, Some
from deepcanon.targets import metric, target

SYSTEM = "foundations.initialization"
DATA = ("nothing",)
METRICS = {
    "*_gradient_first": metric("variance of the gradient in the first layer over that in the last"),
    "*_gradient_low": metric("smallest variance of the gradient in a layer over that in the last"),
    "*_gradient_high": metric("largest variance of the gradient in a layer over that in the last"),
    "*_last": metric("variance of the units' inputs in the last layer over that in the first"),
    "*_low": metric("smallest variance of the units' inputs in a layer over that in the first"),
    "*_high": metric("largest variance of the units' inputs in a layer over that in the first"),
    "*_per_layer": metric("factor by which the variance of the units' inputs changes", "a layer"),
    "*": metric("variance of the units' inputs in the last layer over that in the first, so far"),
}
KEPT = {
    "relu_he": "He 2015, equations 10 and 14: kept in every layer",
    "linear_glorot": "Glorot 2010, equations 5 and 6: kept in every layer",
}
ENDS = ("low >= 0.5", "high <= 2", "gradient_low >= 0.5", "gradient_high <= 2")
TARGETS = (
    *(target("deep", f"test/{arm}_{end}", "X", why) for arm, why in KEPT.items() for end in ENDS),
    target("deep", "test/tanh_glorot_last == 0.0104 +- 0.002", "X", "Poole 2016: 1 / (2 layers)"),
    target("deep", "test/relu_small_per_layer == 0.0256 +- 0.001", "X", "512 * 0.01^2 / 2"),
    target("deep", "test/tanh_small_per_layer == 0.0512 +- 0.002", "X", "512 * 0.01^2"),
)
TWO = "[2, inf)"
Activation = Literal["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
Scheme = Literal["he", "glorot", "orthogonal", "identity", "small", "zero"]


@dataclass(frozen=True, kw_only=True)
class Config:
    depth: Annotated[int, Range(TWO)] = 50
    """Layers of each network."""
    width: Annotated[int, Range(TWO)] = 512
    """Units of every layer, and of the input."""
    activations: Some[Activation] = ("relu", "linear", "tanh")
    """Activations: linear, sigmoid, tanh, relu, leaky_relu, selu."""
    schemes: Some[Scheme] = ("he", "glorot", "orthogonal", "small")
    """Initialisations: he, glorot, orthogonal, identity, small, zero."""
    own_gain: bool = False
    """Scale by the gain of the activation (without: he for ReLU, the others for linear units)."""
    batch: Annotated[int, Range(TWO)] = 32
    """Inputs that go through each network."""
    draws: Annotated[int, Range(TWO)] = 20
    """Networks of each kind."""


FEW: dict = {"activations": ("relu", "tanh"), "schemes": ("he", "glorot"), "draws": 4}
PRESETS: dict = {
    "smoke": (Config(depth=8, width=32, batch=8, **FEW), {}),
    "default": (Config(width=256, draws=10), {}),
    "paper": (Config(activations=("tanh",), schemes=("glorot", "small"), depth=5, width=1000), {}),
    "verify:deep": (Config(schemes=("he", "glorot", "small")), {}),
}

import torch

from deepcanon import engine
from deepcanon.engine.shown import columns
from deepcanon.foundations.initialization import propagate
from deepcanon.techniques.layer_variances import spread_figure, variance_figure

TABLE = "Variance in the last layer over that in the first, of the gradient the other way round."
SHOWN, BINS = 5, 41  # histograms of so many layers, of so many bins


class Recipe(engine.Recipe[Config]):
    state = ("draws", "forward", "backward", "histograms", "ranges")
    splits = ("test",)
    parallel = "none: a minute of drawing"
    planned = "draws"

    def build(self):
        config = self.config
        self.arms = [(units, scheme) for units in config.activations for scheme in config.schemes]
        self.names = [f"{units}_{scheme}" for units, scheme in self.arms]
        self.shown = sorted({round(i * (config.depth - 1) / (SHOWN - 1)) for i in range(SHOWN)})
        self.draws = 0
        # Sums over draws of what a layer has; of the last draw, how its activations are spread.
        arms, shown = len(self.arms), len(self.shown)
        self.forward = torch.zeros(arms, config.depth, dtype=torch.float64)
        self.backward = torch.zeros_like(self.forward)
        self.histograms = torch.zeros(arms, shown, BINS, dtype=torch.float64)
        self.ranges = torch.zeros(arms, shown, 2, dtype=torch.float64)

    def step(self, step):
        measured = [self.measure(index, *arm) for index, arm in enumerate(self.arms)]
        forward, backward = torch.stack(measured).unbind(1)
        self.forward, self.backward = self.forward + forward, self.backward + backward
        self.draws += 1
        return dict(zip(self.names, self.curves()[0][:, -1], strict=True))

    def measure(self, index, units, scheme):
        """Mean squares [2, depth] of the units' inputs and of the gradient in them."""
        config, random = self.config, self.run.generator(f"{units}/{scheme}")
        how = {"nonlinearity_of_gain": units if config.own_gain else None}
        start = torch.randn(config.batch, config.width, generator=random, dtype=torch.float64)
        found = propagate(self.run.to(start), config.depth, units, scheme, random, **how)
        for place, layer in enumerate(self.shown):
            values = found.activations[layer].flatten().cpu()
            low, high = values.min(), values.max()
            share = (values - low) / (high - low).clamp_min(1e-300)
            self.histograms[index, place] = torch.histc(share, BINS, 0, 1) / len(values)
            self.ranges[index, place] = torch.stack([low, high])
        squares = [t.square().mean() for t in (*found.inputs, *found.gradients)]
        return torch.stack(squares).view(2, -1).cpu()

    def curves(self):
        """(forward, backward) [arms, depth]: variances over that where the signal enters."""
        forward = self.forward / self.forward[:, :1].clamp_min(1e-300)
        return forward, self.backward / self.backward[:, -1:].clamp_min(1e-300)

    def evaluate(self, split):
        found: dict = {}
        for arm, forward, backward in zip(self.names, *self.curves(), strict=True):
            found |= {f"{arm}_last": forward[-1], f"{arm}_gradient_first": backward[0]}
            for name, curve in ((arm, forward), (f"{arm}_gradient", backward)):
                found |= {f"{name}_low": curve.min(), f"{name}_high": curve.max()}
            found[f"{arm}_per_layer"] = forward[-1] ** (1 / (self.config.depth - 1))
        return found

    def figures(self):
        config, (inputs, gradients) = self.config, self.curves()
        ends = zip(self.arms, inputs[:, -1], gradients[:, 0], strict=True)
        rows = [(*arm, f"{last:.3g}", f"{first:.3g}") for arm, last, first in ends]
        title = f"{config.depth} layers of {config.width}, {self.draws} draws"
        head = ("units", "weights", "inputs x", "gradient x")
        size = (config.width, config.own_gain)
        return {
            "variance": variance_figure(self.arms, inputs, gradients, *size),
            "activations": spread_figure(self.arms, self.shown, self.histograms, self.ranges),
            "table": columns(head, rows, TABLE, before=[title]),
        }
