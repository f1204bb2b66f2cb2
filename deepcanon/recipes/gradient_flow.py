"""Vanishing and exploding gradients: the product of Jacobians over time and depth, untrained.

Task: networks are drawn again in each step; the Jacobian of their state with respect to the first
state is accumulated exactly. Recurrent: linear and tanh at several spectral radii, a GRU, LSTMs
with forget bias 1 and 5 (whole state, and the memory alone). Deep: perceptrons of several
initialisations. Data: none. Metrics: the factor per step, (norm after T steps)^(1/T), as a
geometric mean over draws; theory 0.7311 and 0.9933 for the memories, rho for linear networks; ours
the same. Half a minute on one core. For your own module call `deepcanon.foundations.gradient_flow`.

    deepcanon train gradient-flow --radii 0.8 1 1.2 --length 200
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from deepcanon.options import NonNegative, Number, Positive, Range
from deepcanon.targets import metric, target

SYSTEM = "foundations.gradient_flow"
DATA = ("nothing",)
METRICS = {
    "linear_gap": metric("largest |norm / rho^t - 1| of the linear networks", "share", "min"),
    "*_factor": metric("factor by which the Jacobian's norm changes", "a step or layer"),
    "*_last": metric("norm of the Jacobian after all steps or layers"),
    "*": metric("logarithm of that factor in this draw", "nats a step or layer"),
}
BOUND = "the norm of a product is at most the product of the norms"
TARGETS = (
    target("initial", "worst test/linear_gap <= 1e-06", "X", "rho^t for a normal matrix"),
    target("initial", "worst test/tanh_50_factor <= 0.5", "X", f"tanh' <= 1, {BOUND}"),
    target("initial", "worst test/tanh_90_factor <= 0.9", "X", f"tanh' <= 1, {BOUND}"),
    target("initial", "worst test/memory_1_factor == 0.7311 +- 0.001", "X", "sigmoid(1)"),
    target("initial", "worst test/memory_5_factor == 0.9933 +- 0.0005", "X", "sigmoid(5)"),
    target("initial", "worst test/memory_1_last <= 1e-13", "X", "sigmoid(1)^100 = 2.5e-14"),
    target("initial", "worst test/memory_5_last >= 0.45", "X", "sigmoid(5)^100 = 0.51"),
)
TWO = "[2, inf)"
PERCEPTRONS = ("relu-he", "relu-glorot", "tanh-glorot", "tanh-orthogonal", "linear-orthogonal")


@dataclass(frozen=True, kw_only=True)
class Config:
    length: Annotated[int, Range(TWO)] = 100
    """Time steps."""
    hidden: Annotated[int, Range(TWO)] = 32
    """Units of each recurrent network."""
    radii: tuple[Positive, ...] = (0.5, 0.9, 1.0, 1.5)
    """Spectral radii of the recurrent weights (normal matrices) of the linear and tanh networks."""
    forget_biases: tuple[Number, ...] = (1.0, 5.0)
    """Forget biases of the LSTMs."""
    cell_scheme: Literal["small", "glorot", "orthogonal", "he", "zero"] = "small"
    """Initialisation of GRU and LSTM."""
    input_scale: NonNegative = 0.5
    """Standard deviation of the input to a linear or tanh unit, and of the inputs of the cells."""
    depth: Annotated[int, Range(TWO)] = 50
    """Layers of the perceptrons."""
    width: Annotated[int, Range(TWO)] = 64
    """Units of each layer."""
    perceptrons: tuple[str, ...] = PERCEPTRONS
    """Activation and initialisation of each perceptron."""
    draws: Annotated[int, Range(TWO)] = 10
    """Networks of each kind."""


FEW: dict = {"radii": (0.9,), "perceptrons": ("relu-he",), "draws": 3}
PRESETS: dict = {
    "smoke": (Config(length=12, hidden=6, depth=6, width=8, **FEW), {}),
    "default": (Config(draws=5), {}),
    "paper": (Config(hidden=50, radii=(0.9, 0.95, 1.0, 1.1), draws=20), {}),
    "verify:initial": (Config(), {}),
}

import torch

from deepcanon import engine
from deepcanon.errors import UsageError
from deepcanon.foundations.initialization import ACTIVATIONS, SCHEMES
from deepcanon.techniques.gradient_flows import (
    deep_flows,
    flow_figures,
    gated_flows,
    recurrent_flows,
)

TINY = 1e-300  # below it logarithms end


class Recipe(engine.Recipe[Config]):
    state = ("draws", "logs", "gap", "spectra")
    splits = ("test",)
    parallel = "none: half a minute of drawing"
    planned = "draws"

    @classmethod
    def learn(cls, config, data):
        known = [f"{activation}-{scheme}" for activation in ACTIVATIONS for scheme in SCHEMES]
        if wrong := set(config.perceptrons) - set(known):
            raise UsageError(f"--perceptrons {min(wrong)}: choose among {', '.join(known)}")
        return {}

    def build(self):
        radii = {round(100 * radius): radius for radius in self.config.radii}
        self.linear = {f"linear_{name}": radius for name, radius in radii.items()}
        self.tanh = {f"tanh_{name}": radius for name, radius in radii.items()}
        words = {bias: f"{bias:g}".replace(".", "_") for bias in self.config.forget_biases}
        self.lstms = {word.replace("-", "minus_"): bias for bias, word in words.items()}
        self.perceptrons = {pair.replace("-", "_"): pair for pair in self.config.perceptrons}
        self.draws, self.gap = 0, 0.0
        self.logs: dict = {}  # sums over draws of log norms, by network
        self.spectra: dict = {}  # singular values of the last draw

    def step(self, step):
        c, random = self.config, self.run.generator
        size, scale = (c.length, c.hidden), c.input_scale
        flows = recurrent_flows(self.linear, self.tanh, *size, scale, random("recurrent"))
        flows |= gated_flows(self.lstms, *size, c.cell_scheme, scale, random("gated"))
        flows |= deep_flows(self.perceptrons, c.depth, c.width, random("deep"))
        times = torch.arange(1, c.length + 1, dtype=torch.float64)
        powers = {name: torch.pow(radius, times) for name, radius in self.linear.items()}
        gaps = [(flows[name].norms / power - 1).abs().max() for name, power in powers.items()]
        self.gap = max([self.gap, *map(float, gaps)])
        found = {name: flow.singular_values for name, flow in flows.items()}
        self.spectra = {name: values for name, values in found.items() if values is not None}
        logs = {name: flow.norms.clamp_min(TINY).log() for name, flow in flows.items()}
        self.logs = {name: log + self.logs.get(name, 0) for name, log in logs.items()}
        self.draws += 1
        return {name: log[-1] / len(log) for name, log in logs.items()}

    def curves(self):
        """Geometric means over draws, by network."""
        return {name: (log / self.draws).exp() for name, log in self.logs.items()}

    def evaluate(self, split):
        found = {"linear_gap": self.gap}
        for name, curve in self.curves().items():
            found |= {f"{name}_factor": curve[-1] ** (1 / len(curve)), f"{name}_last": curve[-1]}
        return found

    def figures(self):
        curves = self.curves()
        last = {name: values[-1] for name, values in self.spectra.items()}
        groups = {
            "linear: W s + u (100 x radius)": [*self.linear],
            "tanh(W s + u) (100 x radius)": [*self.tanh],
            "gated (forget bias)": [n for n in curves if n.startswith(("gru", "lstm_", "memory_"))],
            "perceptrons": [*self.perceptrons],
        }
        return flow_figures(curves, last, groups, self.draws)
