"""Gradient descent, momentum and Nesterov's method in a ravine: paths on the contours, and how fast each arrives.

Task: a quadratic whose curvatures lie between 1 and `condition`, from a start that is drawn on one of its contours.
Data: none. Metric: the contraction of the distance to the minimum per step, over the second half of the steps. Theory
for condition 100: 99/101 for gradient descent and 9/11 for the heavy ball at their best rates (Polyak 1964), 9/10 for
Nesterov's textbook pair; ours within 0.5 % of these slopes. Seconds on one core.

    deepcanon train momentum --condition 100
"""

from dataclasses import dataclass

SYSTEM = "foundations.momentum"
DATA = ("task",)
# fmt: off
TARGETS = (
    {"run": "ravine", "metric": "test/gradient_descent_slope", "relation": "==", "value": 0.0200007,
     "tolerance": 0.0002, "statistic": "worst", "mark": "X", "source": "A09: -ln(99/101), within 1 %"},
    {"run": "ravine", "metric": "test/momentum_slope", "relation": "==", "value": 0.2006707,
     "tolerance": 0.002, "statistic": "worst", "mark": "X", "source": "A09: -ln(9/11), within 1 %"},
    {"run": "ravine", "metric": "test/nesterov_slope", "relation": "==", "value": 0.1053605,
     "tolerance": 0.00105, "statistic": "worst", "mark": "X", "source": "A09: -ln(9/10), within 1 %"},
    {"run": "ravine", "metric": "test/gradient_descent", "relation": "==", "value": 0.980198,
     "tolerance": 0.0002, "statistic": "worst", "mark": "X", "source": "A09: 99/101 per step"},
    {"run": "ravine", "metric": "test/momentum", "relation": "==", "value": 0.818182,
     "tolerance": 0.0016, "statistic": "worst", "mark": "X", "source": "A09: 9/11 per step"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    condition: float = 100.0
    """Largest curvature; the smallest is 1."""
    dimensions: int = 2
    """Axes of the quadratic, their curvatures evenly spaced on a log scale; the picture shows the first and last."""
    learning_rate: float = 0.0
    """The rate of all three methods; 0 gives each its best."""
    momentum: float = 0.0
    """The momentum of the two methods that have one; 0 gives each its best."""
    shown: int = 40
    """Steps of each path in the picture."""
    updates: int = 3000
    """Steps, where none are given."""


def smoke():
    return Config(updates=60), {}


def default():
    return Config(updates=1000), {}


def paper():
    return Config(), {}


def verify():
    return {"ravine": (Config(), {"threads": 1})}


import math

import torch
from torch import nn

from deepcanon.engine.errors import UsageError
from deepcanon.foundations.gradient_descent import GradientDescent, best_descent_rate
from deepcanon.foundations.momentum import Momentum, best_heavy_ball, nesterov_rate

METHODS = ("gradient_descent", "momentum", "nesterov")
VANISHED = 1e-280  # below it numbers lose their digits


class Track:
    """Where the methods stood after each step: [steps + 1, methods, dimensions]."""

    def __init__(self, first):
        self.places = first[None]

    def add(self, row):
        self.places = torch.cat([self.places, row[None]])

    def state_dict(self):
        return {"places": self.places}

    def load_state_dict(self, saved):
        self.places = saved["places"].clone()


class Recipe:
    state = ("model", "track", *METHODS)
    monitor = None
    parallel = "none: a few numbers"
    precisions = ("fp32",)
    splits = ("test",)

    @staticmethod
    def learn(config, data) -> dict:
        if not (1 < config.condition <= 1e12 and 2 <= config.dimensions <= 10_000):
            raise UsageError("a ravine has a condition above 1 (1e12 at most) and from 2 to 10,000 dimensions")
        if not (0 <= config.learning_rate < math.inf and 0 <= config.momentum < 1) or config.shown < 1:
            raise UsageError("the rate is not negative, the momentum lies in [0, 1), and one step at least is shown")
        curvatures = torch.logspace(0, math.log10(config.condition), config.dimensions, dtype=torch.float64)
        side = torch.randn(config.dimensions, dtype=torch.float64)
        side = side.sign() * side.abs().clamp_min(0.5)  # no axis begins near the floor of the ravine
        return {"curvatures": curvatures, "start": side / side.norm() / curvatures.sqrt()}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.curvatures, start = (torch.as_tensor(facts[name]) for name in ("curvatures", "start"))
        self.model = nn.ParameterDict({name: nn.Parameter(start.clone()) for name in METHODS})
        self.track = Track(torch.stack([start] * len(METHODS)))
        ends = 1.0, config.condition
        descent, ball, nesterov = best_descent_rate(*ends), best_heavy_ball(*ends), nesterov_rate(*ends)
        self.expected = [method.contraction for method in (descent, ball, nesterov)]
        rate, kept = config.learning_rate, config.momentum
        given = [[self.model[name]] for name in METHODS]
        self.gradient_descent = GradientDescent(given[0], rate or descent.rate)
        self.momentum = Momentum(given[1], rate or ball.rate, kept or ball.momentum)
        self.nesterov = Momentum(given[2], rate or nesterov.rate, kept or nesterov.momentum, nesterov=True)

    def plan(self) -> int:
        return self.config.updates

    def step(self, step: int) -> dict:
        for name in METHODS:
            place = self.model[name]
            place.grad = self.curvatures * place.detach()  # of 1/2 sum h x^2
            getattr(self, name).step()
        self.track.add(torch.stack([self.model[name].detach().clone() for name in METHODS]))
        far = self.track.places[-1].abs().amax(1)
        if not bool((far < 1e150).all()):
            self.run.stop("a method diverges: the rate is too large for the largest curvature")
        return {name: distance for name, distance in zip(METHODS, far, strict=True)}

    def distances(self):
        """Largest coordinate, method by method: squares would vanish too soon."""
        return self.track.places.abs().amax(2).T

    def evaluate(self, split: str) -> dict:
        found: dict = {}
        for name, expected, distances in zip(METHODS, self.expected, self.distances(), strict=True):
            slope = measured_slope(distances)
            found |= {f"{name}_slope": slope, name: math.exp(-slope), f"{name}_best": expected}
        return found

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        paths = self.track.places[: self.config.shown + 1][:, :, [0, -1]].clamp(-1e6, 1e6)
        figure = Figure(figsize=(7.5, 2.3 * len(METHODS)), layout="constrained")
        reach = paths.abs().amax((0, 1)).clamp_max(10 * self.track.places[0].abs().max()) * 1.15
        across, along = (torch.linspace(-r, r, 201, dtype=torch.float64) for r in reach)
        low, high = self.curvatures[0], self.curvatures[-1]
        height = 0.5 * (low * across[None] ** 2 + high * along[:, None] ** 2)
        for axes, name, place in zip(figure.subplots(len(METHODS), 1, sharex=True), METHODS, range(3), strict=True):
            levels = height.max() * torch.linspace(0.02, 1, 12) ** 2
            axes.contour(across, along, height, levels=levels.tolist(), colors="0.8", linewidths=0.8)
            axes.plot(*paths[:, place].T, ".-", color=f"C{place}", markersize=4, linewidth=1)
            axes.plot(0, 0, "k+", markersize=8)
            group = getattr(self, name).param_groups[0]
            words = f"rate {group['lr']:.3g}" + (f", momentum {group['momentum']:.3g}" if "momentum" in group else "")
            axes.set(ylim=(-reach[1], reach[1]), ylabel="steep")
            axes.set_title(f"{name.replace('_', ' ')}: {words}, first {len(paths) - 1} steps", fontsize=9)
        axes.set(xlim=(-reach[0], reach[0]), xlabel="flat")
        return {"ravine": figure, "distance": self.curves(Figure)}

    def curves(self, Figure):
        """Distances over steps beside the best contraction of each method."""
        figure = Figure(figsize=(5.5, 3.6), layout="constrained")
        axes, distances = figure.subplots(), self.distances()
        # The slow method sets the scale: others are drawn as long as they are above its square.
        floor = max(float(distances[0].min()) ** 2, VANISHED)
        for place, (name, best) in enumerate(zip(METHODS, self.expected, strict=True)):
            seen = distances[place][distances[place] > floor]
            axes.semilogy(seen, color=f"C{place}", label=f"{name.replace('_', ' ')}, best {best:.4f} a step")
            steps = torch.arange(len(seen), dtype=torch.float64)
            axes.semilogy(steps, seen[0] * best**steps, ":", color=f"C{place}", linewidth=1)
        axes.set(xlabel="step", ylabel="distance to the minimum", title="dotted: the best contraction alone")
        axes.legend(fontsize=8)
        return figure


def measured_slope(distances) -> float:
    """Minus the logarithm of the contraction per step, over the second half of the steps before all digits vanish."""
    gone = ((distances <= VANISHED) | ~distances.isfinite()).nonzero()
    last = (int(gone[0]) if len(gone) else len(distances)) - 1
    half = last // 2
    if last <= half:
        return math.inf
    return -math.log(float(distances[last] / distances[half])) / (last - half)
