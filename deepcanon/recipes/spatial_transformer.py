"""A spatial transformer in front of a classifier: it finds the digit and sets it upright.

Task: classify images that are rotated, scaled, or anywhere on a cluttered canvas. Data:
`--data rotated-digits`, `rts-digits` or `cluttered-digits`, of MNIST with `--base mnist`; or your
own folder. Metric: test error; rotated MNIST 1.2 % with a transformer and 2.1 % without (fully
connected, Jaderberg et al. 2015, table 1). `spread` is the share of the spread of the angles that
the module leaves: 1 means that it does nothing, however low the error is. Ours with equal numbers
of weights, three seeds, four to nine CPU minutes each: rotated 1.6 % with and 1.9 % without, 38 %
of the spread left; cluttered 8.0 % with and 35 % without.

    deepcanon train spatial-transformer
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from deepcanon.options import Count, ImageTraining, OptimizerName, Range, Whole
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "vision.spatial_transformer"
DATA = ("images",)
METRICS = CLASSIFIER | {
    "log_error": metric("natural logarithm of the error: differences are ratios", "nats", "min"),
    "spread": metric("spread of the angles after the module over that before it", "share", "min"),
    "place_spread": metric(
        "spread of places in the window over that on the canvas", "share", "min"
    ),
}
PAIR = "ratio of errors, equal numbers of weights, the same learning rate"
TARGETS = (
    target("rotated", "test/error <= 0.025", "P", "MNIST by up to 90 degrees, fully connected"),
    target("rotated - rotated-plain", "test/log_error <= -0.3567", "P", f"0.7: {PAIR}"),
    target("rotated", "worst test/spread <= 0.5", "P", "an idle module leaves all of it"),
    target("cluttered - cluttered-plain", "test/log_error <= -0.6931", "P", f"0.5: {PAIR}"),
    target("cluttered", "worst test/place_spread <= 0.5", "P", "an idle module leaves all of it"),
)
BELONGS = {
    **dict.fromkeys(("maps", "transformer_rate"), ("transformer", ("connected", "convolutional"))),
    "filters": ("classifier", ("convolutional",)),
}


@dataclass(frozen=True, kw_only=True)
class Config(ImageTraining):
    transformer: Literal["connected", "convolutional", "none"] = "connected"
    """Network that chooses the map: two layers of 32 units, two convolutions, or none at all."""
    maps: Literal["affine", "rotation", "attention"] = "affine"
    """Maps it chooses among: all affine ones, rotations, or windows of any size and place."""
    reduction: Count = 1
    """Side of the squares of pixels whose means that network sees."""
    window: Whole = 0
    """Side in pixels of what is sampled; 0: as large as the images."""
    classifier: Literal["connected", "convolutional"] = "connected"
    """Network after the module."""
    hidden: tuple[Count, ...] = (256, 200)
    """Units of the classifier's hidden layers; a convolutional one has the last of them."""
    filters: tuple[Count, ...] = (32, 32)
    """Filters of each convolution of a convolutional classifier."""
    transformer_rate: Annotated[float, Range("(0, 1]")] = 0.1
    """Learning rate of the module as a share of the classifier's; with --init-from it is
    --copied-rate."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 0.002
    batch: int = 128


AFFINE = Config(base="mnist", valid_share=0.0)
TURNED = replace(AFFINE, maps="rotation", transformer_rate=0.3)
FOUND = replace(TURNED, maps="attention", reduction=3, window=28)
SETTINGS = {"threads": 1, "data": "rotated-digits", "steps": 28_000}
CLUTTER = {"threads": 1, "data": "cluttered-digits", "steps": 18_000}
LETTERS = {"transformer_rate": 0.3, "epochs": 50}
PAPER = replace(AFFINE, optimizer="sgd", learning_rate=0.01, batch=256)
PRESETS = {
    "smoke": (Config(base="digits", batch=32), {"data": "rotated-digits", "steps": 60}),
    "default": (Config(maps="rotation"), {"data": "rotated-digits", "options": LETTERS}),
    "paper": (PAPER, {"data": "rotated-digits", "steps": 150_000}),
    "verify:rotated": (TURNED, SETTINGS),
    "verify:rotated-plain": (replace(TURNED, transformer="none", hidden=(284, 200)), SETTINGS),
    "verify:cluttered": (FOUND, CLUTTER),
    "verify:cluttered-plain": (replace(FOUND, transformer="none", hidden=(70, 200)), CLUTTER),
}

from collections import OrderedDict

import torch
from torch import nn

from deepcanon.engine import Encodes
from deepcanon.engine.figures import Tiles
from deepcanon.foundations.mlp import MLP
from deepcanon.techniques.image_classifiers import ImageClassifier
from deepcanon.techniques.optimizers import optimizer_of
from deepcanon.vision.convnet import ConvNet
from deepcanon.vision.spatial_transformer import SpatialTransformer, spread, turned_by

SHOWN = 10
BEFORE_AND_AFTER = (
    "Held-out images and what the module makes of them, all that the classifier sees: a module "
    "that works sets those of one class alike; equal rows mean that it is idle."
)


class Recipe(ImageClassifier[Config], Encodes):
    heads = ("classifier",)

    def network(self, channels, classes, size):
        config, seen, parts = self.config, size, OrderedDict[str, nn.Module]()
        if config.transformer != "none":
            seen = (config.window or size[0], config.window or size[1])
            parts["transformer"] = SpatialTransformer(
                channels,
                size,
                output_size=seen,
                localiser=config.transformer,
                maps=config.maps,
                reduction=config.reduction,
                outside="border",
            )
        if config.classifier == "connected":
            parts["flat"] = nn.Flatten()
            parts["classifier"] = MLP(channels * seen[0] * seen[1], classes, hidden=config.hidden)
        else:
            parts["classifier"] = ConvNet(
                channels,
                classes,
                size=seen,
                channels=config.filters,
                kernel_size=5,
                hidden=config.hidden[-1],
            )
        return nn.Sequential(parts)

    def build(self):
        super().build()
        self.module = getattr(self.model, "transformer", None)
        if self.module is not None and not self.start:
            slower, share = [*self.module.parameters()], self.config.transformer_rate
            self.optimizer = optimizer_of(self.config, self.model, slower=slower, share=share)

    def evaluate(self, split):
        found, data = dict(super().evaluate(split)), self.run.data
        found["log_error"] = (
            torch.tensor(found["error"]).clamp_min(1 / (2 * len(data[split]))).log().item()
        )
        degrees, place = (data.truth.get(f"{split}/{name}") for name in ("degrees", "place"))
        if self.module is None or (degrees is None and place is None):
            return found
        theta, y = self.classifier(data[split].x, self.module.theta).cpu().float(), data[split].y
        if degrees is not None:
            found["spread"] = (spread(degrees + turned_by(theta), y) / spread(degrees, y)).item()
        else:
            moved = place - theta[:, :, 2].flip(1) * data[split].x.shape[3] / 2
            found["place_spread"] = (moved.std() / place.std()).item()
        return found

    def figures(self):
        shown = dict(super().figures())
        if self.module is not None:
            images = self.run.data[self.run.pictured].x[:SHOWN]
            after = self.classifier(images, self.module).cpu().float()
            before = self.classifier(images, lambda prepared: prepared).cpu().float()
            window = after.shape[-2:]
            before = nn.functional.interpolate(before, window, mode="area")
            pairs = torch.stack([before, after], 1).flatten(0, 1)
            scaled = (pairs - pairs.amin()) / (pairs.amax() - pairs.amin())
            versions = ["as given", "after the module"]
            shown["transformed"] = Tiles(
                scaled.numpy(), versions=versions, caption=BEFORE_AND_AFTER
            )
        return shown

    def encode(self, inputs):
        """The window that the classifier sees, as rows of pixels."""
        return self.classifier(inputs, self.module or nn.Identity()).flatten(1)
