"""Early stopping on wrong labels: the best checkpoint against the last, and where each criterion would have stopped.

Task: classification with a share of the training labels replaced by others. Validation and test labels are right.
Data: images or the number columns of a table. Metric: test error of the best weights on validation, and of the last.
The paper gives no number for this task; ours are in docs/results/early_stopping.json. Half a minute on one core.

    deepcanon train early-stopping
"""

from dataclasses import dataclass

SYSTEM = "foundations.early_stopping"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/difference", "relation": ">=", "value": 0.10, "mark": "P",
     "source": "A14: error of the last minus that of the best checkpoint, 40 % wrong labels"},
    {"run": "mnist", "metric": "test/patience_cost", "relation": "<=", "value": 0.01, "mark": "P",
     "source": "A14: validation error kept by patience 10 minus the lowest of the whole training"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (512, 512)
    """Units of each hidden layer."""
    label_noise: float = 0.4
    """Share of the training labels that are replaced by another class."""
    train_examples: int = 0
    """Learn from so many of the training examples at most; 0 takes all."""
    learning_rate: float = 0.05
    """Of stochastic gradient descent with momentum; the same throughout."""
    epochs: int = 60
    """Passes over the examples."""
    batch: int = 100
    """Examples per step."""
    evaluations: int = 60
    """Looks at the validation set in a training."""
    wait: int = 10
    """Evaluations without a lower error after which the criterion of patience stops."""
    alpha: float = 5.0
    """Per cent of generalisation loss at which GL stops."""
    quotient: float = 0.75
    """Quotient of generalisation loss and training progress at which PQ stops."""
    strip: int = 5
    """Evaluations in a strip of PQ and UP."""
    successive: int = 3
    """Strips with a rise after which UP stops."""
    seeds: int = 3
    """Trainings of each arm."""
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
    few = Config(hidden=(32,), epochs=4, batch=50, evaluations=10, strip=2, wait=3, seeds=2)
    return few, {"data": "digits"}


def default():
    return Config(hidden=(256, 256), batch=50), {"data": "digits"}


def paper():
    return Config(), {"data": "mnist"}


def verify():
    return {"mnist": (Config(train_examples=5000), {"data": "mnist", "threads": 1})}


import statistics

import torch

from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.early_stopping import (
    best_evaluation,
    stop_by_gl,
    stop_by_patience,
    stop_by_pq,
    stop_by_up,
)

CHILD = ("hidden", "label_noise", "learning_rate", "epochs", "batch", "size", "channels", "target",
         "valid_share", "test_share")  # fmt: skip


class Recipe:
    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data)
        if "valid" not in data.splits:
            raise UsageError("early stopping needs a validation set: give --valid-share above 0")
        return {"examples": len(data["train"])}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        some = config.train_examples if config.train_examples < facts["examples"] else 0
        steps = config.epochs * max(1, (some or facts["examples"]) // config.batch)
        common = {name: getattr(config, name) for name in CHILD} | {"train_examples": some, "schedule": "constant"}
        self.comparison = Comparison(
            run, "mlp",
            arms={"last": {**common, "checkpoint": "last"}, "best": {**common, "checkpoint": "best"}},
            seeds=config.seeds,
            settings={"evaluate_every": max(1, steps // config.evaluations)},
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        return self.comparison.step(step)

    def histories(self):
        """Steps, validation errors and training losses at the evaluations, of each training of the arm `best`."""
        for result in self.comparison.of("best"):
            steps = [int(step) for step, _ in result["curve"]]
            last = [next((v for s, v in reversed(result["loss"]) if s <= step), result["loss"][0][1]) for step in steps]
            if steps:
                yield steps, torch.tensor([v for _, v in result["curve"]]).double(), torch.tensor(last).double()

    def stops(self, valid, train) -> dict:
        """The evaluation at which each criterion stops; the last where it never does."""
        config = self.config
        found = {
            "patience": stop_by_patience(valid, config.wait),
            "gl": stop_by_gl(valid, config.alpha),
            "pq": stop_by_pq(valid, train, config.quotient, config.strip),
            "up": stop_by_up(valid, config.successive, config.strip),
        }
        return {rule: len(valid) - 1 if place is None else place for rule, place in found.items()}

    def evaluate(self, split: str) -> dict:
        """Of each criterion: the share of the training that it took, and what it gave away on validation."""
        shares: dict[str, list[float]] = {}
        costs: dict[str, list[float]] = {}
        for _, valid, train in self.histories():
            for rule, place in self.stops(valid, train).items():
                kept = valid[best_evaluation(valid[: place + 1])]
                shares.setdefault(f"{rule}_share", []).append((place + 1) / len(valid))
                costs.setdefault(f"{rule}_cost", []).append(float(kept - valid.min()))
        means = {name: statistics.fmean(values) for name, values in {**shares, **costs}.items()}
        return {**self.comparison.verdict(), **means}

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        shown = self.comparison.figures()
        for steps, valid, train in list(self.histories())[:1]:
            figure = Figure(figsize=(7, 4), layout="constrained")
            left = figure.subplots()
            right = left.twinx()
            left.plot(steps, valid, color="C0", label="validation error")
            right.plot(steps, train, color="0.6", label="training loss")
            left.plot(steps[best_evaluation(valid)], valid.min(), "*", color="C0", markersize=14, label="best, kept")
            for index, (rule, place) in enumerate(self.stops(valid, train).items()):
                left.axvline(steps[place], color=f"C{index + 1}", linestyle="--", label=f"{rule} stops")
            left.set(xlabel="step", ylabel="error on validation")
            right.set_ylabel("training loss")
            handles = [*left.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
            left.legend(handles=handles, loc="center right", fontsize=8)
            shown["stops"] = figure
        return shown
