"""What recipes share that train a recurrent network to answer about sequences: the head, the loss, metrics, one update.

A recipe subclasses `SequenceTask`, names its `Config` (`options.SequenceTraining` with fields of its own) and gives
`network`, a module `(x [N, T, F], state=None) -> (outputs [N, T, H], state)`. What is asked follows from the data:

- a number of each sequence (the adding problem): the last real output through a linear layer, squared error;
- a class of each sequence (pictures, whose rows are the steps): the same, cross-entropy;
- a class at some steps (copying, counting): every output, cross-entropy over the steps that are not `UNASKED`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcanon.data.sequences import UNASKED
from deepcanon.data.splits import Dataset
from deepcanon.engine import shown
from deepcanon.engine.confusions import confusion_figure
from deepcanon.engine.contract import Exports, Facts, Metrics, Recipe
from deepcanon.engine.export import Export, raw_export
from deepcanon.engine.figures import Heat, Line, Panels, Plot
from deepcanon.engine.portions import Portions
from deepcanon.errors import UsageError
from deepcanon.options import SequenceTraining
from deepcanon.parts.clipping import clip_in_step
from deepcanon.parts.recurrence import last_real
from deepcanon.parts.standardize import Standardize
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = [
    "Answering", "ExportedTask", "Rows", "SequenceTask", "answer_loss", "answer_measures", "gate_maps",
    "require_numbers",
]  # fmt: skip

C = TypeVar("C", bound=SequenceTraining)
SHOWN, STEPS_SHOWN = 8, 60  # sequences in the table of answers, and steps of each
NUMBERS = "What was answered over the truth: points on the dashed line are right, a flat cloud has learned nothing."
BY_STEP = "Share of right answers by step: where the curve falls, what was read has been forgotten."
TABLE = "Held-out sequences: what was read, what was asked after each symbol (. is nothing), what was answered."
GATES = "Gates and state over a held-out sequence: units that keep what they read have one colour over many steps."
CONFUSION = "Share of each true class by what was answered: bright cells off the diagonal are confusions."


def require_numbers(data: Dataset) -> None:
    """Raises UsageError if the sequences ask for classes."""
    if data.facts.get("classes"):
        raise UsageError("these sequences ask for classes: give some that ask for a number, such as --data adding")


class Rows(nn.Module):
    """Pictures [N, C, H, W] as sequences of their rows [N, H, C W], or of their pixels [N, H W, C].

    Args:
        shift, scale: mean and standard deviation of each channel.
    """

    def __init__(self, shift: Tensor, scale: Tensor, pixels: bool = False):
        super().__init__()
        self.standardize, self.pixels = Standardize(shift, scale), pixels

    def forward(self, images: Tensor) -> Tensor:
        x = self.standardize(images)
        return x.flatten(2).transpose(1, 2) if self.pixels else x.transpose(1, 2).flatten(2)


class Answering(nn.Module):
    """A recurrent network with a linear layer on its outputs.

    Args:
        network: (x, state) -> (outputs [N, T, size], state); if it reads ahead, also `mask`.
        size: of its outputs.
        answers: classes, or 1 for a number.
        each: whether every step is answered, or only the last real one.
        padded: whether steps of zeros at the end are padding.
        ahead: whether outputs depend on later inputs, so that padding must be masked.
    """

    def __init__(
        self, network: nn.Module, size: int, answers: int, *, each: bool, padded: bool = False, ahead: bool = False,
        device: torch.device | None = None,
    ):  # fmt: skip
        super().__init__()
        self.network, self.each, self.padded, self.ahead = network, each, padded, ahead
        self.head = nn.Linear(size, answers, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, T, K] or [N, K]; numbers [N, 1]."""
        x = x.to(self.head.weight.dtype)
        mask = x.ne(0).any(2) if self.padded else None
        outputs, _ = self.network(x, mask=mask) if self.ahead and self.padded else self.network(x)
        return self.head(outputs if self.each else last_real(outputs, mask))


