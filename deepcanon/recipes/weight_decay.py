"""L2 weight decay on a perceptron with few examples: test error over the strength of the decay.

Task: classification by ReLU layers from 1,000 examples; no decay and several strengths of it, each at its best learning
rate, then trained from the same seeds. Data: images or the number columns of a table. Metrics: test error without decay
and with the strength that is best on validation, and their paired difference. No paper gives these (Krogh and Hertz
1992 have other tasks); ours in docs/results/weight_decay.json. Decay takes about 1 / (rate lambda) steps to act and
gains most in narrow layers: 256 units and 40 epochs show nothing. On MNIST 2 minutes on one core.

    deepcanon train weight-decay --data mnist --train-examples 1000
"""

from dataclasses import dataclass

SYSTEM = "foundations.weight_decay"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist-1000", "metric": "test/gain", "relation": ">=", "value": 0.005, "mark": "P",
     "source": "A12: error without decay minus with tuned L2, both at their best rate"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (32,)
    """Units of each hidden layer."""
    strengths: tuple[float, ...] = (0.003, 0.01, 0.03)
    """Lambdas that stand beside no decay; the best on validation is compared with it."""
    learning_rates: tuple[float, ...] = (0.03, 0.1)
    """Peaks of the one-cycle schedule that no decay and every strength try."""
    train_examples: int = 1000
    """Learn from so many of the training examples only; 0 takes all."""
    epochs: int = 150
    """Passes over the examples."""
    batch: int = 50
    """Examples per step."""
    seeds: int = 3
    """Trials of each strength after tuning."""
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
    few = Config(hidden=(16,), strengths=(0.01,), learning_rates=(0.1,), train_examples=0, epochs=2, seeds=2)
    return few, {"data": "digits"}


def default():
    return Config(train_examples=200, epochs=100, batch=20), {"data": "digits"}


def paper():
    return Config(strengths=(0.0001, 0.001, 0.003, 0.01, 0.03, 0.1), epochs=300, seeds=5), {"data": "mnist"}


def verify():
    return {"mnist-1000": (Config(), {"data": "mnist", "threads": 1})}


import statistics

from deepcanon.engine import require_classes
from deepcanon.engine.comparison import Comparison
from deepcanon.engine.errors import UsageError

CHILD = (
    "hidden", "train_examples", "epochs", "batch", "size", "channels", "target", "valid_share", "test_share",
)  # fmt: skip


class Recipe:
    state = ("comparison",)
    monitor = None
    parallel = "trials"
    splits = ("test",)
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data)
        if not config.strengths or min(config.strengths) <= 0:
            raise UsageError("--strengths are positive: no decay is there anyway")
        return {}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        common = {name: getattr(config, name) for name in CHILD}
        self.decays = {"none": 0.0} | {f"decay_{value:g}": value for value in config.strengths}
        self.comparison = Comparison(
            run, "mlp",
            arms={arm: {**common, "weight_decay": decay} for arm, decay in self.decays.items()},
            tune={"learning_rate": config.learning_rates},
            seeds=config.seeds,
        )  # fmt: skip

    def plan(self) -> int:
        return self.comparison.trials

    def step(self, step: int) -> dict:
        return self.comparison.step(step)

    def best(self) -> str | None:
        """The strength whose mean error on validation over the seeds is least."""
        means = {arm: [r["valid"] for r in self.comparison.of(arm)] for arm in list(self.decays)[1:]}
        done = {arm: statistics.fmean(errors) for arm, errors in means.items() if errors}
        return min(done, key=lambda arm: done[arm]) if done else None

    def evaluate(self, split: str) -> dict:
        found, best = self.comparison.verdict(), self.best()
        if best:
            tail = f"_{best}" if len(self.decays) > 2 else ""
            found |= {"tuned": found[best], "strength": self.decays[best], "gain": found[f"difference{tail}"]}
            found |= {f"gain_{end}": found[f"{end}{tail}"] for end in ("low", "high")}
        return found

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes, best = figure.subplots(), self.best()
        for place, arm in enumerate(self.decays):
            scores = self.comparison.scores(arm)
            axes.plot([place] * len(scores), scores, "o", color="C0", markersize=4)
            if scores:
                axes.plot([place - 0.2, place + 0.2], [statistics.fmean(scores)] * 2, "-", color="C0")
            if arm == best:
                axes.plot(place, statistics.fmean(scores), "*", color="C3", markersize=12, label="best on validation")
                axes.legend()
        axes.set_xticks(range(len(self.decays)), [f"{value:g}" for value in self.decays.values()])
        axes.set(xlabel="decay lambda", ylabel="test error")
        return {"strength": figure} | self.comparison.figures()
