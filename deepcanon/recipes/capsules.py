"""Capsules with dynamic routing: classes as vectors, and images reconstructed from them.

Task: which class an image shows, or which two that overlap (`--data multi-digits --base mnist`).
Data: your folder, digits, letters; grey or colour, from 17 x 17 pixels with kernels of 9. Metric:
test error; MNIST 0.25 % at full size after hundreds of epochs, 0.34 % with one iteration and no
reconstruction (Sabour et al. 2017, table 1); overlapping digits 5.2 %. The smaller network of
`verify`, 64 filters and 16 maps of capsules, has a test error of 0.60 % after four epochs, 0.62 %
with one iteration, and finds both of two overlapping digits in 71 % (one seed each, 24 to 42 CPU
minutes).

    deepcanon train capsules
"""

from dataclasses import dataclass, replace

from deepcanon.options import Count, ImageTraining, NonNegative, OptimizerName
from deepcanon.targets import CLASSIFIER, metric, target

SYSTEM = "vision.capsules"
DATA = ("images",)
METRICS = CLASSIFIER | {
    "margin": metric("margin loss of the lengths, summed over the classes", "", "min"),
    "pictures": metric("0.0005 times the summed squared error of a drawn picture", "", "min"),
}
TARGETS = (
    target("mnist", "test/error <= 0.008", "P", "64 filters, 16 maps, four epochs"),
    target("mnist - mnist-uniform", "test/error <= 0.0005", "P", "three iterations, and one"),
    target("overlap", "test/accuracy >= 0.75", "P", "both digits right: the two longest capsules"),
)


@dataclass(frozen=True, kw_only=True)
class Config(ImageTraining):
    filters: Count = 256
    """Filters of the first convolution."""
    maps: Count = 32
    """Maps of capsules that the second convolution makes."""
    units: Count = 8
    """Units of a primary capsule."""
    class_units: Count = 16
    """Units of the capsule of a class."""
    kernel: Count = 9
    """Side of the filters of both convolutions."""
    iterations: Count = 3
    """Iterations of the routing; 1: every vote counts the same."""
    decoder: tuple[Count, ...] = (512, 1024)
    """Hidden units of the decoder that reconstructs the image."""
    reconstruction: NonNegative = 1.0
    """Weight of the reconstruction loss, 0.0005 times the summed squared error; 0: no decoder."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 0.001


NARROW = Config(filters=64, maps=16, learning_rate=0.002, valid_share=0.0)
REDUCED = replace(NARROW, shift=2, epochs=4)
OVERLAP = replace(NARROW, maps=8, base="mnist", batch=64)
SETTINGS = {"threads": 1, "data": "mnist"}
TINY = Config(filters=16, maps=4, kernel=3, decoder=(32,), batch=32, learning_rate=0.005)
LETTERS = {"filters": 32, "maps": 8, "decoder": (128,), "epochs": 1, "learning_rate": 0.003}
PRESETS = {
    "smoke": (TINY, {"data": "digits", "steps": 40}),
    "default": (Config(), {"data": "letters", "options": LETTERS}),
    "paper": (Config(shift=2, schedule="constant", epochs=1000), {"data": "mnist"}),
    "verify:mnist": (REDUCED, SETTINGS),
    "verify:mnist-uniform": (replace(REDUCED, iterations=1), SETTINGS),
    "verify:overlap": (OVERLAP, {"threads": 1, "data": "multi-digits", "steps": 1500}),
}

import torch
from torch.nn.functional import one_hot

from deepcanon.engine import Encodes
from deepcanon.engine.augmentation import augmented
from deepcanon.engine.figures import Tiles
from deepcanon.errors import UsageError
from deepcanon.techniques.image_classifiers import ImageClassifier
from deepcanon.techniques.optimizers import set_rate
from deepcanon.techniques.schedules import scheduled
from deepcanon.vision.capsules import CapsuleNet, lengths, margin_loss, reconstruction_loss

SHOWN = 8
DRAWN = (
    "Held-out images and what the decoder draws from the longest capsule, or from each of the two "
    "longest: good drawings show what is there and leave out what lies over it."
)


class Recipe(ImageClassifier[Config], Encodes):
    heads = ("output", "decoder")

    @classmethod
    def learn(cls, config, data):
        if config.label_smoothing:
            raise UsageError("--label-smoothing: capsules learn from a margin; leave it at 0")
        return super().learn(config, data)

    def network(self, channels, classes, size):
        config, reader = self.config, self.facts["reader"]
        sets = reader.get("members", ())  # of classes that are there together
        return CapsuleNet(
            channels,
            len(reader["singles"]) if sets else classes,
            size=size,
            filters=config.filters,
            maps=config.maps,
            units=config.units,
            class_units=config.class_units,
            iterations=config.iterations,
            decoder=config.decoder,
            kernel_size=config.kernel,
            sets=sets,
        )

    def present(self, labels):
        """The classes [B, P] that are there."""
        members = self.model.members
        return labels[:, None] if members is None else members[labels]

    def step(self, step):
        config, run, model = self.config, self.run, self.model
        set_rate(self.optimizer, config.learning_rate * scheduled(config, step, run.steps))
        rows = run.examples(run.data["train"], config.batch)
        labels, raw = run.to(rows.y), run.to(rows.x)
        alone = raw[:, None] if rows.parts is None else run.to(rows.parts)
        raw, *alone = (augmented(run, config, x, config.batch) for x in (raw, *alone.unbind(1)))
        present = self.present(labels)
        there = one_hot(present, model.classes).sum(1)
        self.optimizer.zero_grad()
        with run.autocast():
            found = model.capsules(self.prepared(raw))
            drawn = [model.reconstruct(found, classes) for classes in present.unbind(1)]
        margin = margin_loss(lengths(found.float()), there, "none")
        weights = 1.0 if self.class_weights is None else self.class_weights[labels]
        pictures = sum(
            reconstruction_loss(one.float(), x / 255) for one, x in zip(drawn, alone, strict=True)
        )
        loss = (weights * margin).mean() + config.reconstruction * pictures
        loss = run.backward(loss, model)
        self.optimizer.step()
        return {
            "loss": loss.detach(),
            "margin": margin.detach().mean(),
            "pictures": pictures.detach(),
        }

    def figures(self):
        data = self.run.data[self.run.pictured]
        data = data.take(torch.arange(min(SHOWN, len(data))))
        members = self.model.members
        given, wanted = data.x, 1 if members is None else members.shape[1]

        def draw(prepared):
            found = self.model.capsules(prepared)
            longest = lengths(found).topk(wanted, 1).indices.sort(1).values
            return torch.stack([self.model.reconstruct(found, one) for one in longest.unbind(1)], 1)

        drawn = (255 * self.classifier(given, draw).float()).round().to(torch.uint8).cpu()
        rows, versions = [given], ["as given"]
        for part in range(wanted):
            if data.parts is not None:
                rows.append(data.parts[:, part])
                versions.append("one alone" if part == 0 else "the other alone")
            rows.append(drawn[:, part])
            versions.append("drawn")
        pictures = torch.stack(rows, 1).flatten(0, 1).numpy()
        return {**super().figures(), "drawn": Tiles(pictures, versions=versions, caption=DRAWN)}

    def encode(self, inputs):
        """The capsules of the classes, one after the other."""
        return self.classifier(inputs, self.model.capsules).flatten(1)