def answer_loss(answers: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of numbers [N, 1], or mean cross-entropy in nats of the classes that are asked.

    Raises:
        ValueError: answers and targets do not fit.
    """
    fits = (len(y), 1) if y.is_floating_point() else (*y.shape, answers.shape[-1])
    if answers.shape != fits:
        raise ValueError(f"answers {tuple(answers.shape)} do not fit targets {tuple(y.shape)}")
    if y.is_floating_point():
        return F.mse_loss(answers[:, 0], y.to(answers.dtype))
    return F.cross_entropy(answers.flatten(0, -2), y.flatten(), ignore_index=UNASKED)


def answer_measures(answers: Tensor, y: Tensor) -> dict[str, float]:
    """`mse` of numbers; of classes `nll`, `accuracy`, `error`, and, of several answers a sequence, `all_correct`."""
    loss = answer_loss(answers.double(), y).item()
    if y.is_floating_point():
        return {"mse": loss}
    asked = y != UNASKED
    right = answers.argmax(-1) == y
    accuracy = right[asked].double().mean().item()
    found = {"nll": loss, "accuracy": accuracy, "error": 1 - accuracy}
    return found if y.ndim == 1 else {**found, "all_correct": (right | ~asked).all(1).double().mean().item()}


def gate_maps(gates: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> Panels:
    """Gates, from 0 to 1, and other values [1, T, H] of one sequence, by their names."""
    heats = [Heat(gate[0].T, "step", "unit", name, limits=(0, 1)) for name, gate in gates.items()]
    heats += [Heat(value[0].T, "step", "unit", name, diverging=True) for name, value in values.items()]
    return Panels(heats, columns=2, caption=GATES)


class SequenceTask(Recipe[C]):
    """A recurrent network and a linear head, trained by gradients through whole sequences.

    Attributes:
        ahead: whether the network's outputs depend on later inputs; it is given `mask` then where there is padding.
    """

    state = ("model", "optimizer")
    parallel = "gradients"
    ahead: ClassVar[bool] = False

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        if data.kind != "images":
            return {"steps": data["train"].x.shape[1]}
        if not data.facts["classes"]:
            raise UsageError("these pictures have no classes: put the images into one folder per class")
        shift, scale = data["train"].channel_statistics()
        return {"shift": shift, "scale": scale}

    @abstractmethod
    def network(self, features: int) -> tuple[nn.Module, int]:
        """The recurrent network for so many numbers a step, on the run's device, and the size of its outputs."""

    def scanned(self) -> nn.Module:
        """From pictures to sequences."""
        return Rows(self.facts["shift"], self.facts["scale"])

    def build(self) -> None:
        config, run, reader = self.config, self.run, self.facts["reader"]
        pictures = reader["kind"] == "images"
        features = reader.get("features", 0)
        if pictures:
            self.preprocess = self.scanned().to(run.device)
            example = torch.zeros(1, reader["channels"], *reader["size"], device=run.device)
            features = self.preprocess(example).shape[2]
        network, size = self.network(features)
        self.classes = reader.get("classes") or ()
        self.model = Answering(
            network, size, len(self.classes) or 1, each=bool(self.classes) and not pictures,
            padded=reader.get("padded", False), ahead=self.ahead, device=run.device,
        )  # fmt: skip
        self.monitor = ("valid/nll" if self.classes else "valid/mse", "min")
        self.optimizer = optimizer_of(config, self.model)
        self.portions = Portions()

    def prepared(self, x: Tensor) -> Tensor:
        """What the model takes, on the run's device."""
        x = self.run.to(x)
        return x if self.preprocess is None else self.preprocess(x)

    def answers(self, x: Tensor) -> Tensor:
        """Of any number of raw sequences, some at a time, on the CPU."""
        return self.portions(lambda part: self.model(self.prepared(part)), x, of="answers").cpu()

    def loss(self, answers: Tensor, y: Tensor) -> Tensor:
        """What is trained."""
        return answer_loss(answers, y)

    def step(self, step: int) -> Mapping[str, Tensor]:
        config, run = self.config, self.run
        rows = run.examples(run.data["train"], config.batch)
        # Where sequences differ in length, processes differ in how many answers their means are taken over.
        count = int((rows.y != UNASKED).sum()) if self.model.padded else None
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        loss = self.loss(self.model(self.prepared(rows.x)), run.to(rows.y))
        loss = run.backward(loss, self.model, count=count)
        norm = clip_in_step(self.optimizer, config.clip)
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def evaluate(self, split: str) -> Metrics:
        rows = self.run.data[split]
        return answer_measures(self.answers(rows.x), rows.y)

    # Pictures

    def one(self) -> Tensor:
        """A held-out sequence [1, T, F] as the network takes it."""
        return self.prepared(self.run.data[self.run.pictured].x[:1]).to(self.model.head.weight.dtype)

    def figures(self) -> Mapping[str, Any]:
        rows = self.run.data[self.run.pictured]
        x, y = rows.x[:1000], rows.y[:1000]
        answers = self.answers(x)
        if not self.classes:
            ends = [min(y.min(), answers.min()).item(), max(y.max(), answers.max()).item()]
            points, line = (
                Line(answers[:, 0], y, "sequences", style="."),
                Line(ends, ends, "right", style="--", colour=-1),
            )
            return {"answers": Plot([points, line], "true number", "answered number", equal=True, caption=NUMBERS)}
        if y.ndim == 1:
            heat = confusion_figure(
                answers, y, self.classes, x=x, across="answered class", caption=CONFUSION, limits=(0, 1)
            )
            return {"confusion": heat}
        asked, guesses = y != UNASKED, answers.argmax(2)
        times = asked.sum(0)
        right = ((guesses == y) & asked).sum(0) / times  # nothing asked: NaN, which is left out
        by_step = Plot([Line(right, style=".-")], "step", "share of right answers", y_range=(0, 1.02), caption=BY_STEP)
        symbols = self.facts["reader"].get("symbols")
        return {"by_step": by_step, **({"table": self.table(symbols, x, y, guesses)} if symbols else {})}

    def table(self, symbols: list[str], x: Tensor, y: Tensor, guesses: Tensor) -> Any:
        """The ends of some sequences, where most is asked."""
        lines = []
        for read, asked, answered in zip(x[:SHOWN], y[:SHOWN], guesses[:SHOWN], strict=True):
            real = read.any(1)
            told = {"read": "".join(symbols[k] for k in read[real].argmax(1))}
            for name, row in (("asked", asked), ("answered", torch.where(asked == UNASKED, asked, answered))):
                told[name] = "".join("." if k == UNASKED else self.classes[k] for k in row[real].tolist())
            lines += [f"{name:8}  {text[-STEPS_SHOWN:]}" for name, text in told.items()] + [""]
        return shown.table(lines[:-1], TABLE)


class ExportedTask(SequenceTask[C], Exports):
    """A `SequenceTask` whose network can be written in ONNX for any number of sequences."""

    def export(self) -> Export:
        """Raw pictures, or sequences of as many steps as those of training, to probabilities or numbers."""
        reader, device = self.facts["reader"], self.run.device
        answers = ("probabilities",) if self.classes else ("number",)
        module = nn.Sequential(self.model, nn.Softmax(-1)) if self.classes else self.model
        about = {"task": "classify", "classes": list(self.classes)} if self.classes else {"task": "number"}
        if self.preprocess is not None:
            shape = (reader["channels"], *reader["size"])
            return raw_export(nn.Sequential(self.preprocess, *module), shape, reader, device, answers, about)
        if "steps" not in self.facts:
            raise UsageError("this run was made by a version that did not keep how long its sequences are: train again")
        example = torch.zeros(2, self.facts["steps"], reader["features"], device=device)
        return Export(module, (example,), ("sequences",), answers, {**about, "symbols": reader.get("symbols")})
