"""A dictionary of image patches in which each patch is a sum of few atoms: sparse coding by FISTA.

Task: an overcomplete dictionary whose codes are mostly 0. Data: images, best as patches (`--patch
12`): each without its mean, whitened (ZCA) and with standard deviation 1, the unit of the sparsity
weight. A step is one mini-batch: codes inferred to convergence, then every atom. Metric: the share
of atoms that are localised, oriented and band-pass, by the Gabor function that fits them; ours 0.87
for 192 atoms of BSDS patches, and 0 for the principal components of the same patches. Half a
minute.

    deepcanon train sparse-coding --data photos --patch 12
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import Count, NonNegative, Patches, Positive
from deepcanon.targets import GABOR, metric, target

SYSTEM = "representation.sparse_coding"
DATA = ("images",)
METRICS = {
    "train/iterations": metric("steps of FISTA per input"),
    "objective": metric("half the squared error plus the penalty of an input", "", "min"),
    "missed": metric("share of the variance that the sums of atoms miss", "share", "min"),
    "active": metric("share of codes that are not 0", "share", "min"),
    "idle": metric("share of atoms that no input uses", "share", "min"),
    "kkt": metric("largest violation of the optimality conditions", "share of lambda", "min"),
    **GABOR,
    "*_pca": metric("the same share of the principal components of the inputs", "share"),
}
EDGES = "localised, oriented and band-pass, as claimed by Olshausen and Field 1996"
TARGETS = (
    target("bsds500", "worst test/kkt <= 1e-4", "X", "zero at the minimum; worst of all patches"),
    target("bsds500", "test/gabor >= 0.6", "P", "share of 192 atoms with R2 >= 0.6"),
    target("bsds500", "test/edge_like >= 0.6", "P", EDGES),
    target("bsds500", "test/edge_like_pca <= 0.2", "P", "principal components are not"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Patches):
    atoms: Count = 192
    """Atoms of the dictionary."""
    sparsity: Positive = 1.0
    """Weight lambda of the penalty, in standard deviations of the inputs."""
    smooth: NonNegative = 0.0
    """eps of the penalty sqrt(s^2 + eps); 0 is |s|, ten times faster."""
    norm: Literal["ball", "sphere"] = "ball"
    """Atoms have length at most one (ball) or exactly (sphere)."""
    batch: Count = 400
    """Patches per mini-batch."""
    updates: Count = 1000
    """Mini-batches."""
    forget: NonNegative = 8.0
    """Sums of earlier mini-batches count (1 - 1/n)^forget at mini-batch n."""
    tolerance: NonNegative = 5e-5
    """Violation of the optimality conditions at which a code has converged, a share of lambda."""
    max_iter: Count = 2000
    """Maximum number of FISTA steps for a mini-batch."""
    unrolled: Count = 100
    """Steps of FISTA in the exported module."""
    eps: NonNegative = 0.1
    """Added to the variances before whitening, as a share of their mean; damps high frequencies."""
    channels: Literal[0, 1, 3] = 1


SMALL = Config(atoms=24, batch=100, forget=1.0, patch=8, patches=1000, unrolled=10)
PRESETS = {
    "smoke": (SMALL, {"data": "photos", "steps": 30}),
    "default": (Config(patch=12), {"data": "photos"}),
    "paper": (Config(patch=12, patches=100_000, updates=4000), {"data": "bsds500"}),
    "verify:bsds500": (Config(patch=12, patches=50_000), {"data": "bsds500", "threads": 1}),
}

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine.encoder import Encoder, Encoding
from deepcanon.engine.shown import reconstructions, usage
from deepcanon.parts.gabor import filter_shares
from deepcanon.parts.patches import Whitened, patch_rows
from deepcanon.representation import SparseCoding
from deepcanon.representation.sparse_coding import kkt_violation, sparse_coding_objective
from deepcanon.techniques.whitening import whitening


class Recipe(engine.Recipe[Config], Encoding, engine.Decodes):
    state = ("model",)
    monitor = ("valid/objective", "min")
    parallel = "statistics"
    planned = "updates"

    @classmethod
    def learn(cls, config, data):
        white = whitening(data["train"], config.eps)
        zca = white.matrix / white.deviation.clamp_min(1e-12)
        about = {"centre": white.centre, "zca": zca, "components": white.components}
        return {"shape": list(data["train"].x.shape[1:]), **about}

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        kind = torch.get_default_dtype()
        centre, zca = (torch.as_tensor(facts[name]).to(kind) for name in ("centre", "zca"))
        self.preprocess = nn.Sequential(patch_rows(255.0), Whitened(centre, zca)).to(run.device)
        self.model = SparseCoding(
            config.atoms,
            penalty=config.sparsity,
            eps=config.smooth,
            norm=config.norm,
            tolerance=config.tolerance,
            max_iter=config.max_iter,
            forget=config.forget,
            unrolled=config.unrolled,
            seed=run.seed,
        ).to(run.device)
        layers, about = (self.preprocess, self.model), {"steps": config.unrolled}
        self.encoder = Encoder(run, layers, facts, code=self.infer, about=about)

    def step(self, step):
        run, model, train = self.run, self.model, self.run.data["train"]
        if step == 0:
            order = torch.randperm(len(train), generator=run.generator("atoms"))
            model.begin(self.preprocess(run.to(train.take(order[: self.config.atoms]).x)))
        x = self.preprocess(run.batch(train, self.config.batch).x)
        codes, _, steps = model.infer(x)
        losses = sparse_coding_objective(codes, model.dictionary_, x, model.penalty, model.eps)
        model.absorb(*run.sums(codes.mT @ codes, codes.mT @ x))
        rows, active = run.world * len(x), self.used(codes).double().mean(1)
        sums = run.sums(losses.sum(), active.sum(), steps.sum().double())
        return dict(zip(("loss", "active", "iterations"), (s / rows for s in sums), strict=True))

    def infer(self, x):
        return self.model.infer(x).codes

    def used(self, codes):
        return codes.abs() > self.model.eps**0.5

    def evaluate(self, split):
        model, x = self.model, self.encoder.prepared(split)
        codes = self.infer(x)
        wide = codes.double(), model.dictionary_.double(), x.double(), model.penalty, model.eps
        used = self.used(codes)
        found = {
            "objective": sparse_coding_objective(*wide).mean(),
            "missed": (x - codes @ model.dictionary_).square().sum() / x.square().sum(),
            "active": used.double().mean(),
            "idle": 1 - used.any(0).double().mean(),
            "kkt": kkt_violation(*wide).max(),
        }
        if split == "test" and self.config.patch:
            components = torch.as_tensor(self.facts["components"])
            others = filter_shares(components.double(), self.facts["shape"])
            found |= filter_shares(model.dictionary_.double(), self.facts["shape"])
            found |= {f"{name}_pca": share for name, share in others.items()}
        return found

    def figures(self):
        split = self.run.pictured
        x, shape = self.encoder.prepared(split)[:2000], self.facts["shape"]
        codes = self.infer(x)
        used, order = self.used(codes), codes.abs().sum(0).argsort(descending=True)
        pair = {"input": x[:24], "rebuilt": codes[:24] @ self.model.dictionary_}
        return {
            "atoms": self.encoder.tiles(self.model.dictionary_[order]),
            "reconstructions": reconstructions(shape, pair, signed=True),
            "usage": usage(used, "atom"),
        }

    def decode(self, codes):
        return self.encoder.raw(codes.to(self.model.dictionary_) @ self.model.dictionary_)
