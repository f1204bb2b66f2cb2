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
    "gradient_descent": metric(
        "factor by which gradient descent shrinks the distance", "a step", "min"
    ),
    "momentum": metric("factor by which the heavy ball shrinks the distance", "a step", "min"),
    "nesterov": metric("factor by which Nesterov's method shrinks the distance", "a step", "min"),
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
from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.errors import UsageError
from deepcanon.foundations.gradient_descent import GradientDescent, best_descent_rate
from deepcanon.foundations.momentum import Momentum, best_heavy_ball, nesterov_rate
from deepcanon.parts.contraction import VANISHED, measured_slope

METHODS = ("gradient_descent", "momentum", "nesterov")


class Recipe(engine.Recipe[Config]):
    state = ("model", "places", *METHODS)
    parallel = "none: a few numbers"
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
        descent, ball, nesterov = (
            best_descent_rate(*ends),
            best_heavy_ball(*ends),
            nesterov_rate(*ends),
        )
        self.expected = [method.contraction for method in (descent, ball, nesterov)]
        rate, kept = config.learning_rate, config.momentum
        self.gradient_descent = GradientDescent(one, rate or descent.rate)
        self.momentum = Momentum(two, rate or ball.rate, kept or ball.momentum)
        self.nesterov = Momentum(
            three, rate or nesterov.rate, kept or nesterov.momentum, nesterov=True
        )
        self.methods = (self.gradient_descent, self.momentum, self.nesterov)

    def plan(self):
        return self.config.updates

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
        paths = self.places[: self.config.shown + 1][:, :, [0, -1]].clamp(-1e6, 1e6)
        plots, angle = [], torch.linspace(0, 2 * math.pi, 200)
        radius = (
            self.places[0, 0].square().mul(self.curvatures).sum().sqrt()
        )  # of the start's contour
        low, high = self.curvatures[0].sqrt(), self.curvatures[-1].sqrt()
        for place, (name, method) in enumerate(zip(METHODS, self.methods, strict=True)):
            group = method.param_groups[0]
            words = ", ".join(f"{k} {group[v]:.3g}" for k, v in NAMES.items() if v in group)
            contours = [
                Line(s * radius / high * angle.sin(), s * radius / low * angle.cos(), colour=-1)
                for s in (0.25, 0.5, 0.75, 1.0)
            ]
            path = Line(paths[:, place, 1], paths[:, place, 0], style=".-", colour=place)
            title = f"{name.replace('_', ' ')}: {words}, first {len(paths) - 1} steps"
            plots.append(Plot([*contours, path], "flat axis", "steep axis", title))
        said = "The way down a ravine: good methods neither bounce between the walls nor crawl."
        return {"ravine": Panels(plots, columns=1, caption=said), "distance": self.curves()}

    def curves(self):
        """Distances over steps, and what the best contraction of each method alone would give."""
        lines, distances = [], self.distances()
        # The slow method sets the scale: others are drawn as long as they are above its square.
        floor = max(float(distances[0].min()) ** 2, VANISHED)
        for place, (name, best) in enumerate(zip(METHODS, self.expected, strict=True)):
            seen = distances[place][distances[place] > floor]
            label = f"{name.replace('_', ' ')}, best {best:.4f} a step"
            theory = seen[0] * best ** torch.arange(len(seen), dtype=torch.float64)
            lines += [Line(seen, label=label, colour=place), Line(theory, style=":", colour=place)]
        title = "dotted: the best contraction alone"
        said = "Distance over steps: a good method is as steep as its dotted line."
        return Plot(lines, "step", "distance to the minimum", title, log="y", caption=said)


NAMES = {"rate": "lr", "momentum": "momentum"}
