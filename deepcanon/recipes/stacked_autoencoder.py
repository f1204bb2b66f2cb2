"""A stack of (denoising) autoencoders, trained layer by layer and then fine-tuned as a classifier.

Task: classification where labels may be few. Data: images (pixels in [0, 1]) or the number columns
of a table (standardised), with classes. A run has phases: each layer on the codes below it, the
classifier on the last codes, all together. Metrics, MNIST with 200-200: `accuracy_before` of the
classifier on the codes 87.7 % in the UFLDL exercise, ours 91.2 %; `accuracy` 97.6 %, ours 97.8 %.
With 600 labels, pre-training gains 4.6 points. Half a minute on one core. Embedded letters: 95 %.

    deepcanon train stacked-autoencoder --data mnist --labels 600
"""

from dataclasses import dataclass, replace

from deepcanon.options import (
    Activation,
    ActivationName,
    Batches,
    Images,
    NonNegative,
    Positive,
    Share,
    Tables,
    Whole,
)
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "representation.stacked_autoencoder"
DATA = ("images", "tables")
METRICS = CLASSIFIER | {
    "accuracy_before": metric("accuracy on the codes before fine-tuning", "share", "max"),
    "train/reconstruction": metric("squared error of the trained layer", "sum of squares", "min"),
}
TARGETS = (
    target("mnist", "test/accuracy_before >= 0.86", "C", "87.7 %, UFLDL exercise, 200-200"),
    target("mnist", "test/accuracy >= 0.974", "C", "97.6 %, UFLDL exercise, 200-200"),
    target("labels-600 - labels-600-random", "test/accuracy >= 0.02", "P", "pre-training helps"),
    target("sdae-10k - sae-10k", "test/error <= 0", "P", "2.84 and 3.46 % in Vincent et al. 2010"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Images, Tables, Batches, Activation):
    hidden: tuple[int, ...] = (200, 200)
    """Units of each layer."""
    activation: ActivationName = "sigmoid"
    corruption: Share = 0.25
    """Share of a layer's inputs that is set to 0 in its training; 0: plain autoencoders."""
    pretrain: bool = True
    """Train the layers first; otherwise all steps are fine-tuning from random weights."""
    pretrain_share: Share = 0.5
    """Share of the steps for training the layers."""
    classifier_share: Share = 0.1
    """Share of the steps for the classifier on the fixed codes."""
    labels: Whole = 0
    """Training examples whose labels are used, drawn by the seed; 0 uses all."""
    pretrain_rate: Positive = 3e-3
    """Adam's learning rate for the layers, at the peak of each phase's schedule."""
    learning_rate: Positive = 2e-3
    """Adam's learning rate for classifier and fine-tuning."""
    weight_decay: NonNegative = 0.0
    """Weight decay in fine-tuning (AdamW)."""
    batch: int = 250
    epochs: int = 30


LETTERS = {"hidden": (200, 100), "batch": 64}
RUN = {"data": "mnist", "threads": 1}
SMALL = Config(hidden=(32, 24), batch=64, learning_rate=0.02)
EXERCISE = Config(valid_share=0.0)
FEW = replace(EXERCISE, labels=600, weight_decay=0.1)
DEEP = replace(EXERCISE, hidden=(500, 500, 500), labels=10_000)
PRESETS = {
    "smoke": (SMALL, {"data": "digits", "steps": 100}),
    "default": (Config(), {"data": "letters", "steps": 5_622, "options": LETTERS}),
    "paper": (Config(corruption=0.0), {"data": "mnist"}),
    "verify:mnist": (EXERCISE, {**RUN, "steps": 240 * 40}),
    "verify:labels-600": (FEW, {**RUN, "steps": 240 * 25}),
    "verify:labels-600-random": (replace(FEW, pretrain=False), {**RUN, "steps": 240 * 10}),
    "verify:sdae-10k": (DEEP, {**RUN, "steps": 240 * 30}),
    "verify:sae-10k": (replace(DEEP, corruption=0.0), {**RUN, "steps": 240 * 30}),
}

import copy
import functools

import torch

from deepcanon import engine
from deepcanon.engine import Classifier, Classifies, Encodes
from deepcanon.engine.preprocess import input_facts, input_transform
from deepcanon.engine.reconstructor import corrupted
from deepcanon.engine.shown import filters
from deepcanon.parts.classification import cross_entropy
from deepcanon.parts.optimizers import Adam, AdamW
from deepcanon.parts.reconstruction import reconstruction_loss
from deepcanon.parts.schedules import one_cycle
from deepcanon.representation.denoising_autoencoder import mask_inputs
from deepcanon.representation.stacked_autoencoder import StackedAutoencoder, phase_of
from deepcanon.techniques.activations import ACTIVATIONS
from deepcanon.techniques.optimizers import set_rate


class Recipe(Classifies, engine.Recipe[Config], Encodes):
    state = ("model", "before", "pretraining", "optimizer")
    monitor = ("valid/error", "min")
    parallel = "gradients"
    float64 = False
    precisions = ("fp32", "bf16")
    wants = "classes"

    @classmethod
    def learn(cls, config, data):
        facts, count = input_facts(data), len(data["train"])
        if config.labels > count:
            raise ValueError(f"--labels {config.labels}: the training split has {count}")
        if config.labels:
            facts["labelled"] = torch.randperm(count)[: config.labels].sort().values
        return facts

    def build(self):
        config, facts, run = self.config, self.facts, self.run
        reader, units = facts["reader"], ACTIVATIONS[config.activation]
        sizes = (torch.Size(facts["shape"]).numel(), len(reader["classes"]))
        output = "sigmoid" if reader["kind"] == "images" else "linear"
        model = StackedAutoencoder(*sizes, hidden=config.hidden, activation=units, output=output)
        self.model = model.to(run.device)
        self.before = copy.deepcopy(self.model)  # as it was when fine-tuning began
        self.preprocess = input_transform(facts).to(run.device)
        self.classifier = Classifier(run, self.model, self.preprocess, facts["shape"], reader)
        self.labelled = functools.cache(self.with_labels)
        layers, tuned, decay = self.model.pretrained(), self.model.finetuned(), config.weight_decay
        self.pretraining = Adam(layers, config.pretrain_rate, fused=True)
        weights, biases = [p for p in tuned if p.ndim > 1], [p for p in tuned if p.ndim < 2]
        groups: list[dict] = [{"params": weights, "weight_decay": decay}, {"params": biases}]
        self.optimizer = AdamW(groups, config.learning_rate, weight_decay=0, fused=True)

    def step(self, step):
        config, layers = self.config, len(self.config.hidden) if self.config.pretrain else 0
        shares = (config.pretrain_share, config.classifier_share)
        phase = phase_of(step, self.run.steps, layers, *shares)
        if phase.part == "all" and phase.since == 0:
            self.before.load_state_dict(self.model.state_dict())
        share = one_cycle(phase.since, phase.steps, 0.1)
        if isinstance(phase.part, int):
            return {"reconstruction": self.train_layer(phase.part, share)}
        return {"loss": self.train_classifier(phase.part == "all", share)}

    def train_layer(self, number, share):
        config, run, layer = self.config, self.run, self.model.layers[number]
        x = self.preprocess(run.batch(run.data["train"], config.batch).x)
        set_rate(self.pretraining, config.pretrain_rate * share)
        self.pretraining.zero_grad()
        with torch.no_grad():
            h = self.model.codes(x, number)
        u = corrupted(run, h, config.batch, mask_inputs, config.corruption)
        with run.autocast():
            z = layer.logits(layer.encode(u))
        loss = run.backward(reconstruction_loss(z, h, layer.output), layer)
        self.pretraining.step()
        return loss

    def train_classifier(self, whole, share):
        run, model = self.run, self.model
        rows = run.batch(self.labelled(), self.config.batch, "labelled")
        x = self.preprocess(rows.x)
        set_rate(self.optimizer, self.config.learning_rate * share)
        self.optimizer.zero_grad()
        with run.autocast():
            logits = model(x) if whole else model.classifier(model.codes(x).detach())
        loss = run.backward(cross_entropy(logits, rows.y), model if whole else model.classifier)
        self.optimizer.step()
        return loss

    def with_labels(self):
        """The training examples whose labels are used."""
        train, rows = self.run.data["train"], self.facts.get("labelled")
        return train if rows is None else train.take(torch.as_tensor(rows))

    def evaluate(self, split):
        data, found = self.run.data[split], {}
        if self.config.pretrain:
            found["accuracy_before"] = self.classifier.measure(data, self.before)["accuracy"]
        return self.classifier.measure(data) | found

    def figures(self):
        shape, weight = self.facts["shape"], self.model.layers[0].encoder.weight
        first = {"filters": filters(weight, shape, most=100)} if len(shape) == 3 else {}
        return self.classifier.figures(self.classifier.look(10_000)) | first

    def encode(self, inputs):
        return self.classifier(inputs, self.model.codes)
