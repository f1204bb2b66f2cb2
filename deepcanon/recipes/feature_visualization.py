"""What an image network responds to: best inputs of units, explained pictures, linear probes.

Task: analyse the trained image classifier `--of RUN`, or else a convolutional network that is
trained first. Each step takes gradient ascent on the inputs of some units of every layer. Then
pictures are explained by saliency, guided gradients, deconvolution and occlusion, a linear probe
predicts the classes from every layer (Alain and Bengio 2016), and the weights are shuffled: a map
that does not change says nothing about them (Adebayo et al. 2018). Metrics: accuracies of the
probes, the smallest rise from one layer to the next, rank correlation of saliency with that of
shuffled weights. For a module of your own there are functions in
`deepcanon.vision.feature_visualization`.

    deepcanon train feature-visualization --of runs/convnet-1 --data mnist
"""

from dataclasses import dataclass

from deepcanon.options import Count, Examples, Images, NonNegative, Positive, Whole
from deepcanon.targets import metric, target

SYSTEM = "vision.feature_visualization"
DATA = ("images",)
METRICS = {
    "probe_*": metric("accuracy of a linear probe on what layer * is given", "share", "max"),
    "probe_smallest_rise": metric("least gain of a probe over that of the layer before", "share"),
    "saliency_correlation": metric("rank correlation with shuffled weights", "", "min"),
    "loss": metric("minus the mean activation of the units whose inputs climb", "", "min"),
}
TARGETS = (
    target("fashion-mnist", "test/probe_smallest_rise >= 0", "P", "probes rise with depth"),
    target("fashion-mnist", "test/saliency_correlation <= 0.3", "P", "Adebayo 2018, sanity check"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Examples):
    of: str = ""
    """Folder of a trained classifier of images. Default: a `convnet` is trained first."""
    epochs: Count = 3
    """Passes over the data that train the network, if none is given."""
    layers: tuple[str, ...] = ()
    """Names of the layers to look at. Default: five at most, evenly spaced."""
    units: Count = 8
    """Units of each layer whose best inputs are sought."""
    ascent: Count = 150
    """Steps of the ascent."""
    rate: Positive = 0.1
    """Length of the first step, as a share of the pixels' standard deviation; it falls to 0."""
    decay: NonNegative = 0.0001
    """Penalty on the squares of the pixels."""
    smooth: Whole = 1
    """How many times each gradient is blurred, to suppress single-pixel patterns."""
    pictures: Count = 6
    """Pictures that are explained."""
    probed: Count = 5000
    """Maximum number of examples to train the probes on, and to measure them on."""


SETTINGS = {"data": "fashion-mnist", "threads": 1}
TINY = Config(ascent=3, units=2, pictures=2, probed=200, epochs=1)
PRESETS = {
    "smoke": (TINY, {"data": "digits"}),
    "default": (Config(), {"data": "letters", "options": {"epochs": 1}}),
    "paper": (Config(units=16, ascent=500), SETTINGS),
    "verify:fashion-mnist": (Config(units=2, ascent=20, pictures=32), SETTINGS),
}

import itertools
from pathlib import Path
from typing import Any

import torch

from deepcanon import engine
from deepcanon.engine import Predicts
from deepcanon.engine.initial import read
from deepcanon.engine.preprocess import pictures_first
from deepcanon.engine.shown import by_layer, explained, maximised
from deepcanon.errors import UsageError
from deepcanon.parts.classification import records
from deepcanon.parts.standardize import Standardize
from deepcanon.techniques.probe import layer_probes
from deepcanon.vision.convnet import ConvNet
from deepcanon.vision.feature_visualization import (
    RULES,
    ascended,
    backward_map,
    class_score,
    layer_features,
    layer_names,
    occlusion,
    rank_correlation,
    saliency,
    shuffled,
    unit_score,
)


class Recipe(engine.Recipe[Config], Predicts):
    state = ("images",)
    parallel = "none: one network is looked at"
    splits = ("test",)
    wants = "classes"
    computed = ("measured",)
    planned = "ascent"

    @classmethod
    def learn(cls, config, data):
        if config.of:
            reader = read(Path(config.of), "--of").facts.get("reader", {})
            if reader.get("kind") != "images" or not reader.get("classes"):
                raise UsageError(f"--of {config.of}: is not a run of a classifier of images")
            size, channels = reader["size"], reader["channels"]
            if (list(size), channels) != (list(data.facts["size"]), data.facts["channels"]):
                raise UsageError(f"{config.of} takes --size {size[0]} --channels {channels}")
        shift, scale = data["train"].channel_statistics()
        classes = reader["classes"] if config.of else data.facts["classes"]
        return {"shift": shift, "scale": scale, "classes": list(classes)}

    def build(self):
        config, run, reader = self.config, self.run, self.facts["reader"]
        folder = Path(config.of) if config.of else run.trial_folder(0)
        if config.of or (folder / "result.json").is_file():
            trained = run.borrow(folder, "looked-at")
            self.preprocess, model = pictures_first(trained.preprocess, trained.module)
        else:  # until `begin` has trained one
            size, kinds = tuple(reader["size"]), len(reader["classes"])
            model = ConvNet(reader["channels"], kinds, size=size, channels=(16, 32), hidden=64)
            self.preprocess = Standardize(self.facts["shift"], self.facts["scale"])
        self.model = model.to(run.device).requires_grad_(False).eval()
        self.preprocess.to(run.device)
        self.layers = config.layers or tuple(layer_names(self.model, 5))
        shape = (config.units, reader["channels"], *reader["size"])
        self.images = {layer: 0.1 * run.randn(f"start/{layer}", shape) for layer in self.layers}
        self.measured: dict[str, dict[str, float]] = {}

    def begin(self):
        if not self.config.of:
            given = {name: getattr(self.config, name) for name in ("size", "channels", "epochs")}
            given |= {"filters": (16, 32), "hidden": 64}
            self.run.trial(0, "convnet", given, {"seed": self.run.seed})
            self.build()

    def step(self, step):
        self.model.eval()
        rate, heights = self.config.rate * (1 - step / self.run.steps), []
        given: dict[str, Any] = {"decay": self.config.decay, "smooth": self.config.smooth}
        for layer, images in self.images.items():
            found = ascended(self.model, images, unit_score, rate=rate, layer=layer, **given)
            self.images[layer], height = found[0], found[1].mean()
            heights.append(height)
        return {"loss": -torch.stack(heights).mean()}

    def evaluate(self, split):
        return self.probes(split) | self.sanity(split)

    def probes(self, split):
        if split not in self.measured:  # the network stays as it is
            self.measured[split] = self.probed(split)
        return self.measured[split]

    def probed(self, split):
        run, count = self.run, self.config.probed
        rows = [(run.data[of].x[:count], run.data[of].y[:count]) for of in ("train", split)]
        prepared = (self.preprocess(x.to(run.device)) for x, _ in rows)
        known, asked = (layer_features(self.model, x, self.layers) for x in prepared)
        labels, wanted = (y.to(run.device) for _, y in rows)
        values = layer_probes(known, labels, asked, wanted, len(self.facts["reader"]["classes"]))
        rise = min(after - before for before, after in itertools.pairwise(values))
        return {f"probe_{i}": v for i, v in enumerate(values)} | {"probe_smallest_rise": rise}

    def predict(self, inputs):
        return records(self.model(self.preprocess(inputs)), self.facts["classes"])

    def pictured(self, split):
        x = self.run.data[split].x[: self.config.pictures]
        prepared = self.preprocess(x.to(self.run.device))
        return x, prepared, self.model(prepared).argmax(1)

    def sanity(self, split):
        _, x, guesses = self.pictured(split)
        both = self.model, shuffled(self.model, self.run.generator("shuffled"))
        maps = [saliency(backward_map(model, x, class_score(guesses))) for model in both]
        return {"saliency_correlation": rank_correlation(*maps).nanmean()}

    def figures(self):
        self.model.eval()
        raw, x, guesses = self.pictured(self.run.pictured)
        score, side = class_score(guesses), max(2, x.shape[2] // 5)
        ways = {str(r): saliency(backward_map(self.model, x, score, rule=r)) for r in RULES}
        ways["occlusion"] = occlusion(self.model, x, score, side=side, stride=max(1, side // 2))
        classes = self.facts["classes"]
        shown: dict[str, Any] = {
            "explained": explained(raw, ways, [classes[guess] for guess in guesses.tolist()])
        }
        for place, (layer, images) in enumerate(self.images.items()):
            shown[f"best-inputs-{place}"] = maximised(images, layer)
        shown["probes"] = by_layer(self.probes(self.run.pictured), self.layers)
        return shown
