"""The rule of 30 and McNemar's test under two equal models, and what a split after the statistics gives away.

Task: none from outside. Pairs of models that are equally good (or differ by a known gain) are simulated example by
example on validation sets of several sizes; the rule "a net change of 30 examples is real" and McNemar's exact test
judge them. Metric: rates of false positives, simulated beside exact; the rule keeps 5 % up to 226 examples on which the
models differ, and gives 8.8 % at 300, 35 % at 1,000. Beside it two leaks: features chosen before the split, and groups
on both of its sides, on labels that are pure chance. 20 seconds on one core.

    deepcanon train holdout
"""

from dataclasses import dataclass

SYSTEM = "foundations.holdout"
DATA = ("task",)
# fmt: off
TARGETS = (
    {"run": "simulated", "metric": "test/largest_gap", "relation": "<=", "value": 4.0, "statistic": "worst",
     "mark": "X", "source": "A18: simulated against exact rates, in standard errors, over all cells"},
    {"run": "simulated", "metric": "test/rule_3000_10", "relation": "==", "value": 0.0884865, "tolerance": 0.012,
     "mark": "X", "source": "A18: 10 % of 3,000 examples differ; binomials of the oracle"},
    {"run": "simulated", "metric": "test/exact_3000_10", "relation": "==", "value": 0.0884865, "tolerance": 1e-6,
     "mark": "X", "source": "A18: the same from equation (5)"},
    {"run": "simulated", "metric": "test/rule_holds_to", "relation": "==", "value": 226, "tolerance": 0,
     "mark": "X", "source": "A18: changed examples of 30,000 with false positives <= 5 %; binomials of the oracle"},
    {"run": "simulated", "metric": "test/mcnemar_worst", "relation": "<=", "value": 0.06, "statistic": "worst",
     "mark": "X", "source": "A18: the exact test keeps 5 % in every cell, and its simulation within 4 errors"},
    {"run": "simulated", "metric": "test/honest_features", "relation": "==", "value": 0.5, "tolerance": 0.05,
     "mark": "X", "source": "A18: split before any statistic: chance"},
    {"run": "simulated", "metric": "test/honest_groups", "relation": "==", "value": 0.5, "tolerance": 0.05,
     "mark": "X", "source": "A18: no group on both sides: chance"},
    {"run": "simulated", "metric": "test/leaking_features", "relation": ">=", "value": 0.65,
     "mark": "P", "source": "A18: features chosen on all examples, labels of chance"},
    {"run": "simulated", "metric": "test/leaking_groups", "relation": ">=", "value": 0.95,
     "mark": "P", "source": "A18: groups on both sides, labels of chance"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    sizes: tuple[int, ...] = (1000, 3000, 10_000, 30_000)
    """Numbers of validation examples."""
    disagreements: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)
    """Shares of the examples that exactly one of the two models gets right."""
    gain: float = 0.01
    """Difference in accuracy at which the power is measured; where the models disagree on less, on all of that."""
    threshold: int = 30
    """Net change of examples that the rule calls real."""
    level: float = 0.05
    """Rate of false positives that McNemar's test is held to."""
    trials: int = 500
    """Pairs of models that one step simulates in every cell."""
    repeats: int = 20
    """Steps, where none are given."""


def smoke():
    return Config(sizes=(300, 1000), disagreements=(0.1, 0.5), trials=50), {"steps": 4}


def default():
    return Config(trials=200, repeats=10), {}


def paper():
    return Config(), {}


def verify():
    return {"simulated": (Config(), {"threads": 1})}


import torch
from torch import nn

from deepcanon.engine.errors import UsageError
from deepcanon.foundations.holdout import (
    detection_rate,
    group_split,
    largest_disagreement,
    mcnemar,
    simulate_changes,
    stratified_split,
    wilson_interval,
)

LEAKS = ("honest_features", "leaking_features", "honest_groups", "leaking_groups")


class Tally(nn.Module):
    """What was seen so far, as buffers."""

    def __init__(self, sizes: int, rates: int):
        super().__init__()
        # Which of (equal, better) x sizes x disagreements were called different, by the rule and by the test.
        self.register_buffer("calls", torch.zeros(2, 2, sizes, rates, dtype=torch.float64))
        self.register_buffer("accuracies", torch.zeros(len(LEAKS), dtype=torch.float64))
        self.register_buffer("trials", torch.zeros((), dtype=torch.float64))

    def means(self):
        """Rates of calls and mean accuracies."""
        return self.calls / self.trials, self.accuracies / self.trials


class Recipe:
    state = ("model",)
    monitor = None
    parallel = "none: half a minute of drawing random numbers"
    precisions = ("fp32",)
    splits = ("test",)

    @staticmethod
    def learn(config, data) -> dict:
        if min(config.sizes, default=0) < 1 or not config.disagreements or min(config.disagreements) <= 0:
            raise UsageError("give sizes of at least one example and disagreements above 0")
        if max(config.disagreements) > 1 or config.gain < 0 or config.trials < 1:
            raise UsageError("disagreements are shares of 1, the gain is not negative, trials are at least 1")
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.model = Tally(len(config.sizes), len(config.disagreements))

    def rates(self):
        """(up, down) of the equal models, then of those that differ."""
        equal = [(rate / 2, rate / 2) for rate in self.config.disagreements]
        gains = [min(self.config.gain, rate) for rate in self.config.disagreements]
        pairs = zip(self.config.disagreements, gains, strict=True)
        return equal + [((rate + gain) / 2, (rate - gain) / 2) for rate, gain in pairs]

    def plan(self) -> int:
        return self.config.repeats

    def step(self, step: int) -> dict:
        config, seen = self.config, self.model
        for place, size in enumerate(config.sizes):
            generator = self.run.generator(f"examples/{size}")
            ups, downs = simulate_changes(size, self.rates(), config.trials, generator)
            by_rule = ((ups - downs).abs() >= config.threshold).double().sum(1)
            by_test = (mcnemar(ups, downs) <= config.level).double().sum(1)
            seen.calls[:, :, place] += torch.stack([by_rule, by_test]).view(2, 2, -1)
        seen.accuracies += config.trials * torch.stack([*self.features(), *self.groups()])
        seen.trials += config.trials
        false = seen.means()[0][:, 0]
        return {"rule": false[0].mean(), "mcnemar": false[1].mean()}

    def features(self):
        """500 random features, labels of chance; the ten best features of the training part, and of all examples."""
        generator = self.run.generator("features")
        x, y = torch.randn(200, 500, generator=generator), torch.randint(2, (200,), generator=generator)
        train, held = stratified_split(y, 0.5, generator)
        for seen in (train, torch.arange(200)):
            gap = x[seen][y[seen] == 1].mean(0) - x[seen][y[seen] == 0].mean(0)
            best = gap.abs().topk(10).indices
            means = torch.stack([x[train][y[train] == label][:, best].mean(0) for label in (0, 1)])
            yield (torch.cdist(x[held][:, best], means).argmin(1) == y[held]).double().mean()

    def groups(self):
        """Eight near copies of 40 points with a label of chance for each point; nearest neighbour."""
        generator = self.run.generator("groups")
        group = torch.arange(40).repeat_interleave(8)
        x = torch.randn(40, 4, generator=generator)[group] + 0.01 * torch.randn(320, 4, generator=generator)
        y = torch.randint(2, (40,), generator=generator)[group]
        for train, held in (group_split(group, 0.5, generator), stratified_split(y, 0.5, generator)):
            yield (y[train][torch.cdist(x[held], x[train]).argmin(1)] == y[held]).double().mean()

    def exact(self):
        """What rule (4) calls different, exactly: (equal, better) x sizes x disagreements."""
        rates, threshold = self.rates(), self.config.threshold
        rows = [[detection_rate(size, up, down, threshold) for up, down in rates] for size in self.config.sizes]
        return torch.tensor(rows, dtype=torch.float64).view(len(rows), 2, -1).transpose(0, 1)

    def evaluate(self, split: str) -> dict:
        config, (found, accuracies), exact = self.config, self.model.means(), self.exact()
        trials = self.model.trials  # one call in all of them is no sign that a rate is not 0
        error = ((exact * (1 - exact)).clamp_min(0) / trials).sqrt().clamp_min(1 / trials)
        result = {"largest_gap": ((found[0] - exact) / error).abs().max()}
        result |= {"rule_worst": found[0, 0].max(), "mcnemar_worst": found[1, 0].max()}
        result["rule_holds_to"] = largest_disagreement(max(config.sizes), config.threshold, config.level)
        for place, size in enumerate(config.sizes):
            for column, rate in enumerate(config.disagreements):
                if rate == 0.1:
                    result[f"rule_{size}_10"], result[f"exact_{size}_10"] = (
                        found[0, 0, place, column],
                        exact[0, place, column],
                    )
        return result | dict(zip(LEAKS, accuracies, strict=True))

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        config, (found, _), exact = self.config, self.model.means(), self.exact()
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for place, size in enumerate(config.sizes):
            changed = [size * rate for rate in config.disagreements]
            left.plot(changed, exact[0, place], "-", color=f"C{place}", label=f"{size:,} examples")
            left.plot(changed, found[0, 0, place], "o", color=f"C{place}", markersize=4)
            left.plot(changed, found[1, 0, place], "x", color=f"C{place}", markersize=5)
            right.plot(changed, found[0, 1, place], "o-", color=f"C{place}", markersize=4, label=f"{size:,}: rule")
            right.plot(changed, found[1, 1, place], "x--", color=f"C{place}", markersize=5, label=f"{size:,}: McNemar")
        left.axhline(config.level, color="grey", linewidth=0.8)
        left.set(title="equal models called different", ylabel="rate (o rule, - exact, x McNemar)")
        right.set(title=f"models that differ by {100 * config.gain:g} points called different", ylabel="rate (power)")
        for axes in (left, right):
            axes.set(xscale="log", xlabel="examples on which the models differ")
            axes.legend(fontsize=7)
        return {"rates": figure, "table": self.table(found, exact)}

    def table(self, found, exact) -> str:
        gain = f"{100 * self.config.gain:g} points: rule, McNemar"
        head = f"{'examples':>8} {'differ':>7} | equal models: rule, exact, McNemar | {gain}\n"
        rows = []
        for place, size in enumerate(self.config.sizes):
            for column, rate in enumerate(self.config.disagreements):
                equal, better = found[:, 0, place, column], found[:, 1, place, column]
                rows.append(
                    f"{size:8,} {rate:7.1%} | {equal[0]:17.2%} {exact[0, place, column]:7.2%} {equal[1]:8.2%} |"
                    f" {better[0]:14.1%} {better[1]:8.1%}"
                )
            low, high = wilson_interval(round(0.9 * size), size)
            rows.append(f"{size:8,} examples, 90 % right: 95 % interval [{low:.2%}, {high:.2%}]")
        return head + "\n".join(rows) + "\n"
