"""A dictionary of image patches in which each patch is a sum of few atoms: sparse coding by FISTA.

Task: an overcomplete dictionary whose codes are mostly 0. Data: images, best as patches (`--patch 12`): each without
its mean, whitened (ZCA) and with standard deviation 1, which is the unit of the sparsity weight. A step is one
mini-batch: codes inferred to convergence, then every atom. Metrics: the objective, the share of the variance that is
missed, the share of codes that is not 0, the largest violation of the optimality conditions over all patches, and of
patches on the test split the share of atoms that a Gabor function explains (R2 >= 0.6), and of those that are also
localised, oriented and band-pass, beside those of the principal components of the same patches, which fill the patch.
Ours, 192 atoms of BSDS patches: in docs/results. A minute on one core.

    deepcanon train sparse-coding --data photos --patch 12
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "representation.sparse_coding"
DATA = ("images",)
TARGETS = (
    {"run": "bsds500", "metric": "test/kkt", "relation": "<=", "value": 1e-4, "statistic": "worst",
     "mark": "X", "source": "B02: lasso KKT violation, a share of lambda, the largest of all patches"},
    {"run": "bsds500", "metric": "test/gabor", "relation": ">=", "value": 0.6,
     "mark": "P", "source": "B02: share of 192 atoms with Gabor R2 >= 0.6"},
    {"run": "bsds500", "metric": "test/edge_like", "relation": ">=", "value": 0.6,
     "mark": "P", "source": "B02: share of those that are localised, oriented and band-pass as well"},
    {"run": "bsds500", "metric": "test/edge_like_pca", "relation": "<=", "value": 0.2,
     "mark": "P", "source": "B02: the same share of the principal components"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    atoms: int = 192
    """Atoms of the dictionary."""
    sparsity: float = 1.0
    """Weight lambda of the penalty, in standard deviations of the inputs."""
    smooth: float = 0.0
    """eps of the penalty sqrt(s^2 + eps); 0 is |s|, ten times quicker."""
    norm: Literal["ball", "sphere"] = "ball"
    """Atoms have length one at most (ball) or exactly (sphere)."""
    batch: int = 400
    """Patches of a mini-batch."""
    updates: int = 1000
    """Mini-batches."""
    forget: float = 8.0
    """Sums of earlier mini-batches count (1 - 1/n)^forget at mini-batch n."""
    tolerance: float = 5e-5
    """Largest violation of the optimality conditions at which a code has converged, a share of lambda."""
    max_iter: int = 2000
    """Steps of FISTA at most for a mini-batch."""
    unrolled: int = 100
    """Steps of FISTA in the exported module."""
    eps: float = 0.1
    """Added to the variances before whitening, as a share of their mean: it holds back the highest frequencies."""
    patch: int = 0
    """Side of the patches that are cut; 0 takes whole images."""
    patches: int = 20_000
    """How many are cut."""
    size: int = 0
    """Side of the images in pixels; 0 as they are."""
    channels: int = 1
    """1 grey, 3 colour; 0 as they are."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    small = Config(atoms=24, batch=100, forget=1.0, patch=8, patches=1000, unrolled=10)
    return small, {"data": "photos", "steps": 30}


def default():
    return Config(patch=12), {"data": "photos"}


def paper():
    return Config(patch=12, patches=100_000, updates=4000), {"data": "bsds500"}


def verify():
    return {"bsds500": (Config(patch=12, patches=50_000), {"data": "bsds500", "threads": 1})}


import functools

import torch
from torch import nn

from deepcanon.engine import raw_export
from deepcanon.parts.gabor import gabor_shares
from deepcanon.parts.tiles import signed_tiles
from deepcanon.representation.pca import PCA, zca_matrix
from deepcanon.representation.sparse_coding import SparseCoding, kkt_violation, sparse_coding_objective

ROWS = 10_000


class Prepare(nn.Module):
    """Pixels to inputs: without their mean, whitened, with standard deviation 1."""

    def __init__(self, facts):
        super().__init__()
        for name in ("centre", "zca"):
            self.register_buffer(name, torch.as_tensor(facts[name]).to(torch.get_default_dtype()))

    def forward(self, pixels):
        x = pixels.flatten(1).to(self.zca.dtype) / 255
        return (x - x.mean(1, keepdim=True) - self.centre) @ self.zca


