"""A small sound recipe, and copies of it with one planted bug each."""

import itertools
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from contract.recipes import Trainee
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.settings import Settings
from deepcanon.parts.batch_norm import BatchNorm2d


@dataclass(frozen=True)
class Config:
    learning_rate: float = 0.05
    """Step size."""
    batch: int = 8
    """Rows of a step."""


def open_data(config: Any, settings: Settings) -> Dataset:
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.normal(size=(64, 2, 3, 3)).astype(np.float32))
    y = (x[:, 0].sum((1, 2)) > 0).long()
    splits = {"train": Split(x[:48], y[:48]), "valid": Split(x[48:], y[48:])}
    return Dataset("tables", splits, {"classes": ["low", "high"]})


class Recipe:
    """A classifier with batch norm, momentum, and a carried average of its inputs."""

    state = ("model", "optimizer", "carry", "seen")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    norm = BatchNorm2d

    @staticmethod
    def learn(config, data):
        return {"scale": data["train"].x.std()}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.model = nn.Sequential(nn.Conv2d(2, 4, 2), self.norm(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config.learning_rate, momentum=0.9)
        self.carry = None
        self.seen = 0

    def plan(self):
        return 12

    def noise(self, shape):
        return 0.05 * self.run.randn("noise", shape)

    def backward(self, loss):
        return self.run.backward(loss, self.model)

    def step(self, step):
        rows = self.run.batch(self.run.data["train"], self.config.batch)
        x = rows.x.to(self.model[0].weight.dtype)
        mean = self.run.sum(x.sum((0, 2, 3))) / self.config.batch
        self.carry = mean if self.carry is None else 0.9 * self.carry + 0.1 * mean
        self.seen += self.config.batch
        x = x + self.carry[:, None, None] * 0.1 + self.noise((self.config.batch, 2, 3, 3)).to(x.dtype)
        self.optimizer.zero_grad()
        loss = self.backward(nn.functional.cross_entropy(self.model(x), rows.y))
        self.optimizer.step()
        return {"loss": loss}

    def evaluate(self, split):
        data = self.run.data[split]
        return {"nll": nn.functional.cross_entropy(self.model(data.x.to(self.model[0].weight.dtype)), data.y)}

    def figures(self):
        return {"filters": self.model[0].weight.detach().mean(1).numpy()}

    def predict(self, inputs):
        return [{"label": int(k)} for k in self.model(inputs).argmax(1)]


def planted(**changes: Any) -> type:
    """The recipe with some of its attributes replaced."""
    return type("Recipe", (Recipe,), {**changes, "__module__": __name__})


class ForgetsCarry(Recipe):
    state = ("model", "optimizer", "seen")


class ForgetsCount(Recipe):
    state = ("model", "optimizer", "carry")


class HidesStateInModule(Recipe):
    def step(self, step):
        self.model[0].calls = step
        return super().step(step)


class HidesAnIterator(Recipe):
    def __init__(self, config, facts, run):
        super().__init__(config, facts, run)
        self.order = itertools.count()


class ForgetsMomentum(Recipe):
    state = ("model", "carry", "seen")


class DrawsFromItsOwnGenerator(Recipe):
    """Sound while it runs, lost at a restart: the generator is no state that can be saved."""

    def __init__(self, config, facts, run):
        super().__init__(config, facts, run)
        generator = torch.Generator().manual_seed(run.seed)
        self.noise = lambda shape: 0.05 * torch.randn(shape, generator=generator)[self.run.rows(shape[0])]


class DrawsFromNowhere(Recipe):
    def noise(self, shape):
        seed = int.from_bytes(os.urandom(4), "little")
        return 0.05 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class IgnoresTheSeed(Recipe):
    def __init__(self, config, facts, run):
        torch.manual_seed(7)
        super().__init__(config, facts, run)

    def noise(self, shape):
        return torch.zeros(shape)

    def step(self, step):
        saved, self.run._orders = self.run.seed, {}
        self.run.seed = 7
        try:
            return super().step(step)
        finally:
            self.run.seed = saved


class ClimbsUphill(Recipe):
    def backward(self, loss):
        return -self.run.backward(-loss, self.model)


class LocalBatchNorm(Recipe):
    norm = nn.BatchNorm2d


class LocalGradients(Recipe):
    def backward(self, loss):
        loss.backward()
        return loss.detach()


class LocalNoise(Recipe):
    """Each process draws noise for itself, instead of its rows of the global noise."""

    def noise(self, shape):
        generator = self.run.generator(f"noise of {self.run.rank}")
        rows = len(range(shape[0])[self.run.rows(shape[0])])
        return 0.05 * torch.randn((rows, *shape[1:]), generator=generator)


class OpensDataToStart(Recipe):
    def __init__(self, config, facts, run):
        super().__init__(config, facts, run)
        self.rows = len(run.data["train"])


class DrawsNothing(Recipe):
    def figures(self):
        return {}


def toy(recipe: type) -> Trainee:
    settings = Settings(steps=12, threads=1, precision="fp32", device="cpu")
    return Trainee(recipe.__name__, recipe, Config(), settings, open_data)


TOYS = {
    cls.__name__: toy(cls)
    for cls in (
        Recipe, ForgetsCarry, ForgetsCount, HidesStateInModule, HidesAnIterator, ForgetsMomentum,
        DrawsFromItsOwnGenerator, DrawsFromNowhere, IgnoresTheSeed, ClimbsUphill, LocalBatchNorm, LocalGradients,
        LocalNoise, OpensDataToStart, DrawsNothing,
    )
}  # fmt: skip
