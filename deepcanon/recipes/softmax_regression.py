"""Softmax regression on images or tables, by full-batch L-BFGS or by SGD.

Task: a linear classifier of pixels in [0, 1] (or standardised columns) with weight decay 1e-4, from zero. Metric:
test accuracy; MNIST 92.2 % (UFLDL's exercise, 100 iterations of L-BFGS), ours 92.6 %. The verify preset repeats that
exercise: 100 iterations with a memory of 10 pairs stop short of the minimum (0.2610 on MNIST; SGD's 20 passes end at
0.2597), so its objective is compared with another implementation of the same procedure. The figure
`temperature` shows what dividing the logits by T does to loss, entropy and calibration. A minute on one core.

    deepcanon train softmax-regression --data mnist
"""

from dataclasses import dataclass, replace
from typing import Literal

SYSTEM = "foundations.softmax_regression"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "train/objective", "relation": "==", "value": 0.26113,
     "tolerance": 0.0005, "mark": "R", "source": "A03, L-BFGS from zero"},
    {"run": "mnist", "metric": "test/accuracy", "relation": "==", "value": 0.9258,
     "tolerance": 0.0005, "mark": "R", "source": "A03"},
    {"run": "fashion-mnist", "metric": "train/objective", "relation": "==", "value": 0.39991,
     "tolerance": 0.0005, "mark": "R", "source": "A03, L-BFGS from zero"},
    {"run": "fashion-mnist", "metric": "test/accuracy", "relation": "==", "value": 0.8439,
     "tolerance": 0.0005, "mark": "R", "source": "A03"},
    {"run": "mnist-sgd", "metric": "train/objective", "relation": "<=", "value": 0.26374,
     "mark": "R", "source": "A03, within 1 % of L-BFGS"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    optimizer: Literal["lbfgs", "sgd"] = "lbfgs"
    """L-BFGS on the whole training set at each step, or SGD with momentum on batches."""
    decay: float = 1e-4
    """Weight decay lambda: lambda / 2 times the squared weights is added to the mean loss; the bias is free."""
    iterations: int = 100
    """L-BFGS: steps at most; it stops earlier where the gradient vanishes."""
    history: int = 10
    """L-BFGS: pairs of differences that stand for the Hessian."""
    tolerance: float = 1e-6
    """L-BFGS: largest entry of the gradient at which the minimum counts as found."""
    batch: int = 250
    """SGD: examples per step."""
    epochs: int = 20
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
    return Config(), {"data": "digits"}


def paper():
    return Config(valid_share=0.0), {"data": "mnist", "steps": 100}


def verify():
    full = Config(valid_share=0.0)
    sgd = replace(full, optimizer="sgd")
    return {
        "mnist": (full, {"data": "mnist", "steps": 100, "threads": 1}),
        "fashion-mnist": (full, {"data": "fashion-mnist", "steps": 100, "threads": 1}),
        "mnist-sgd": (sgd, {"data": "mnist", "steps": 4800, "threads": 1}),
    }


import torch
from torch import nn

from deepcanon.engine import Classifier, require_classes
from deepcanon.foundations.softmax_regression import SoftmaxRegression, softmax_gradient, softmax_objective
from deepcanon.foundations.softmax_temperature import (
    calibration_error,
    entropy,
    fit_temperature,
    log_softmax_temperature,
    reliability,
    softmax_temperature,
)  # fmt: skip
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels
from deepcanon.parts.tiles import signed_tiles


class Recipe:
    state = ("model", "optimizer")
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data)
        train = data["train"]
        images = data.describe()["kind"] == "images"
        shift, scale = unit_pixels(train.x.shape[1]) if images else channel_statistics(p.x for p in train.chunks())
        return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        features, reader = torch.Size(facts["shape"]).numel(), facts["reader"]
        self.model = SoftmaxRegression(features, len(reader["classes"])).to(run.device)
        self.preprocess = nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten()).to(run.device)
        self.classifier = Classifier(run, self.model, self.preprocess, facts["shape"], reader, rows=5000)
        if config.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), config.learning_rate, config.momentum, fused=True)
        else:  # one iteration per call, so that a checkpoint and a picture fit between any two
            self.optimizer = torch.optim.LBFGS(
                self.model.parameters(), lr=1, max_iter=1, max_eval=20, history_size=config.history,
                tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
            )  # fmt: skip

    def plan(self) -> int:
        if self.config.optimizer == "lbfgs":
            return self.config.iterations
        return self.config.epochs * max(1, len(self.run.data["train"]) // self.config.batch)

    def step(self, step: int) -> dict:
        config, run, train = self.config, self.run, self.run.data["train"]
        if config.optimizer == "sgd":
            rows = run.batch(train, config.batch)
            self.optimizer.param_groups[0]["lr"] = config.learning_rate * one_cycle(step, run.steps, warmup=0.0)
            loss = self.backward(self.preprocess(rows.x), rows.y, config.batch)
            self.optimizer.step()
            return {"loss": loss}
        mine = slice(run.rank, None, run.world)
        inputs, labels = self.preprocess(run.to(train.x[mine])), run.to(train.y[mine])
        loss = self.optimizer.step(lambda: self.backward(inputs, labels, len(train)))
        steepest = max(parameter.grad.abs().max().item() for parameter in self.model.parameters())
        if steepest <= config.tolerance:
            run.stop(f"the gradient vanishes: its largest entry is {steepest:.1e}")
        return {"loss": loss, "gradient": steepest}

    def backward(self, inputs, labels, count):
        """Objective and gradient in closed form, over the rows of all processes; `count` is their number."""
        model, share, decay = self.model, len(labels) / count, self.config.decay
        weight, bias = model.weight.detach(), model.bias.detach()
        gradients = softmax_gradient(weight, bias, inputs, labels, decay=decay)
        for parameter, gradient in zip((model.weight, model.bias), gradients, strict=True):
            parameter.grad = self.run.sum(gradient * share)
        return self.run.sum(softmax_objective(weight, bias, inputs, labels, decay=decay) * share)

    def evaluate(self, split: str) -> dict:
        result = self.classifier.measure(self.run.data[split])
        result["objective"] = result["nll"] + 0.5 * self.config.decay * self.model.weight.square().sum().item()
        return result

    def figures(self) -> dict:
        seen, shape = self.classifier.look(), self.facts["shape"]
        shown: dict = {"confusion": self.classifier.confusion(seen)}
        shown["temperature"] = self.temperature(seen.logits.double(), seen.y)
        if len(shape) == 3:  # what each class looks for: grey 0, white for it, black against it
            shown["templates"] = signed_tiles(self.model.weight, shape, together=True).numpy()
        return shown

    def temperature(self, logits, labels):
        """Loss and entropy when logits are divided by T, and how far confidence is right at T = 1 and at the best T."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8.5, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        best, rows = fit_temperature(logits, labels), torch.arange(len(labels))
        grid = torch.logspace(-1.5, 1.5, 41).tolist()
        losses = [-log_softmax_temperature(logits, t)[rows, labels].mean() for t in grid]
        left.plot(grid, losses, label="loss")
        left.plot(grid, [entropy(softmax_temperature(logits, t)).mean() for t in grid], label="entropy")
        left.axvline(best, ls=":", lw=1, label=f"best T = {best:.3g}")
        left.set(xscale="log", ylim=(0, 2 * torch.log(torch.tensor(float(logits.shape[1])))))
        left.set(xlabel="temperature T", ylabel="nats")
        left.legend()
        right.plot([0, 1], [0, 1], lw=1)
        for t in (1.0, best):
            probabilities = softmax_temperature(logits, t)
            counts, confidence, accuracy = reliability(probabilities, labels)
            confidence, accuracy = confidence[counts > 0], accuracy[counts > 0]
            error = calibration_error(probabilities, labels)
            right.plot(confidence, accuracy, "o-", ms=4, label=f"T = {t:.3g}: calibration error {error:.3f}")
        right.set(xlabel="confidence", ylabel="accuracy")
        right.legend()
        return figure

    def predict(self, inputs) -> list[dict]:
        return self.classifier.predict(inputs)

    def export(self):
        return self.classifier.export()
