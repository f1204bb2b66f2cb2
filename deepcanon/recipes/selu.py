"""A self-normalising network of 32 layers against ReLU from the same weights, unnormalised.

Task: classification by very many equal layers, each arm at its best learning rate; and what the
layers do to mean and variance before any training, with and without alpha-dropout. Data: images or
the number columns of a table. Metrics: test error; mean and variance of the units in the last layer
of freshly drawn networks. The paper compares on 121 tables and gives no figure for MNIST. Ours,
three seeds: 2.4 % test error with SELU, and as much with alpha-dropout; ReLU from the same weights
has 14.5 % on average, 25.8 % at worst.

    deepcanon train selu --data mnist

For your own network: `deepcanon train mlp --activation selu --initialization lecun
--dropout-kind alpha --dropout 0.1`.
"""

from dataclasses import dataclass, replace

from deepcanon.options import Batches, Count, Images, Probability, Tables, Tuning
from deepcanon.targets import metric, target, trial_metrics

SYSTEM = "vision.selu"
DATA = ("images", "tables")
METRICS = {
    **trial_metrics("test error", "share", "min", "relu", "selu", "selu_dropout"),
    "mean*": metric("mean of the last layer's units in a new network, worst of the draws"),
    "variance_low*": metric("variance of the last layer's units, smallest of the draws"),
    "variance_high*": metric("variance of the last layer's units, largest of the draws"),
    "dropout_mean": metric("mean of SELU units after alpha-dropout minus that before"),
    "dropout_variance": metric("variance after alpha-dropout minus that before"),
}
FIXED = "fixed point of arXiv:1706.02515, equations 4 and 5, in layers of finite width"
KEPT = "arXiv:1706.02515, alpha-dropout keeps mean and variance"
TARGETS = (
    target("mnist", "test/selu <= 0.03", "P", "32 layers, best of the rates"),
    target(
        "mnist", "test/difference_selu >= 0.02", "P", "ReLU minus SELU, the same initial weights"
    ),
    target("mnist", "worst test/mean == 0 +- 0.15", "X", FIXED),
    target("mnist", "worst test/mean_dropout == 0 +- 0.15", "X", FIXED),
    target("mnist", "worst test/variance_low >= 0.7", "X", FIXED),
    target("mnist", "worst test/variance_high <= 1.3", "X", FIXED),
    target("mnist", "worst test/variance_low_dropout >= 0.7", "X", FIXED),
    target("mnist", "worst test/variance_high_dropout <= 1.3", "X", FIXED),
    target("mnist", "worst test/dropout_mean == 0 +- 0.01", "X", KEPT),
    target("mnist", "worst test/dropout_variance == 0 +- 0.01", "X", KEPT),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Batches, Tuning):
    depth: Count = 32
    """Hidden layers."""
    width: Count = 128
    """Units of each of them."""
    dropout: Probability = 0.01
    """Alpha-dropout of the third arm in training."""
    learning_rates: tuple[float, ...] = (0.003, 0.01)
    draws: Count = 5
    """Fresh networks whose means and variances are measured."""
    measured_width: Count = 512
    """Units of each of their layers."""
    epochs: int = 8


FEW = Config(depth=4, width=8, learning_rates=(0.01,), epochs=1, seeds=2, draws=2)
SMALL = {"width": 64, "epochs": 10, "batch": 32, "seeds": 3}
PRESETS = {
    "smoke": (replace(FEW, measured_width=32), {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": SMALL}),
    "paper": (Config(width=256, epochs=30), {"data": "mnist"}),
    "verify:mnist": (Config(extend=1), {"data": "mnist", "threads": 1}),
}

import torch
from torch.nn import functional

from deepcanon.engine import Experiment
from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.vision.selu import AlphaDropout, propagated_moments, selu

MEASURED = 0.1  # alpha-dropout of the networks whose means and variances are measured
SAMPLE = 1_000_000
LEVEL = (
    "Mean and variance of units by layer before training: SELU holds both, ReLU's variance dies."
)
KINDS: dict[str, dict] = {
    "selu": {},
    "selu, alpha-dropout": {"p": MEASURED},
    "relu": {"units": functional.relu},
}


class Recipe(Experiment[Config]):
    trains = "mlp"
    shares = ("epochs", "batch")
    precisions = ("fp32", "bf16")
    wants = "classes"

    @property
    def hidden(self):
        return (self.config.width,) * self.config.depth

    def arms(self):
        common = {"hidden": self.hidden, "initialization": "lecun"}
        drops = {"dropout_kind": "alpha", "dropout": self.config.dropout}
        selu = {**common, "activation": "selu"}
        return {
            "relu": {**common, "activation": "relu"},
            "selu": selu,
            "selu_dropout": selu | drops,
        }

    def drawn(self, kind):
        """Means and variances [draws, depth] of new networks."""
        config, random = self.config, self.run.generator(f"moments/{kind}")
        sizes = (config.depth, config.measured_width)
        found = [
            propagated_moments(*sizes, **KINDS[kind], generator=random) for _ in range(config.draws)
        ]
        return tuple(torch.stack(part) for part in zip(*found, strict=True))

    def findings(self):
        random, found = self.run.generator("dropout"), {}
        for kind, end in (("selu", ""), ("selu, alpha-dropout", "_dropout")):
            means, variances = (part[:, -1] for part in self.drawn(kind))
            found[f"mean{end}"] = means[means.abs().argmax()]
            found[f"variance_low{end}"] = variances.min()
            found[f"variance_high{end}"] = variances.max()
        before = selu(torch.randn(SAMPLE, generator=random))
        after = AlphaDropout(MEASURED)(before, random)
        found["dropout_mean"] = after.mean() - before.mean()
        found["dropout_variance"] = after.var() - before.var()
        return found

    def figures(self):
        plots, layers = [], range(1, self.config.depth + 1)
        curves = {kind: self.drawn(kind) for kind in KINDS}
        for place, name in enumerate(("mean of the units", "variance of the units")):
            lines = [
                Line(found[place].mean(0).clamp_min(1e-12 if place else -1e12), layers, kind)
                for kind, found in curves.items()
            ]
            plots.append(Plot(lines, "layer", name, log="y" if place else ""))
        return {**super().figures(), "moments": Panels(plots, columns=2, caption=LEVEL)}
