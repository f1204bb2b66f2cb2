"""Gradient checking: the layers and losses of this package, and twenty planted bugs to be caught.

Task: each step checks one layer or loss against central differences in float64 at a random point
(its parameters and its inputs), or both the right and the wrong backward pass of one of the twenty
`planted_bugs`. Data: none. Metrics: largest relative error of correct gradients, bugs caught. Ours:
error 2e-8, 20 of 20. Ten seconds on one core.

Your own network is checked in Python, two lines, in training or evaluation mode, with your loss if
you like:

    from deepcanon.foundations import check_module
    print(check_module(YourModule(), inputs, loss=lambda outputs: your_loss(outputs, targets)))

There is no option that names a Python file: options are kept in a run's config.json, and a run
folder that somebody gives you must never run code.

    deepcanon train gradient-check
"""

from dataclasses import dataclass
from typing import Any

from deepcanon.options import Count, Positive, Share
from deepcanon.targets import metric, target

SYSTEM = "foundations.gradient_check"
DATA = ("nothing",)
METRICS = {
    "error": metric("largest relative error of the layer or pair of this step", "share", "min"),
    "error_layers": metric("largest relative error of the package's gradients", "share", "min"),
    "error_right": metric("largest relative error of the pairs' correct gradients", "share", "min"),
    "caught": metric("planted bugs whose error is above the tolerance", "bugs", "max"),
    "smallest_error_of_a_bug": metric("relative error of the least visible bug", "share", "max"),
    "failed": metric("correct gradients that fail", "gradients", "min"),
    "checked": metric("entries of correct gradients that were compared", "entries"),
    "skipped": metric("entries of correct gradients near a kink, not compared", "entries"),
}
DIFFERENCES = "central differences in float64"
TARGETS = (
    target("all", "worst test/caught == 20 +- 0", "X", "each of the twenty planted bugs"),
    target("all", "worst test/error_layers <= 1e-7", "X", f"layers and losses: {DIFFERENCES}"),
    target("all", "worst test/error_right <= 1e-7", "X", f"right halves of pairs: {DIFFERENCES}"),
    target(
        "all", "worst test/failed == 0 +- 0", "X", "all that is right passes, most of it compared"
    ),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    difference: Positive = 1e-5
    """Step h of the central differences."""
    tolerance: Positive = 1e-7
    """Largest relative error of a gradient that passes."""
    floor: Share = 1e-3
    """Entries below this share of the largest gradient are compared with that share."""
    coordinates: Count = 60
    """Random entries to compare in each tensor."""


PRESETS = {
    "smoke": (Config(coordinates=4), {}),
    "default": (Config(), {}),
    "paper": (Config(), {}),
    "verify:all": (Config(coordinates=1000), {"threads": 1}),
}

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine.figures import Dots
from deepcanon.engine.shown import table
from deepcanon.foundations.planted_bugs import PAIRS, judge
from deepcanon.techniques.gradient_checks import CHECKS, draw


class Recipe(engine.Recipe[Config]):
    state = ("found",)
    unknown = ("found",)
    found: Any
    parallel = "none: a few seconds of work"
    splits = ("test",)

    @classmethod
    def learn(cls, config, data):
        return {"names": [*CHECKS, *(pair.name for pair in PAIRS)]}

    def build(self):
        self.found = nn.Module()
        for name, count in (("right", self.plan()), ("wrong", len(PAIRS))):  # relative errors
            self.found.register_buffer(name, torch.full((count,), torch.nan, dtype=torch.float64))
        # Entries checked and skipped, gradients that failed.
        self.found.register_buffer("counts", torch.zeros(3, dtype=torch.int64))

    def plan(self):
        return len(CHECKS) + len(PAIRS)

    def step(self, step):
        """The next layer, or the next pair; the run's stream draws weights and inputs."""
        config, found, place = self.config, self.found, step % self.plan()
        how = {"step": config.difference, "tolerance": config.tolerance, "floor": config.floor}
        how |= {"coordinates": config.coordinates, "seed": self.run.seed}
        if place < len(CHECKS):
            report = list(CHECKS.values())[place](**how)
        else:
            pair = PAIRS[place - len(CHECKS)]
            report, planted = judge(pair, draw(*pair.inputs), **how)
            found.wrong[place - len(CHECKS)] = planted.worst
        found.right[place] = report.worst
        found.counts += torch.tensor([report.checked, report.skipped, not report.passed])
        values = {"error": report.worst, "checked": report.checked, "skipped": report.skipped}
        return {name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()}

    def evaluate(self, split):
        right, wrong = self.found.right.nan_to_num(0.0), self.found.wrong.nan_to_num(0.0)
        checked, skipped, failed = self.found.counts
        return {
            "error_layers": right[: len(CHECKS)].max(),
            "error_right": right[len(CHECKS) :].max(),
            "caught": (wrong > self.config.tolerance).sum(),
            "smallest_error_of_a_bug": wrong[wrong > 0].min() if wrong.any() else 0.0,
            "failed": failed,
            "checked": checked,
            "skipped": skipped,
        }

    def figures(self):
        names, right = self.facts["names"], self.found.right
        wrong = torch.cat([torch.full((len(CHECKS),), torch.nan).double(), self.found.wrong])
        series = {"right": right.clamp_min(1e-13), "planted bug": wrong}
        marks = {"tolerance": self.config.tolerance}
        said = "Correct gradients lie left of the tolerance, planted bugs right of it."
        errors = Dots(series, names, "largest relative error", log="x", marks=marks, caption=said)
        rows = [f"{a:9.1e}  {b:9.1e}  {n}" for n, a, b in zip(names, right, wrong, strict=True)]
        head = "    right        bug  gradient of"
        return {"errors": errors, "table": table([head, *rows], "The same errors as numbers.")}
