"""A multilayer perceptron on images or tables, by autograd or by explicit backpropagation.

Task: classification by fully connected ReLU layers. Data: images (every pixel is a feature) or the number columns of a
table. Metric: MNIST test error without augmentation; 1.46 % for a plain 784-800-800-10 network (Hinton, Vinyals and
Dean 2015, arXiv:1503.02531), 1.6 % (Simard 2003); ours 1.4 % in half a minute on one core in bf16.

    deepcanon train mlp --data mnist
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "foundations.mlp"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/error", "relation": "<=", "value": 0.015,
     "mark": "C", "source": "A05; 146 errors in arXiv:1503.02531", "statistic": "mean"},
    {"run": "mnist", "metric": "cpu_seconds", "relation": "<=", "value": 120,
     "mark": "P", "source": "A05", "statistic": "worst"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (800, 800)
    """Units of each hidden layer."""
    backward: Literal["autograd", "explicit"] = "autograd"
    """Who computes the gradient: torch, or the written-out backward pass (the same to rounding)."""
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    """Hidden units; the explicit backward knows relu."""
    initialization: Literal["he", "glorot", "orthogonal", "small", "zero"] = "he"
    """Of the weights; small is N(0, 0.01); biases begin at 0."""
    loss: Literal["cross-entropy", "squared"] = "cross-entropy"
    """Cross-entropy of the softmax, or half the squared error of sigmoid outputs."""
    optimizer: Literal["sgd", "adamw", "gradient-descent", "momentum", "nesterov", "adagrad"] = "sgd"
    """sgd is torch's fused Nesterov, adamw torch's; the others are this package's own, as in the papers."""
    learning_rate: float = 0.1
    """Peak of the schedule."""
    momentum: float = 0.9
    """Share of the last update that sgd, momentum and nesterov keep."""
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    """A rise and half a cosine down to 0, or the same rate throughout."""
    warmup: float = 0.1
    """one-cycle: share of the steps over which the rate rises to its peak."""
    weight_decay: float = 0.0
    """Decay of the weights (biases are free)."""
    input_dropout: float = 0.0
    """Probability with which an input is dropped in training."""
    dropout: float = 0.0
    """Probability with which a hidden unit is dropped in training."""
    max_norm: float = 0.0
    """Largest norm of the weights that come into a unit; 0 sets no limit."""
    standardize: bool = True
    """Inputs of mean 0 and standard deviation 1; otherwise pixels in [0, 1] and columns as they are."""
    train_examples: int = 0
    """Learn from so many of the training examples only, drawn by the seed; 0 takes all."""
    label_noise: float = 0.0
    """Share of the training labels that are replaced by another class, drawn by the seed."""
    order: Literal["shuffled", "file", "class"] = "shuffled"
    """Of the training examples: a new order each epoch, as they come, or sorted by class."""
    batch: int = 256
    """Examples per step."""
    epochs: int = 20
    """Passes over the training set, where no steps are given."""
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
    return Config(hidden=(32, 32), batch=64), {"data": "digits", "steps": 60}


def default():
    return Config(hidden=(128, 128), batch=64), {"data": "digits"}


def paper():
    return Config(), {"data": "mnist"}


def verify():
    chosen = Config(valid_share=0.0)
    return {"mnist": (chosen, {"data": "mnist", "steps": 4680, "threads": 1})}


import torch
from torch import nn

from deepcanon.engine import Batch, Classifier, require_classes
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.adagrad import Adagrad
from deepcanon.foundations.dropout import max_norm_
from deepcanon.foundations.gradient_descent import GradientDescent
from deepcanon.foundations.initialization import initialize
from deepcanon.foundations.losses import sigmoid_squared_error
from deepcanon.foundations.mlp import (
    MLP,
    backward_cached,
    cross_entropy_backward,
    cross_entropy_forward,
    forward_cached,
)
from deepcanon.foundations.momentum import Momentum
from deepcanon.foundations.weight_decay import decay_groups
from deepcanon.parts.classification import cross_entropy
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels

