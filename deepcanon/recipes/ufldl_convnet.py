"""UFLDL's convolutional network: sigmoid maps, mean pooling and a softmax, in three epochs.

Task: which class an image shows, from 20 filters of 9 x 9. Data: images. Metric: test accuracy;
MNIST about 97.4 % after three epochs (comment in the tutorial's starter code), ours 97.16 %. A
minute on one core. A network with two convolutions is `convnet`.

    deepcanon train ufldl-convnet --data mnist
"""

from dataclasses import dataclass

from deepcanon.options import Count, ImageTraining, OptimizerName, ScheduleName, Share
from deepcanon.targets import CLASSIFIER, target

SYSTEM = "vision.ufldl_convnet"
DATA = ("images",)
METRICS = CLASSIFIER
UFLDL = "UFLDL tutorial, cnnTrain.m: about 97.4 % after three epochs"
TARGETS = (
    target("mnist", "test/accuracy >= 0.972", "C", UFLDL),
    target("mnist", "test/accuracy <= 0.985", "P", f"not another network: {UFLDL}"),
)


@dataclass(frozen=True, kw_only=True)
class Config(ImageTraining):
    filters: Count = 20
    """Number of filters."""
    kernel: Count = 9
    """Side of the filters."""
    pool: Count = 2
    """Side of the squares over which maps are averaged."""
    first_momentum: Share = 0.5
    """Momentum of the first steps."""
    first_steps: int = 20
    """Number of these first steps."""
    halve: bool = True
    """Halve the learning rate after each epoch."""
    optimizer: OptimizerName = "momentum"
    schedule: ScheduleName = "constant"
    learning_rate: float = 0.1
    momentum: float = 0.95
    weight_decay: float = 1e-4
    batch: int = 256
    epochs: int = 3


FEW = {"kernel": 3, "filters": 8, "batch": 32, "epochs": 20, "halve": False}
PRESETS = {
    "smoke": (Config(), {"data": "digits", "steps": 60, "options": FEW}),
    "default": (Config(), {"data": "letters"}),
    "paper": (Config(), {"data": "mnist"}),
    "verify:mnist": (Config(valid_share=0.0), {"data": "mnist", "threads": 1}),
}

from deepcanon.engine import Encodes
from deepcanon.foundations.momentum import Momentum
from deepcanon.parts.standardize import unit_pixels
from deepcanon.techniques.image_classifiers import ImageClassifier
from deepcanon.vision.ufldl_convnet import UfldlConvNet, halved_rate, raised_momentum


class Recipe(ImageClassifier[Config], Encodes):
    @classmethod
    def learn(cls, config, data):
        shift, scale = unit_pixels(data.facts["channels"])  # the exercise's pixels lie in [0, 1]
        return {**super().learn(config, data), "shift": shift, "scale": scale}

    def network(self, channels, classes, size):
        config = self.config
        return UfldlConvNet(
            channels,
            classes,
            size=size,
            filters=config.filters,
            kernel_size=config.kernel,
            pool=config.pool,
        )

    def build(self):
        super().build()
        for group in self.optimizer.param_groups:
            if isinstance(self.optimizer, Momentum):
                group["rate_on_use"] = False  # the velocity keeps the rate of each gradient

    def rate(self, step):
        train, config = self.run.data["train"], self.config
        halved = halved_rate(step, len(train) / config.batch) if config.halve else 1.0
        return super().rate(step) * halved

    def step(self, step):
        config = self.config
        for group in self.optimizer.param_groups:
            if "momentum" in group:
                group["momentum"] = raised_momentum(
                    step, config.momentum, config.first_momentum, config.first_steps
                )
        return super().step(step)

    def encode(self, inputs):
        return self.classifier(inputs, self.model.features)
