"""What recipes of image classifiers share: statistics, augmentation, the loss, initial weights, one update.

A recipe subclasses `ImageClassifier`, names its `Config` (of `options.ImageTraining` and its own fields) and gives
`network`. One whose update is another one writes its own `step`.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from deepcanon.data.splits import Dataset
from deepcanon.engine.augmentation import augmented, check
from deepcanon.engine.classifier import Classifier, Classifies, require_classes
from deepcanon.engine.contract import Facts, Metrics, Recipe
from deepcanon.engine.initial import Start, source_facts
from deepcanon.engine.run import Batch
from deepcanon.engine.shown import kernels
from deepcanon.errors import UsageError
from deepcanon.options import ImageTraining
from deepcanon.parts.classification import balanced_error, balanced_weights, cross_entropy, measures
from deepcanon.parts.standardize import Standardize
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["ImageClassifier", "require_poolings"]

C = TypeVar("C", bound=ImageTraining)


def require_poolings(size: Sequence[int], poolings: int, option: str) -> None:
    """Raises UsageError if images of this (height, width) cannot be halved so often; `option` says how often."""
    if min(size) < 2**poolings:
        raise UsageError(
            f"images of {size} are too small for {poolings} poolings by 2: give fewer {option} or a larger --size"
        )


class ImageClassifier(Classifies, Recipe[C]):
    """A network from standardised images [B, C, H, W] to logits [B, K], trained by gradients of the cross-entropy.

    Attributes:
        heads: names of the layers that give the classes: they start afresh when other weights are copied.
        looked_at: how many held-out images the figures are made of.
    """

    state = ("model", "optimizer")
    monitor = ("valid/error", "min")
    parallel = "gradients"
    float64 = False
    precisions = ("fp32", "bf16")
    wants = "classes"
    needs = "a classifier needs labels: put the images into one folder per class, or write a labels.csv"
    heads: ClassVar[tuple[str, ...]] = ("output",)
    looked_at: ClassVar[int] = 5000

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        classes = require_classes(data, cls.needs)
        known = source_facts(config, classes, data.facts["channels"])
        if "shift" not in known:
            known["shift"], known["scale"] = data["train"].channel_statistics()
        if config.class_weights == "balanced":
            counts = torch.as_tensor(data["train"].y).bincount(minlength=len(classes))
            known["class_weights"] = balanced_weights(counts).float()
        return known

    @abstractmethod
    def network(self, channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
        """The network for images of so many channels and this (height, width), made from `config`.

        Raises:
            ValueError: the images are too small for it.
        """

    def build(self) -> None:
        config, run, reader = self.config, self.run, self.facts["reader"]
        size = (int(reader["size"][0]), int(reader["size"][1]))
        check(config, size)
        network = self.network(reader["channels"], len(reader["classes"]), size)
        self.model = network.to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.preprocess = Standardize(self.facts["shift"], self.facts["scale"]).to(run.device)
        shape = (reader["channels"], *size)
        self.classifier = Classifier(run, self.model, self.preprocess, shape, reader, prepare=self.prepared)
        initial = self.facts.get("initial")
        self.start = Start(self.model, config, initial, self.heads) if initial else None
        slower = self.start.slower if self.start else ()
        self.optimizer = optimizer_of(config, self.model, slower=slower, share=config.copied_rate)
        weights = self.facts.get("class_weights")
        self.class_weights = None if weights is None else weights.to(run.device)

        if "balanced" in (config.class_weights, config.order):
            self.monitor = ("valid/balanced_error", "min")

    def evaluate(self, split: str) -> Metrics:
        if "balanced" not in (self.config.class_weights, self.config.order):
            return super().evaluate(split)
        data = self.run.data[split]
        with self.run.autocast():
            logits = self.classifier(data.x).cpu()
        return {**measures(logits, data.y), "balanced_error": balanced_error(logits, data.y)}

    def begin(self) -> None:
        if self.start:
            self.start.load(self.run)

    def prepared(self, images: Tensor) -> Tensor:
        """Raw images as the network takes them."""
        return self.preprocess(images).contiguous(memory_format=torch.channels_last)

    def batch(self) -> Batch:
        """This process's rows of the step's batch, augmented and prepared."""
        size = self.config.batch
        rows = self.run.batch(self.run.data["train"], size)
        return Batch(self.prepared(augmented(self.run, self.config, rows.x, size)), rows.y)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy that is trained, with smoothing and weights."""
        return cross_entropy(logits, labels, self.config.label_smoothing, self.class_weights)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.config.learning_rate * scheduled(self.config, step, self.run.steps)

    def step(self, step: int) -> Mapping[str, Tensor]:
        run = self.run
        set_rate(self.optimizer, self.rate(step))
        images, labels = self.batch()
        self.optimizer.zero_grad()
        with run.autocast():
            logits = self.model(images)
        loss = run.backward(self.loss(logits, labels), self.model)
        self.optimizer.step()
        return {"loss": loss}

    def figures(self) -> Mapping[str, Any]:
        with self.run.autocast():
            seen = self.classifier.look(self.looked_at)
        first = next((m for m in self.model.modules() if isinstance(m, nn.Conv2d)), None)
        filters = {"filters": kernels(first.weight)} if first is not None else {}
        return {**filters, **self.classifier.figures(seen)}
