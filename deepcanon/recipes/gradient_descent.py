"""Mini-batch gradient descent with and without shuffling: a softmax classifier after one pass over the data.

Task: classification by a linear softmax model, batch 256. Data: images or the number columns of a table. Three orders
of the examples: a new permutation in each epoch, as they come in the file, and sorted by class; each at its best rate
of those tried. Metric: test error. No paper gives it for sorted data; what is expected is a loss of 20 points or more
on MNIST (with shuffling about 9 % after one pass); ours in docs/results/gradient_descent.json. A minute on one core.

    deepcanon train gradient-descent --data mnist
"""

from dataclasses import dataclass

SYSTEM = "foundations.gradient_descent"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/gap", "relation": ">=", "value": 0.20, "mark": "P",
     "source": "A08: error of sorted minus shuffled after one epoch, batch 256, each at its best rate"},
    {"run": "mnist", "metric": "test/gap_same_rate", "relation": ">=", "value": 0.20, "mark": "P",
     "source": "A08: the same where the sorted order too takes the rate that is best with shuffling"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = ()
    """Units of each hidden layer; none is softmax regression."""
    learning_rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    """Constant rates that every order tries; the best on validation is taken."""
    epochs: int = 1
    """Passes over the examples."""
    batch: int = 256
    """Examples per step."""
    train_examples: int = 0
    """Learn from so many of the training examples only; 0 takes all."""
    seeds: int = 3
    """Trials of each order after tuning."""
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
    return Config(learning_rates=(0.1,), batch=32, seeds=2), {"data": "digits"}


def default():
    return Config(learning_rates=(0.01, 0.03, 0.1), batch=64), {"data": "digits"}


def paper():
    return Config(), {"data": "mnist"}


def verify():
    return {"mnist": (Config(), {"data": "mnist", "threads": 1})}


import statistics

from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison

CHILD = (
    "hidden", "epochs", "batch", "train_examples", "size", "channels", "target", "valid_share", "test_share",
)  # fmt: skip
ORDERS = {"shuffled": "shuffled", "file": "file", "sorted": "class"}


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
        common = {name: getattr(config, name) for name in CHILD}
        common |= {"optimizer": "gradient-descent", "schedule": "constant"}
        self.comparison = Comparison(
            run, "mlp",
            arms={name: {**common, "order": order} for name, order in ORDERS.items()},
            tune={"learning_rate": config.learning_rates},
            seeds=config.seeds,
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        return self.comparison.step(step)

    def evaluate(self, split: str) -> dict:
        found = self.comparison.verdict()
        if "difference_sorted" in found:
            found |= {"gap": -found["difference_sorted"], "gap_same_rate": self.same_rate()}
        return found

    def same_rate(self) -> float:
        """Error on validation, sorted minus shuffled, both at the rate that is best with shuffling."""
        rate = self.comparison.chosen("shuffled")
        both = [
            statistics.fmean(r["valid"] for r in self.comparison.results if r["arm"] == arm and r["options"] == rate)
            for arm in ("sorted", "shuffled")
        ]
        return both[0] - both[1]

    def figures(self) -> dict:
        return self.comparison.figures()
