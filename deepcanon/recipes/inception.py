"""A small GoogLeNet: Inception blocks, and auxiliary heads that exist in training only.

Task: which class an image shows. Data: your folder with CLASS/*.jpg, or Fashion-MNIST and others by
name. Metric: test error; ImageNet top-5 error 6.67 % (Szegedy et al. 2014; the paper's setting was
not run here); ours on Fashion-MNIST, with 173,892 parameters, 7.2 % (three seeds, seven and a half
minutes on one core each).

    deepcanon train inception --data fashion-mnist
"""

from dataclasses import dataclass

from deepcanon.options import (
    Count,
    Dropout,
    ImageTraining,
    NonNegative,
    OptimizerName,
    Share,
    Whole,
)
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "vision.inception"
DATA = ("images",)
METRICS = CLASSIFIER | {
    "parameters": metric("weights and biases without the auxiliary heads"),
    "all_parameters": metric("weights and biases in training"),
}
TARGETS = (
    target("fashion-mnist", "test/accuracy >= 0.93", "P", "Inception blocks at 28 x 28 pixels"),
    target(
        "fashion-mnist", "test/all_parameters <= 199999", "P", "half of convnet with 5 x 5 filters"
    ),
    target("fashion-mnist", "worst cpu_seconds <= 720", "P", "twelve minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(ImageTraining, Dropout):
    stem: Count = 32
    """Filters of the first convolution, 3 x 3."""
    widths: tuple[Count, ...] = (64, 128)
    """Maps of the blocks of each stage: multiples of 16, divided as block 3a of the paper."""
    blocks: Count = 2
    """Inception blocks of each stage; the maps are pooled to half their size before each stage."""
    auxiliary: Whole = 32
    """Units of the convolution of the auxiliary heads; 0: no heads."""
    auxiliary_weight: NonNegative = 0.3
    """Weight of each auxiliary head's loss."""
    auxiliary_dropout: Share = 0.7
    """Probability of dropping a hidden unit of an auxiliary head in training."""
    batch_norm: bool = True
    """Batch normalisation before each ReLU."""
    dropout: float = 0.2
    """Probability of dropping a value before the last layer in training."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 0.003
    warmup: float = 0.2
    epochs: int = 12


MIRRORED = Config(flip=True, shift=1, valid_share=0.0)
FEW = {"stem": 16, "widths": (32, 48), "blocks": 1, "batch": 64, "epochs": 2}
PRESETS = {
    "smoke": (
        Config(stem=8, widths=(16, 16), blocks=1, auxiliary=4),
        {"data": "digits", "steps": 40},
    ),
    "default": (Config(), {"data": "letters", "options": FEW}),
    "paper": (Config(batch_norm=False, dropout=0.4, epochs=100), {"data": "fashion-mnist"}),
    "verify:fashion-mnist": (MIRRORED, {"data": "fashion-mnist", "steps": 5600, "threads": 1}),
}

from deepcanon.engine import Encodes
from deepcanon.errors import UsageError
from deepcanon.techniques.image_classifiers import ImageClassifier, require_poolings
from deepcanon.vision.inception import MiniGoogLeNet, block_widths


class Recipe(ImageClassifier[Config], Encodes):
    heads = ("output", "auxiliaries")

    @classmethod
    def learn(cls, config, data):
        require_poolings(data.facts["size"], len(config.widths), "--widths")
        try:
            for maps in config.widths:
                block_widths(maps)
        except ValueError as error:
            raise UsageError(f"--widths: {error}") from None
        return super().learn(config, data)

    def network(self, channels, classes, size):
        config = self.config
        return MiniGoogLeNet(
            channels,
            classes,
            stem=config.stem,
            stages=tuple((maps,) * config.blocks for maps in config.widths),
            auxiliary=config.auxiliary,
            batch_norm=config.batch_norm,
            dropout=config.dropout,
            auxiliary_dropout=config.auxiliary_dropout,
        )

    def loss(self, judged, labels):
        """Equation (6)."""
        loss = super().loss(judged.logits, labels)
        for logits in judged.auxiliary:
            loss = loss + self.config.auxiliary_weight * super().loss(logits, labels)
        return loss

    def evaluate(self, split):
        every = sum(parameter.numel() for parameter in self.model.parameters())
        counts = {"parameters": self.model.parameters_in_use, "all_parameters": every}
        return super().evaluate(split) | counts

    def encode(self, inputs):
        return self.classifier(inputs, self.model.features)
