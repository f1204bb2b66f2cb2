"""A residual network that classifies images, in the CIFAR or the ImageNet form.

Task: classification. Data: your folder with CLASS/*.jpg, or Fashion-MNIST and others by name.
Metric: test error; CIFAR-10 8.75 % at depth 20 and 6.43 % at depth 110 (He et al. 2015), which take
hours on a CPU: the paper's setting was not run here. Ours on Fashion-MNIST at depth 20: 6.8 % in
3,750 steps (three seeds, eight minutes on one core each). Published weights of the ImageNet form
are loaded by `--init-from FILE.safetensors --form imagenet --depth 18 --mean 0.485 0.456 0.406
--std 0.229 0.224 0.225`.

    deepcanon train resnet --data my/photos --size 128
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import Count, ImageTraining, OptimizerName, Whole
from deepcanon.targets import CLASSIFIER, target

SYSTEM = "vision.resnet"
DATA = ("images",)
METRICS = CLASSIFIER
TARGETS = (
    target("fashion-mnist", "test/accuracy >= 0.93", "P", "ResNet-20, eight passes"),
    target("fashion-mnist", "worst cpu_seconds <= 720", "P", "twelve minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(ImageTraining):
    form: Literal["cifar", "imagenet"] = "cifar"
    """cifar: a 3 x 3 stem and three stages, for small images; imagenet: a 7 x 7 stem with pooling
    and four stages, with torchvision's names of the weights."""
    depth: Count = 20
    """Layers with weights: 6 n + 2 in the CIFAR form; 18, 34 or 50 in the ImageNet form."""
    width: Whole = 0
    """Filters of the first stage; 0: 16 in the CIFAR form, 64 in the ImageNet form."""
    shortcut: Literal["paper", "A", "B", "none"] = "paper"
    """Where shapes change: zeros for new channels (A) or a 1 x 1 convolution (B); paper: A in the
    CIFAR form, B in the ImageNet form; none: a plain network, no shortcuts at all."""
    decay_all: bool = False
    """Weight decay of biases and normalisation too, as in the paper."""
    optimizer: OptimizerName = "sgd"
    learning_rate: float = 0.2
    weight_decay: float = 5e-4
    warmup: float = 0.2
    epochs: int = 8


FLIPPED = Config(learning_rate=0.5, flip=True, shift=1, valid_share=0.0)
RULE = Config(optimizer="momentum", schedule="steps", learning_rate=0.1, weight_decay=1e-4)
PAPER = replace(RULE, decay_all=True, shift=4, flip=True)
FEW = {"depth": 8, "batch": 64, "epochs": 2}
PRESETS = {
    "smoke": (Config(depth=8, width=4), {"data": "digits", "steps": 30}),
    "default": (Config(), {"data": "letters", "options": FEW}),
    "paper": (PAPER, {"data": "fashion-mnist", "steps": 64_000}),
    "verify:fashion-mnist": (FLIPPED, {"data": "fashion-mnist", "steps": 3750, "threads": 1}),
}

from deepcanon.engine import Encodes
from deepcanon.errors import UsageError
from deepcanon.techniques.image_classifiers import ImageClassifier
from deepcanon.vision.resnet import ResNet

SMALL = 64
"""Side below which the ImageNet form has stages that see hardly a position."""


class Recipe(ImageClassifier[Config], Encodes):
    heads = ("fc",)

    @classmethod
    def learn(cls, config, data):
        try:
            network(config, 1, 2)
        except ValueError as error:
            raise UsageError(f"--depth {config.depth}: {error}") from None
        divided = 4 if config.form == "cifar" else 32
        if config.batch == 1 and max(data.facts["size"]) <= divided:
            raise UsageError("--batch 1: the last maps are 1 x 1, and one value has no variance")
        return super().learn(config, data)

    def network(self, channels, classes, size):
        return network(self.config, channels, classes)

    def build(self):
        super().build()
        if self.config.decay_all:
            for group in self.optimizer.param_groups:
                group["weight_decay"] = self.config.weight_decay

    def begin(self):
        super().begin()
        side = min(self.facts["reader"]["size"])
        if self.config.form == "imagenet" and side < SMALL:
            last = -(-side // 32)
            self.run.say(
                f"images of {side} pixels end as maps of {last} x {last} in the ImageNet form: "
                f"--form cifar suits them better, or --size {SMALL} and more"
            )

    def encode(self, inputs):
        return self.classifier(inputs, self.model.features)


def network(config, channels, classes):
    """The form that the options name, for images of so many channels."""
    form = ResNet.cifar if config.form == "cifar" else ResNet.imagenet
    options = {"width": config.width} if config.width else {}
    if config.shortcut != "paper":
        options["shortcut"] = config.shortcut
    return form(config.depth, channels, classes, **options)
