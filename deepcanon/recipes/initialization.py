"""What an initialisation does to a deep network before any training: variances against depth, forwards and backwards.

Task: networks of equal layers are drawn again and again; a batch of standard normal inputs goes forwards, a standard
normal gradient comes back. Each step is one draw of every scheme under every activation. Metrics: the variance of the
units' inputs in the last layer divided by that in the first, and of the gradient in the first divided by that in the
last, as means over draws, with the lowest and highest on the way. Theory: constant for ReLU with He and for linear
units with Glorot; 0.0104 after 50 layers of tanh with Glorot; 0.0256 a layer for ReLU with N(0, 0.01) at width 512.
Two minutes on one core.

    deepcanon train initialization --depth 30 --activations relu tanh --schemes he glorot orthogonal
"""

from dataclasses import dataclass

SYSTEM = "foundations.initialization"
DATA = ("task",)
# fmt: off
TARGETS = (
    {"run": "deep", "metric": "test/relu_he_low", "relation": ">=", "value": 0.5, "mark": "X",
     "source": "A16: kept in every layer"},
    {"run": "deep", "metric": "test/relu_he_high", "relation": "<=", "value": 2.0, "mark": "X",
     "source": "A16: kept in every layer"},
    {"run": "deep", "metric": "test/relu_he_gradient_low", "relation": ">=", "value": 0.5, "mark": "X",
     "source": "A16: of the gradient, kept in every layer"},
    {"run": "deep", "metric": "test/relu_he_gradient_high", "relation": "<=", "value": 2.0, "mark": "X",
     "source": "A16: of the gradient, kept in every layer"},
    {"run": "deep", "metric": "test/linear_glorot_low", "relation": ">=", "value": 0.5, "mark": "X",
     "source": "A16: kept in every layer"},
    {"run": "deep", "metric": "test/linear_glorot_high", "relation": "<=", "value": 2.0, "mark": "X",
     "source": "A16: kept in every layer"},
    {"run": "deep", "metric": "test/linear_glorot_gradient_low", "relation": ">=", "value": 0.5, "mark": "X",
     "source": "A16: of the gradient, kept in every layer"},
    {"run": "deep", "metric": "test/linear_glorot_gradient_high", "relation": "<=", "value": 2.0, "mark": "X",
     "source": "A16: of the gradient, kept in every layer"},
    {"run": "deep", "metric": "test/tanh_glorot_last", "relation": "==", "value": 0.0104, "tolerance": 0.002,
     "mark": "X", "source": "A16: about 1/(2L)"},
    {"run": "deep", "metric": "test/relu_small_per_layer", "relation": "==", "value": 0.0256, "tolerance": 0.001,
     "mark": "X", "source": "A16: exponentially; 512 * 0.01^2 / 2"},
    {"run": "deep", "metric": "test/tanh_small_per_layer", "relation": "==", "value": 0.0512, "tolerance": 0.002,
     "mark": "X", "source": "A16: exponentially; 512 * 0.01^2"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    depth: int = 50
    """Layers of each network."""
    width: int = 512
    """Units of every layer, and of the input."""
    activations: tuple[str, ...] = ("relu", "linear", "tanh")
    """Of the units: linear, sigmoid, tanh, relu, leaky_relu, selu."""
    schemes: tuple[str, ...] = ("he", "glorot", "orthogonal", "small")
    """Initialisations: he, glorot, orthogonal, identity, small, zero."""
    own_gain: bool = False
    """Scale he, glorot and orthogonal by the gain of the activation (without: he for ReLU, the others for linear)."""
    batch: int = 32
    """Inputs that go through each network."""
    draws: int = 20
    """Networks of each kind."""


def smoke():
    return Config(depth=8, width=32, activations=("relu", "tanh"), schemes=("he", "glorot"), batch=8, draws=4), {}


def default():
    return Config(width=256, draws=10), {}


def paper():
    return Config(activations=("tanh",), schemes=("glorot", "small"), depth=5, width=1000), {}


def verify():
    return {"deep": (Config(schemes=("he", "glorot", "small")), {})}


import torch
from torch import nn

from deepcanon.engine.errors import UsageError
from deepcanon.foundations.initialization import ACTIVATIONS, SCHEMES, gain, initialize, propagated_variance

SHOWN, BINS = 5, 41  # histograms of so many layers, of so many bins


class Recipe:
    state = ("draws", "forward", "backward", "histograms", "ranges")
    monitor = None
    splits = ("test",)
    parallel = "none: a minute of drawing"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        for given, known in ((config.activations, tuple(ACTIVATIONS)), (config.schemes, SCHEMES)):
            if not given or set(given) - set(known):
                raise UsageError(f"{' '.join(given) or 'nothing'}: choose among {', '.join(known)}")
        if min(config.depth, config.width, config.batch, config.draws) < 2:
            raise UsageError("depth, width, batch and draws are 2 at least")
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.arms = [(activation, scheme) for activation in config.activations for scheme in config.schemes]
        self.shown = sorted({round(i * (config.depth - 1) / (SHOWN - 1)) for i in range(SHOWN)})
        self.draws = 0
        # Sums over draws of what layer l has; of the last draw, how a layer's activations are spread.
        self.forward = torch.zeros(len(self.arms), config.depth, dtype=torch.float64)
        self.backward = torch.zeros_like(self.forward)
        self.histograms = torch.zeros(len(self.arms), len(self.shown), BINS, dtype=torch.float64)
        self.ranges = torch.zeros(len(self.arms), len(self.shown), 2, dtype=torch.float64)

    def plan(self) -> int:
        return self.config.draws

    def step(self, step: int) -> dict:
        measured = [self.measure(index, *arm) for index, arm in enumerate(self.arms)]
        self.forward = self.forward + torch.stack([forward for forward, _ in measured])
        self.backward = self.backward + torch.stack([backward for _, backward in measured])
        self.draws += 1
        ratios = self.forward[:, -1] / self.forward[:, 0].clamp_min(1e-300)
        return {f"{activation}_{scheme}": ratios[i] for i, (activation, scheme) in enumerate(self.arms)}

    def measure(self, index, activation, scheme):
        """Mean squares, layer by layer, of the units' inputs z and of the gradient in z."""
        config, random = self.config, self.run.generator(f"{activation}/{scheme}")
        units = activation if config.own_gain else None
        make = {"device": self.run.device, "dtype": torch.float64}  # 1e-80 is no number in fp32
        values = torch.randn(config.batch, config.width, generator=random, dtype=torch.float64).to(self.run.device)
        inputs, place = [], 0
        for layer in range(config.depth):
            linear = nn.utils.skip_init(nn.Linear, config.width, config.width, **make)
            with torch.enable_grad():
                z = initialize(linear, scheme, random, nonlinearity=units)(values)
                z = z if layer else z.detach().requires_grad_()
                values = ACTIVATIONS[activation](z)
            inputs.append(z)
            if layer == self.shown[place]:
                self.spread(index, place, values.detach().flatten().cpu())
                place = min(place + 1, len(self.shown) - 1)
        top = torch.randn(z.shape, generator=random, dtype=torch.float64).to(self.run.device)
        gradients = [*torch.autograd.grad(z, inputs[:-1], top), top]
        squares = [torch.stack([t.detach().square().mean() for t in tensors]) for tensors in (inputs, gradients)]
        return squares[0].cpu(), squares[1].cpu()

    def spread(self, index, place, values):
        low, high = values.min(), values.max()
        unit = (values - low) / (high - low).clamp_min(1e-300)
        self.histograms[index, place] = torch.histc(unit, BINS, 0, 1) / len(values)
        self.ranges[index, place] = torch.stack([low, high])

    def curves(self):
        """(forward, backward) [arms, depth]: variances over that where the signal enters."""
        return (self.forward / self.forward[:, :1].clamp_min(1e-300),
                self.backward / self.backward[:, -1:].clamp_min(1e-300))  # fmt: skip

    def evaluate(self, split: str) -> dict:
        found: dict = {}
        for (activation, scheme), forward, backward in zip(self.arms, *self.curves(), strict=True):
            arm = f"{activation}_{scheme}"
            found |= {
                f"{arm}_last": forward[-1], f"{arm}_low": forward.min(), f"{arm}_high": forward.max(),
                f"{arm}_gradient_first": backward[0], f"{arm}_gradient_low": backward.min(),
                f"{arm}_gradient_high": backward.max(),
                f"{arm}_per_layer": forward[-1] ** (1 / (self.config.depth - 1)),
            }  # fmt: skip
        return found

    def theory(self, activation, scheme):
        """Equation (7), or None where the weights are not independent of one another."""
        units = activation if self.config.own_gain else None
        squared = gain(units or ("relu" if scheme == "he" else "linear")) ** 2
        scale = {"he": squared, "glorot": squared, "small": self.config.width * 1e-4}.get(scheme)
        return None if scale is None else propagated_variance(self.config.depth, activation, scale) / scale

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        config, colours = self.config, {s: f"C{i}" for i, s in enumerate(self.config.schemes)}
        figure = Figure(figsize=(1 + 3.4 * len(config.activations), 6), layout="constrained")
        grid = figure.subplots(2, len(config.activations), squeeze=False, sharex=True)
        depths = range(1, config.depth + 1)
        for (activation, scheme), *both in zip(self.arms, *self.curves(), strict=True):
            column = config.activations.index(activation)
            for row, curve in enumerate(both):
                shown = curve.clamp_min(1e-300)
                grid[row][column].semilogy(depths, shown, color=colours[scheme], label=scheme, linewidth=1.5)
            expected = self.theory(activation, scheme)
            if expected is not None:
                grid[0][column].semilogy(depths, expected, "k:", linewidth=1)
            grid[0][column].set_title(activation)
        for axes in grid.flat:
            axes.axhspan(0.5, 2, color="0.92", zorder=0)
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, 1e-12), min(max(high, 10), 1e12))
        grid[0][0].set_ylabel("variance of the units' inputs\n(dotted: infinitely wide)")
        grid[1][0].set_ylabel("variance of their gradient")
        for axes in grid[1]:
            axes.set_xlabel("layer")
        grid[0][-1].legend(fontsize=8)
        return {"variance": figure, "activations": self.spreads(Figure), "table": self.table()}

    def spreads(self, Figure):
        """One row for each network of the last draw, one column for each shown layer."""
        rows, columns = len(self.arms), len(self.shown)
        figure = Figure(figsize=(1.7 * columns, 1.05 * rows + 0.5), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for i, (activation, scheme) in enumerate(self.arms):
            for j, layer in enumerate(self.shown):
                low, high = self.ranges[i, j].tolist()
                grid[i][j].stairs(self.histograms[i, j].numpy(), fill=True, color=f"C{i % len(self.config.schemes)}")
                grid[i][j].set(xticks=[0, BINS], yticks=[], ylim=(0, None))
                grid[i][j].set_xticklabels([f"{low:.1g}", f"{high:.1g}"], fontsize=6)
                if i == 0:
                    grid[i][j].set_title(f"layer {layer + 1}", fontsize=8)
            grid[i][0].set_ylabel(f"{activation}\n{scheme}", fontsize=7)
        return figure

    def table(self) -> str:
        lines = [f"after {self.config.depth} layers of {self.config.width}, mean of {self.draws} draws"]
        for (activation, scheme), forward, backward in zip(self.arms, *self.curves(), strict=True):
            lines.append(f"{activation:>10} {scheme:<10}  inputs x {forward[-1]:.3g}, gradient x {backward[0]:.3g}")
        return "\n".join(lines) + "\n"
