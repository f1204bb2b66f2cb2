"""Backpropagation through time, whole and truncated: how far back the gradient of a loss reaches.

Task: tanh networks are drawn in each step with orthogonal recurrent weights; the gradient of losses
at every step is computed by hand, by autograd, and truncated: after every k1 steps through the last
k2. Data: none. Metrics: the error of the gradient by hand, of passes that reach back to the
beginning, and what is left of the gradient beyond k2 steps, which is exactly nothing; the cosine of
truncated and whole gradients of the recurrent weights. Ten seconds on one core.

    deepcanon train truncated-bptt --windows 1 5 20 --length 100
"""

from dataclasses import dataclass
from typing import Annotated

from deepcanon.options import Count, NonNegative, Range, Some
from deepcanon.targets import metric, target

SYSTEM = "sequence.truncated_bptt"
DATA = ("nothing",)
METRICS = {
    "autograd_gap": metric(
        "largest error of the gradient by hand, relative to autograd's", "", "min"
    ),
    "whole_gap": metric("largest difference of passes that reach back to the beginning", "", "min"),
    "beyond": metric("largest gradient in an input k2 steps back or more", "", "min"),
    "cosine_*": metric("cosine of the gradients of this window and of all steps", "", "max"),
    "*": metric("cosine in this draw", "", "max"),
}
TARGETS = (
    target("drawn", "worst test/autograd_gap <= 1e-10", "X", "the chain rule, in float64"),
    target("drawn", "worst test/whole_gap <= 1e-10", "X", "no history is cut"),
    target("drawn", "worst test/beyond <= 0", "X", "Williams and Peng 1990: nothing flows further"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    length: Annotated[int, Range("[2, inf)")] = 60
    """Steps of a sequence."""
    windows: Some[Count] = (1, 2, 5, 10, 20, 40)
    """Steps of a backward pass (k2)."""
    every: Count = 1
    """Steps between two passes (k1); that of a shorter window is the window itself."""
    hidden: Count = 32
    """Units of a network."""
    radius: NonNegative = 1.0
    """Spectral radius of its recurrent weights (a scaled orthogonal matrix)."""
    draws: Count = 20
    """Networks."""


PRESETS: dict = {
    "smoke": (Config(length=12, windows=(2, 5), hidden=4, draws=3), {}),
    "default": (Config(), {}),
    "paper": (Config(length=100, draws=50), {}),
    "verify:drawn": (Config(), {}),
}

import torch

from deepcanon import engine
from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.foundations.initialization import orthogonal_
from deepcanon.sequence.truncated_bptt import bptt, reach, states

LAGS = "The gradient of the last step's loss by lag: a window ends it, and within it none is lost."
COSINES = "Agreement with the whole gradient by window: long windows gain less and less."


class Recipe(engine.Recipe[Config]):
    state = ("draws", "gaps", "cosines", "reached")
    splits = ("test",)
    parallel = "none: ten seconds of drawing"
    planned = "draws"
    waits = "the largest of the errors so far is kept as a number"

    def build(self):
        self.draws, self.gaps = 0, {"autograd_gap": 0.0, "whole_gap": 0.0, "beyond": 0.0}
        self.cosines: dict = {}
        self.reached: dict = {}

    def step(self, step):
        config, random = self.config, self.run.generator("networks")
        batch, size, length = 4, config.hidden, config.length
        x, start, w_x, bias, errors = (
            torch.randn(shape, generator=random, dtype=torch.float64)
            for shape in (
                (batch, length, 2),
                (batch, size),
                (size, 2),
                (size,),
                (batch, length, size),
            )
        )
        w_h = orthogonal_(torch.empty(size, size, dtype=torch.float64), config.radius, random)
        network = (x, start, 0.2 * w_x, w_h, 0.1 * bias)
        whole = bptt(*network, errors)
        leaves = [value.clone().requires_grad_() for value in network]
        loss = (states(*leaves)[:, 1:] * errors).sum()
        d_x, d_start, *d_weights = torch.autograd.grad(loss, leaves)
        self.widen("autograd_gap", whole, (*d_weights, d_x, d_start))
        self.widen("whole_gap", bptt(*network, errors, config.every, length), whole)
        found = {}
        for k2 in config.windows:
            k1 = min(config.every, k2)
            norms = reach(*network, k1, k2)
            self.gaps["beyond"] = max(self.gaps["beyond"], norms[k2:].sum().item())
            self.reached[f"k2 = {k2}"] = norms
            pair = (bptt(*network, errors, k1, k2).weight_h.flatten(), whole.weight_h.flatten())
            found[f"cosine_{k2}"] = torch.cosine_similarity(*pair, dim=0)
        self.cosines = {name: self.cosines.get(name, 0) + value for name, value in found.items()}
        self.draws += 1
        return found

    def widen(self, name, mine, true):
        gaps = [((a - b).norm() / b.norm()).item() for a, b in zip(mine, true, strict=True)]
        self.gaps[name] = max(self.gaps[name], *gaps)

    def evaluate(self, split):
        return {**self.gaps, **{name: value / self.draws for name, value in self.cosines.items()}}

    def figures(self):
        lags = [Line(norms, label=name, style=".-") for name, norms in self.reached.items()]
        cosines = [value / self.draws for value in self.cosines.values()]
        panels = [
            Plot(lags, "steps back (lag)", "norm of the gradient", log="y"),
            Plot(
                [Line(cosines, self.config.windows, style="o-")], "steps of a pass (k2)", "cosine"
            ),
        ]
        return {"reach": Panels(panels, columns=2, caption=f"{LAGS} {COSINES}")}
