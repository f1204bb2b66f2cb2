"""Gradient descent, momentum and Nesterov's method in a ravine: their paths and their speeds.

Task: a quadratic whose curvatures lie between 1 and `condition`, from a start that is drawn on one
of its contours. Data: none. Metric: the contraction of the distance to the minimum per step, over
the second half of the steps. Theory for condition 100: 99/101 for gradient descent and 9/11 for the
heavy ball at their best rates (Polyak 1964), 9/10 for Nesterov's textbook pair; ours within 0.5 %
of these slopes. Seconds on one core.

    deepcanon train momentum --condition 100
"""

from dataclasses import dataclass

from deepcanon.options import Count, NonNegative, Share
from deepcanon.targets import metric, target

SYSTEM = "foundations.momentum"
DATA = ("nothing",)
METRICS = {
    "gradient_descent": metric("factor on the distance by gradient descent", "a step", "min"),
    "momentum": metric("factor on the distance by the heavy ball", "a step", "min"),
    "nesterov": metric("factor on the distance by Nesterov's method", "a step", "min"),
    "*_slope": metric("minus the logarithm of that factor", "a step", "max"),
    "*_best": metric("the factor that theory gives for the best rates", "a step"),
    "train/*": metric("largest coordinate of the distance to the minimum"),
}
POLYAK = "Polyak 1964, theorem 9 for a quadratic of condition 100"
TARGETS = (
    target(
        "ravine", "worst test/gradient_descent_slope == 0.0200007 +- 0.0002", "X", "-ln(99/101)"
    ),
    target(
        "ravine", "worst test/momentum_slope == 0.2006707 +- 0.002", "X", f"-ln(9/11), {POLYAK}"
    ),
    target("ravine", "worst test/nesterov_slope == 0.1053605 +- 0.00105", "X", "-ln(9/10)"),
    target("ravine", "worst test/gradient_descent == 0.980198 +- 0.0002", "X", "99/101"),
    target("ravine", "worst test/momentum == 0.818182 +- 0.0016", "X", f"9/11, {POLYAK}"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    condition: float = 100.0
    """Largest curvature; the smallest is 1."""
    dimensions: int = 2
    """Axes of the quadratic, their curvatures evenly spaced on a log scale."""
    learning_rate: NonNegative = 0.0
    """The rate of all three methods; 0 gives each its best."""
    momentum: Share = 0.0
    """The momentum of the two methods that have one; 0 gives each its best."""
    shown: Count = 40
    """Steps of each path in the picture."""
    updates: Count = 3000
    """Steps, if none are given."""


PRESETS = {
    "smoke": (Config(updates=60), {}),
    "default": (Config(updates=1000), {}),
    "paper": (Config(), {}),
    "verify:ravine": (Config(), {"threads": 1}),
}

import math

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine.trajectories import contractions, ravine
from deepcanon.errors import UsageError
from deepcanon.foundations.gradient_descent import GradientDescent, best_descent_rate
from deepcanon.foundations.momentum import Momentum, best_heavy_ball, nesterov_rate
from deepcanon.parts.contraction import VANISHED, measured_slope

METHODS = ("gradient_descent", "momentum", "nesterov")
NAMES = {"rate": "lr", "momentum": "momentum"}


class Recipe(engine.Recipe[Config]):
    state = ("model", "places", *METHODS)
    parallel = "none: a few numbers"
    planned = "updates"
    splits = ("test",)

    @classmethod
    def learn(cls, config, data):
        if not (1 < config.condition <= 1e12 and 2 <= config.dimensions <= 10_000):
            raise UsageError(
                "give a --condition above 1 (1e12 at most) and 2 to 10,000 --dimensions"
            )
        exponents = torch.logspace(
            0, math.log10(config.condition), config.dimensions, dtype=torch.float64
        )
        side = torch.randn(config.dimensions, dtype=torch.float64)
        side = side.sign() * side.abs().clamp_min(0.5)  # no axis begins near the ravine's floor
        return {"curvatures": exponents, "start": side / side.norm() / exponents.sqrt()}

    def build(self):
        config, facts = self.config, self.facts
        self.curvatures, start = (torch.as_tensor(facts[k]) for k in ("curvatures", "start"))
        self.model = nn.ParameterDict({name: nn.Parameter(start.clone()) for name in METHODS})
        self.places = torch.stack([start] * len(METHODS))[None]  # [steps + 1, methods, dimensions]
        ends, (one, two, three) = (1.0, config.condition), ([self.model[m]] for m in METHODS)
        best = [rate(*ends) for rate in (best_descent_rate, best_heavy_ball, nesterov_rate)]
        self.expected = [method.contraction for method in best]
        descent, ball, nesterov = best
        rate, kept = config.learning_rate, config.momentum
        self.gradient_descent = GradientDescent(one, rate or descent.rate)
        self.momentum = Momentum(two, rate or ball.rate, kept or ball.momentum)
        pair = (rate or nesterov.rate, kept or nesterov.momentum)
        self.nesterov = Momentum(three, *pair, nesterov=True)
        self.methods = (self.gradient_descent, self.momentum, self.nesterov)

    def step(self, step):
        for name, method in zip(METHODS, self.methods, strict=True):
            place = self.model[name]
            place.grad = self.curvatures * place.detach()  # of 1/2 sum h x^2
            method.step()
        row = torch.stack([self.model[name].detach().clone() for name in METHODS])
        self.places = torch.cat([self.places, row[None]])
        far = row.abs().amax(1)
        if not bool((far < 1e150).all()):
            self.run.stop("a method diverges: the rate is too large for the largest curvature")
        return dict(zip(METHODS, far, strict=True))

    def distances(self):
        """Largest coordinate, method by method: squares would vanish too soon."""
        return self.places.abs().amax(2).T

    def evaluate(self, split):
        found: dict = {}
        for name, best, distances in zip(METHODS, self.expected, self.distances(), strict=True):
            slope = measured_slope(distances)
            found |= {f"{name}_slope": slope, name: math.exp(-slope), f"{name}_best": best}
        return found

    def figures(self):
        paths, first = {}, self.places[: self.config.shown + 1]
        for place, (name, method) in enumerate(zip(METHODS, self.methods, strict=True)):
            group = method.param_groups[0]
            words = ", ".join(f"{k} {group[v]:.3g}" for k, v in NAMES.items() if v in group)
            title = f"{name.replace('_', ' ')}: {words}, first {len(first) - 1} steps"
            paths[title] = first[:, place]
        distances = dict(zip(METHODS, self.distances(), strict=True))
        speed = contractions(distances, self.expected, VANISHED)
        return {"ravine": ravine(paths, self.curvatures), "distance": speed}
