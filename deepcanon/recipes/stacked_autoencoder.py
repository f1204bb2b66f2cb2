"""A stack of (denoising) autoencoders, trained layer by layer without labels and then fine-tuned as a classifier.

Task: classification where labels may be few. Data: images (pixels in [0, 1]) or the number columns of a table
(standardised), with classes. The run goes through phases: each layer on the codes below it, the classifier on the last
codes, all together. Metrics: `accuracy_before`, of the classifier on the untouched codes (UFLDL 87.7 % on MNIST with
200-200), and `accuracy` after fine-tuning (97.6 %). With 600 labels beside 60,000 images without, pre-training is worth
several points. A minute on one core.

    deepcanon train stacked-autoencoder --data mnist --labels 600
"""

from dataclasses import dataclass, replace
from typing import Literal

SYSTEM = "representation.stacked_autoencoder"
DATA = ("images", "tables")
# fmt: off
TARGETS = (
    {"run": "mnist", "metric": "test/accuracy_before", "relation": ">=", "value": 0.86,
     "mark": "C", "source": "B07; UFLDL 87.7 %"},
    {"run": "mnist", "metric": "test/accuracy", "relation": ">=", "value": 0.974,
     "mark": "C", "source": "B07; UFLDL 97.6 %"},
    {"run": "labels-600", "minus": "labels-600-random", "metric": "test/accuracy", "relation": ">=", "value": 0.02,
     "mark": "P", "source": "B07: pre-training beats random initialisation with 600 labels"},
    {"run": "sdae-10k", "minus": "sae-10k", "metric": "test/error", "relation": "<=", "value": 0.0,
     "mark": "P", "source": "B08: denoising is no worse, 3 layers, 10,000 labels; 2.84 against 3.46 % in Vincent 2010"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (200, 200)
    """Units of each layer."""
    activation: Literal["sigmoid", "relu", "tanh"] = "sigmoid"
    """Hidden units."""
    corruption: float = 0.25
    """Share of a layer's inputs that is set to 0 while it is trained; 0 stacks plain autoencoders."""
    pretrain: bool = True
    """Train the layers first; without, all steps are fine-tuning from random weights."""
    pretrain_share: float = 0.5
    """Share of the steps that the layers have together."""
    classifier_share: float = 0.1
    """Share of the steps that the classifier has on the untouched codes."""
    labels: int = 0
    """Training examples whose labels are used, drawn by the seed; 0 uses all."""
    pretrain_rate: float = 3e-3
    """Adam's rate for the layers, at the peak of each phase's schedule."""
    learning_rate: float = 2e-3
    """Adam's rate for classifier and fine-tuning."""
    weight_decay: float = 0.0
    """Decay of the weights in fine-tuning (AdamW)."""
    batch: int = 250
    """Examples per step."""
    epochs: int = 30
    """Passes over the training set in all phases together, where no steps are given."""
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
    return Config(hidden=(32, 24), batch=64, learning_rate=0.02), {"data": "digits", "steps": 100}


def default():
    return Config(hidden=(100, 50), batch=64, epochs=60), {"data": "digits"}


def paper():
    return Config(corruption=0.0), {"data": "mnist"}


def verify():
    run = {"data": "mnist", "threads": 1}
    exercise = Config(valid_share=0.0)
    few = replace(exercise, labels=600, weight_decay=0.1)
    deep = replace(exercise, hidden=(500, 500, 500), labels=10_000)
    return {
        "mnist": (exercise, {**run, "steps": 240 * 40}),
        "labels-600": (few, {**run, "steps": 240 * 25}),
        "labels-600-random": (replace(few, pretrain=False), {**run, "steps": 240 * 10}),
        "sdae-10k": (deep, {**run, "steps": 240 * 30}),
        "sae-10k": (replace(deep, corruption=0.0), {**run, "steps": 240 * 30}),
    }


import copy

import torch
from torch import nn

from deepcanon.engine import Batch, Classifier, require_classes
from deepcanon.engine.errors import UsageError
from deepcanon.parts.classification import cross_entropy
from deepcanon.parts.reconstruction import squared_error_of
from deepcanon.parts.schedules import one_cycle
from deepcanon.parts.standardize import Standardize, channel_statistics, unit_pixels
from deepcanon.parts.tiles import signed_tiles
from deepcanon.representation.denoising_autoencoder import mask_inputs
from deepcanon.representation.stacked_autoencoder import StackedAutoencoder

CLASSES = "fine-tuning needs classes: images in CLASS/ folders, or a table whose target holds names"
UNITS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}


class Recipe:
    state = ("model", "before", "pretraining", "optimizer")
    monitor = ("valid/error", "min")
    parallel = "gradients"
    precisions = ("fp32", "bf16")

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data, CLASSES)
        train = data["train"]
        if config.labels > len(train):
            raise UsageError(f"--labels {config.labels}: the training split has {len(train)}")
        if not 0 <= config.corruption < 1 or config.pretrain_share + config.classifier_share >= 1:
            raise UsageError("--corruption lies in [0, 1), --pretrain-share and --classifier-share below 1 together")
        images = data.describe()["kind"] == "images"
        shift, scale = unit_pixels(train.x.shape[1]) if images else channel_statistics(p.x for p in train.chunks())
        facts = {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}
        if config.labels:
            facts["labelled"] = torch.randperm(len(train))[: config.labels].sort().values
        return facts

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        features, reader = torch.Size(facts["shape"]).numel(), facts["reader"]
        self.model = StackedAutoencoder(
            features, len(reader["classes"]), hidden=config.hidden, activation=UNITS[config.activation],
            output="sigmoid" if reader["kind"] == "images" else "linear",
        ).to(run.device)  # fmt: skip
        self.before = copy.deepcopy(self.model)  # as it was when fine-tuning began
        self.preprocess = nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten()).to(run.device)
        self.classifier = Classifier(run, self.model, self.preprocess, facts["shape"], reader)
        self.pretraining = torch.optim.Adam(self.model.pretrained(), config.pretrain_rate, fused=True)
        tuned = self.model.finetuned()
        decay = [{"params": [p for p in tuned if p.ndim > 1], "weight_decay": config.weight_decay},
                 {"params": [p for p in tuned if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
        self.optimizer = torch.optim.AdamW(decay, config.learning_rate, fused=True)

    def plan(self) -> int:
        return self.config.epochs * max(1, len(self.run.data["train"]) // self.config.batch)

    def phase(self, step):
        """(what is trained, steps since its beginning, its steps): a layer's number, "classifier" or "all"."""
        config, steps, layers = self.config, self.run.steps, len(self.config.hidden)
        if not config.pretrain:
            return "all", step, steps
        each = max(1, int(steps * config.pretrain_share / layers))
        if step < layers * each:
            return step // each, step % each, each
        classifier = max(1, int(steps * config.classifier_share))
        since = step - layers * each
        if since < classifier:
            return "classifier", since, classifier
        return "all", since - classifier, max(1, steps - layers * each - classifier)

    def step(self, step: int) -> dict:
        part, since, steps = self.phase(step)
        if part == "all" and since == 0:
            self.before.load_state_dict(self.model.state_dict())
        if isinstance(part, int):
            return {"reconstruction": self.train_layer(part, since, steps)}
        return {"loss": self.train_classifier(part == "all", since, steps)}

    def train_layer(self, number, since, steps):
        config, run = self.config, self.run
        x = self.preprocess(run.batch(run.data["train"], config.batch).x)
        self.set_rate(self.pretraining, config.pretrain_rate, since, steps)
        self.pretraining.zero_grad()
        with torch.no_grad():
            h = self.model.codes(x, number)
        whole = h.new_zeros(config.batch, h.shape[1])
        whole[run.rows(config.batch)] = h
        u = mask_inputs(whole, config.corruption, run.generator("corruption"))[run.rows(config.batch)]
        layer = self.model.layers[number]
        with run.autocast():
            z = layer.logits(layer.encode(u))
        wide = z.to(torch.promote_types(z.dtype, torch.float32))
        loss = squared_error_of(wide.sigmoid() if layer.output == "sigmoid" else wide, h)
        loss = run.backward(loss, layer)
        self.pretraining.step()
        return loss

    def train_classifier(self, whole, since, steps):
        config, run = self.config, self.run
        rows = self.labelled()
        x = self.preprocess(rows.x)
        self.set_rate(self.optimizer, config.learning_rate, since, steps)
        self.optimizer.zero_grad()
        with run.autocast():
            logits = self.model(x) if whole else self.model.classifier(self.model.codes(x).detach())
        loss = run.backward(cross_entropy(logits, rows.y), self.model if whole else self.model.classifier)
        self.optimizer.step()
        return loss

    def labelled(self):
        run, train, size = self.run, self.run.data["train"], self.config.batch
        if "labelled" not in self.facts:
            return run.batch(train, size, "labelled")
        rows = torch.as_tensor(self.facts["labelled"])
        taken = train.take(rows[run.indices(len(rows), size, "labelled")])
        return Batch(run.to(taken.x), run.to(taken.y))

    def set_rate(self, optimizer, peak, since, steps):
        for group in optimizer.param_groups:
            group["lr"] = peak * one_cycle(since, steps, 0.1)

    def evaluate(self, split: str) -> dict:
        data = self.run.data[split]
        found = self.classifier.measure(data)
        if self.config.pretrain:
            found["accuracy_before"] = self.classifier.measure(data, self.before)["accuracy"]
        return found

    def figures(self) -> dict:
        shown = {"confusion": self.classifier.confusion(self.classifier.look(10_000))}
        if len(self.facts["shape"]) == 3:
            shown["filters"] = signed_tiles(self.model.layers[0].encoder.weight[:100], self.facts["shape"]).numpy()
        return shown

    def predict(self, inputs) -> list[dict]:
        return self.classifier.predict(inputs)

    def encode(self, inputs):
        return self.classifier(inputs, self.model.codes)

    def export(self):
        return self.classifier.export()