class Recipe:
    state = ("model",)
    monitor = ("valid/objective", "min")
    parallel = "statistics"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        train = data["train"]
        x = torch.cat([part.x.flatten(1).float() / 255 for part in train.chunks()]).double()
        x = x - x.mean(1, keepdim=True)
        pca = PCA().fit(x)
        zca = zca_matrix(pca, config.eps)
        zca = zca / ((x - pca.mean_) @ zca).std().clamp_min(1e-12)
        return {"shape": list(train.x.shape[1:]), "centre": pca.mean_, "zca": zca, "components": pca.components_}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.preprocess = Prepare(facts).to(run.device)
        self.model = SparseCoding(
            config.atoms, penalty=config.sparsity, eps=config.smooth, norm=config.norm, tolerance=config.tolerance,
            max_iter=config.max_iter, forget=config.forget, unrolled=config.unrolled, seed=run.seed,
        ).to(run.device)  # fmt: skip
        self.inputs = functools.cache(self.prepared)

    def plan(self) -> int:
        return self.config.updates

    def prepared(self, split):
        """All inputs of a split."""
        return torch.cat([self.preprocess(self.run.to(part)) for part in self.run.data[split].x.split(ROWS)])

    def step(self, step: int) -> dict:
        run, model, train = self.run, self.model, self.run.data["train"]
        if step == 0:
            some = torch.randperm(len(train), generator=run.generator("atoms"))[: self.config.atoms]
            model.begin(self.preprocess(run.to(train.take(some).x)))
        x = self.preprocess(run.batch(train, self.config.batch).x)
        codes, _, steps = model.infer(x)
        loss = run.sum(sparse_coding_objective(codes, model.dictionary_, x, model.penalty, model.eps).sum())
        model.absorb(run.sum(codes.mT @ codes), run.sum(codes.mT @ x))
        active = run.sum((codes.abs() > model.eps**0.5).sum().double())
        rows = run.world * len(x)
        taken = run.sum(steps.sum().double())
        return {"loss": loss / rows, "active": active / (rows * len(codes.T)), "iterations": taken / rows}

    def evaluate(self, split: str) -> dict:
        config, model, x = self.config, self.model, self.inputs(split)
        codes = model.infer(x).codes
        wide = codes.double(), model.dictionary_.double(), x.double()
        used = codes.abs() > model.eps**0.5
        found = {
            "objective": sparse_coding_objective(*wide, model.penalty, model.eps).mean(),
            "missed": (x - codes @ model.dictionary_).square().sum() / x.square().sum(),
            "active": used.double().mean(),
            "idle": 1 - used.any(0).double().mean(),  # atoms that no input uses
            "kkt": kkt_violation(*wide, model.penalty, model.eps).max(),
        }
        if config.patch >= 4 and split == "test":
            components = torch.as_tensor(self.facts["components"]).double()
            found |= gabor_shares(self.tiles(wide[1]))._asdict()
            found |= {f"{name}_pca": share for name, share in gabor_shares(self.tiles(components))._asdict().items()}
        return found

    def tiles(self, rows):
        """Rows as pictures [N, s, s], colours averaged."""
        return rows.cpu().view(-1, *self.facts["shape"]).mean(1)

    def figures(self) -> dict:
        split = "valid" if "valid" in self.run.data else "train"
        x, shape = self.inputs(split)[:2000], self.facts["shape"]
        codes = self.model.infer(x).codes
        order = codes.abs().sum(0).argsort(descending=True)
        both = torch.stack([x[:24], codes[:24] @ self.model.dictionary_], 1).flatten(1)
        shown = {
            "atoms": signed_tiles(self.model.dictionary_[order][:400], shape).numpy(),
            # input and reconstruction side by side, with one grey scale
            "reconstructions": signed_tiles(both, (2 * shape[0], *shape[1:])).view(-1, *shape).numpy(),
        }
        return shown | {"usage": self.usage(codes)}

    def usage(self, codes):
        from matplotlib.figure import Figure

        used = codes.abs() > self.model.eps**0.5
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(100 * used.double().mean(0).sort(descending=True).values.cpu().numpy())
        left.set(xlabel="atom", ylabel="inputs that use it (%)", ylim=(0, None))
        right.hist(used.sum(1).cpu().numpy(), bins=30)
        right.set(xlabel="atoms of an input", ylabel="inputs")
        return figure

    def encode(self, inputs):
        return torch.cat([self.model.infer(self.preprocess(self.run.to(p))).codes for p in inputs.split(ROWS)])

    def export(self):
        module = nn.Sequential(self.preprocess, self.model)
        about = {"task": "encode", "steps": self.config.unrolled}
        return raw_export(module, self.facts["shape"], self.facts["reader"], self.run.device, ("code",), about)