UNITS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class Recipe:
    state = ("model", "optimizer")
    monitor = ("valid/error", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        train, names, images = data["train"], require_classes(data), data.describe()["kind"] == "images"
        for name, low, high in (("label_noise", 0, 1), ("dropout", 0, 1), ("input_dropout", 0, 1)):
            if not low <= getattr(config, name) < high:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(config, name)}: from 0 to below 1")
        if config.backward == "explicit" and (config.activation, config.loss) != ("relu", "cross-entropy"):
            raise UsageError("--backward explicit knows relu units and the cross-entropy")
        if config.train_examples > len(train):
            raise UsageError(f"--train-examples {config.train_examples}: the training split has {len(train)}")
        if config.standardize:
            shift, scale = channel_statistics(part.x for part in train.chunks())
        else:
            shift, scale = unit_pixels(train.x.shape[1])
            scale = scale if images else torch.ones_like(scale)
        facts = {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}
        if config.train_examples or config.label_noise or config.order != "shuffled":
            facts |= chosen_examples(train.y, len(names), config)
        return facts

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        features, reader = torch.Size(facts["shape"]).numel(), facts["reader"]
        self.model = MLP(
            features, len(reader["classes"]), hidden=config.hidden, dropout=config.dropout,
            input_dropout=config.input_dropout, activation=UNITS[config.activation],
        ).to(run.device)  # fmt: skip
        if config.initialization != "he":  # which is the network's own
            initialize(self.model, config.initialization)
        self.preprocess = nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten()).to(run.device)
        self.classifier = Classifier(run, self.model, self.preprocess, facts["shape"], reader)
        groups = decay_groups(self.model, config.weight_decay)
        rate, kept = config.learning_rate, config.momentum
        self.optimizer = {
            "sgd": lambda: torch.optim.SGD(groups, rate, kept, nesterov=kept > 0, fused=True),
            "adamw": lambda: torch.optim.AdamW(groups, rate, fused=True),
            "gradient-descent": lambda: GradientDescent(groups, rate),
            "momentum": lambda: Momentum(groups, rate, kept),
            "nesterov": lambda: Momentum(groups, rate, kept, nesterov=True),
            "adagrad": lambda: Adagrad(groups, rate),
        }[config.optimizer]()

    def plan(self) -> int:
        count = self.config.train_examples or len(self.run.data["train"])
        return self.config.epochs * max(1, count // self.config.batch)

    def step(self, step: int) -> dict:
        config, run = self.config, self.run
        rows = self.batch()
        inputs = self.preprocess(rows.x)
        for group in self.optimizer.param_groups:
            share = one_cycle(step, run.steps, config.warmup) if config.schedule == "one-cycle" else 1.0
            group["lr"] = config.learning_rate * share
        self.optimizer.zero_grad()
        loss = self.explicit(inputs, rows.y) if config.backward == "explicit" else self.autograd(inputs, rows.y)
        self.optimizer.step()
        if config.max_norm:
            for layer in self.model.layers[:-1]:  # of hidden units
                if isinstance(layer, nn.Linear):
                    max_norm_(layer.weight, config.max_norm)
        return {"loss": loss}

    def batch(self):
        """The step's examples: of the whole training split, or of the rows and labels that `learn` chose."""
        run, size, train = self.run, self.config.batch, self.run.data["train"]
        if "rows" not in self.facts:
            return run.batch(train, size)
        rows, labels = torch.as_tensor(self.facts["rows"]), torch.as_tensor(self.facts["labels"])
        if self.config.order == "shuffled":
            picked = rows[run.indices(len(rows), size)]
        else:
            picked = rows[((run.step * size + torch.arange(size)) % len(rows))[run.rows(size)]]
        return Batch(run.to(train.take(picked).x), run.to(labels[picked]))

    def autograd(self, inputs, labels):
        with self.run.autocast():
            logits = self.model(inputs)
        if self.config.loss == "cross-entropy":
            loss = cross_entropy(logits, labels)
        else:
            wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
            wanted = nn.functional.one_hot(labels, wide.shape[1]).to(wide)
            loss = sigmoid_squared_error(wide, wanted, reduction="none").sum(1).mean()
        return self.run.backward(loss, self.model)

    def explicit(self, inputs, labels):
        layers, run = self.model.layers, self.run
        with run.autocast():
            logits, caches = forward_cached(layers, inputs)
            wide = torch.promote_types(logits.dtype, torch.float32)
            loss, cache = cross_entropy_forward(logits.to(wide), labels)
            _, gradients = backward_cached(layers, caches, cross_entropy_backward(cache).to(logits.dtype))
        for parameter, gradient in gradients.items():
            parameter.grad = run.sum(gradient.to(parameter.dtype)) / run.world
        return run.sum(loss) / run.world

    def evaluate(self, split: str) -> dict:
        return self.classifier.measure(self.run.data[split])

    def figures(self) -> dict:
        shown = self.classifier.figures(self.classifier.look(10_000))
        if len(self.facts["shape"]) == 3:
            first = next(layer for layer in self.model.layers if isinstance(layer, nn.Linear))
            weight = first.weight.detach().cpu()[:64]
            shown["first-layer"] = weight.reshape(-1, *self.facts["shape"]).float().numpy()
        return shown

    def predict(self, inputs) -> list[dict]:
        return self.classifier.predict(inputs)

    def encode(self, inputs):
        return self.classifier(inputs, self.model.features)

    def export(self):
        return self.classifier.export()


def chosen_examples(labels, classes, config) -> dict:
    """Which rows are learned from, in their order, and the label of every row; drawn from the run's stream."""
    count = len(labels)
    rows = torch.randperm(count)[: config.train_examples or count].sort().values
    noisy = torch.rand(count) < config.label_noise
    labels = torch.where(noisy, (labels + torch.randint(1, classes, (count,))) % classes, labels)
    if config.order == "class":
        rows = rows[labels[rows].argsort(stable=True)]
    return {"rows": rows, "labels": labels}
