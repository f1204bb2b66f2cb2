"""Logistic regression of two classes of images or of a table, by full-batch L-BFGS or by SGD.

Task: the probability of one of two classes, linear in pixels in [0, 1] (or in standardised columns), with an L2 penalty
in scikit-learn's convention. Data: of sets with more classes, `--classes` chooses two. Metric: test accuracy; MNIST 0
against 1 with C = 1: 0.99953, one mistake in 2,115 images. Without a penalty, data that a plane separates have no best
fit: the run finds that out, says so and stops. Seconds.

    deepcanon train logistic-regression --data mnist --classes 0 1
"""

from dataclasses import dataclass, replace
from typing import Literal

SYSTEM = "foundations.logistic_regression"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/accuracy", "relation": "==", "value": 0.99953, "tolerance": 5e-05,
     "mark": "R", "source": "A02, 0 against 1, C = 1: one error in 2,115"},
    {"run": "mnist", "metric": "train/objective", "relation": "==", "value": 0.00183497, "tolerance": 1e-06,
     "mark": "R", "source": "A02, the minimum by scikit-learn in float64"},
    {"run": "mnist-sgd", "metric": "train/objective", "relation": "<=", "value": 0.00185332,
     "mark": "R", "source": "A02, within 1 % of that minimum"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    classes: tuple[str, ...] = ()
    """The two classes, the second is label 1; the first two of the data if not given."""
    penalty: float = 1.0
    """Lambda: lambda / 2 times the squared weights joins the SUM of the losses (scikit-learn's 1 / C); 0: none."""
    optimizer: Literal["lbfgs", "sgd"] = "lbfgs"
    """L-BFGS on the whole training set at each step, or SGD with momentum on batches."""
    iterations: int = 200
    """L-BFGS: steps at most; it stops earlier where the gradient vanishes."""
    history: int = 10
    """L-BFGS: pairs of differences that stand for the Hessian."""
    tolerance: float = 1e-6
    """L-BFGS: largest entry of the gradient of the mean loss at which the minimum counts as found."""
    batch: int = 250
    """SGD: examples per step."""
    epochs: int = 40
    """SGD: passes over the training set."""
    learning_rate: float = 0.5
    """SGD: rate at the first step; it falls to 0 along half a cosine."""
    momentum: float = 0.9
    """SGD: share of the last update that is kept."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column with the class; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(), {"data": "digits", "steps": 20}


def default():
    return Config(classes=("3", "8")), {"data": "digits"}


def paper():
    return Config(classes=("0", "1"), valid_share=0.0), {"data": "mnist"}


def verify():
    full = Config(classes=("0", "1"), valid_share=0.0)
    sgd = replace(full, optimizer="sgd", learning_rate=3.0, epochs=100)
    return {"mnist": (full, {"data": "mnist", "threads": 1}), "mnist-sgd": (sgd, {"data": "mnist", "threads": 1})}


import functools

import torch
from torch import nn

from deepcanon.data.splits import Split
from deepcanon.engine import Classifier, require_classes
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.logistic_regression import (
    LogisticRegression,
    logistic_gradient,
    logistic_objective,
    separates,
)
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels
from deepcanon.parts.tiles import signed_tiles

CLASSES = "a classifier needs two classes: images in CLASS/ folders, or a table whose target holds names"
SEPARATED = "a plane separates the classes: without a penalty the weights would grow for ever; give --penalty above 0"


class Pair(nn.Module):
    """The logits of both classes."""

    def __init__(self, model: LogisticRegression) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs):
        return self.model.pair(inputs)


class Recipe:
    state = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        train, known = data["train"], require_classes(data, CLASSES)
        if len(known) < 2:
            raise UsageError(CLASSES)
        wanted = list(config.classes) or known[:2]
        if len(wanted) != 2 or len(set(wanted)) != 2 or not set(wanted) <= set(known):
            raise UsageError(f"--classes takes two of {', '.join(known[:20])}; got {' '.join(wanted)}")
        two = [known.index(name) for name in wanted]
        rows = (train.y == two[0]) | (train.y == two[1])
        lacking = [name for name, place in zip(wanted, two, strict=True) if not bool((train.y == place).any())]
        if lacking:
            raise UsageError(f"no training examples of class {lacking[0]}")
        x = train.x[rows]
        images = data.describe()["kind"] == "images"
        shift, scale = unit_pixels(x.shape[1]) if images else channel_statistics([x])
        facts = {"shape": list(x.shape[1:]), "shift": shift, "scale": scale}
        return {**facts, "classes": wanted, "places": two, "n": len(x)}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.classes = facts["classes"]
        self.decay = config.penalty / facts["n"]
        self.model = LogisticRegression(torch.Size(facts["shape"]).numel()).to(run.device)
        self.preprocess = nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten()).to(run.device)
        reader = {**facts["reader"], "classes": self.classes}
        self.classifier = Classifier(run, Pair(self.model), self.preprocess, facts["shape"], reader, rows=5000)
        self.two = functools.cache(self.select)
        if config.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), config.learning_rate, config.momentum, fused=True)
        else:  # one iteration per call, so that a checkpoint and a picture fit between any two
            self.optimizer = torch.optim.LBFGS(
                self.model.parameters(), lr=1, max_iter=1, max_eval=20, history_size=config.history,
                tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
            )  # fmt: skip

    def select(self, split: str) -> Split:
        """The rows of the two classes, labelled 0 and 1."""
        data, (first, second) = self.run.data[split], self.facts["places"]
        rows = ((data.y == first) | (data.y == second)).nonzero()[:, 0]
        return Split(data.x[rows], (data.y[rows] == second).long())

    def plan(self) -> int:
        if self.config.optimizer == "lbfgs":
            return self.config.iterations
        return self.config.epochs * max(1, len(self.two("train")) // self.config.batch)

    def step(self, step: int) -> dict:
        config, run, train = self.config, self.run, self.two("train")
        if config.optimizer == "sgd":
            rows = run.batch(train, config.batch)
            self.optimizer.param_groups[0]["lr"] = config.learning_rate * one_cycle(step, run.steps, warmup=0.0)
            loss = self.backward(self.preprocess(rows.x), rows.y, config.batch)
            self.optimizer.step()
            if not config.penalty and (step + 1) % max(1, len(train) // config.batch) == 0:
                self.check_separation(*self.mine(train))
            return {"loss": loss}
        inputs, labels = self.mine(train)
        loss = self.optimizer.step(lambda: self.backward(inputs, labels, len(train)))
        steepest = max(parameter.grad.abs().max().item() for parameter in self.model.parameters())
        if steepest <= config.tolerance:
            run.stop(f"the gradient vanishes: its largest entry is {steepest:.1e}")
        if not config.penalty:
            self.check_separation(inputs, labels)
        return {"loss": loss, "gradient": steepest}

    def mine(self, split):
        rows = slice(self.run.rank, None, self.run.world)
        return self.preprocess(self.run.to(split.x[rows])), self.run.to(split.y[rows])

    def check_separation(self, inputs, labels):
        """Ends the run where the weights have every training example on its own side: then there is no best fit."""
        with torch.no_grad():
            apart = separates(self.model(inputs), labels)
        if self.run.sum(apart.double()) == self.run.world:
            self.run.stop(SEPARATED)

    def backward(self, inputs, labels, count):
        """Objective and gradient in closed form, over the rows of all processes; `count` is their number."""
        model, share = self.model, len(labels) / count
        weight, bias = model.weight.detach(), model.bias.detach()
        gradients = logistic_gradient(weight, bias, inputs, labels, decay=self.decay)
        for parameter, gradient in zip((model.weight, model.bias), gradients, strict=True):
            parameter.grad = self.run.sum(gradient * share)
        return self.run.sum(logistic_objective(weight, bias, inputs, labels, decay=self.decay) * share)

    def evaluate(self, split: str) -> dict:
        data = self.two(split)
        if not len(data):
            raise UsageError(f"the {split} split holds none of the classes {' and '.join(self.classes)}")
        result = self.classifier.measure(data)
        result["objective"] = result["nll"] + 0.5 * self.decay * self.model.weight.square().sum().item()
        result["mistakes"] = result["error"] * len(data)
        return result

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        seen = self.classifier.look(data=self.two("valid" if "valid" in self.run.data else "train"))
        shown = self.classifier.figures(seen)
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        for label, name in enumerate(self.classes):
            axes.hist(seen.logits[seen.y == label, 1].numpy(), bins=40, alpha=0.6, label=name)
        axes.axvline(0, lw=1)
        axes.set(xlabel=f"logit of {self.classes[1]}", ylabel="examples")
        axes.legend()
        shown["logits"] = figure
        weight, shape = self.model.weight.detach().cpu(), self.facts["shape"]
        if len(shape) == 3:  # grey 0, white for the second class, black for the first
            shown["weights"] = signed_tiles(weight[None], shape).numpy()
        else:
            largest = weight.abs().argsort(descending=True)[:25].flip(0)
            bars = Figure(figsize=(5, 3.6), layout="constrained")
            axes = bars.subplots()
            axes.barh(range(len(largest)), weight[largest])
            axes.set_yticks(range(len(largest)), [self.facts["reader"]["columns"][i] for i in largest])
            axes.set_xlabel("weight of the standardised column")
            shown["weights"] = bars
        return shown

    def predict(self, inputs) -> list[dict]:
        return self.classifier.predict(inputs)

    def export(self):
        return self.classifier.export()
