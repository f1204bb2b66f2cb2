"""What recipes share whose networks answer with bits at every step: costs in bits, longer sequences, pictures.

A recipe gives `network(inputs, outputs)` and `logits(x [N, T, I]) -> [N, T, O]`, and inherits the verbs.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepcanon.data.sequences import UNASKED
from deepcanon.data.splits import Dataset, Split
from deepcanon.data.tasks.bit_copy import longer
from deepcanon.engine.contract import Exports, Facts, Metrics, Recipe
from deepcanon.engine.export import Export
from deepcanon.engine.figures import Heat, Panels
from deepcanon.errors import UsageError
from deepcanon.options import SequenceTraining
from deepcanon.parts.clipping import clip_in_step
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled

__all__ = ["BitTask", "bit_loss", "bit_measures", "drawn_heads"]

C = TypeVar("C", bound=SequenceTraining)
FACTORS = (1, 3, 5)  # times the longest length of training
COUNT = 50  # sequences of each of these lengths
TOGETHER = 50
ANSWERS = "A held-out sequence, step by step: what is shown, what is asked (blank: nothing), and what is answered."
HEADS = (
    "Where the heads are at every step of that sequence: a machine that has learned to copy writes to one place after "
    "another, goes back, and reads the same places. Below, what it adds to the memory."
)


def _asked(y: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """The bits [N, T, O] as numbers, and 1 where one is asked."""
    return y.clamp(min=0).to(like.dtype), (y != UNASKED).to(like.dtype)


def bit_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy of the bits that are asked, in nats."""
    bits, asked = _asked(y, logits)
    return F.binary_cross_entropy_with_logits(logits, bits, asked, reduction="sum") / asked.sum().clamp(min=1)


def bit_measures(logits: Tensor, y: Any) -> tuple[float, float, float]:
    """Cost in bits per sequence, wrong bits per sequence, and the share of bits that are wrong."""
    bits, asked = _asked(y, logits)
    cost = F.binary_cross_entropy_with_logits(logits.double(), bits.double(), asked.double(), reduction="sum")
    wrong = (((logits > 0) != (bits > 0)) & (asked > 0)).sum().item()
    return cost.item() / math.log(2) / len(y), wrong / len(y), wrong / max(1.0, asked.sum().item())


def drawn_heads(trace: Any, heads: int) -> Panels:
    """The weights of all heads over a sequence, and what was added."""
    weights, added = trace.weights[0].cpu(), trace.added[0].cpu()
    names = [f"{kind}{f' {n + 1}' if heads > 1 else ''}" for kind in ("reads", "writes") for n in range(heads)]
    shown = [Heat(weights[:, h].T, "step", "place", name, limits=(0, 1)) for h, name in enumerate(names)]
    shown += [Heat(added[:, h].T, "step", "number", "added", diverging=True) for h in range(heads)]
    return Panels(shown, columns=2, caption=HEADS)


class BitTask(Recipe[C], Exports):
    """A network trained by gradients to answer with bits."""

    state = ("model", "optimizer")
    parallel = "gradients"
    monitor = ("valid/bits", "min")
    model: Any

    @classmethod
    def learn(cls, config: C, data: Dataset) -> Facts:
        if "bits" not in data.facts:
            raise UsageError("these sequences do not ask for bits: give some that do, such as --data bit-copy")
        shape = data["train"].x.shape
        return {"steps": shape[1], "answers": data["train"].y.shape[2]}  # type: ignore[union-attr]

    @abstractmethod
    def network(self, inputs: int, outputs: int) -> nn.Module:
        """On the run's device."""

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """Of every step [N, T, O]."""

    def build(self) -> None:
        self.model = self.network(self.facts["reader"]["features"], self.facts["answers"])
        self.optimizer = optimizer_of(self.config, self.model)

    def step(self, step: int) -> Mapping[str, Tensor]:
        config, run = self.config, self.run
        rows = run.examples(run.data["train"], config.batch)
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        count = int((rows.y != UNASKED).sum())  # processes differ in it
        loss = run.backward(bit_loss(self.logits(run.to(rows.x)), run.to(rows.y)), self.model, count=count)
        norm = clip_in_step(self.optimizer, config.clip)
        return {"loss": loss, "gradient_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def answers(self, x: Tensor) -> Tensor:
        """The logits of any number of sequences, on the CPU."""
        return torch.cat([self.logits(self.run.to(part)).cpu() for part in x.split(TOGETHER)])

    def beyond(self, factor: int) -> Split:
        """Sequences of so many times the longest length of training, the same in every run."""
        task = self.facts["reader"]["task"]
        length = (6 if task == "recall" else self.config.longest) * factor
        return longer(task, length, COUNT, torch.Generator().manual_seed(factor))

    def evaluate(self, split: str) -> Metrics:
        rows = self.run.data[split]
        bits, wrong, _ = bit_measures(self.answers(rows.x), rows.y)
        found = {"bits": bits, "wrong": wrong}
        for factor in FACTORS if split != "train" else ():
            rows = self.beyond(factor)
            bits, wrong, share = bit_measures(self.answers(rows.x), rows.y)
            found[f"wrong_{factor}"] = wrong
            found |= {"bits_1": bits} if factor == 1 else {"share_3": share} if factor == 3 else {}
            self.run.breathe()
        return found

    def shown(self) -> Split:
        """A sequence [1, T, I] of the longest length of training."""
        rows = self.beyond(1)
        return rows.take(torch.tensor([0]))

    def figures(self) -> dict[str, Any]:
        one = self.shown()
        answered = self.logits(self.run.to(one.x))[0].sigmoid().cpu()
        truth: Any = one.y
        asked = truth[0].double()
        asked[asked < 0] = math.nan
        heats = [
            Heat(values.T, "step", "bit", name, limits=(0, 1))
            for name, values in (("shown", one.x[0]), ("asked", asked), ("answered", answered))
        ]
        return {"answers": Panels(heats, columns=1, caption=ANSWERS)}

    def export(self) -> Export:
        """Sequences of as many steps as the longest of training, to the probability of each bit."""
        example = torch.zeros(2, self.facts["steps"], self.facts["reader"]["features"], device=self.run.device)
        about = {"task": "bits", "bits": self.facts["answers"]}
        return Export(_Answers(self), (example,), ("sequences",), ("probabilities",), about)


class _Answers(nn.Module):
    """The logits of a recipe as a module."""

    def __init__(self, recipe: Any):
        super().__init__()
        self.model, self.logits = recipe.model, recipe.logits

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(x))
