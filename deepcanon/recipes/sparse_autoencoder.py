"""A sparse autoencoder of image patches or whole images, by L-BFGS; self-taught learning on the side.

Task: hidden units that are rarely on, from which the input can be drawn again. Data: images, best as patches
(`--patch 8`): each without its mean, whitened (ZCA) and squashed into [0.1, 0.9]. Metrics: the objective, the mean
activation, and of patches on the test split the share of units whose filter a Gabor function explains (R2 >= 0.6):
oriented edges. With `--unlabelled` classes the features are learned from those alone, and a linear classifier of the
other classes compares them with raw pixels (Raina et al. 2007; MNIST, features from 5 to 9, classifying 0 to 4: about
98 %). A minute on one core.

    deepcanon train sparse-autoencoder --data photos --patch 8
"""

from dataclasses import dataclass

SYSTEM = "representation.sparse_autoencoder"
DATA = ("images",)
TARGETS = (
    {"run": "bsds500", "metric": "test/gabor", "relation": ">=", "value": 0.5,
     "mark": "P", "source": "B05: share of 25 units with Gabor R2 >= 0.6"},
    {"run": "self-taught", "metric": "test/probe", "relation": ">=", "value": 0.98,
     "mark": "P", "source": "B05: about 98 % from memory of the UFLDL exercise (98.3)"},
    {"run": "self-taught", "metric": "test/probe_gain", "relation": ">=", "value": 0.01,
     "mark": "P", "source": "B05: over raw pixels"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: int = 25
    """Units of the hidden layer."""
    rho: float = 0.01
    """Wanted mean activation of each unit."""
    beta: float = 3.0
    """Weight of the sparsity penalty."""
    decay: float = 1e-4
    """Weight decay lambda; biases are free."""
    whiten: bool = True
    """Take each input's mean off, whiten and squash into [0.1, 0.9]; without, pixels in [0, 1]."""
    eps: float = 1.0
    """Added to the variances before whitening, as a share of their mean: it keeps fine detail low."""
    iterations: int = 400
    """Steps of L-BFGS."""
    history: int = 20
    """Pairs of differences that stand for the Hessian."""
    unlabelled: tuple[str, ...] = ()
    """Classes to learn the features from; a linear classifier of the others then judges them on the test split."""
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
    return Config(hidden=16, patch=8, patches=1000), {"data": "photos", "steps": 30}


def default():
    return Config(hidden=49, patch=8), {"data": "photos"}


def paper():
    return Config(patch=8, patches=10_000), {"data": "bsds500"}


def verify():
    digits = Config(
        hidden=200, rho=0.1, decay=3e-3, whiten=False, valid_share=0.0, unlabelled=("5", "6", "7", "8", "9")
    )
    return {
        "bsds500": (Config(patch=8, iterations=2000), {"data": "bsds500", "threads": 1}),
        "self-taught": (digits, {"data": "mnist", "threads": 1}),
    }


import functools

import torch
from torch import nn

from deepcanon.engine import raw_export
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.softmax_regression import fit_softmax
from deepcanon.parts.gabor import gabor_shares
from deepcanon.parts.tiles import signed_tiles
from deepcanon.representation.pca import PCA, zca_matrix
from deepcanon.representation.sparse_autoencoder import (
    SparseAutoencoder,
    sparse_objective,
    sparsity_penalty,
    squash,
)

PROBE_DECAY, PROBE_STEPS = 1e-4, 100


class Prepare(nn.Module):
    """Pixels to inputs: in [0, 1], or without their mean, whitened and squashed."""

    def __init__(self, facts):
        super().__init__()
        self.whiten = "zca" in facts
        if self.whiten:
            for name in ("centre", "zca", "deviation"):
                self.register_buffer(name, torch.as_tensor(facts[name]))

    def forward(self, pixels):
        x = pixels.flatten(1).float() / 255
        if self.whiten:
            x = (x - x.mean(1, keepdim=True) - self.centre) @ self.zca
            x = squash(x, self.deviation)
        return x


class Recipe:
    state = ("model", "optimizer")
    monitor = ("valid/objective", "min")
    parallel = "gradients"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        about, train = data.describe(), data["train"]
        facts: dict = {"shape": list(train.x.shape[1:])}
        if config.unlabelled:
            unknown = [name for name in config.unlabelled if name not in about["classes"]]
            if unknown or len(about["classes"]) - len(set(config.unlabelled)) < 2:
                known = ", ".join(about["classes"]) or "none"
                raise UsageError(f"--unlabelled {' '.join(config.unlabelled)}: name some of {known}, leave two or more")
            chosen = torch.tensor([about["classes"].index(name) for name in config.unlabelled])
            facts["rows"] = torch.isin(train.y, chosen).nonzero()[:, 0]
        if config.whiten:
            x = torch.cat([part.x.flatten(1).float() / 255 for part in train.chunks()]).double()
            x = x - x.mean(1, keepdim=True)
            pca = PCA().fit(x)
            zca = zca_matrix(pca, config.eps)
            facts |= {"centre": pca.mean_.float(), "zca": zca.float()}
            facts["deviation"] = ((x - pca.mean_) @ zca).std().float()
        return facts

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.model = SparseAutoencoder(torch.Size(facts["shape"]).numel(), config.hidden).to(run.device)
        self.preprocess = Prepare(facts).to(run.device)
        self.inputs = functools.cache(self.prepared)
        self.optimizer = torch.optim.LBFGS(
            self.model.parameters(), lr=1, max_iter=1, max_eval=20, history_size=config.history,
            tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
        )  # fmt: skip

    def plan(self) -> int:
        return self.config.iterations

    def prepared(self, split):
        """All inputs that the split has for this system, ready for the model."""
        x = self.run.data[split].x
        if split == "train" and "rows" in self.facts:
            x = x[torch.as_tensor(self.facts["rows"])]
        return torch.cat([self.preprocess(part.to(self.run.device)) for part in x.split(10_000)])

    def step(self, step: int) -> dict:
        x, run = self.inputs("train"), self.run
        mine = x[run.rank :: run.world].to(self.model.encoder.weight.dtype)
        loss = self.optimizer.step(lambda: self.backward(mine, len(x)))
        return {"loss": loss}

    def backward(self, x, count):
        """Objective and gradient over the rows of all processes: the penalty is of the mean over all of them."""
        config, model, run = self.config, self.model, self.run
        self.optimizer.zero_grad()
        with torch.enable_grad():
            hidden = model.encode(x)
            # Sums in float64: the line search compares objectives that differ by less than single precision sees.
            total = hidden.sum(0, dtype=torch.float64)
            error = 0.5 * (model.decode(hidden) - x).square().sum(dtype=torch.float64) / count
            mean = (run.sum(total.detach()) / count).requires_grad_()
            penalty = config.beta * sparsity_penalty(mean, config.rho)
            (slope,) = torch.autograd.grad(penalty, mean)
            # d penalty / d parameter = sum_i (slope / count) dh_i: the share of this process's rows.
            (error + (slope / count * total).sum()).backward()
        for parameter in model.parameters():
            parameter.grad = run.sum(parameter.grad)
        weights = (model.encoder.weight, model.decoder.weight)
        for weight in weights:
            weight.grad += config.decay * weight.detach()
        decay = 0.5 * config.decay * sum(weight.detach().double().square().sum() for weight in weights)
        return run.sum(error.detach()) + penalty.detach() + decay

    def evaluate(self, split: str) -> dict:
        config, model, x = self.config, self.model, self.inputs(split)
        hidden = model.encode(x)
        found = {
            "objective": sparse_objective(model, x, rho=config.rho, beta=config.beta, decay=config.decay),
            "error": (model.decode(hidden) - x).square().sum(1).mean(),
            "activation": hidden.mean(),
        }
        if config.patch >= 4 and split == "test":
            found |= gabor_shares(self.tiles().double().mean(1))._asdict()
        if split == "test" and config.unlabelled:
            found |= self.probe()
        return found

    def tiles(self):
        """The best input of each unit [H, C, s, s], whitened where the inputs are, as UFLDL shows it. Back in pixels
        nearly every direction would look like a smooth grating, a random one too."""
        return self.model.best_inputs().cpu().view(-1, *self.facts["shape"])

    def probe(self):
        """Accuracy of softmax regression on the classes that were left out, from the codes and from raw pixels."""
        classes = self.facts["reader"]["classes"]
        kept = [number for number, name in enumerate(classes) if name not in self.config.unlabelled]
        accuracy = {}
        for name, function in (("probe", self.model.encode), ("probe_raw", lambda x: x)):
            sets = []
            for split in ("train", "test"):
                data = self.run.data[split]
                rows = torch.isin(data.y, torch.tensor(kept)).nonzero()[:, 0]
                y = torch.searchsorted(torch.tensor(kept), data.y[rows])
                x = torch.cat([function(self.preprocess(p.to(self.run.device))) for p in data.x[rows].split(10_000)])
                sets.append((x.cpu().double(), y))
            (x, y), (unseen, wanted) = sets
            linear = fit_softmax(x, y, len(kept), decay=PROBE_DECAY, iterations=PROBE_STEPS)
            accuracy[name] = (linear(unseen).argmax(1) == wanted).double().mean()
        return {**accuracy, "probe_gain": accuracy["probe"] - accuracy["probe_raw"]}

    def figures(self) -> dict:
        shown: dict = {"filters": signed_tiles(self.tiles().flatten(1), self.facts["shape"]).numpy()}
        split = "valid" if "valid" in self.run.data else "train"
        x = self.inputs(split)[:24]
        both = torch.stack([x, self.model(x)], 1).flatten(0, 1).clamp(0, 1)
        # Input and reconstruction side by side.
        shown["reconstructions"] = (255 * both).round().to(torch.uint8).view(-1, *self.facts["shape"]).cpu().numpy()
        return shown

    def encode(self, inputs):
        return torch.cat([self.model.encode(self.preprocess(p.to(self.run.device))) for p in inputs.split(10_000)])

    def export(self):
        module = Codes(self.preprocess, self.model)
        about = {"task": "encode"}
        return raw_export(module, self.facts["shape"], self.facts["reader"], self.run.device, ("code",), about)


class Codes(nn.Module):
    """Raw pixels to hidden activations."""

    def __init__(self, preprocess, model):
        super().__init__()
        self.preprocess, self.model = preprocess, model

    def forward(self, inputs):
        return self.model.encode(self.preprocess(inputs))
