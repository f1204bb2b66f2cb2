"""Cross-entropy against squared error on the same perceptron: steps until 95 % of the digits are right.

Task: classification by hidden ReLU layers; arms: cross-entropy of the softmax, and half the squared error of sigmoid
outputs, each at its best constant learning rate. Data: images or the number columns of a table. Metrics: steps until
the validation accuracy reaches a threshold, mean over seeds (a trial that never does counts with all its steps), test
error, and the gradients' ratio on a unit that is wrong at logit 10: y (1 - y) = 4.54e-5 exactly. Golik et al. 2013
find squared error slower from random weights. On MNIST three minutes on one core; numbers in docs/results/losses.json.

    deepcanon train losses --data mnist
"""

from dataclasses import dataclass

SYSTEM = "foundations.losses"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/steps_difference", "relation": "<=", "value": -1.0, "mark": "X",
     "source": "A21: cross-entropy reaches 95 % in fewer steps than squared error"},
    {"run": "mnist", "metric": "test/reached_cross_entropy", "relation": "==", "value": 1.0, "tolerance": 0.0,
     "mark": "X", "source": "A21: share of the seeds that reach it"},
    {"run": "mnist", "metric": "test/ratio_at_10", "relation": "==", "value": 4.5395807735951673e-05,
     "tolerance": 1e-15, "mark": "X", "source": "A21: y (1 - y) = 1 / (2 + 2 cosh 10)"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (300,)
    """Units of each hidden layer."""
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    """Constant rates that both arms try; the best validation error after all steps is taken."""
    momentum: float = 0.9
    """Share of the last update that is kept."""
    train_steps: int = 1000
    """Steps of each trial."""
    every: int = 20
    """Steps between looks at the validation accuracy."""
    threshold: float = 0.95
    """Validation accuracy to reach."""
    batch: int = 256
    """Examples per step."""
    seeds: int = 3
    """Trials of each arm after tuning."""
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
    few = Config(hidden=(16,), learning_rates=(0.03, 0.3), train_steps=30, every=10, batch=64, seeds=2, threshold=0.8)
    return few, {"data": "digits"}


def default():
    return Config(hidden=(64,), train_steps=300, every=10, batch=64, threshold=0.9), {"data": "digits"}


def paper():
    return Config(), {"data": "mnist"}


def verify():
    return {"mnist": (Config(), {"data": "mnist", "threads": 1})}


import statistics

import torch

from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison, interval
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.losses import sigmoid_cross_entropy_gradient, sigmoid_squared_error_gradient

CHILD = ("hidden", "momentum", "batch", "size", "channels", "target", "valid_share", "test_share")
ARMS = {"cross_entropy": "cross-entropy", "squared": "squared"}


class Recipe:
    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data)
        if not 0 < config.threshold <= 1:
            raise UsageError(f"--threshold {config.threshold}: a share above 0, at most 1")
        if not 1 <= config.every <= config.train_steps:
            raise UsageError(f"--every {config.every}: from 1 to the {config.train_steps} steps of a trial")
        if config.valid_share <= 0:
            raise UsageError("--valid-share 0: the threshold is one of the validation accuracy")
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        common = {name: getattr(config, name) for name in CHILD} | {"schedule": "constant", "initialization": "glorot"}
        self.comparison = Comparison(
            run, "mlp",
            arms={arm: {**common, "loss": loss} for arm, loss in ARMS.items()},
            tune={"learning_rate": config.learning_rates},
            seeds=config.seeds,
            settings={"steps": config.train_steps, "evaluate_every": config.every},
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        return self.comparison.step(step)

    def steps_to(self, result: dict) -> float:
        """The first look at which the threshold is reached; all steps and one look more where it never is."""
        good = (step for step, error in result["curve"] if 1 - error >= self.config.threshold - 1e-9)
        return float(next(good, self.config.train_steps + self.config.every))

    def evaluate(self, split: str) -> dict:
        found = self.comparison.verdict()
        steps = {arm: [self.steps_to(result) for result in self.comparison.of(arm)] for arm in ARMS}
        for arm, needed in steps.items():
            if needed:
                found[f"steps_{arm}"] = statistics.fmean(needed)
                found[f"reached_{arm}"] = statistics.fmean(n <= self.config.train_steps for n in needed)
        pairs = list(zip(*steps.values(), strict=False))
        if pairs:
            mean, low, high = interval([first - second for first, second in pairs])
            found |= {"steps_difference": mean, "steps_low": low, "steps_high": high}
        return found | {"ratio_at_10": ratio(torch.tensor(10.0, dtype=torch.float64)).item()}

    def figures(self) -> dict:
        return {**self.comparison.figures(), "gradients": draw_gradients(), "steps": self.table()}

    def table(self) -> str:
        """Steps to the threshold of every trial, at every rate."""
        lines = [f"steps to {self.config.threshold:.0%} of the validation set"]
        for result in self.comparison.results:
            steps, rate = self.steps_to(result), result["options"]["learning_rate"]
            word = f"{steps:.0f}" if steps <= self.config.train_steps else "never"
            what = "tuning" if result["phase"] == "tune" else f"seed {result['seed']}"
            lines.append(f"{word:>7}  {result['arm'].replace('_', '-')}, rate {rate:g}, {what}")
        return "\n".join(lines) + "\n"


def ratio(logits):
    """Gradient of squared error over that of cross-entropy where the label is 0."""
    wrong = torch.zeros_like(logits)
    squared = sigmoid_squared_error_gradient(logits, wrong, reduction="sum")
    return squared / sigmoid_cross_entropy_gradient(logits, wrong, reduction="sum")


def draw_gradients():
    """Both gradients of one sigmoid unit with target 0, over its logit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes, z = figure.subplots(), torch.linspace(-10, 10, 401, dtype=torch.float64)
    wrong = torch.zeros_like(z)
    axes.plot(z, sigmoid_cross_entropy_gradient(z, wrong, reduction="sum"), label="cross-entropy")
    axes.plot(z, sigmoid_squared_error_gradient(z, wrong, reduction="sum"), label="squared error")
    axes.set(xlabel="logit of a unit whose target is 0", ylabel="gradient", yscale="log")
    axes.legend()
    return figure
