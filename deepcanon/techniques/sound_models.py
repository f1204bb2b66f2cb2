"""What recipes of models of raw sound share: recordings in pieces, bits per sample, samples to be heard.

The update is the recipe's own. It holds a `model`, says what each sample of recordings costs (`nats`) and how it draws
(`draw`), and inherits the verbs.
"""

import functools
import math
from abc import abstractmethod
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from deepcanon import engine
from deepcanon.data.sounds import Pieces
from deepcanon.engine import Generates, Predicts
from deepcanon.engine.sounds import Sound
from deepcanon.errors import UsageError
from deepcanon.verb_options import SoundSampling

__all__ = ["SoundModel"]

C = TypeVar("C")
TOGETHER = 4  # pieces that are measured at a time
HEARD = "Sound drawn sample by sample: speech should be heard in it, not noise of one loudness."


class SoundModel(engine.Recipe[C], Predicts, Generates, Generic[C]):
    """A recipe of a model of the next sample, with or without the class of a recording.

    Its options are those of `Audio`, `batch`, `window`, `epochs`, `conditional` and `seconds`.

    Attributes:
        before: samples before a piece that have an effect on its first one; `build` sets it.
    """

    config: Any
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    asked = SoundSampling
    computed = ("cut", "mean_length")
    before = 0

    @classmethod
    def learn(cls, config: Any, data: Any) -> dict[str, Any]:
        if config.conditional and not data.facts["classes"]:
            raise UsageError("--conditional needs recordings with classes: folders or a metadata.csv")
        return {}

    @abstractmethod
    def nats(self, x: Tensor, counted: Tensor, labels: Tensor | None) -> Tensor:
        """-log p of each sample of recordings x [B, T]; 0 where `counted` is False."""

    @abstractmethod
    def draw(self, labels: Tensor, length: int, temperature: float, generator: torch.Generator | None) -> Tensor:
        """Sounds [N, length] in [-1, 1] of the classes [N], which are all 0 if there are none."""

    @property
    def classes(self) -> list[str]:
        """Those that the model is told; [] if it is told none."""
        return list(self.facts["reader"]["classes"]) if self.config.conditional else []

    @property
    def rate(self) -> int:
        """Samples a second."""
        return int(self.facts["reader"]["rate"])

    # Pieces

    @functools.cached_property
    def cut(self) -> dict[str, Pieces]:
        """The recordings of each split in pieces."""
        length = max(self.config.window, self.before)
        return {name: Pieces(split.x, length) for name, split in self.run.data.splits.items()}

    @functools.cached_property
    def mean_length(self) -> float:
        """Samples of a training piece."""
        return float(self.cut["train"].counts.double().mean())

    def plan(self) -> int:
        return round(self.config.epochs * max(1, len(self.cut["train"]) // self.config.batch))

    def chosen(self) -> Tensor:
        """This process's pieces of the step's batch: neighbours in the order of length, so that little is padding."""
        run, count = self.run, len(self.cut["train"])
        size = self.config.batch
        first = torch.randint(max(1, count - size + 1), (), generator=run.generator("pieces"))
        return (first + torch.arange(size)[run.rows(size)]).clamp(max=count - 1)

    def losses(self, split: str, chosen: Tensor) -> Tensor:
        """`nats` of some pieces of a split, each after what precedes it in its recording."""
        pieces = self.cut[split]
        labels = self.run.to(self.run.data[split].y[pieces.rows[chosen]]) if self.classes else None
        x, counted = pieces.read(chosen, self.before)
        return self.nats(x, counted, labels)

    # Measured, drawn, asked

    def evaluate(self, split: str) -> dict[str, float]:
        pieces, total = self.cut[split], 0.0
        for chosen in pieces.groups(TOGETHER):
            total += self.losses(split, chosen).sum(dtype=torch.float64).item()
            self.run.breathe()
        nll = total / int(pieces.counts.sum())
        return {"nll": nll, "bits": nll / math.log(2)}

    def figures(self) -> dict[str, Any]:
        length = max(1, round(self.config.seconds * self.rate))
        drawn = self.generate(SoundSampling(count=4, length=length), self.run.generator("sample"))
        names = [self.classes[number % len(self.classes)] for number in range(4)] if self.classes else []
        return {"samples": Sound(drawn.numpy(), self.rate, names, caption=HEARD)}

    def generate(self, asked: SoundSampling, generator: torch.Generator | None) -> Tensor:
        """Sounds [N, T] in [-1, 1], of the class that is asked for, else of all classes in turn."""
        if asked.prompt and asked.prompt not in self.classes:
            known = f"the classes are {', '.join(self.classes)}" if self.classes else "this run learned no classes"
            raise UsageError(f"--prompt {asked.prompt}: {known}")
        wanted = [self.classes.index(asked.prompt)] if asked.prompt else list(range(max(1, len(self.classes))))
        labels = torch.tensor([wanted[number % len(wanted)] for number in range(asked.count)])
        return self.draw(self.run.to(labels), asked.length, asked.temperature, generator).cpu()

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """Bits per sample of each recording [T]; with classes also which one explains it best, all equally likely."""
        records = []
        for x in inputs:
            counted = torch.ones(1, len(x), dtype=torch.bool)
            labels = [self.run.to(torch.tensor([n])) for n in range(len(self.classes))] if self.classes else [None]
            nats = torch.stack([self.nats(x[None], counted, label).sum(dtype=torch.float64) for label in labels])
            whole = math.log(len(labels)) - float((-nats).logsumexp(0))
            record: dict[str, Any] = {"value": whole / math.log(2) / len(x), "samples": len(x)}
            if self.classes:
                found = nats.argmin()
                chances = (-nats).softmax(0).tolist()
                record |= {
                    "label": self.classes[int(found)],
                    "probabilities": dict(zip(self.classes, chances, strict=True)),
                }
            records.append(record)
        return records
