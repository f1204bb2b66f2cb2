"""Features learned from patches of the images, convolved, pooled and classified by a softmax.

Task: which class an image shows. Patches of the training images are whitened (ZCA); k-means (Coates
et al. 2011) or a sparse autoencoder (UFLDL) learns features of them without labels; whitening and
features become the filters of one convolution, whose maps are averaged over regions. A softmax of
the averages is fitted by L-BFGS for each weight decay, and validation chooses. Data: images.
Metric: test accuracy; a softmax on the pixels of Fashion-MNIST has 84.39 %, ours with 400 centroids
89.5 to 90.0 %, with a sparse autoencoder 88.5 to 88.7 %. Coates et al. report 79.6 % on CIFAR-10
with 4,000 centroids. Two minutes on one core.

    deepcanon train patch-features --data fashion-mnist
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from deepcanon.options import Count, Examples, Lbfgs, NonNegative, Placed, Positive, Range, Some
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "vision.patch_features"
DATA = ("images",)
METRICS = CLASSIFIER | {
    "decay": metric("weight decay of the best softmax on validation so far; 0 before the first"),
    "train/features": metric("what the features minimise on the patches", "", "min"),
    "train/loss": metric("what the softmax minimises", "nats per example", "min"),
    "train/gradient": metric("largest entry of the gradient of the softmax"),
}
RAW = "4 points above a softmax of the pixels, 84.39 % (100 iterations of L-BFGS)"
TARGETS = (
    target("fashion-mnist", "worst test/accuracy >= 0.8839", "P", RAW),
    target("sparse-autoencoder", "worst test/accuracy >= 0.8839", "P", RAW),
)
BELONGS = dict.fromkeys(("rho", "beta", "feature_decay"), ("encoder", ("sparse-autoencoder",)))


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Examples, Lbfgs):
    encoder: Literal["kmeans", "spherical-kmeans", "sparse-autoencoder"] = "kmeans"
    """How features are learned: centroids, whose features are how much nearer than the mean they
    are; centroids of length 1; or sigmoid units of a sparse autoencoder with a linear output."""
    features: Count = 400
    """Number of centroids or units, one filter each."""
    patch: Count = 6
    """Side of the patches and filters."""
    patches: Annotated[int, Range("[10, inf)")] = 100_000
    """Number of patches to learn the features from."""
    stride: Count = 1
    """Pixels from one place of a filter to the next."""
    grid: Count = 2
    """Regions along each side of the image, over which the maps are averaged."""
    normalize: Literal["none", "brightness", "contrast"] = "none"
    """What each patch loses before whitening: nothing, its mean, or its contrast too, which needs a
    division at every place, since it cannot be folded into the filters."""
    epsilon: NonNegative = 0.1
    """Added to the variances before whitening, as a share of their mean; damps high frequencies."""
    feature_iterations: Count = 40
    """Passes of k-means, or steps of L-BFGS of the autoencoder, over all patches."""
    rho: Annotated[float, Range("(0, 1)")] = 0.035
    """Autoencoder: target mean activation of each unit."""
    beta: NonNegative = 5.0
    """Autoencoder: weight of the sparsity penalty."""
    feature_decay: NonNegative = 3e-3
    """Autoencoder: weight decay."""
    decays: Some[Positive] = (0.01, 0.001, 0.0001)
    """Weight decays of the softmax to choose from on validation, fitted one after the other."""
    iterations: int = 100


FEW = {"features": 60, "patch": 4, "patches": 10_000}
TINY = Config(features=8, patch=3, patches=500, feature_iterations=6, iterations=8)
SPARSE = Config(encoder="sparse-autoencoder", feature_iterations=200)
RUN = {"data": "fashion-mnist", "threads": 1}
PRESETS = {
    "smoke": (TINY, {"data": "digits", "steps": 30}),
    "default": (Config(), {"data": "letters", "options": FEW}),
    "paper": (Config(features=1600, normalize="contrast"), {"data": "cifar10-jpeg"}),
    "verify:fashion-mnist": (Config(), RUN),
    "verify:sparse-autoencoder": (SPARSE, RUN),
}

import functools

import torch

from deepcanon import engine
from deepcanon.engine import Classifier, Classifies, Encodes, require_classes
from deepcanon.errors import UsageError
from deepcanon.parts.classification import measures
from deepcanon.parts.standardize import Standardize, unit_pixels
from deepcanon.techniques.convex import Rows
from deepcanon.techniques.decay_path import DecayPath
from deepcanon.techniques.patch_learners import patch_learner, standardize, training_patches
from deepcanon.vision.patch_features import PatchFeatures

SHAPE = ("encoder", "features", "patch", "stride", "grid", "normalize")


class Recipe(Classifies, engine.Recipe[Config], Encodes):
    state = ("learner", "descent", "model", "path", "optimizer", "phase", "since")
    parallel = "gradients"
    waits = "the line search of L-BFGS compares objectives on the host"
    computed = ("classifier", "patches", "pooled")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        require_classes(data)
        if "valid" not in data and len(config.decays) > 1:
            raise UsageError("--decays: validation chooses one of several: hold some examples out")
        return {}

    def build(self):
        config, run, reader = self.config, self.run, self.facts["reader"]
        channels, (height, width) = reader["channels"], reader["size"]
        made = {name: getattr(config, name) for name in SHAPE}
        model = PatchFeatures(channels, len(reader["classes"]), size=(height, width), **made)
        self.model = model.requires_grad_(False).to(run.device)
        self.preprocess = Standardize(*unit_pixels(channels)).to(run.device)
        self.classifier = Classifier(
            run, self.model, self.preprocess, (channels, height, width), reader
        )
        self.learner = patch_learner(config, channels * config.patch**2).to(run.device)
        self.path = DecayPath(run, self.model.output, config.decays, config.history)
        self.descent, self.optimizer = self.learner.descent, self.path.optimizer
        self.phase, self.since = 0, 0  # 0 learns features, 1, 2, ... fit softmaxes
        self.patches = functools.cache(self.whitened)
        self.pooled = functools.cache(self.standardized)

    def plan(self):
        return self.config.feature_iterations + len(self.config.decays) * self.config.iterations

    def step(self, step):
        config, run, last = self.config, self.run, step + 1 == self.run.steps
        found, arrived = self.fit_softmax() if self.phase else self.learn_features()
        self.since += 1
        planned = config.iterations if self.phase else config.feature_iterations
        # A given number of steps is divided as the planned one.
        if arrived or last or self.since >= round(planned * run.steps / self.plan()):
            self.finish(last)
        return found

    def whitened(self):
        """The training patches; the first step learns their whitening."""
        rows = training_patches(self.run, self.preprocess, self.config)
        if not self.since:
            self.learner.learn_whitening(rows, self.config.epsilon)
        return self.learner.whitened(rows)

    def learn_features(self):
        rows = self.patches()
        if not self.since:
            self.learner.begin(rows, self.run.generator("features"))
        loss, arrived = self.learner.update(rows, self.run)
        self.learner.fold_into(self.model)
        return {"features": loss}, arrived

    @torch.no_grad()
    def standardized(self, split):
        """The features of a split; of the training split those of this process's rows."""
        run, model, data = self.run, self.model, self.run.data[split]
        mine = data.x[run.rank :: run.world] if split == "train" else data.x
        rows = self.classifier(mine, model.features)
        if not self.phase:
            standardize(run, model, rows, len(data))
        return rows.sub_(model.shift).div_(model.scale)

    def fit_softmax(self):
        run, train = self.run, self.run.data["train"]
        labels = run.to(train.y)[run.rank :: run.world]
        return self.path.step(self.phase - 1, Rows(self.pooled("train"), labels, len(train)))

    def finish(self, last):
        """Ends a phase: the features are standardised, or a softmax is compared on validation."""
        ended, count, self.since = self.phase, len(self.config.decays), 0
        if not ended:
            self.pooled("train")
        else:
            error = self.evaluate("valid")["error"] if "valid" in self.run.data else 0.0
            self.path.compare(ended - 1, error)
        self.phase = min(ended + 1, count)  # a continued run fits the last softmax further
        if ended and (last or ended == count):
            self.path.choose()
            self.run.stop(f"the softmax of weight decay {self.path.decay:g} is kept")

    @torch.no_grad()
    def evaluate(self, split):
        if not self.phase:
            return {}
        logits = self.model.output(self.pooled(split)).cpu()
        return {**measures(logits, self.run.data[split].y), "decay": self.path.decay}

    def figures(self):
        side = self.config.patch
        shown = {"filters": self.learner.picture((self.model.in_channels, side, side))}
        if self.phase:
            shown |= self.classifier.figures(self.classifier.look(2000))
        return shown

    def encode(self, inputs):
        return self.classifier(inputs, self.model.features)
