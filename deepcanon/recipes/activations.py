"""The family of rectifiers on one network: each unit at its best learning rate, over five seeds.

Task: classification by two hidden layers after a few passes over the data; maxout layers are
narrower, so that all arms have equally many parameters. Data: images or the number columns of a
table. Metrics: test error of each unit, differences from ReLU with their 95 % intervals. Published
gains (PReLU 1 % top-1 on ImageNet, He et al. 2015) are for convolutional networks at another scale;
a perceptron of 256-128-100 ReLU units has a test error of 11.7 % on Fashion-MNIST in the data set's
benchmark table. Ours, each at its best rate over five seeds: ReLU 10.6 %, ELU 10.1 % and maxout
10.4 % (both differences are shown), leaky ReLU, PReLU and RReLU are like ReLU.

    deepcanon train activations --data fashion-mnist
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import Batches, Count, Images, Tables, Tuning
from deepcanon.targets import metric, target

SYSTEM = "vision.activations"
DATA = ("images", "tables")
Unit = Literal["relu", "leaky-relu", "prelu", "rrelu", "elu", "selu", "maxout", "tanh", "sigmoid"]
FAMILY: tuple[Unit, ...] = ("relu", "leaky-relu", "prelu", "rrelu", "elu", "maxout")
ARMS = tuple(unit.replace("-", "_") for unit in FAMILY)
METRICS = {
    "parameter_gap": metric("most over fewest parameters of the arms, minus 1"),
    "difference*": metric("test error of the first unit minus another's, mean", "share"),
    "low*": metric("the same, lower end of the 95 % interval", "share"),
    "high*": metric("the same, upper end of the 95 % interval", "share"),
    "*_worst": metric("test error of the unit, worst of its trials", "share", "min"),
    "*": metric("test error of the unit, mean over its trials", "share", "min"),
}
TABLE = "256-128-100 units, benchmark table of zalandoresearch/fashion-mnist"
TARGETS = (
    *(target("fashion-mnist", f"test/{arm}_worst <= 0.1167", "C", TABLE) for arm in ARMS),
    target("fashion-mnist", "test/parameter_gap <= 0.01", "X", "equal but for whole widths"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Batches, Tuning):
    units: tuple[Unit, ...] = FAMILY
    """Units to compare: relu, leaky-relu, prelu, rrelu, elu, selu, maxout, tanh, sigmoid.
    Differences are relative to the first."""
    hidden: tuple[Count, ...] = (256, 256)
    """Units of each hidden layer; maxout has fewer, of two pieces."""
    learning_rates: tuple[float, ...] = (0.03, 0.1, 0.3)
    epochs: int = 10
    seeds: int = 5


FEW = Config(hidden=(16,), units=("relu", "maxout"), learning_rates=(0.1,), epochs=2, seeds=2)
SMALL = {"hidden": (64, 64), "batch": 64, "seeds": 3}
PRESETS = {
    "smoke": (FEW, {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": SMALL}),
    "paper": (Config(epochs=40), {"data": "fashion-mnist"}),
    "verify:fashion-mnist": (Config(extend=2), {"data": "fashion-mnist", "threads": 1}),
}

import torch

from deepcanon.engine import Experiment
from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.errors import UsageError
from deepcanon.techniques.activations import ACTIVATIONS
from deepcanon.techniques.hidden_layers import parameters_of
from deepcanon.vision.activations import maxout_widths

PIECES = 2
SHAPES = "The units and their slopes; of RReLU the mean over its draws. Maxout learns its shape."


class Recipe(Experiment[Config]):
    trains = "mlp"
    shares = ("epochs", "batch")
    precisions = ("fp32", "bf16")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        if len(set(config.units)) < 2 or len(set(config.units)) < len(config.units):
            raise UsageError("--units needs at least two different units")
        return {"features": data["train"].x[0].numel()}

    @property
    def ends(self):
        return self.facts["features"], len(self.facts["reader"]["classes"])

    def arms(self):
        hidden, (features, classes) = self.config.hidden, self.ends
        narrow = maxout_widths(features, classes, hidden, PIECES)
        maxout = {"layer": "maxout", "pieces": PIECES, "hidden": narrow}
        every: dict = {
            u: {"activation": u, "hidden": hidden} for u in self.config.units if u != "maxout"
        }
        every["maxout"] = maxout
        return {unit.replace("-", "_"): every[unit] for unit in self.config.units}

    def findings(self):
        counts = [parameters_of(options, *self.ends) for options in self.arms().values()]
        return {"parameter_gap": max(counts) / min(counts) - 1}

    def figures(self):
        z = torch.linspace(-3, 3, 241, dtype=torch.float64, requires_grad=True)
        values, slopes = [], []
        for unit in self.config.units:
            if unit != "maxout":
                with torch.enable_grad():
                    y = ACTIVATIONS[unit]().double().eval()(z[:, None])[:, 0]
                    (slope,) = torch.autograd.grad(y.sum(), z)
                values.append(Line(y.detach(), z.detach(), unit))
                slopes.append(Line(slope, z.detach(), unit))
        plots = [Plot(values, "z", "value of a unit"), Plot(slopes, "z", "slope of a unit")]
        return {**super().figures(), "shapes": Panels(plots, columns=2, caption=SHAPES)}
