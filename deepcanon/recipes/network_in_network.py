"""Network in Network: 1 x 1 convolutions between the others, and the mean of one map per class.

Task: which class an image shows. Data: your folder with CLASS/*.jpg, or Fashion-MNIST and others by
name. Metric: test error; CIFAR-10 10.41 % without augmentation (Lin et al. 2013; the paper's
setting was not run here); ours on Fashion-MNIST, 16 passes over mirrored and shifted pictures,
7.0 % (three seeds, seven minutes on one core each). The picture `class-maps` shows where the
network sees each class.

    deepcanon train network-in-network --data fashion-mnist --batch-norm
"""

from dataclasses import dataclass

from deepcanon.options import Count, Dropout, ImageTraining, OptimizerName
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "vision.network_in_network"
DATA = ("images",)
METRICS = CLASSIFIER | {"parameters": metric("weights and biases of the network")}
TARGETS = (
    target("fashion-mnist", "test/accuracy >= 0.925", "P", "the convnet preset's accuracy"),
    target("fashion-mnist", "test/parameters <= 421641", "X", "fewer than convnet's 421,642"),
    target("fashion-mnist", "worst cpu_seconds <= 720", "P", "twelve minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(ImageTraining, Dropout):
    widths: tuple[Count, ...] = (32, 64, 128)
    """Maps of each block; between blocks the maps are pooled to half their size."""
    kernel: Count = 3
    """Side of the first filters of each block, odd."""
    batch_norm: bool = False
    """Batch normalisation before each ReLU but that of the class maps."""
    dropout: float = 0.2
    """Probability of dropping a unit between blocks in training."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 0.003
    warmup: float = 0.2
    epochs: int = 16


NORMAL = Config(batch_norm=True, flip=True, shift=1, valid_share=0.0)
PAPER = Config(widths=(192, 192, 192), kernel=5, dropout=0.5, optimizer="momentum", epochs=200)
PRESETS = {
    "smoke": (Config(widths=(8, 12), batch_norm=True), {"data": "digits", "steps": 40}),
    "default": (
        Config(batch_norm=True),
        {"data": "letters", "options": {"widths": (16, 32, 48), "batch": 64, "epochs": 2}},
    ),
    "paper": (PAPER, {"data": "fashion-mnist"}),
    "verify:fashion-mnist": (NORMAL, {"data": "fashion-mnist", "steps": 7500, "threads": 1}),
}

from deepcanon.engine import Encodes
from deepcanon.engine.shown import class_maps
from deepcanon.techniques.image_classifiers import ImageClassifier, require_poolings
from deepcanon.vision.network_in_network import NetworkInNetwork


class Recipe(ImageClassifier[Config], Encodes):
    @classmethod
    def learn(cls, config, data):
        require_poolings(data.facts["size"], len(config.widths) - 1, "--widths")
        return super().learn(config, data)

    def network(self, channels, classes, size):
        config = self.config
        return NetworkInNetwork(
            channels,
            classes,
            widths=config.widths,
            kernel_size=config.kernel,
            batch_norm=config.batch_norm,
            dropout=config.dropout,
        )

    def evaluate(self, split):
        count = sum(parameter.numel() for parameter in self.model.parameters())
        return super().evaluate(split) | {"parameters": count}

    def figures(self):
        images = self.run.data[self.run.pictured].x[:8]
        maps = self.classifier(images, self.model.class_maps)
        shown = class_maps(images, maps, self.facts["reader"]["classes"])
        return {"class-maps": shown, **super().figures()}

    def encode(self, inputs):
        return self.classifier(inputs, self.model.features)
