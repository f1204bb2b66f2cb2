"""Batch normalisation against the same sigmoid network without, each at its best learning rate.

Task: classification by the network of the paper's first experiment, three hidden layers of 100
sigmoid units from small random weights. Data: images or the number columns of a table. Metrics:
test error, and the steps until the validation accuracy reaches a threshold. The paper shows the
curves of MNIST over 50,000 steps, both above 95 %, and gives no figures. Ours, three trials, each
network at its best rate: the threshold in 36 % of the steps, and a test error of 2.0 % against
2.8 %. The small initial weights slow the plain network down: from Glorot's it reaches 95 % after
1,750 steps too (one run).

    deepcanon train batch-norm --data mnist

For your own network: `deepcanon train mlp --normalization batch`.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from deepcanon.options import (
    Activation,
    ActivationName,
    Count,
    Images,
    Initialization,
    InitializationName,
    Range,
    Share,
    Tables,
    Tuning,
)
from deepcanon.targets import metric, target, trial_metrics

SYSTEM = "vision.batch_norm"
DATA = ("images", "tables")
METRICS = {
    **trial_metrics("test error", "share", "min", "plain", "batch_norm"),
    "step_share": metric("steps to the threshold, share of those without", "", "min", "valid"),
    "steps_*": metric("steps to the threshold, mean of the trials", "steps", "min", "valid"),
}
NET = "784-3x100-10 sigmoid units, batch 60, 50,000 steps, arXiv:1502.03167, section 4.1"
TARGETS = (
    target("mnist", "test/step_share <= 0.3333333", "P", f"to 95 %; {NET}"),
    target("mnist", "test/batch_norm <= 0.025", "P", NET),
    target("mnist", "test/difference >= 0", "P", "without minus with; both at their best rate"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Tuning, Activation, Initialization):
    hidden: tuple[Count, ...] = (100, 100, 100)
    """Units of each hidden layer, in both arms."""
    activation: ActivationName = "sigmoid"
    initialization: InitializationName = "small"
    learning_rates: tuple[float, ...] = (1.0, 3.0, 10.0)
    """Constant rates that both arms try; each takes the best validation error of its course."""
    momentum: Share = 0.0
    """Share of the last update that is kept."""
    train_steps: Count = 10_000
    """Steps of each trial."""
    every: Count = 100
    """Steps between evaluations of the validation accuracy."""
    threshold: Annotated[float, Range("(0, 1]")] = 0.95
    """Validation accuracy to reach."""
    batch: Annotated[int, Range("[2, inf)")] = 60
    """Examples per step."""


FEW = Config(hidden=(16, 16), learning_rates=(1.0,), train_steps=30, every=10, seeds=2)
SMALL = {"train_steps": 2000, "every": 50, "learning_rates": (0.3, 1.0, 3.0), "threshold": 0.9}
LONG = Config(train_steps=50_000, every=125, extend=2)
PRESETS = {
    "smoke": (replace(FEW, threshold=0.3), {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": SMALL}),
    "paper": (LONG, {"data": "mnist"}),
    "verify:mnist": (LONG, {"data": "mnist", "threads": 1}),
}

import statistics

from deepcanon.engine import Experiment
from deepcanon.errors import UsageError

ARMS = {"plain": "none", "batch_norm": "batch"}


class Recipe(Experiment[Config]):
    trains = "mlp"
    shares = ("hidden", "activation", "initialization", "momentum", "batch")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        if config.valid_share <= 0:
            raise UsageError("--valid-share 0: the threshold needs a validation set")
        return {}

    def arms(self):
        common = {"schedule": "constant", "standardize": False, "checkpoint": "best"}
        return {arm: {**common, "normalization": kind} for arm, kind in ARMS.items()}

    def trial_settings(self):
        config = self.config
        every = min(config.every, config.train_steps)
        return {"steps": config.train_steps, "evaluate_every": every}

    def findings(self):
        config = self.config
        never = config.train_steps + config.every  # what a trial counts that does not get there
        steps = {}
        for arm in ARMS:
            results = self.comparison.of(arm)
            found = [self.comparison.steps_to(r, 1 - config.threshold + 1e-9) for r in results]
            if found:
                steps[arm] = statistics.fmean(min(one, never) for one in found)
        shown = {f"steps_{arm}": count for arm, count in steps.items()}
        if len(steps) == len(ARMS):
            shown["step_share"] = steps["batch_norm"] / steps["plain"]
        return shown
