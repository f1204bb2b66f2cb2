"""Vanishing and exploding gradients, measured: the product of Jacobians over time and over depth, at initialisation.

Task: networks are drawn anew in each step; the Jacobian of their state in the first state is accumulated exactly.
Recurrent: linear and tanh at several spectral radii, a GRU, LSTMs with forget bias 1 and 5 (whole state, and the memory
alone). Deep: perceptrons of several initialisations. Metrics: the factor per step, (norm after T steps)^(1/T), as a
geometric mean over draws; theory 0.7311 and 0.9933 for the memories, rho for linear networks. A forget bias of 1 keeps
2.5e-14 of the gradient after 100 steps. Half a minute on one core. For a module of your own call
`deepcanon.foundations.gradient_flow` (its text has an example).

    deepcanon train gradient-flow --radii 0.8 1 1.2 --length 200
"""

from dataclasses import dataclass

SYSTEM = "foundations.gradient_flow"
DATA = ("task",)
# fmt: off
TARGETS = (
    {"run": "initial", "metric": "test/linear_gap", "relation": "<=", "value": 1e-06, "mark": "X",
     "source": "A22: |norm / rho^t - 1| at every t and radius", "statistic": "worst"},
    {"run": "initial", "metric": "test/tanh_50_factor", "relation": "<=", "value": 0.5, "mark": "X",
     "source": "A22: vanishes exponentially below radius 1", "statistic": "worst"},
    {"run": "initial", "metric": "test/tanh_90_factor", "relation": "<=", "value": 0.9, "mark": "X",
     "source": "A22: vanishes exponentially below radius 1", "statistic": "worst"},
    {"run": "initial", "metric": "test/memory_1_factor", "relation": "==", "value": 0.7311, "tolerance": 0.001,
     "mark": "X", "source": "A22: sigmoid(1)", "statistic": "worst"},
    {"run": "initial", "metric": "test/memory_5_factor", "relation": "==", "value": 0.9933, "tolerance": 0.0005,
     "mark": "X", "source": "A22: sigmoid(5)", "statistic": "worst"},
    {"run": "initial", "metric": "test/memory_1_last", "relation": "<=", "value": 1e-13, "mark": "X",
     "source": "A22: a forget bias of 1 does not carry 100 steps", "statistic": "worst"},
    {"run": "initial", "metric": "test/memory_5_last", "relation": ">=", "value": 0.45, "mark": "X",
     "source": "A22: 0.9933^100 = 0.51", "statistic": "worst"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    length: int = 100
    """Time steps."""
    hidden: int = 32
    """Units of each recurrent network."""
    radii: tuple[float, ...] = (0.5, 0.9, 1.0, 1.5)
    """Spectral radii of the recurrent weights (normal matrices) of the linear and tanh networks."""
    forget_biases: tuple[float, ...] = (1.0, 5.0)
    """Forget biases of the LSTMs."""
    cell_scheme: str = "small"
    """Initialisation of GRU and LSTM: small, glorot, orthogonal, he, zero."""
    input_scale: float = 0.5
    """Standard deviation of what the inputs add to a unit of the linear and tanh networks, and of the cells' inputs."""
    depth: int = 50
    """Layers of the perceptrons."""
    width: int = 64
    """Units of each layer."""
    perceptrons: tuple[str, ...] = ("relu-he", "relu-glorot", "tanh-glorot", "tanh-orthogonal", "linear-orthogonal")
    """Activation and initialisation of each perceptron."""
    draws: int = 10
    """Networks of each kind."""


def smoke():
    few = Config(length=12, hidden=6, radii=(0.9,), depth=6, width=8, perceptrons=("relu-he",), draws=3)
    return few, {}


def default():
    return Config(draws=5), {}


def paper():
    return Config(hidden=50, radii=(0.9, 0.95, 1.0, 1.1), draws=20), {}


def verify():
    return {"initial": (Config(), {})}


import torch
from torch import nn

from deepcanon.engine.errors import UsageError
from deepcanon.foundations.gradient_flow import gradient_flow, memory_path, normal_matrix, unroll
from deepcanon.foundations.initialization import ACTIVATIONS, SCHEMES, initialize

TINY = 1e-300


class Recipe:
    state = ("draws", "logs", "gap", "spectra")
    monitor = None
    splits = ("test",)
    parallel = "none: half a minute of drawing"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        for pair in config.perceptrons:
            activation, _, scheme = pair.partition("-")
            if activation not in ACTIVATIONS or scheme not in SCHEMES:
                raise UsageError(f"{pair}: write ACTIVATION-SCHEME, of {', '.join(ACTIVATIONS)}; {', '.join(SCHEMES)}")
        if config.cell_scheme not in SCHEMES or config.cell_scheme == "identity":
            raise UsageError(f"{config.cell_scheme}: cells begin as small, glorot, orthogonal, he or zero")
        if min(config.length, config.hidden, config.depth, config.width, config.draws) < 2:
            raise UsageError("length, hidden, depth, width and draws are 2 at least")
        if any(radius <= 0 for radius in config.radii):
            raise UsageError("a spectral radius is positive")
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        named = [(radius, f"{round(100 * radius)}") for radius in config.radii]
        self.linear = {f"linear_{name}": radius for radius, name in named}
        self.tanh = {f"tanh_{name}": radius for radius, name in named}
        self.lstms = {f"{bias:g}".replace(".", "_").replace("-", "minus_"): bias for bias in config.forget_biases}
        self.draws, self.gap = 0, 0.0
        self.logs: dict = {}  # sums over draws of log norms, by network
        self.spectra: dict = {}  # singular values of the last draw

    def plan(self) -> int:
        return self.config.draws

    def step(self, step: int) -> dict:
        found: dict = {}
        self.over_time(found)
        self.gated(found)
        self.over_depth(found)
        logs = {name: norms.clamp_min(TINY).log() for name, norms in found.items()}
        self.logs = {name: log + self.logs.get(name, 0) for name, log in logs.items()}
        self.draws += 1
        return {name: log[-1] / len(log) for name, log in logs.items()}

    def record(self, found, name, flow):
        found[name], self.spectra[name] = flow.norms, flow.singular_values

    def over_time(self, found):
        """s_t = W s_{t-1} + u_t, and tanh of the same."""
        config, random = self.config, self.run.generator("recurrent")
        make = {"generator": random, "dtype": torch.float64}
        times = torch.arange(1, config.length + 1, dtype=torch.float64)
        for name, radius in {**self.linear, **self.tanh}.items():
            weight = normal_matrix(config.hidden, radius, random, torch.float64)
            drive = config.input_scale * torch.randn(config.length, config.hidden, **make)
            units = torch.tanh if name in self.tanh else torch.nn.Identity()
            chain = unroll(lambda u, s, weight=weight, units=units: units(weight @ s + u), drive)
            self.record(found, name, gradient_flow(chain, torch.randn(config.hidden, **make)))
            if name in self.linear:
                self.gap = max(self.gap, (found[name] / radius**times - 1).abs().max().item())

    def gated(self, found):
        """A GRU and the LSTMs over their whole state; and the LSTMs' memories alone, as a mean over units."""
        config, random = self.config, self.run.generator("gated")
        make = {"generator": random, "dtype": torch.float64}
        inputs = config.input_scale * torch.randn(config.length, 1, config.hidden, **make)
        start = torch.zeros(1, config.hidden, dtype=torch.float64)
        gru = initialize(nn.GRUCell(config.hidden, config.hidden).double(), config.cell_scheme, random)
        self.record(found, "gru", gradient_flow(unroll(gru, inputs), start))
        for name, bias in self.lstms.items():
            lstm = initialize(nn.LSTMCell(config.hidden, config.hidden).double(), config.cell_scheme, random)
            with torch.no_grad():
                lstm.bias_ih.chunk(4)[1].fill_(bias)
            self.record(found, f"lstm_{name}", gradient_flow(unroll(lstm, inputs), (start, start)))
            found[f"memory_{name}"] = memory_path(lstm, inputs).clamp_min(TINY).log().mean((1, 2)).exp()

    def over_depth(self, found):
        config, random = self.config, self.run.generator("deep")
        for pair in config.perceptrons:
            activation, _, scheme = pair.partition("-")
            layers = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.depth)).double()
            initialize(layers, scheme, random)
            units = ACTIVATIONS[activation]
            chain = [lambda s, layer=layer, units=units: units(layer(s)) for layer in layers]
            start = torch.randn(config.width, generator=random, dtype=torch.float64)
            self.record(found, pair.replace("-", "_"), gradient_flow(chain, start))

    def curves(self):
        """Geometric means over draws, by network."""
        return {name: (log / max(1, self.draws)).exp() for name, log in self.logs.items()}

    def evaluate(self, split: str) -> dict:
        found = {"linear_gap": self.gap}
        for name, curve in self.curves().items():
            found |= {f"{name}_factor": curve[-1] ** (1 / len(curve)), f"{name}_last": curve[-1]}
        return found

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        curves, config = self.curves(), self.config
        if not curves:
            return {}
        panels = {
            "linear: W s + u": list(self.linear), "tanh(W s + u)": list(self.tanh),
            "gated (dashed: memory alone)": ["gru", *(f"{k}_{n}" for n in self.lstms for k in ("lstm", "memory"))],
            "perceptrons": [pair.replace("-", "_") for pair in config.perceptrons],
        }  # fmt: skip
        figure = Figure(figsize=(12.5, 3.6), layout="constrained")
        for axes, (title, names) in zip(figure.subplots(1, 4, sharey=True), panels.items(), strict=True):
            for place, name in enumerate(names):
                memory = name.startswith("memory")
                look = {"linestyle": "--", "color": f"C{place - 1}"} if memory else {"color": f"C{place}"}
                axes.semilogy(range(1, len(curves[name]) + 1), curves[name], label=self.words(name), **look)
            axes.axhline(1, color="0.7", linewidth=0.8)
            axes.set(title=title, xlabel="layer" if title == "perceptrons" else "step", ylim=(1e-16, 1e8))
            axes.legend(fontsize=7)
            axes.title.set_fontsize(9)
        figure.axes[0].set_ylabel("norm of the Jacobian")
        return {"norms": figure, "singular-values": self.spectrum(Figure, panels), "table": self.table(curves)}

    def words(self, name):
        kind, _, rest = name.partition("_")
        if kind in ("linear", "tanh") and rest.isdigit():
            return f"radius {int(rest) / 100:g}"
        return f"{kind}, bias {self.lstms[rest]:g}" if rest in self.lstms else name.replace("_", ", ")

    def spectrum(self, Figure, panels):
        """All singular values of the last draw at a few steps, one row for each panel's networks."""
        names = [name for part in panels.values() for name in part if name in self.spectra]
        columns = min(5, len(names))
        rows = -(-len(names) // columns)
        figure = Figure(figsize=(2.4 * columns, 1.9 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        for axes in grid[len(names) :]:
            axes.set_axis_off()
        before = 0
        for axes, name in zip(grid, names, strict=False):
            values = self.spectra[name]
            for place in sorted({1, len(values) // 10 or 1, len(values) // 2, len(values)}):
                axes.semilogy(values[place - 1].clamp_min(1e-30), linewidth=1, label=str(place))
            axes.set(ylim=(1e-16, 1e8))
            kind = "" if self.words(name).startswith(name.split("_")[0]) else name.split("_")[0] + ", "
            axes.set_title(kind + self.words(name), fontsize=7)
            axes.tick_params(labelsize=6)
            if len(values) != before:  # the steps shown are others
                axes.legend(fontsize=6, title="step", title_fontsize=6)
            before = len(values)
        return figure

    def table(self, curves) -> str:
        lines = [f"{'network':<20}{'factor a step':>14}{'after all':>12}   (geometric mean of {self.draws} draws)"]
        for name, curve in curves.items():
            lines.append(f"{name:<20}{curve[-1] ** (1 / len(curve)):14.6f}{curve[-1]:12.3g}")
        return "\n".join(lines) + "\n"
