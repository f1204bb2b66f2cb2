"""Dropout with max-norm against the same perceptron without: equal epochs, each at its best learning rate.

Task: classification by two wide ReLU layers. Data: images or the number columns of a table. Metric: test error; MNIST,
1.60 % without and 1.06 % with dropout and max-norm after a million updates of three layers (Srivastava et al. 2014);
ours after forty epochs of two layers in docs/results/dropout.json. On 500 of the embedded digits half a minute.

    deepcanon train dropout
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "foundations.dropout"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/dropout", "relation": "<=", "value": 0.0135, "mark": "P",
     "source": "A13: 784-1024-1024, input 0.2, hidden 0.5, max-norm"},
    {"run": "mnist", "metric": "test/difference", "relation": ">=", "value": 0.002, "mark": "P",
     "source": "A13: without minus with, same epochs"},
    {"run": "mnist-5000", "metric": "test/difference", "relation": ">=", "value": 0.01, "mark": "P",
     "source": "A13: learning from 5,000 examples"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (1024, 1024)
    """Units of each hidden layer, in both arms."""
    input_dropout: float = 0.2
    """Probability with which an input is dropped; the paper keeps 0.8."""
    dropout: float = 0.5
    """Probability with which a hidden unit is dropped; the paper keeps 0.5."""
    max_norm: float = 3.0
    """Largest norm of a hidden unit's incoming weights, with dropout; 0 sets no limit."""
    optimizer: Literal["sgd", "adamw"] = "adamw"
    """SGD with Nesterov momentum 0.9, or AdamW without decay; the same in both arms."""
    learning_rates: tuple[float, ...] = (1e-3, 2e-3)
    """Peaks of the one-cycle schedule that both arms try; the best on validation is taken."""
    train_examples: int = 0
    """Learn from so many of the training examples at most; 0 takes all."""
    epochs: int = 20
    """Passes over the examples, in both arms."""
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
    few = Config(hidden=(16,), learning_rates=(1e-3,), epochs=2, batch=50, seeds=2)
    return few, {"data": "digits"}


def default():
    rates = (1e-3, 3e-3)
    return Config(hidden=(256, 256), train_examples=500, epochs=150, batch=50, learning_rates=rates), {"data": "digits"}


def paper():
    return Config(hidden=(1024, 1024, 1024), epochs=200), {"data": "mnist"}


def verify():
    settings = {"data": "mnist", "threads": 1}
    return {
        "mnist": (Config(epochs=40, batch=512), settings),
        "mnist-5000": (Config(train_examples=5000, epochs=100, batch=250), settings),
    }


from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison

CHILD = ("hidden", "optimizer", "epochs", "batch", "size", "channels", "target", "valid_share", "test_share")


class Recipe:
    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data)
        return {"examples": len(data["train"])}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        some = config.train_examples if config.train_examples < facts["examples"] else 0
        common = {name: getattr(config, name) for name in CHILD} | {"train_examples": some, "standardize": False}
        dropped = {name: getattr(config, name) for name in ("input_dropout", "dropout", "max_norm")}
        self.comparison = Comparison(
            run, "mlp",
            arms={"plain": common, "dropout": {**common, **dropped}},
            tune={"learning_rate": config.learning_rates},
            seeds=config.seeds,
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        return self.comparison.step(step)

    def evaluate(self, split: str) -> dict:
        return self.comparison.verdict()

    def figures(self) -> dict:
        return self.comparison.figures()
