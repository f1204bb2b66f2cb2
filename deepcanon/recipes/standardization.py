"""Standardised against raw inputs: the same perceptron, each at its best learning rate, and the statistics themselves.

Task: classification by one hidden layer after few steps. Data: the number columns of a table (raw: as they are), or
images (raw: pixels in [0, 1]). Metric: test error after equal steps, and the steps until the validation error falls to
a given value; mean and deviation of the training pixels, MNIST 0.13066 and 0.30811, Fashion-MNIST 0.28604 and 0.35302.
The paper gives no error; ours are in docs/results/standardization.json: columns of different size need it (12 % error
become 3 %), while MNIST's pixels in [0, 1] train as well as standardised ones, each at its best rate. Ten seconds.

    deepcanon train standardization --data breast-cancer
"""

from dataclasses import dataclass

SYSTEM = "foundations.standardization"
DATA = ("tables", "images")
# fmt: off
TARGETS = (
    {"run": "mnist-statistics", "metric": "test/mean", "relation": "==", "value": 0.13066, "tolerance": 5e-6,
     "mark": "R", "source": "A17"},
    {"run": "mnist-statistics", "metric": "test/deviation", "relation": "==", "value": 0.30811, "tolerance": 5e-6,
     "mark": "R", "source": "A17"},
    {"run": "fashion-mnist-statistics", "metric": "test/mean", "relation": "==", "value": 0.28604, "tolerance": 5e-6,
     "mark": "R", "source": "A17"},
    {"run": "fashion-mnist-statistics", "metric": "test/deviation", "relation": "==", "value": 0.35302,
     "tolerance": 5e-6, "mark": "R", "source": "A17"},
    {"run": "breast-cancer", "metric": "test/difference", "relation": ">=", "value": 0.02, "mark": "P",
     "source": "A17: error of raw minus standardised columns, equal steps"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (64,)
    """Units of each hidden layer."""
    learning_rates: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    """Rates that both arms try; the best on validation is taken, and held throughout."""
    error: float = 0.05
    """Validation error whose first step is reported."""
    epochs: int = 20
    """Passes over the examples, in both arms."""
    batch: int = 32
    """Examples per step."""
    seeds: int = 3
    """Trials of each arm after tuning; 0 trains nothing and gives the statistics."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column with the class; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(hidden=(8,), learning_rates=(1e-2,), epochs=2, seeds=2), {"data": "breast-cancer"}


def default():
    return Config(), {"data": "breast-cancer"}


def paper():
    return Config(seeds=0, valid_share=0.0), {"data": "mnist"}


def verify():
    only = Config(seeds=0, valid_share=0.0)
    return {
        "mnist-statistics": (only, {"data": "mnist", "threads": 1}),
        "fashion-mnist-statistics": (only, {"data": "fashion-mnist", "threads": 1}),
        "breast-cancer": (Config(), {"data": "breast-cancer", "threads": 1}),
    }


import statistics

import torch

from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison
from deepcanon.foundations.standardization import curvature_spread, fit_standardize, training_statistics

CHILD = ("hidden", "epochs", "batch", "size", "channels", "target", "valid_share", "test_share")


class Recipe:
    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        """Statistics of the training examples: of all pixels together, or of each column."""
        require_classes(data)
        train, images = data["train"], data.describe()["kind"] == "images"
        shift, scale = training_statistics((part.x for part in train.chunks()), "value" if images else "feature")
        facts = {"shift": shift, "scale": scale, "images": images, "examples": len(train)}
        if not images:
            spreads = [curvature_spread(x) for x in (train.x, fit_standardize([train.x])(train.x))]
            facts["spreads"] = [float(spread) for spread in spreads]
        return facts

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        common = {**{name: getattr(config, name) for name in CHILD}, "schedule": "constant"}
        steps = config.epochs * max(1, facts["examples"] // config.batch)
        self.comparison = Comparison(
            run, "mlp",
            arms={"raw": {**common, "standardize": False}, "standardized": {**common, "standardize": True}},
            tune={"learning_rate": config.learning_rates},
            seeds=max(1, config.seeds),
            settings={"evaluate_every": max(1, steps // 40)},
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials if self.config.seeds else 1

    def step(self, step: int) -> dict:
        if self.config.seeds:
            return self.comparison.step(step)
        self.run.stop("the statistics are all that was asked for")
        return {"examples": self.facts["examples"]}

    def steps_to(self, arm: str) -> float:
        """Mean over the trials of the first evaluated step at or below the error; infinite where one never is."""
        first = [next((s for s, v in r["curve"] if v <= self.config.error), torch.inf) for r in self.comparison.of(arm)]
        return statistics.fmean(first) if first else torch.nan

    def evaluate(self, split: str) -> dict:
        found = self.comparison.verdict()
        if self.facts["images"]:  # of pixels in [0, 1]
            found |= {"mean": self.facts["shift"] / 255, "deviation": self.facts["scale"] / 255}
        else:
            found |= dict(zip(("spread_raw", "spread_standardized"), self.facts["spreads"], strict=True))
        if self.config.seeds:
            raw, standardized = self.steps_to("raw"), self.steps_to("standardized")
            found |= {"steps_raw": raw, "steps_standardized": standardized, "speedup": raw / standardized}
        return found

    def figures(self) -> dict:
        shift, scale, facts = self.facts["shift"], self.facts["scale"], self.facts
        if facts["images"]:
            text = f"pixels in [0, 1]: mean {shift / 255:.5f}, deviation {scale / 255:.5f}\n"
        else:
            names = facts["reader"].get("columns") or [f"column {i}" for i in range(len(shift))]
            rows = [f"{name}: mean {m:.4g}, deviation {s:.4g}" for name, m, s in zip(names, shift, scale, strict=True)]
            spreads = "spread of the curvature: raw {:.3g}, standardised {:.3g}".format(*facts["spreads"])
            text = "\n".join([*rows, spreads]) + "\n"
        return {**(self.comparison.figures() if self.config.seeds else {}), "statistics": text}
