"""Eleven kinds of pooling in one small network, each at its best learning rate: a ranking.

Task: classification by two convolutions with pooling by 2, a hidden layer and no dropout; every
kind is tuned on validation, then trained from the same seeds. Data: images. Metric: test error, and
the paired difference of each kind from maximum pooling with its 95 % interval. The papers' gains
are for larger networks and longer training (stochastic pooling, CIFAR-10: 15.13 % against 19.4 %
for maximum pooling, Zeiler and Fergus 2013); this is a table, not a claim. On 5,000 examples of
Fashion-MNIST, four epochs, five seeds, gated and maximum pooling have a test error of 14.4 %,
stochastic and mixed 14.7 %, Lp and overlapping 14.9 %, mean 15.5 %, maxout 15.6 %, the pyramid
16.2 %, fractional 19.7 % and k-max, which ignores the position within a row, 26.5 %. Maxout halves
the maps and the pyramid keeps 21 numbers of each, so their networks have half the parameters:
26,474 and 23,466, the others 52,138 to 52,146 (28 x 28 pixels, ten classes).

    deepcanon train pooling --data fashion-mnist --poolings max mean stochastic
"""

from dataclasses import dataclass

from deepcanon.options import Batches, Count, Images, PoolingName, Tuning, Whole
from deepcanon.targets import metric, target, trial_metrics

SYSTEM = "vision.pooling"
DATA = ("images",)
KINDS: tuple[PoolingName, ...] = (
    "max",
    "mean",
    "overlapping",
    "lp",
    "stochastic",
    "mixed",
    "gated",
    "fractional",
    "k-max",
    "maxout",
    "pyramid",
)
METRICS = {
    **trial_metrics("test error", "share", "min", *(kind.replace("-", "_") for kind in KINDS)),
    "difference": metric("the first of two kinds minus the second, mean over the seeds", "share"),
    "low": metric("the same, lower end of the 95 % interval", "share"),
    "high": metric("the same, upper end of the 95 % interval", "share"),
    "best_kind": metric("mean test error of the kind that is best", "share", "min"),
    "last_kind": metric("mean test error of the kind that is last", "share", "min"),
}
TARGETS = (
    target("fashion-mnist", "test/best_kind <= 0.145", "P", "5,000 examples, four epochs"),
    target("fashion-mnist", "test/last_kind <= 0.25", "P", "each kind trains a network"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Batches, Tuning):
    poolings: tuple[PoolingName, ...] = KINDS
    """Kinds to compare; the others are compared with the first."""
    filters: tuple[Count, ...] = (8, 16)
    """Filters of each convolution, in every arm."""
    hidden: Count = 64
    """Units of the hidden layer, in every arm."""
    train_examples: Whole = 0
    """Learn from at most this many of the training examples; 0 takes all."""
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    extend: int = 1
    seeds: int = 5
    epochs: int = 4
    batch: int = 100


FEW = Config(poolings=("max", "stochastic"), filters=(4, 4), hidden=8, learning_rates=(0.01,))
SMALL = {"poolings": ("max", "mean", "stochastic"), "seeds": 3, "train_examples": 2000}
SHORT = Config(train_examples=5000)
PRESETS = {
    "smoke": (FEW, {"data": "digits", "options": {"seeds": 2, "epochs": 1}}),
    "default": (Config(), {"data": "letters", "options": SMALL}),
    "paper": (Config(filters=(64, 64), hidden=128, epochs=50), {"data": "fashion-mnist"}),
    "verify:fashion-mnist": (SHORT, {"data": "fashion-mnist", "threads": 1}),
}

from deepcanon.engine import Experiment
from deepcanon.techniques.poolings import pooled_pictures


class Recipe(Experiment[Config]):
    trains = "convnet"
    shares = ("filters", "hidden", "train_examples", "epochs", "batch")
    precisions = ("fp32", "bf16")
    wants = "classes"

    def arms(self):
        return {
            kind.replace("-", "_"): {"pooling": kind, "dropout": 0.0}
            for kind in self.config.poolings
        }

    def findings(self):
        errors = [self.comparison.verdict().get(arm) for arm in self.arms()]
        known = [error for error in errors if error is not None]
        return {"best_kind": min(known), "last_kind": max(known)} if known else {}

    def figures(self):
        images = self.run.data["test"].x[:6] / 255
        return {**super().figures(), "pooled": pooled_pictures(images, self.config.poolings)}
