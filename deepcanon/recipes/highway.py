"""Highway layers against plain ones at a depth of 50, and against gates that begin half open.

Task: classification by very many narrow layers, each arm at its best learning rate. Data: images or
the number columns of a table. Metrics: cross-entropy on the training examples after some passes,
and the smallest that plain layers reach at any rate, relative to highway layers; the activity of
the gates. The papers show training curves of MNIST, where plain nets of 50 layers stay far above
highway ones; a convolutional highway net of 10 layers has 0.45 % test error there. Ours of 50
layers, three seeds: 0.012 with highway layers, 0.33 without; gates that begin half open diverge.

    deepcanon train highway --data mnist

For your own network: `deepcanon train mlp --layer highway --hidden 50 50 50 50`.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from deepcanon.options import (
    Activation,
    Batches,
    Count,
    Images,
    Number,
    Range,
    Tables,
    Tuning,
)
from deepcanon.targets import metric, target, trial_metrics

SYSTEM = "vision.highway"
DATA = ("images", "tables")
METRICS = {
    **trial_metrics("test cross-entropy", "nats", "min", "highway", "plain", "half_open"),
    "train_*": metric("training cross-entropy of the arm, mean over its trials", "nats", "min"),
    "ratio_*": metric("smallest training cross-entropy of the arm at any rate, over highway's"),
    "correlation": metric("correlation of inputs and outputs of a new network's layers"),
}
NET = "50 layers of 50 units, ten epochs"
TARGETS = (
    target("mnist", "test/train_highway <= 0.05", "P", NET),
    target("mnist", "test/ratio_plain >= 5", "P", f"{NET}, best of all rates, He's weights"),
    target("mnist", "test/ratio_half_open >= 2", "P", f"{NET}, gates that begin at 1/2"),
    target("mnist", "worst test/correlation >= 0.9", "X", "1 - T = sigmoid(-bias) is passed on"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Batches, Tuning, Activation):
    depth: Annotated[int, Range("[2, inf)")] = 50
    """Hidden layers."""
    width: Count = 50
    """Units of each of them."""
    transform_bias: Number = -4.0
    """Initial bias of the gates: the deeper the network, the more negative."""
    learning_rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    epochs: int = 10
    batch: int = 256


FEW = Config(depth=4, width=8, learning_rates=(0.1,), epochs=1, batch=128, seeds=2)
SMALL = {
    "depth": 20,
    "epochs": 20,
    "batch": 64,
    "learning_rates": (0.01, 0.03, 0.1),
    "extend": 0,
    "seeds": 3,
}
PRESETS = {
    "smoke": (FEW, {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": SMALL}),
    "paper": (replace(Config(), depth=100, epochs=100), {"data": "mnist"}),
    "verify:mnist": (Config(extend=0), {"data": "mnist", "threads": 1}),
}

import math
import statistics

from deepcanon.engine import Experiment
from deepcanon.engine.figures import Heat, Line, Panels, Plot
from deepcanon.vision.highway import initial_correlation, transform_gates

SEEN = 1000  # held-out examples whose gates are shown
GATES = (
    "How far each unit transforms, by layer: most gates are closed, and which open depends on it."
)


class Recipe(Experiment[Config]):
    trains = "mlp"
    shares = ("epochs", "batch", "activation")
    metric = "nll"
    also = ("train/nll",)
    precisions = ("fp32", "bf16")
    wants = "classes"

    def arms(self):
        config = self.config
        common = {"hidden": (config.width,) * config.depth}
        gated = {**common, "layer": "highway", "transform_bias": config.transform_bias}
        return {"highway": gated, "plain": common, "half_open": {**gated, "transform_bias": 0.0}}

    def findings(self):
        config, random = self.config, self.run.generator("correlation")
        sizes = (config.depth - 1, config.width, config.transform_bias)  # the first layer is plain
        found = {"correlation": initial_correlation(*sizes, random)}
        losses = {arm: self.training_losses(arm, "seeds") for arm in self.arms()}
        found |= {f"train_{arm}": statistics.fmean(some) for arm, some in losses.items() if some}
        for arm in [*losses][1:]:
            if losses["highway"] and losses[arm]:
                best = min(losses[arm] + self.training_losses(arm, "tune"))
                found[f"ratio_{arm}"] = best / max(found["train_highway"], 1e-12)
        return found

    def training_losses(self, arm, phase):
        """Of every trial; infinite where one diverged."""
        found = [result["also"]["train/nll"] for result in self.comparison.of(arm, phase)]
        return [loss if math.isfinite(loss) else math.inf for loss in found]

    def figures(self):
        trained = self.comparison.trained("highway")
        return {**super().figures(), **({"gates": self.gates(trained)} if trained else {})}

    def gates(self, trained):
        """Mean activity of each gate, and by layer, of one highway network after its training."""
        x, layers = self.run.data[self.run.pictured].x[:SEEN], trained.module.layers
        rows_first = trained.recipe.classifier(
            x, lambda x: transform_gates(layers, x).movedim(1, 0)
        )
        gates = rows_first.movedim(0, 1).cpu()
        means = gates.mean(1)
        places = range(len(means))
        one = Line(gates[:, 0].mean(1), places, "one example", style=":")
        curve = Plot([Line(means.mean(1), places, "mean"), one], "gated layer", "mean of its gates")
        heat = Heat(means, "unit", "gated layer", unit="mean of the gate")
        return Panels([heat, curve], columns=2, caption=GATES)
