"""Depth against width twice: composed tent maps, and perceptrons with equally many parameters.

Task: (1) six composed tent maps are 64 linear pieces made by 12 hidden units; one hidden layer of
40 units, fitted again in every step, cannot match them; (2) classification of images or tables by
one and by three hidden layers of equal numbers of parameters, hence of multiplications, each at its
own best rate and initialisation. Metrics: pieces, errors and their lower bounds; test errors of
both and their difference. No paper gives (2) at this size; ours on MNIST at 100,000 parameters:
1.83 % with one layer and 1.81 % with three. Two minutes on one core with the embedded digits, eight
with MNIST.

    deepcanon train depth-versus-width --data mnist --parameters 100000
"""

from dataclasses import dataclass, replace
from typing import Annotated

from deepcanon.options import Batches, Count, Images, Range, Tables, Tuning
from deepcanon.targets import metric, target

SYSTEM = "foundations.depth_versus_width"
DATA = ("images", "tables")
METRICS = {
    "deep_pieces": metric("linear pieces of the composed tents"),
    "deep_units": metric("hidden units that make them"),
    "wide_pieces": metric("linear pieces of the one wide layer"),
    "wide_largest": metric("largest error of the wide layer on the tents"),
    "wide_squared": metric("mean squared error of the wide layer on the tents"),
    "wide_squared_bound": metric("lower bound for functions of that many pieces"),
    "parameter_gap": metric("most over fewest parameters of the perceptrons, minus 1"),
    "compute_gap": metric("most over fewest multiplications of the perceptrons, minus 1"),
    "layers*_worst": metric("test error with that many layers, worst trial", "share", "min"),
    "layers*": metric("test error with that many layers, mean over trials", "share", "min"),
    "difference*": metric("error of the first number of layers minus another's", "share"),
    "low*": metric("the same, lower end of the 95 % interval", "share"),
    "high*": metric("the same, upper end of the 95 % interval", "share"),
}
EQUAL = "equal networks but for rounding to whole widths"
TARGETS = (
    target("mnist", "worst test/deep_pieces == 64 +- 0", "X", "six tents, two units each"),
    target("mnist", "worst test/deep_units == 12 +- 0", "X", "six tents, two units each"),
    target("mnist", "worst test/wide_pieces <= 41", "X", "40 units in one layer"),
    target("mnist", "worst test/wide_largest >= 0.5", "X", "fewer than 64 pieces; Telgarsky 2016"),
    target("mnist", "worst test/wide_squared >= 0.00748", "X", "(64 - 41) / (48 * 64)"),
    target("mnist", "worst test/parameter_gap <= 0.01", "X", EQUAL),
    target("mnist", "worst test/compute_gap <= 0.01", "X", EQUAL),
    target("mnist", "test/difference >= 0", "P", "1 layer minus 3, mean of 5 seeds"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Batches, Tuning):
    tents: Annotated[int, Range("[1, 12]")] = 6
    """Composed tent maps; the deep network has two units for each."""
    units: Count = 40
    """Hidden units of the one layer that is fitted to them."""
    parameters: Count = 100_000
    """Parameters of each perceptron, as close as whole widths allow."""
    layers: tuple[Count, ...] = (1, 3)
    """Numbers of hidden layers to compare; differences are relative to the first."""
    learning_rates: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)
    initializations: tuple[str, ...] = ("he", "orthogonal")
    """Initialisations to try with every rate."""
    epochs: int = 15
    batch: int = 256
    seeds: int = 5


ONCE = Config(learning_rates=(0.1,), initializations=("he",), epochs=1, seeds=2)
SMALL = {"parameters": 10_000, "initializations": ("he",), "epochs": 20, "batch": 64}
PRESETS = {
    "smoke": (replace(ONCE, parameters=2000, batch=64), {"data": "digits"}),
    "default": (Config(), {"data": "digits", "options": SMALL}),
    "paper": (Config(tents=8, units=128), {"data": "mnist"}),
    "verify:mnist": (Config(), {"data": "mnist", "precision": "fp32", "threads": 1}),
}

from deepcanon.engine import Experiment
from deepcanon.engine.shown import columns
from deepcanon.errors import UsageError
from deepcanon.foundations.depth_versus_width import equal_width, multiplications, parameters
from deepcanon.techniques.tents import Tents

SIZES = "Parameters and multiplications of the networks: the arms should be of equal size."


class Recipe(Experiment[Config]):
    state = ("comparison", "tents")
    trains = "mlp"
    shares = ("epochs", "batch")
    precisions = ("fp32", "bf16")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        if len(set(config.layers)) < 2:
            raise UsageError("--layers needs at least two different numbers of hidden layers")
        return {"features": data["train"].x[0].numel()}

    def build(self):
        super().build()
        self.tents = Tents(self.config.tents, self.config.units)

    @property
    def sizes(self):
        """Units of all layers, from inputs to classes, by arm."""
        ends = self.facts["features"], len(self.facts["reader"]["classes"])
        widths = {d: equal_width(*ends, d, self.config.parameters) for d in self.config.layers}
        return {f"layers{d}": (ends[0], *[width] * d, ends[1]) for d, width in widths.items()}

    def arms(self):
        return {arm: {"hidden": sizes[1:-1]} for arm, sizes in self.sizes.items()}

    def tuned(self):
        return {**super().tuned(), "initialization": self.config.initializations}

    def step(self, step):
        """The next trial of the perceptrons, and a fit of the one wide layer from another start."""
        squared = self.tents.fit(self.run.generator("bends"))
        return {**super().step(step), "wide_squared": squared}

    def findings(self):
        sizes = self.sizes.values()
        counts, work = [*map(parameters, sizes)], [*map(multiplications, sizes)]
        gaps = [max(each) / min(each) - 1 for each in (counts, work)]
        found = dict(zip(("parameter_gap", "compute_gap"), gaps, strict=True))
        return {**self.tents.findings(), **found}

    def figures(self):
        head, rows = ("hidden layers", "parameters", "multiplications"), []
        for sizes in self.sizes.values():
            hidden = " x ".join(map(str, sizes[1:-1]))
            rows.append((hidden, f"{parameters(sizes):,}", f"{multiplications(sizes):,}"))
        equal = columns(head, rows, SIZES)
        return {"tents": self.tents.figure(), **super().figures(), "sizes": equal}
