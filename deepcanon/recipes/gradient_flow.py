"""Vanishing and exploding gradients: the product of Jacobians over time and depth, untrained.

Task: networks are drawn again in each step; the Jacobian of their state in the first state is
accumulated exactly. Recurrent: linear and tanh at several spectral radii, a GRU, LSTMs with forget
bias 1 and 5 (whole state, and the memory alone). Deep: perceptrons of several initialisations.
Data: none. Metrics: the factor per step, (norm after T steps)^(1/T), as a geometric mean over
draws; theory 0.7311 and 0.9933 for the memories, rho for linear networks; ours the same. Half a
minute on one core. For your own module call `deepcanon.foundations.gradient_flow`.

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
from torch import nn

from deepcanon import engine
from deepcanon.engine.figures import Line, Panels, Plot, Text
from deepcanon.errors import UsageError
from deepcanon.foundations.gradient_flow import cell_flow, driven_flow, memory_flow, perceptron_flow
from deepcanon.foundations.initialization import ACTIVATIONS, SCHEMES, initialize

TINY = 1e-300  # below it logarithms end


NORMS = "Gradients over steps: level lines carry them, falling ones vanish, rising ones explode."
RANKS = "Singular values at the end: a level line keeps all directions, a steep one forgets most."


class Recipe(engine.Recipe[Config]):
    state = ("draws", "logs", "gap", "spectra")
    splits = ("test",)
    parallel = "none: half a minute of drawing"

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

    def plan(self):
        return self.config.draws

    def step(self, step):
        flows = {**self.over_time(), **self.gated(), **self.over_depth()}
        times = torch.arange(1, self.config.length + 1, dtype=torch.float64)
        gaps = [(flows[name].norms / r**times - 1).abs().max() for name, r in self.linear.items()]
        self.gap = max([self.gap, *map(float, gaps)])
        found = {name: flow.singular_values for name, flow in flows.items()}
        self.spectra = {name: values for name, values in found.items() if values is not None}
        logs = {name: flow.norms.clamp_min(TINY).log() for name, flow in flows.items()}
        self.logs = {name: log + self.logs.get(name, 0) for name, log in logs.items()}
        self.draws += 1
        return {name: log[-1] / len(log) for name, log in logs.items()}

    def over_time(self):
        """s_t = W s_{t-1} + u_t, and tanh of the same."""
        config, found = self.config, {}
        random = self.run.generator("recurrent")
        how: dict = {"input_scale": config.input_scale, "generator": random}
        for networks, units in ((self.linear, nn.Identity()), (self.tanh, torch.tanh)):
            for name, radius in networks.items():
                found[name] = driven_flow(config.length, config.hidden, radius, units, **how)
        return found

    def gated(self):
        """A GRU and LSTMs over their whole state; and the LSTMs' memories alone, mean of units."""
        config, size, random = self.config, self.config.hidden, self.run.generator("gated")
        shape = (config.length, 1, size)
        normal = torch.randn(shape, generator=random, dtype=torch.float64)
        inputs = config.input_scale * normal
        gru = initialize(nn.GRUCell(size, size).double(), config.cell_scheme, random)
        found = {"gru": cell_flow(gru, inputs)}
        for name, bias in self.lstms.items():
            lstm = initialize(nn.LSTMCell(size, size).double(), config.cell_scheme, random)
            nn.init.constant_(lstm.bias_ih.chunk(4)[1], bias)
            found[f"lstm_{name}"] = cell_flow(lstm, inputs)
            found[f"memory_{name}"] = memory_flow(lstm, inputs)
        return found

    def over_depth(self):
        size, random = (self.config.depth, self.config.width), self.run.generator("deep")
        found = {}
        for name, pair in self.perceptrons.items():
            units, scheme = pair.split("-", 1)
            found[name] = perceptron_flow(*size, units, scheme, random)
        return found

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
        norms = [plot(curves, n, "step, layer", "norm of Jacobian", t) for t, n in groups.items()]
        spectra = [plot(last, n, "rank", "singular value at the end", t) for t, n in groups.items()]
        panels = {"norms": Panels(norms, 2, NORMS), "singular-values": Panels(spectra, 2, RANKS)}
        return {**panels, "table": Text(self.table(curves), NORMS)}

    def table(self, curves):
        means = f"(geometric means of {self.draws} draws)"
        lines = [f"{'network':<20}{'factor a step':>14}{'after all':>12}   {means}"]
        for name, curve in curves.items():
            lines.append(f"{name:<20}{curve[-1] ** (1 / len(curve)):14.6f}{curve[-1]:12.3g}")
        return "\n".join(lines) + "\n"


def plot(values, names, x, y, title):
    some = {n.replace("_", " "): values[n].clamp(1e-16, 1e8) for n in names if n in values}
    lines = [Line(y, range(1, len(y) + 1), name) for name, y in some.items()]
    return Plot(lines, x, y, title, log="y")
