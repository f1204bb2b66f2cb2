"""How well the layers of a network transfer: copied and frozen, trained further, or not copied.

Task: half of the classes (A) train a convolutional network; of the other half (B) there are few
labelled examples. The first n layers of the network of A are copied into one for B and stay frozen
(AnB) or are trained further (AnB+); as a control, those of a network trained on B's own few
examples are copied (BnB, BnB+). With --source-data the network of A is trained on another set.
Metric: test error on B, and what random weights lose against copied ones, with intervals over
seeds. Protocol: Yosinski et al. 2014 (arXiv:1411.1792), who find on ImageNet that AnB+ stays ahead
even after long training. Ours, 500 examples of Fashion-MNIST: 5.1 % from random weights, 5.3 % with
one copied layer, 7.5 % with four frozen ones; from CIFAR-10 to 20 examples per class 24.1 %, and
23.0 % with three layers; to 10 per class 28.8 % and 27.6 %: a gain of 1.2 points, 0.7 to 1.7 over
ten repetitions with five sources and draws each.

    deepcanon train transfer --data fashion-mnist
"""

from dataclasses import dataclass, replace

from deepcanon.options import Batches, Count, Examples, Images, Positive, Tuning
from deepcanon.targets import target, trial_metrics

SYSTEM = "vision.convnet"
DATA = ("images",)
ARMS = ("scratch", "A*B", "B*B", "A*Bplus", "B*Bplus")
METRICS = trial_metrics("test error", "share", "min", *ARMS)
FIRST = "error of random weights minus that of copied ones"
NATURAL, TEN = "cifar10-to-fashion-mnist", "ten-a-class"
TARGETS = (
    target("fashion-mnist", "test/difference_A1Bplus >= 0.03", "P", f"one layer; {FIRST}"),
    target("fashion-mnist", "test/difference_A2Bplus >= 0.03", "P", f"two layers; {FIRST}"),
    target(NATURAL, "test/difference_A2Bplus >= 0.03", "P", f"20 examples a class; {FIRST}"),
    target(TEN, "test/difference_A3Bplus >= 0", "P", f"10 examples a class, three layers; {FIRST}"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Examples, Batches, Tuning):
    source_data: str = ""
    """Data of the network that is copied. Default: half of the classes of the data themselves."""
    source_classes: tuple[str, ...] = ()
    """Classes of A. Default: a half that is drawn at random, the same in every run."""
    source_epochs: Count = 4
    """Passes over the examples of A."""
    source_rate: Positive = 0.003
    """Learning rate of the networks that are copied."""
    layers: tuple[Count, ...] = (1, 2, 3, 4)
    """Numbers of first layers to copy; the last layer, that of the classes, is always new."""
    filters: tuple[Count, ...] = (16, 32, 64)
    """Filters of each convolution; they are the first layers, and the hidden layer follows."""
    hidden: Count = 64
    """Units of the hidden layer."""
    copied_rate: Positive = 0.3
    """Learning rate of copied layers that are trained further, as a share of that of new ones."""
    train_examples: int = 500
    seeds: int = 5
    epochs: int = 40
    batch: int = 50
    batch_norm: bool = False
    """Batch normalisation in all networks; a frozen layer keeps the statistics of A."""
    learning_rates: tuple[float, ...] = (0.001, 0.003, 0.01)


FEW = Config(train_examples=40, epochs=1, source_epochs=1, layers=(1,), seeds=2)
TINY = replace(FEW, learning_rates=(0.003,), filters=(4, 4), hidden=8, batch=10, batch_norm=True)
SMALL = {"layers": (1, 3), "source_epochs": 1}
TWENTY = Config(
    source_data="cifar10-jpeg", size=28, channels=1, train_examples=0, per_class=20, epochs=60
)
FEWER = replace(TWENTY, per_class=10, source_epochs=5, layers=(3,))
PRESETS = {
    "smoke": (TINY, {"data": "digits"}),
    "default": (Config(train_examples=100), {"data": "letters", "options": SMALL}),
    "paper": (Config(train_examples=0, epochs=20), {"data": "fashion-mnist"}),
    "verify:fashion-mnist": (Config(), {"data": "fashion-mnist", "threads": 1}),
    f"verify:{NATURAL}": (TWENTY, {"data": "fashion-mnist", "threads": 1}),
    f"verify:{TEN}": (FEWER, {"data": "fashion-mnist", "threads": 1}),
}

import torch

from deepcanon.engine import Experiment, require_classes
from deepcanon.engine.figures import Line, Plot
from deepcanon.engine.trials import Source
from deepcanon.errors import UsageError

DRAWN = 5
"""Seed of the draw of A: fixed, so that more seeds compare the same halves."""
CURVES = (
    "Test error on B by the number of copied layers: below the line of random weights, copying "
    "helps; frozen layers that are too special for A rise above it."
)


class Recipe(Experiment[Config]):
    trains = "convnet"
    shares = ("filters", "hidden", "batch", "batch_norm")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        names = require_classes(data)
        if max(config.layers) > len(config.filters) + 1:
            raise UsageError(
                f"--layers {max(config.layers)}: the network has {len(config.filters) + 1} to copy"
            )
        if config.source_data:
            return {"a": [], "b": names}
        if len(names) < 4:
            raise UsageError(f"{len(names)} classes are too few to halve: give --source-data")
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(DRAWN))
        drawn = [names[place] for place in order[: len(names) // 2].sort().values]
        a = list(config.source_classes) or drawn
        b = [name for name in names if name not in a]
        if len(a) + len(b) != len(names) or len(b) < 2:
            raise UsageError(
                f"--source-classes must leave two of {', '.join(names)} and name no others"
            )
        return {"a": a, "b": b}

    @property
    def common(self):
        config = self.config
        return {
            "batch_norm": True,
            "dropout": 0.0,
            "classes": tuple(self.facts["b"]),
            "epochs": config.epochs,
        }

    def sources(self):
        config = self.config
        trained = {**self.common, "learning_rate": config.source_rate}
        whole = {"train_examples": 0, "per_class": 0, "epochs": config.source_epochs}
        a = {**trained, **whole, "batch": 128, "classes": tuple(self.facts["a"])}
        settings = {"data": config.source_data} if config.source_data else {}
        return {"A": Source(a, settings), **({} if config.source_data else {"B": Source(trained)})}

    def arms(self):
        config, found = self.config, {"scratch": self.common}
        kinds = ("convolutions", "normalisations")[: 1 + config.batch_norm]
        words = [tuple(f"{kind}.{i}" for kind in kinds) for i in range(len(config.filters))]
        words.append(("hidden",))
        for count in config.layers:
            copied = {"copy": tuple(word for layer in words[:count] for word in layer)}
            for name in self.sources():
                begun = {**self.common, **copied, "init_from": name}
                found[f"{name}{count}B"] = {**begun, "freeze": ("all",)}
                found[f"{name}{count}Bplus"] = {**begun, "copied_rate": config.copied_rate}
        return found

    def figures(self):
        return {**super().figures(), **self.curves()}

    def curves(self):
        found, config = self.comparison.verdict(), self.config
        if "scratch" not in found:
            return {}
        counts = sorted(config.layers)
        lines = [
            Line([found["scratch"]] * len(counts), counts, "random weights", style="--", colour=-1)
        ]
        for name in self.sources():
            for end, words in (("", "frozen"), ("plus", "trained further")):
                values = [found.get(f"{name}{count}B{end}") for count in counts]
                if None not in values:
                    lines.append(Line(values, counts, f"layers of {name}, {words}", style=".-"))
        return {
            "layers": Plot(lines, "copied layers", "test error on B", ticks=counts, caption=CURVES)
        }
