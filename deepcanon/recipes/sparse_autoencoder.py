"""A sparse autoencoder of image patches or whole images, by L-BFGS; also self-taught learning.

Task: hidden units that are rarely active, from which the input can be reconstructed. Data: images,
best as patches (`--patch 8`): each without its mean, whitened (ZCA) and squashed into [0.1, 0.9].
Metrics: the objective, and for patches the share of units whose filter a Gabor function explains
(R2 >= 0.6), oriented edges; ours 0.76 on BSDS. With `--unlabelled` classes the features are learned
from those alone and tested by a linear classifier of the other classes (Raina et al. 2007):
features of MNIST's 5 to 9 give 98.9 % on 0 to 4, raw pixels 97.6 %. A minute on one core.

    deepcanon train sparse-autoencoder --data photos --patch 8
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from deepcanon.options import Count, Lbfgs, NonNegative, Patches, Range
from deepcanon.targets import GABOR, metric, target

SYSTEM = "representation.sparse_autoencoder"
DATA = ("images",)
METRICS = {
    "objective": metric("what is minimised: error, weight decay and sparsity penalty", "", "min"),
    "error": metric("squared error of the reconstruction, per example", "sum of squares", "min"),
    "activation": metric("mean activation of the hidden units", "share"),
    **GABOR,
    "probe": metric("accuracy of a linear classifier of the codes, other classes", "share", "max"),
    "probe_raw": metric("accuracy of a linear classifier of the same raw pixels", "share", "max"),
    "probe_gain": metric("accuracy from the codes minus that from raw pixels", "share", "max"),
}
TARGETS = (
    target("bsds500", "test/gabor >= 0.5", "P", "half of 25 units, Gabor R2 by least squares"),
    target("self-taught", "test/probe >= 0.98", "P", "UFLDL's exercise on it: about 98 %"),
    target("self-taught", "test/probe_gain >= 0.01", "P", "codes beat the raw pixels by a point"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Patches, Lbfgs):
    hidden: Count = 25
    """Units of the hidden layer."""
    rho: Annotated[float, Range("(0, 1)")] = 0.01
    """Target mean activation of each unit."""
    beta: NonNegative = 3.0
    """Weight of the sparsity penalty."""
    decay: NonNegative = 1e-4
    """Weight decay lambda; not applied to biases."""
    whiten: bool = True
    """Subtract each input's mean, whiten and squash into [0.1, 0.9]; otherwise pixels in [0, 1]."""
    eps: NonNegative = 1.0
    """Added to the variances before whitening, as a share of their mean; damps high frequencies."""
    iterations: int = 400
    unlabelled: tuple[str, ...] = ()
    """Classes to learn the features from; they are tested by a linear classifier of the others."""
    channels: Literal[0, 1, 3] = 1


DIGITS = Config(
    hidden=200, rho=0.1, decay=3e-3, whiten=False, valid_share=0.0, unlabelled=tuple("56789")
)
PRESETS = {
    "smoke": (Config(hidden=16, patch=8, patches=1000), {"data": "photos", "steps": 30}),
    "default": (Config(patch=8), {"data": "photos", "options": {"hidden": 49}}),
    "paper": (Config(patch=8, patches=10_000), {"data": "bsds500"}),
    "verify:bsds500": (Config(patch=8, iterations=2000), {"data": "bsds500", "threads": 1}),
    "verify:self-taught": (DIGITS, {"data": "mnist", "threads": 1}),
}

import functools

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine.encoder import Encoder, Encoding
from deepcanon.engine.shown import reconstructions
from deepcanon.errors import UsageError
from deepcanon.parts.gabor import filter_shares
from deepcanon.parts.patches import Whitened, patch_rows
from deepcanon.parts.reconstruction import squared_error_of
from deepcanon.representation.sparse_autoencoder import (
    SparseAutoencoder,
    Squash,
    sparse_backward,
    sparse_objective,
)
from deepcanon.techniques.convex import torch_lbfgs
from deepcanon.techniques.probe import probe
from deepcanon.techniques.whitening import whitening

