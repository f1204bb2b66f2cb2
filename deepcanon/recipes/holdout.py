"""The rule of 30 and McNemar's test on two equal models, and what a wrong split leaks.

Task: pairs of models that are equally good (or differ by a known gain) are simulated example by
example on validation sets of several sizes; the rule "a net change of 30 examples is real" and
McNemar's exact test judge them. Data: none. Metric: rates of false positives, simulated and exact;
the rule keeps 5 % up to 226 examples on which the models differ, and gives 8.8 % at 300, 35 % at
1,000. Two leaks are shown too, on purely random labels: features selected before the split, and
groups that lie on both sides of it. 20 seconds on one core.

    deepcanon train holdout
"""

from dataclasses import dataclass
from typing import Annotated

from deepcanon.options import Count, NonNegative, Range, Some
from deepcanon.targets import metric, target

SYSTEM = "foundations.holdout"
DATA = ("nothing",)
METRICS = {
    "largest_gap": metric("simulated minus exact rate, largest of all cells", "standard errors"),
    "rule": metric("equal models that the rule calls different, mean of all cells", "share"),
    "mcnemar": metric("equal models that the test calls different, mean of all cells", "share"),
    "rule_worst": metric("equal models that the rule calls different, worst cell", "share"),
    "mcnemar_worst": metric("equal models that the test calls different, worst cell", "share"),
    "rule_holds_to": metric("changed examples up to which the rule keeps the level", "examples"),
    "rule_*_10": metric("false positives of the rule if so many examples differ in 10 %", "share"),
    "exact_*_10": metric("the same by calculation", "share"),
    "honest_*": metric("accuracy on labels of chance with a right split", "share"),
    "leaking_*": metric("accuracy on labels of chance with a split that leaks", "share"),
}
SUM = "sum over binomials: k of n examples change, P(|2 Binomial(k, 1/2) - k| >= 30)"
CHANCE = "labels of chance"
TARGETS = (
    target("simulated", "worst test/largest_gap <= 4", "X", "a simulation within 4 errors of (5)"),
    target("simulated", "test/rule_3000_10 == 0.0884865 +- 0.012", "X", SUM),
    target("simulated", "test/exact_3000_10 == 0.0884865 +- 1e-6", "X", SUM),
    target("simulated", "test/rule_holds_to == 226 +- 0", "X", f"{SUM} <= 5 %, n = 30,000"),
    target("simulated", "worst test/mcnemar_worst <= 0.06", "X", "the exact test keeps 5 %"),
    target("simulated", "test/honest_features == 0.5 +- 0.05", "X", f"{CHANCE}, split first"),
    target("simulated", "test/honest_groups == 0.5 +- 0.05", "X", f"{CHANCE}, groups kept whole"),
    target("simulated", "test/leaking_features >= 0.65", "P", f"{CHANCE}, features chosen on all"),
    target("simulated", "test/leaking_groups >= 0.95", "P", f"{CHANCE}, groups on both sides"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    sizes: Some[Count] = (1000, 3000, 10_000, 30_000)
    """Numbers of validation examples."""
    disagreements: Some[Annotated[float, Range("(0, 1]")]] = (0.01, 0.02, 0.05, 0.1, 0.2)
    """Shares of the examples that exactly one of the two models gets right."""
    gain: NonNegative = 0.01
    """Difference in accuracy at which the power is measured; no more than the disagreement."""
    threshold: Count = 30
    """Net change of examples that the rule calls real."""
    level: Annotated[float, Range("(0, 1)")] = 0.05
    """False-positive rate of McNemar's test."""
    trials: Count = 500
    """Pairs of models that one step simulates in every cell."""
    repeats: Count = 20
    """Steps, if none are given."""


PRESETS = {
    "smoke": (Config(sizes=(300, 1000), disagreements=(0.1, 0.5), trials=50), {"steps": 4}),
    "default": (Config(trials=200, repeats=10), {}),
    "paper": (Config(), {}),
    "verify:simulated": (Config(), {"threads": 1}),
}

import torch
from torch import nn

from deepcanon import engine
from deepcanon.foundations.holdout import (
    detection_rate,
    feature_leak,
    group_leak,
    largest_disagreement,
    simulate_calls,
)
from deepcanon.techniques.false_alarms import alarm_figures

LEAKS = ("honest_features", "leaking_features", "honest_groups", "leaking_groups")


class Recipe(engine.Recipe[Config]):
    state = ("model",)
    parallel = "none: half a minute of drawing random numbers"
    planned = "repeats"
    splits = ("test",)

    def build(self):
        cells = (len(self.config.sizes), len(self.config.disagreements))
        self.model = nn.Module()  # what was seen so far
        # Calls of (rule, test) that (equal, better) models are different, by size and disagreement.
        self.model.register_buffer("calls", torch.zeros(2, 2, *cells, dtype=torch.float64))
        self.model.register_buffer("accuracies", torch.zeros(len(LEAKS), dtype=torch.float64))
        self.model.register_buffer("trials", torch.zeros((), dtype=torch.float64))

    def rates(self):
        """(up, down) of the equal models, then of those that differ."""
        equal = [(rate / 2, rate / 2) for rate in self.config.disagreements]
        gains = [min(self.config.gain, rate) for rate in self.config.disagreements]
        pairs = zip(self.config.disagreements, gains, strict=True)
        return equal + [((rate + gain) / 2, (rate - gain) / 2) for rate, gain in pairs]

    def step(self, step):
        config, seen, random = self.config, self.model, self.run.generator
        limits: dict = {"threshold": config.threshold, "level": config.level}
        for place, size in enumerate(config.sizes):
            limits["generator"] = random(f"examples/{size}")
            calls = simulate_calls(size, self.rates(), config.trials, **limits)
            seen.calls[:, :, place] += torch.stack(calls).view(2, 2, -1)
        leaks = (*feature_leak(random("features")), *group_leak(random("groups")))
        seen.accuracies += config.trials * torch.stack(leaks)
        seen.trials += config.trials
        rule, test = self.found()[:, 0]
        return {"rule": rule.mean(), "mcnemar": test.mean()}

    def found(self):
        """Rates of calls: (rule, test) x (equal, better) x sizes x disagreements."""
        return self.model.calls / self.model.trials

    def exact(self):
        """What the rule calls different by calculation: (equal, better) x sizes x disagreements."""
        rates, threshold, sizes = self.rates(), self.config.threshold, self.config.sizes
        rows = [[detection_rate(size, up, down, threshold) for up, down in rates] for size in sizes]
        return torch.tensor(rows, dtype=torch.float64).view(len(rows), 2, -1).transpose(0, 1)

    def evaluate(self, split):
        config, (rule, test), exact = self.config, self.found(), self.exact()
        trials = self.model.trials
        # A single call in all trials does not show that a rate is not 0.
        error = ((exact * (1 - exact)).clamp_min(0) / trials).sqrt().clamp_min(1 / trials)
        result = {"largest_gap": ((rule - exact) / error).abs().max()}
        result |= {"rule_worst": rule[0].max(), "mcnemar_worst": test[0].max()}
        limits = (config.threshold, config.level)
        result["rule_holds_to"] = largest_disagreement(max(config.sizes), *limits)
        if 0.1 in config.disagreements:
            column = config.disagreements.index(0.1)
            for place, size in enumerate(config.sizes):
                result[f"rule_{size}_10"] = rule[0, place, column]
                result[f"exact_{size}_10"] = exact[0, place, column]
        return result | dict(zip(LEAKS, self.model.accuracies / trials, strict=True))

    def figures(self):
        config, (rule, test) = self.config, self.found()
        cells = (config.sizes, config.disagreements)
        return alarm_figures(*cells, rule, test, self.exact(), config.gain, config.level)
