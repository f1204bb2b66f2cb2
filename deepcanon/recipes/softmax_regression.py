"""Softmax regression on images or tables, by full-batch L-BFGS or by SGD.

Task: a linear classifier of pixels in [0, 1] (or standardised columns) with weight decay 1e-4, from
zero. Metric: test accuracy; MNIST 92.2 % (UFLDL's exercise, 100 iterations of L-BFGS), ours 92.6 %.
The verify preset repeats that exercise: 100 iterations with a memory of 10 pairs stop short of the
minimum (0.2610 on MNIST; SGD's 20 passes end at 0.2597), so its objective is compared with another
implementation of the same procedure. The figure `temperature` shows what dividing the logits by T
does to loss, entropy and calibration. A minute on one core.

    deepcanon train softmax-regression --data mnist
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import Batches, Count, Images, NonNegative, Positive, Share, Tables
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "foundations.softmax_regression"
DATA = ("images", "tables")
METRICS = {
    **CLASSIFIER,
    "objective": metric("mean loss with the penalty on the weights", "nats per example", "min"),
    "gradient": metric("largest entry of the gradient of the step's loss"),
}
PEER = "100 iterations of L-BFGS from zero by another implementation, memory of 10 pairs"
TARGETS = (
    target("mnist", "train/objective == 0.26113 +- 0.0005", "R", PEER),
    target("mnist", "test/accuracy == 0.9258 +- 0.0005", "R", PEER),
    target("fashion-mnist", "train/objective == 0.39991 +- 0.0005", "R", PEER),
    target("fashion-mnist", "test/accuracy == 0.8439 +- 0.0005", "R", PEER),
    target("mnist-sgd", "train/objective <= 0.26374", "R", f"within 1 % of {PEER}"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Batches):
    optimizer: Literal["lbfgs", "sgd"] = "lbfgs"
    """L-BFGS on the whole training set at each step, or SGD with momentum on batches."""
    decay: NonNegative = 1e-4
    """Lambda: lambda / 2 times the squared weights is added to the mean loss; the bias is free."""
    iterations: Count = 100
    """L-BFGS: most steps; it stops earlier where the gradient vanishes."""
    history: Count = 10
    """L-BFGS: pairs of differences that stand for the Hessian."""
    tolerance: NonNegative = 1e-6
    """L-BFGS: largest entry of the gradient at which the minimum counts as found."""
    learning_rate: Positive = 0.5
    """SGD: rate at the first step; it falls to 0 along half a cosine."""
    momentum: Share = 0.9
    """SGD: share of the last update that is kept."""
    batch: int = 250


FULL = Config(valid_share=0.0)
SGD = replace(FULL, optimizer="sgd")
PRESETS = {
    "smoke": (Config(), {"data": "digits", "steps": 20}),
    "default": (Config(), {"data": "digits"}),
    "paper": (Config(valid_share=0.0), {"data": "mnist", "steps": 100}),
    "verify:mnist": (FULL, {"data": "mnist", "steps": 100, "threads": 1}),
    "verify:fashion-mnist": (FULL, {"data": "fashion-mnist", "steps": 100, "threads": 1}),
    "verify:mnist-sgd": (SGD, {"data": "mnist", "steps": 4800, "threads": 1}),
}

import math

import torch
from torch import nn

from deepcanon import engine
from deepcanon.engine import Classifier, Classifies
from deepcanon.engine.figures import Line, Panels, Plot
from deepcanon.foundations.softmax_regression import (
    SoftmaxRegression,
    softmax_gradient,
    softmax_objective,
)
from deepcanon.foundations.softmax_temperature import (
    calibration_error,
    entropy,
    fit_temperature,
    log_softmax_temperature,
    reliability,
    softmax_temperature,
)
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels
from deepcanon.parts.tiles import signed_tiles
from deepcanon.techniques import convex

TERMS = (softmax_objective, softmax_gradient)


class Recipe(Classifies, engine.Recipe[Config]):
    state = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        train = data["train"]
        if data.kind == "images":
            shift, scale = unit_pixels(train.x.shape[1])
        else:
            shift, scale = channel_statistics(part.x for part in train.chunks())
        return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        features, reader = torch.Size(facts["shape"]).numel(), facts["reader"]
        self.model = SoftmaxRegression(features, len(reader["classes"])).to(run.device)
        standardize = Standardize(facts["shift"], facts["scale"])
        self.preprocess = nn.Sequential(standardize, nn.Flatten()).to(run.device)
        self.classifier = Classifier(
            run, self.model, self.preprocess, facts["shape"], reader, rows=5000
        )
        self.optimizer = convex.optimizer_of(config, self.model.parameters())

    def plan(self):
        return convex.steps_of(self.run, self.config, len(self.run.data["train"]))

    def step(self, step):
        config, run, train = self.config, self.run, self.run.data["train"]
        x, labels, count = convex.rows_of_step(run, config, train, self.optimizer, step)
        inputs = self.preprocess(x)
        loss = self.optimizer.step(
            lambda: convex.backward(
                run, self.model, TERMS, inputs, labels, count, decay=config.decay
            )
        )
        gradient = convex.steepest(self.model)
        if config.optimizer == "lbfgs" and gradient <= config.tolerance:
            run.stop(f"the gradient vanishes: its largest entry is {gradient:.1e}")
        return {"loss": loss, "gradient": gradient}

    def evaluate(self, split):
        found = super().evaluate(split)
        penalty = 0.5 * self.config.decay * self.model.weight.square().sum()
        return {**found, "objective": found["nll"] + penalty}

    def figures(self):
        seen, shape = self.classifier.look(), self.facts["shape"]
        shown = self.classifier.figures(seen)
        shown["temperature"] = temperature(seen.logits.double(), seen.y)
        if len(shape) == 3:  # what each class looks for: grey 0, white for it, black against it
            shown["templates"] = signed_tiles(self.model.weight, shape, together=True).numpy()
        return shown


def temperature(logits, labels):
    """Loss and entropy over T; confidence and accuracy at T = 1 and at the best T."""
    best, rows = fit_temperature(logits, labels), torch.arange(len(labels))
    grid = torch.logspace(-1.5, 1.5, 41).tolist()
    losses = [-log_softmax_temperature(logits, t)[rows, labels].mean() for t in grid]
    entropies = [entropy(softmax_temperature(logits, t)).mean() for t in grid]
    curves = Plot(
        [Line(losses, grid, "loss"), Line(entropies, grid, "entropy")],
        x="temperature T",
        y="nats",
        log="x",
        marks={f"best T = {best:.3g}": best},
        y_range=(0, 2 * math.log(logits.shape[1])),
    )
    lines = [Line([0, 1], [0, 1], colour=-1)]
    for place, t in enumerate((1.0, best)):
        probabilities = softmax_temperature(logits, t)
        counts, confidence, accuracy = reliability(probabilities, labels)
        error = calibration_error(probabilities, labels)
        label = f"T = {t:.3g}: calibration error {error:.3f}"
        some = counts > 0
        lines.append(Line(accuracy[some], confidence[some], label, style="o-", colour=place))
    return Panels([curves, Plot(lines, "confidence", "accuracy")], columns=2)
