"""A one-stage detector: which things a picture shows, and where, as boxes.

Task: detection. Data: your folder of pictures with boxes.csv (file, x, y, width, height, label) or
boxes.json in COCO's format, or generated canvases of digits and letters. Metric: average precision
at an overlap of 0.5 (ap50), and its mean over overlaps of 0.5 to 0.95 (ap); no paper gives them for
digits on canvases, ours have an ap50 of 99 %. `predict` gives the boxes of each picture with their
scores, in its own pixels; `--draw FOLDER` draws them.

    deepcanon train object-detection --data canvas --base mnist
"""

from dataclasses import dataclass

from deepcanon.options import (
    Batches,
    BoxAugmentation,
    Count,
    InitialWeights,
    Optimization,
    OptimizerName,
    Placed,
    Schedule,
    Share,
    Some,
)
from deepcanon.targets import metric, target

SYSTEM = "vision.object_detection"
DATA = ("boxes",)
METRICS = {
    "ap50": metric("average precision at an overlap of 0.5, mean over classes", "share", "max"),
    "ap": metric("average precision, mean over overlaps 0.5 to 0.95", "share", "max"),
}
TARGETS = (
    target("digits", "test/ap50 >= 0.95", "P", "digits of MNIST on 64 x 64 canvases"),
    target("digits", "worst cpu_seconds <= 480", "P", "eight minutes of one core"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Placed, Batches, Optimization, Schedule, BoxAugmentation, InitialWeights):
    widths: Some[Count] = (16, 32, 64, 128)
    """Maps of the stem and of each stage; each stage halves the picture."""
    anchors: Count = 3
    """Boxes at each cell, with sizes by k-means from the training boxes."""
    overlap: Share = 0.5
    """Largest overlap of two boxes of one class that are both kept."""
    least: Share = 0.3
    """Lowest score of a box that `predict` and the pictures show."""
    measured: Count = 500
    """Number of validation pictures that are evaluated during training."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 0.003
    warmup: float = 0.2
    batch: int = 32
    epochs: int = 20


FEW = {"widths": (8, 16, 32), "epochs": 5}
PRESETS = {
    "smoke": (
        Config(base="digits", widths=(4, 8, 12), measured=20),
        {"data": "canvas", "steps": 20},
    ),
    "default": (Config(), {"data": "canvas", "options": FEW}),
    "paper": (Config(base="mnist", epochs=100), {"data": "canvas"}),
    "verify:digits": (Config(base="mnist"), {"data": "canvas", "steps": 9000, "threads": 1}),
}

import torch

from deepcanon import engine
from deepcanon.data.streamed import part
from deepcanon.engine import Exports, Predicts
from deepcanon.engine.augmentation import augmented_boxes, check
from deepcanon.engine.figures import Framed
from deepcanon.engine.initial import Start, source_facts
from deepcanon.parts.boxes import anchor_sizes, mean_average_precision
from deepcanon.parts.standardize import Standardize
from deepcanon.techniques.detections import (
    Decoded,
    as_answers,
    as_frames,
    detector_export,
    found_in,
    true_boxes,
)
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled
from deepcanon.vision.object_detection import OneStageDetector, detection_loss, grid_anchors

ANSWERS = "Boxes that are found with their scores, and the true ones: good ones lie on each other."


class Recipe(engine.Recipe[Config], Predicts, Exports):
    state = ("model", "optimizer")
    monitor = ("valid/ap50", "max")
    parallel = "gradients"
    precisions = ("fp32", "bf16")

    @classmethod
    def learn(cls, config, data):
        facts = source_facts(config, data.facts["classes"], data.facts["channels"], ("anchors",))
        if "shift" not in facts:
            facts["shift"], facts["scale"] = data["train"].channel_statistics()
        if len(facts.get("anchors", ())) != config.anchors:
            boxes = data["train"].y[:5000].flatten(0, 1)
            boxes = boxes[boxes[:, 0] >= 0, 1:]
            facts["anchors"] = anchor_sizes(boxes[:, 2:] - boxes[:, :2], config.anchors).tolist()
        return facts

    def build(self):
        config, run, reader = self.config, self.run, self.facts["reader"]
        self.size, sizes = tuple(reader["size"]), torch.tensor(self.facts["anchors"])
        check(config, self.size)
        classes, channels = len(reader["classes"]), reader["channels"]
        net = OneStageDetector(channels, classes, anchors=len(sizes), widths=config.widths)
        self.model = net.to(run.device)
        self.preprocess = Standardize(self.facts["shift"], self.facts["scale"]).to(run.device)
        rows, columns = self.model.grid(self.size)
        self.anchors = grid_anchors(rows, columns, self.model.stride, sizes).to(run.device)
        initial, heads = self.facts.get("initial"), ("classes", "offsets")
        self.start = Start(self.model, config, initial, heads) if initial else None
        slower = self.start.slower if self.start else ()
        self.optimizer = optimizer_of(config, self.model, slower=slower, share=config.copied_rate)

    @property
    def decoded(self):
        """From raw pixels to the boxes and scores of all anchors."""
        return Decoded(self.preprocess, self.model, self.anchors, self.size)

    def begin(self):
        if self.start:
            self.start.load(self.run)

    def step(self, step):
        config, run = self.config, self.run
        set_rate(self.optimizer, config.learning_rate * scheduled(config, step, run.steps))
        images, truth = run.batch(run.data["train"], config.batch)
        images, truth = augmented_boxes(run, config, images, truth, config.batch)
        self.optimizer.zero_grad()
        with run.autocast():
            found = self.model(self.preprocess(images))
        loss = detection_loss(found, self.anchors, truth[:, :, 1:], truth[:, :, 0].long())
        loss = run.backward(loss, self.model)
        self.optimizer.step()
        return {"loss": loss}

    def found(self, images, least=0.05):
        """The boxes of each picture, on the CPU."""
        options = {"least": least, "overlap": self.config.overlap}
        return found_in(images, self.decoded, self.run.autocast, self.run.device, **options)

    def evaluate(self, split):
        data, count = self.run.data[split], self.config.measured
        if split != "test" and len(data) > count:
            data = part(data, torch.arange(count))
        return mean_average_precision(self.found(data.x), true_boxes(data.y), self.model.kinds)

    def predict(self, inputs):
        found = self.found(inputs, self.config.least)
        return as_answers(found, self.facts["reader"]["classes"])

    def export(self):
        options = {"least": self.config.least, "overlap": self.config.overlap}
        return detector_export(self.decoded, self.facts["reader"], self.run.device, **options)

    def figures(self):
        some, names = self.run.data[self.run.pictured], self.facts["reader"]["classes"]
        x, y = some.x[:12], some.y[:12]
        found, words = as_frames(self.found(x, self.config.least), names)
        true, _ = as_frames(true_boxes(y), names)
        frames = {"found": found, "true": true}
        return {"boxes": Framed(x.numpy(), frames, {"found": words}, caption=ANSWERS)}
