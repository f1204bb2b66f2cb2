"""AdaGrad against momentum on one perceptron: the best of each, and how much depends on the learning rate.

Task: classification by ReLU layers at constant rates, both methods over the same wide range of rates and at equal
epochs. Data: images or the number columns of a table. Metrics: test error of each method at its best rate on
validation; and the spread, the worst minus the best error on validation over rates from a tenth of the best to ten
times the best (a run that diverges counts as error 1). No paper gives these; ours in docs/results/adagrad.json. On
MNIST 5 minutes on one core.

    deepcanon train adagrad --data mnist
"""

from dataclasses import dataclass

SYSTEM = "foundations.adagrad"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/difference", "relation": "<=", "value": 0.005, "mark": "P",
     "source": "A11: best AdaGrad's error minus best momentum's, half a point"},
    {"run": "mnist", "metric": "test/spread_gap", "relation": ">=", "value": 0.0, "mark": "P",
     "source": "A11: momentum's spread minus AdaGrad's, each over its own hundredfold range"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (256,)
    """Units of each hidden layer, in both arms."""
    learning_rates: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    """Constant rates that both methods try; the range should reach a tenth and ten times of either's best."""
    momentum: float = 0.9
    """Of the arm with momentum."""
    train_examples: int = 0
    """Learn from so many of the training examples only; 0 takes all."""
    epochs: int = 4
    """Passes over the examples, in both arms."""
    batch: int = 128
    """Examples per step."""
    seeds: int = 3
    """Trials of each method after tuning."""
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
    few = Config(hidden=(16,), learning_rates=(0.03, 0.3), epochs=3, batch=50, seeds=2)
    return few, {"data": "digits"}


def default():
    rates = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    return Config(hidden=(64,), learning_rates=rates, epochs=10, batch=64), {"data": "digits"}


def paper():
    return Config(epochs=20), {"data": "mnist"}


def verify():
    return {"mnist": (Config(), {"data": "mnist", "threads": 1})}


from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison

CHILD = (
    "hidden", "train_examples", "epochs", "batch", "size", "channels", "target", "valid_share", "test_share",
)  # fmt: skip
RANGE = 10.5  # a tenth and ten times, and rounding
DIVERGED = 1.0  # the error of a run that breaks off


class Recipe:
    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data)
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        common = {name: getattr(config, name) for name in CHILD} | {"schedule": "constant"}
        self.comparison = Comparison(
            run, "mlp",
            arms={
                "adagrad": {**common, "optimizer": "adagrad"},
                "momentum": {**common, "optimizer": "momentum", "momentum": config.momentum},
            },
            tune={"learning_rate": config.learning_rates},
            seeds=config.seeds,
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        return self.comparison.step(step)

    def errors(self, arm: str) -> dict[float, float]:
        """Error on validation by rate, while tuning."""
        return {r["options"]["learning_rate"]: min(r["valid"], DIVERGED) for r in self.comparison.of(arm, "tune")}

    def spread(self, arm: str) -> float:
        """Worst minus best error over the rates within a factor of ten of the best."""
        errors = self.errors(arm)
        best = min(errors, key=lambda rate: errors[rate])
        near = [error for rate, error in errors.items() if best / RANGE <= rate <= best * RANGE]
        return max(near) - min(near)

    def evaluate(self, split: str) -> dict:
        found = self.comparison.verdict()
        if all(len(self.errors(arm)) > 1 for arm in ("adagrad", "momentum")):
            found |= {f"{arm}_spread": self.spread(arm) for arm in ("adagrad", "momentum")}
            found["spread_gap"] = found["momentum_spread"] - found["adagrad_spread"]
        return found

    def figures(self) -> dict:
        return self.comparison.figures()
