"""A denoising autoencoder of images, of tables, or of points near a curve in 20 dimensions.

Task: reconstruct what is clean from what was corrupted anew at each step. Data: images (pixels in [0, 1]), the number
columns of a table (standardised), or none (`--data ""`): a closed curve that winds through R^20. Metrics: squared error
of the reconstruction of corrupted inputs, beside that of doing nothing; of the curve the mean cosine between r(u) - u
and the true way back to the curve (ours 0.97; 0.71 where nothing was corrupted in training). Stacks of these layers
that are fine-tuned as classifiers: stacked-autoencoder. A minute on one core.

    deepcanon train denoising-autoencoder --data mnist --corruption mask --amount 0.25
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "representation.denoising_autoencoder"
DATA = ("images", "tables", "task")
TARGETS = (
    {"run": "curve", "metric": "test/cosine", "relation": ">=", "value": 0.9, "statistic": "worst",
     "mark": "X", "source": "B08: r(x) - x points to the manifold"},
    {"run": "curve", "minus": "curve-identity", "metric": "test/cosine", "relation": ">=", "value": 0.2,
     "mark": "P", "statistic": "worst", "source": "B08: learned without corruption it points back less well"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: int = 500
    """Units of the hidden layer."""
    activation: Literal["sigmoid", "relu", "tanh"] = "sigmoid"
    """Hidden units."""
    tied: bool = True
    """The decoder's weights are the encoder's, transposed."""
    corruption: Literal["mask", "gaussian", "salt-pepper"] = "mask"
    """Values set to 0, Gaussian noise added, or values set to 0 or 1."""
    amount: float = 0.25
    """Share of the values that is corrupted; of gaussian the standard deviation of the noise."""
    objective: Literal["squared", "cross-entropy"] = "squared"
    """What is minimised; cross-entropy is for images."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule of Adam."""
    warmup: float = 0.1
    """Share of the steps over which the rate rises to its peak."""
    batch: int = 128
    """Examples per step."""
    epochs: int = 20
    """Passes over the training set, where no steps are given."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column that is not an input; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(hidden=40, batch=64), {"data": "digits", "steps": 60}


def default():
    return Config(hidden=100, batch=64, epochs=100), {"data": "digits"}


def paper():
    return Config(), {"data": "mnist"}


def verify():
    curve = Config(hidden=300, activation="relu", tied=False, corruption="gaussian", amount=0.1, batch=256)
    still = Config(hidden=300, activation="relu", tied=False, corruption="gaussian", amount=0.0, batch=256)
    steps = {"data": "", "steps": 6000, "threads": 1}
    return {"curve": (curve, steps), "curve-identity": (still, steps)}


import math

import torch
from torch import nn

from deepcanon.engine import Batch, raw_export
from deepcanon.engine.errors import UsageError
from deepcanon.parts.reconstruction import cross_entropy_of, squared_error_of
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels
from deepcanon.parts.tiles import side_by_side, signed_tiles
from deepcanon.representation.denoising_autoencoder import (
    DenoisingAutoencoder,
    add_gaussian,
    jacobian_norm,
    mask_inputs,
    salt_and_pepper,
)

UNITS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}
CORRUPTIONS = {"mask": mask_inputs, "gaussian": add_gaussian, "salt-pepper": salt_and_pepper}
DIMENSIONS, WINDINGS, NOISE, POINTS = 20, 10, 0.1, 2000  # the curve's space, its frequencies; test noise, test points


class Recipe:
    state = ("model", "optimizer")
    monitor = ("valid/error", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")
    splits = None

    @staticmethod
    def learn(config, data) -> dict:
        kind = data.describe()["kind"]
        if config.objective == "cross-entropy" and kind != "images":
            raise UsageError("--objective cross-entropy is for images: other values are not in [0, 1]")
        if config.amount < 0 or (config.corruption != "gaussian" and config.amount > 1):
            raise UsageError(f"--amount {config.amount}: a share from 0 to 1, of gaussian a standard deviation")
        if kind == "task":  # orthonormal directions for the sines and cosines of the curve
            still = {"shape": [DIMENSIONS], "shift": torch.zeros(DIMENSIONS), "scale": torch.ones(DIMENSIONS)}
            return {**still, "axes": torch.linalg.qr(torch.randn(DIMENSIONS, 2 * WINDINGS)).Q}
        train, images = data["train"], kind == "images"
        shift, scale = unit_pixels(train.x.shape[1]) if images else channel_statistics(p.x for p in train.chunks())
        return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.kind = facts["reader"]["kind"]
        if self.kind == "task":
            self.splits = ("valid", "test")
        self.model = DenoisingAutoencoder(
            torch.Size(facts["shape"]).numel(), config.hidden, activation=UNITS[config.activation],
            output="sigmoid" if self.kind == "images" else "linear", tied=config.tied,
        ).to(run.device)  # fmt: skip
        self.preprocess = nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten()).to(run.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), config.learning_rate, fused=True)

    def plan(self) -> int:
        count = 10_000 if self.kind == "task" else len(self.run.data["train"])
        return self.config.epochs * max(1, count // self.config.batch)

    def curve(self, angles):
        """Points [N, 20] of the closed curve: sines and cosines of rising frequency and falling amplitude."""
        turns = torch.arange(1, WINDINGS + 1)
        waves = torch.cat([f(angles[:, None] * turns) / turns.sqrt() for f in (torch.cos, torch.sin)], 1)
        return waves @ torch.as_tensor(self.facts["axes"]).to(waves).T

    def batch(self):
        if self.kind != "task":
            return self.run.batch(self.run.data["train"], self.config.batch)
        return Batch(self.curve(2 * math.pi * self.run.rand("points", (self.config.batch, 1))[:, 0]), None)

    def step(self, step: int) -> dict:
        config, run = self.config, self.run
        x = self.preprocess(self.batch().x)
        # Noise of the global batch, of which this process takes its rows.
        noise = run.generator("corruption")
        whole = x.new_zeros(config.batch, x.shape[1])
        whole[run.rows(config.batch)] = x
        u = CORRUPTIONS[config.corruption](whole, config.amount, noise)[run.rows(config.batch)]  # a new one each step
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * one_cycle(step, run.steps, config.warmup)
        self.optimizer.zero_grad()
        with run.autocast():
            z = self.model.logits(self.model.encode(u))
        if config.objective == "cross-entropy":
            loss = cross_entropy_of(z, x)
        else:
            wide = z.to(torch.promote_types(z.dtype, torch.float32))
            loss = squared_error_of(wide.sigmoid() if self.kind == "images" else wide, x)
        loss = run.backward(loss, self.model)
        self.optimizer.step()
        return {"loss": loss}

    def pairs(self, split, count=None):
        """Clean and corrupted inputs of a split; the noise is the same at each evaluation."""
        random = torch.Generator().manual_seed({"train": 0, "valid": 1, "test": 2}[split])
        if self.kind == "task":
            x = self.curve(2 * math.pi * torch.rand(count or POINTS, generator=random)).to(self.run.device)
            return x, add_gaussian(x, NOISE, random)
        rows = self.run.data[split].x[:count] if count else self.run.data[split].x
        x = torch.cat([self.preprocess(part.to(self.run.device)) for part in rows.split(2000)])
        return x, CORRUPTIONS[self.config.corruption](x, self.config.amount, random)

    def evaluate(self, split: str) -> dict:
        x, u = self.pairs(split)
        y = torch.cat([self.model(part) for part in u.split(2000)])
        found = {"error": squared_error_of(y, x), "error_of_nothing": squared_error_of(u, x)}
        found["contraction"] = jacobian_norm(self.model, x[:POINTS]).mean()
        if self.kind == "task":
            way = self.nearest(u) - u
            found["cosine"] = nn.functional.cosine_similarity(y - u, way).mean()
            found["distance"] = (self.nearest(y) - y).norm(dim=1).mean() / way.norm(dim=1).mean()
        return found

    def nearest(self, points):
        """The point of the curve that is nearest to each."""
        grid = self.curve(torch.linspace(0, 2 * math.pi, 4001)[:-1]).to(points)
        return grid[torch.cdist(points, grid).argmin(1)]

    def figures(self) -> dict:
        if self.kind == "task":
            return {"field": self.field()}
        shown: dict = {}
        split = "valid" if "valid" in self.run.data else "train"
        if self.kind == "tables":
            shown["columns"] = self.columns(*self.pairs(split, POINTS))
        else:
            (x, u), shape = self.pairs(split, 24), self.facts["shape"]
            shown["denoised"] = side_by_side((x, u, self.model(u)), shape).numpy()
            shown["filters"] = signed_tiles(self.model.encoder.weight[:100], shape).numpy()
        return shown

    def columns(self, x, u):
        """Squared error of each column: as corrupted, and as reconstructed."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 0.8 + 0.25 * x.shape[1]), layout="constrained")
        axes, places = figure.subplots(), torch.arange(x.shape[1])
        for offset, (values, label) in enumerate(((u, "corrupted"), (self.model(u), "reconstructed"))):
            error = (values.float() - x).square().mean(0).cpu()
            axes.barh(places + 0.4 * offset, error, height=0.38, label=label)
        names = self.facts["reader"].get("columns") or [str(i) for i in range(x.shape[1])]
        axes.set_yticks(places + 0.2, names[: x.shape[1]])
        axes.invert_yaxis()
        axes.set(xlabel="squared error, in standard deviations")
        axes.legend()
        return figure

    def field(self):
        """The curve in the plane of its slowest turn, and where noisy points are sent."""
        from matplotlib.figure import Figure

        _, u = self.pairs("valid", 150)
        axes_ = torch.as_tensor(self.facts["axes"]).to(u)[:, [0, WINDINGS]]
        line = self.curve(torch.linspace(0, 2 * math.pi, 400)).to(u) @ axes_
        start, move = (u @ axes_).cpu(), ((self.model(u) - u) @ axes_).cpu()
        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.subplots()
        axes.plot(line[:, 0].cpu(), line[:, 1].cpu(), color="0.6", linewidth=1)
        as_they_are = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.003}
        axes.quiver(start[:, 0], start[:, 1], move[:, 0], move[:, 1], **as_they_are)
        axes.set(title="r(u) - u near the curve, two of 20 dimensions", aspect="equal")
        return figure

    def rows(self, inputs, function):
        return torch.cat([function(self.preprocess(part.to(self.run.device))) for part in inputs.split(2000)])

    def encode(self, inputs):
        return self.rows(inputs, self.model.encode)

    def predict(self, inputs) -> list[dict]:
        """How far each input is moved: large off the manifold of the training data."""
        errors = self.rows(inputs, lambda x: squared_error_of(self.model(x), x, "none"))
        return [{"value": float(value)} for value in errors]

    def export(self):
        about = {"task": "reconstruct", "output_range": [0, 1] if self.kind == "images" else "standardised"}
        module, reader = nn.Sequential(self.preprocess, self.model), self.facts["reader"]
        return raw_export(module, self.facts["shape"], reader, self.run.device, ("reconstruction",), about)
