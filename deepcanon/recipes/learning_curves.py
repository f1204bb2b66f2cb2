"""The learning-rate range test on your own data: the rate rises step by step, the loss explodes.

Task: choose a learning rate for a classifier by short training. Data: images or the number columns
of a table. Metric: the rate in the middle of the minimum of the smoothed training loss, a suggested
rate of a tenth of it, and whether the curve has the shape of a U. Papers show the shape and give no
numbers; ours on MNIST: 0.03 to 0.05 with momentum 0.9, 0.12 to 0.13 without. The weights at the
minimum are kept, so that the test also leaves a trained network. Ten seconds on one core.

    deepcanon train learning-curves --data mnist
"""

from dataclasses import dataclass
from typing import Literal

from deepcanon.options import Count, Images, Perceptron, Positive, Share, Tables
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "foundations.learning_curves"
DATA = ("images", "tables")
METRICS = CLASSIFIER | {
    "suggested": metric("a tenth of the best rate", "learning rate", split="train"),
    "best": metric("middle of the rates at the smoothed minimum", "learning rate", split="train"),
    "steepest": metric("rate around which the loss falls fastest", "learning rate", split="train"),
    "largest": metric("largest rate before the loss rises", "learning rate", split="train"),
    "minimum": metric("minimum of the smoothed loss", "nats per example", split="train"),
    "rise": metric("last smoothed loss over the minimum, 100 at most", "", split="train"),
    "inside": metric("1 if the minimum lies inside the range, and the loss rises", split="train"),
    "train/rate": metric("learning rate of the step", "learning rate"),
}
RANGE = "falls, then rises, as in the range test of Smith 2015, arXiv:1506.01186"
TARGETS = (
    target("mnist", "worst test/inside == 1 +- 0.0", "P", RANGE),
    target("mnist", "worst test/rise >= 1.5", "P", "loss at the largest rate over the minimum"),
    target("mnist-sgd", "worst test/inside == 1 +- 0.0", "P", f"without momentum: {RANGE}"),
)
BELONGS = {"momentum": ("optimizer", ("sgd",))}


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Perceptron):
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum, or AdamW."""
    momentum: Share = 0.9
    """Momentum of sgd: share of the last update that is kept."""
    lowest: Positive = 1e-5
    """Rate of the first step."""
    highest: Positive = 10.0
    """Rate of the last step."""
    keep: Share = 0.9
    """Decay of the smoothed loss."""
    factor: Positive = 1.5
    """The loss has risen when it is this many times its minimum."""
    stop_at: Positive = 20.0
    """The test ends when the loss is this many times the smoothed minimum, or not finite."""
    batch: Count = 128
    """Examples per step."""
    length: Count = 500
    """Steps of the test, if none are given."""


SETTINGS = {"data": "mnist", "threads": 1}
PLAIN = Config(momentum=0.0, highest=100.0)
PRESETS = {
    "smoke": (Config(hidden=(16,), batch=32), {"data": "digits", "steps": 60}),
    "default": (Config(), {"data": "digits", "options": {"batch": 64}}),
    "paper": (Config(momentum=0.0), {"data": "mnist"}),
    "verify:mnist": (Config(), SETTINGS),
    "verify:mnist-sgd": (PLAIN, SETTINGS),
}

import copy
import math

import torch

from deepcanon import engine
from deepcanon.engine import Classifier, Classifies
from deepcanon.engine.preprocess import input_facts, input_transform
from deepcanon.errors import UsageError
from deepcanon.foundations.learning_curves import range_rate, read_range, smooth
from deepcanon.foundations.mlp import MLP
from deepcanon.parts.classification import cross_entropy
from deepcanon.parts.optimizers import SGD, AdamW
from deepcanon.techniques.optimizers import set_rate
from deepcanon.techniques.range_test import range_figures

READABLE = 30  # steps


class Recipe(Classifies, engine.Recipe[Config]):
    state = ("model", "optimizer", "kept", "curve")
    parallel = "gradients"
    float64 = False
    waits = "each loss says whether the test ends, and which weights are kept"
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        if not (config.lowest < config.highest and 1 < config.factor < config.stop_at):
            raise UsageError("give --lowest below --highest, and 1 < --factor < --stop-at")
        return input_facts(data, standardize=True)

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        features, reader = torch.Size(facts["shape"]).numel(), facts["reader"]
        self.model = MLP(features, len(reader["classes"]), hidden=config.hidden).to(run.device)
        self.kept = copy.deepcopy(self.model).requires_grad_(False)  # at the minimum of the loss
        self.preprocess = input_transform(facts).to(run.device)
        self.classifier = Classifier(run, self.kept, self.preprocess, facts["shape"], reader)
        given = (self.model.parameters(), config.lowest)
        sgd = config.optimizer == "sgd"
        self.optimizer = SGD(*given, config.momentum) if sgd else AdamW(*given)
        self.curve: dict[str, list[float]] = {"rates": [], "losses": []}  # of the steps so far

    def plan(self):
        return max(3, self.config.length)

    def rates_and_losses(self):
        return (torch.tensor(values, dtype=torch.float64) for values in self.curve.values())

    def step(self, step):
        config, run = self.config, self.run
        rate = range_rate(step, max(run.steps, 2), config.lowest, config.highest)
        rows = run.batch(run.data["train"], config.batch)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        loss = run.backward(cross_entropy(self.model(self.preprocess(rows.x)), rows.y), self.model)
        seen = {"rates": rate, "losses": float(loss)}
        self.curve = {name: [*values, seen[name]] for name, values in self.curve.items()}
        _, losses = self.rates_and_losses()
        smoothed = smooth(losses, config.keep).nan_to_num(nan=math.inf)
        if smoothed[-1] <= smoothed.min():
            self.kept.load_state_dict(self.model.state_dict())
        metrics = {"rate": torch.tensor(rate, dtype=torch.float64)}
        if not losses[-1].isfinite() or losses[-1] > config.stop_at * smoothed.min():
            run.stop(f"the loss explodes at a rate of {rate:.3g}")
            return metrics
        self.optimizer.step()
        return {"loss": loss, **metrics}

    def reading(self):
        """What the test says so far, or None while it is too short."""
        rates, losses = self.rates_and_losses()
        if len(rates) < READABLE:
            return None
        return read_range(rates, losses, self.config.keep, self.config.factor)

    def evaluate(self, split):
        result, found = dict(super().evaluate(split)), self.reading()
        if found is None:
            return result
        names = ("suggested", "best", "steepest", "largest", "minimum")
        result |= {name: getattr(found, name) for name in names}
        result["rise"] = min(100.0, found.last / max(found.minimum, 1e-12))
        return {**result, "inside": float(found.inside)}

    def figures(self):
        rates, losses = self.rates_and_losses()
        return range_figures(self.reading(), rates, losses, self.config.keep)