WHITENING = ("centre", "zca", "deviation")


class Recipe(engine.Recipe[Config], Encoding, engine.Decodes):
    state = ("model", "optimizer")
    monitor = ("valid/objective", "min")
    parallel = "gradients"
    planned = "iterations"
    waits = "the line search of L-BFGS compares objectives on the host"
    computed = ("encoder",)

    @classmethod
    def learn(cls, config, data):
        train, names = data["train"], data.facts["classes"]
        facts: dict = {"shape": list(train.x.shape[1:])}
        if config.unlabelled:
            others = set(names) - set(config.unlabelled)
            if len(others) < 2 or not set(config.unlabelled) <= set(names):
                asked, known = " ".join(config.unlabelled), ", ".join(names) or "none"
                raise UsageError(f"--unlabelled {asked}: name some of {known}, leave two or more")
            chosen = torch.tensor([names.index(name) for name in config.unlabelled])
            facts["rows"] = torch.isin(train.y, chosen).nonzero()[:, 0]
        if config.whiten:
            white = [part.float() for part in whitening(train, config.eps)[:3]]
            facts |= zip(WHITENING, white, strict=True)
        return facts

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        features, layers = torch.Size(facts["shape"]).numel(), []
        self.model = SparseAutoencoder(features, config.hidden).to(run.device)
        if config.whiten:
            centre, zca, deviation = (torch.as_tensor(facts[name]) for name in WHITENING)
            layers = [Whitened(centre, zca), Squash(deviation)]
        first = patch_rows(255.0, centred=config.whiten)
        self.preprocess = nn.Sequential(first, *layers).to(run.device)
        self.encoder = Encoder(run, (self.preprocess, self.model.encoder, nn.Sigmoid()), facts)
        self.penalties = {"rho": config.rho, "beta": config.beta, "decay": config.decay}
        self.rows = functools.cache(self.prepared)
        self.optimizer = torch_lbfgs(self.model.parameters(), config.history)

    def prepared(self, split):
        """All inputs of a split that the features are learned from or judged by."""
        x = self.run.data[split].x
        if split == "train" and "rows" in self.facts:
            x = x[torch.as_tensor(self.facts["rows"])]
        return self.encoder.prepare(x)

    def step(self, step):
        x, run = self.rows("train"), self.run
        mine = x[run.rank :: run.world].to(self.model.encoder.weight.dtype)
        return {"loss": self.optimizer.step(lambda: self.backward(mine, len(x)))}

    def backward(self, x, count):
        return sparse_backward(self.model, x, count, self.run.sum, **self.penalties)

    def evaluate(self, split):
        x, model = self.rows(split), self.model
        hidden = model.encode(x)
        found: dict = {"objective": sparse_objective(model, x, **self.penalties)}
        found["error"] = squared_error_of(model.decode(hidden), x)
        found["activation"] = hidden.mean()
        if split == "test" and self.config.patch:
            # In the whitened space, as UFLDL: in pixels nearly any direction is a smooth grating.
            found |= filter_shares(model.best_inputs().cpu().double(), self.facts["shape"])
        if split == "test" and self.config.unlabelled:
            others = enumerate(self.facts["reader"]["classes"])
            kept = [place for place, name in others if name not in self.config.unlabelled]
            found |= probe(self.run.data, kept, self.encoder.prepare, model.encode)
        return found

    def figures(self):
        x = self.rows(self.run.pictured)[:24]
        pair = {"input": x, "rebuilt": self.model(x)}
        filters = self.encoder.tiles(self.model.best_inputs())
        return {"filters": filters, "reconstructions": reconstructions(self.facts["shape"], pair)}

    def decode(self, codes):
        return self.encoder.raw(self.model.decode(codes.to(self.model.decoder.weight)))
