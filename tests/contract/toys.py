"""A small sound recipe, and copies of it with one planted bug each."""

import itertools
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from contract.trainees import Trainee
from deepcanon import engine
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Predicts
from deepcanon.engine.figures import Tiles
from deepcanon.parts.batch_norm import BatchNorm2d
from deepcanon.settings import Settings
from deepcanon.targets import CLASSIFIER


@dataclass(frozen=True, kw_only=True)
class Config:
    learning_rate: float = 0.05
    """Step size."""
    batch: int = 8
    """Rows of a step."""
    dropout: float = 0.0
    """Probability of dropping a feature in training."""


METRICS = CLASSIFIER


def open_data(config: Any, settings: Settings) -> Dataset:
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.normal(size=(64, 2, 3, 3)).astype(np.float32))
    y = (x[:, 0].sum((1, 2)) > 0).long()
    splits = {"train": Split(x[:48], y[:48]), "valid": Split(x[48:], y[48:])}
    return Dataset("tables", splits, {"classes": ["low", "high"]})


class Recipe(engine.Recipe[Config], Predicts):
    """A classifier with batch norm, momentum, dropout, and a carried average of its inputs."""

    state = ("model", "optimizer", "carry", "seen")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    wants = "classes"
    norm = BatchNorm2d

    @classmethod
    def learn(cls, config, data):
        return {"scale": data["train"].x.std()}

    def build(self):
        drop, norm = self.drop(self.config.dropout), self.norm(4)
        layers = nn.Conv2d(2, 4, 2), norm, nn.ReLU(), drop, nn.Flatten(), nn.Linear(16, 2)
        self.model = nn.Sequential(*layers).to(self.run.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.config.learning_rate, momentum=0.9)
        self.carry = None
        self.seen = 0

    def drop(self, rate):
        return nn.Dropout(rate)

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
        x = self.run.to(data.x).to(self.model[0].weight.dtype)
        return {"nll": nn.functional.cross_entropy(self.model(x), self.run.to(data.y))}

    def figures(self):
        weights = self.model[0].weight.detach().mean(1).cpu().numpy()
        return {"filters": Tiles(weights, scale="weight", caption="The first layer's weights.")}

    def predict(self, inputs):
        return [{"label": int(k)} for k in self.model(inputs).argmax(1)]


class ForgetsCarry(Recipe):
    state = ("model", "optimizer", "seen")


class ForgetsCount(Recipe):
    state = ("model", "optimizer", "carry")


class HidesStateInModule(Recipe):
    def step(self, step):
        self.model[0].calls = step
        return super().step(step)


class HidesAnIterator(Recipe):
    def build(self):
        super().build()
        self.order = itertools.count()


class ForgetsMomentum(Recipe):
    state = ("model", "carry", "seen")


class DrawsFromItsOwnGenerator(Recipe):
    """Sound while it runs, lost at a restart: the generator is not state that can be saved."""

    def build(self):
        super().build()
        generator = torch.Generator().manual_seed(self.run.seed)
        self.noise = lambda shape: 0.05 * torch.randn(shape, generator=generator)[self.run.rows(shape[0])]


class DrawsFromNowhere(Recipe):
    def noise(self, shape):
        seed = int.from_bytes(os.urandom(4), "little")
        return 0.05 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class IgnoresTheSeed(Recipe):
    def build(self):
        torch.manual_seed(7)
        super().build()

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


class DropsByItself(nn.Module):
    """Dropout that draws a mask for the rows it is given, as `nn.LSTM` does within."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        return nn.functional.dropout(x, self.rate, self.training)


class LocalDropout(Recipe):
    def drop(self, rate):
        return DropsByItself(rate)


class Counter:
    """Callable, with a memory."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1


class HidesStateInACallable(Recipe):
    def build(self):
        super().build()
        self.count = Counter()

    def step(self, step):
        self.count()
        return super().step(step)


class ReturnsFloats(Recipe):
    """Each float waits for the device."""

    def step(self, step):
        return {name: float(value) for name, value in super().step(step).items()}


class MasksOnTheCpu(Recipe):
    def noise(self, shape):
        return super().noise(shape) * (torch.rand(shape) < 0.5)


class CopiesAndWaits(Recipe):
    def noise(self, shape):
        return torch.ones(shape).to(self.run.device) * super().noise(shape)


class DrawsWithTheOtherGenerator(Recipe):
    def noise(self, shape):
        return torch.rand(shape, generator=self.run.generator("other"), device=self.run.device)


class AsksTheLoss(Recipe):
    """Each comparison waits for the device."""

    def backward(self, loss):
        return super().backward(loss if loss < 100 else loss / 2)


class CountsByAMask(Recipe):
    def backward(self, loss):
        found = self.model[0].weight
        return super().backward(loss + 0 * found[found > 0].sum())


class SaysThatItWaits(AsksTheLoss):
    waits = "a loss that explodes is halved"


class WaitsForNothing(Recipe):
    waits = "as it did once"


class MeasuresTheUndescribed(Recipe):
    def evaluate(self, split):
        return {**super().evaluate(split), "sharpness": torch.tensor(1.0)}


class OpensDataToStart(Recipe):
    def build(self):
        super().build()
        self.rows = len(self.run.data["train"])


class DrawsNothing(Recipe):
    def figures(self):
        return {}


def toy(recipe: type) -> Trainee:
    settings = Settings(steps=12, threads=1, precision="fp32", device="cpu")
    return Trainee(recipe.__name__, recipe, Config(), settings, open_data)


TOYS = {
    cls.__name__: toy(cls)
    for cls in (
        Recipe, ForgetsCarry, ForgetsCount, HidesStateInModule, HidesStateInACallable, HidesAnIterator, ForgetsMomentum,
        DrawsFromItsOwnGenerator, DrawsFromNowhere, IgnoresTheSeed, ClimbsUphill, LocalBatchNorm, LocalGradients,
        LocalNoise, LocalDropout, ReturnsFloats, MasksOnTheCpu, CopiesAndWaits, DrawsWithTheOtherGenerator, AsksTheLoss,
        CountsByAMask, SaysThatItWaits, WaitsForNothing, MeasuresTheUndescribed, OpensDataToStart, DrawsNothing,
    )
}  # fmt: skip
