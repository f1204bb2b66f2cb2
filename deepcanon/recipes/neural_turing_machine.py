"""Neural Turing machine: copying, repeating and recalling bits, beyond the lengths of training.

Task: reproduce bits that were shown (`bit-copy`, with --task copy, repeat or recall). Data:
sequences. Metrics: cost in bits per sequence, and wrong bits per sequence at the longest length of
training and at three and five times that length. Graves et al. 2014 learn to copy up to 20 vectors
at a cost of nearly 0, and up to 120 are copied with few errors; an LSTM (`--network lstm`) fails
beyond 20. Ours after 4,000 steps of 16 sequences: at 60 vectors 0, 0 and 9.6 wrong bits of 480
(three seeds), an LSTM with a hundred times the parameters 45 to 47 %.

    deepcanon train neural-turing-machine --data bit-copy
    deepcanon train neural-turing-machine --data bit-copy --task repeat --longest 10
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import Count, SequenceTraining
from deepcanon.targets import metric, target

SYSTEM = "sequence.neural_turing_machine"
DATA = ("sequences",)
METRICS = {
    "bits": metric("cost of all bits to reproduce", "bits per sequence", "min"),
    "wrong": metric("wrong bits, lengths as in training", "bits per sequence", "min"),
    "bits_1": metric("cost at the longest length of training", "bits per sequence", "min"),
    "wrong_1": metric("wrong bits at the longest length of training", "bits per sequence", "min"),
    "wrong_3": metric("wrong bits at three times that length", "bits per sequence", "min"),
    "wrong_5": metric("wrong bits at five times that length", "bits per sequence", "min"),
    "share_3": metric("share of bits that are wrong at three times that length", "share", "min"),
}
TARGETS = (
    target("copy", "test/bits_1 <= 0.1", "P", "20 vectors; nearly 0 in arXiv:1410.5401, figure 3"),
    target("copy", "test/wrong_3 <= 1", "P", "60 vectors, 480 bits; figure 4 there"),
    target("copy", "worst cpu_minutes <= 15", "P", "a quarter of an hour of one core"),
    target("copy", "test/wrong_5 <= 10", "P", "100 vectors, 800 bits; figure 4 there"),
    target("copy_lstm", "worst test/share_3 >= 0.3", "P", "3 layers of 256; figure 5 there"),
)


@dataclass(frozen=True, kw_only=True)
class Config(SequenceTraining):
    network: Literal["ntm", "lstm"] = "ntm"
    """A neural Turing machine, or an LSTM of `hidden` units in `layers` layers."""
    controller: Literal["feedforward", "lstm"] = "feedforward"
    """The network that controls the heads: one layer of `hidden` units, or an LSTM."""
    places: Count = 128
    """Number of memory locations, three or more."""
    width: Count = 20
    """Numbers stored at a location."""
    heads: Count = 1
    """Number of read heads, and of write heads."""
    hidden: int = 100
    batch: int = 16
    learning_rate: float = 1e-3
    clip: float = 10.0


SMALL = Config(longest=3, hidden=24, places=8, width=8, batch=4, learning_rate=0.02)
COPY = {"data": "bit-copy", "steps": 10_000, "evaluate_every": 1000}
PRESETS = {
    "smoke": (SMALL, {"data": "bit-copy", "steps": 20, "threads": 1}),
    "default": (Config(), {"data": "bit-copy", "options": {"longest": 8, "epochs": 30}}),
    "paper": (Config(learning_rate=1e-4), {"data": "bit-copy", "options": {"epochs": 500}}),
    "verify:copy": (Config(), COPY),
    "verify:copy_lstm": (replace(Config(), network="lstm", hidden=256, layers=3), COPY),
}

import torch

from deepcanon.errors import UsageError
from deepcanon.sequence.lstm import LSTM
from deepcanon.sequence.neural_turing_machine import NTM
from deepcanon.techniques.bit_tasks import BitTask, drawn_heads

MEMORY = ("controller", "places", "width", "heads")


class Recipe(BitTask[Config]):
    @classmethod
    def learn(cls, config, data):
        idle = MEMORY if config.network == "lstm" else ("layers",)
        for name in idle:
            if getattr(config, name) != getattr(Config, name):
                raise UsageError(
                    f"--{name} has no effect with --network {config.network}: leave it out"
                )
        return super().learn(config, data)

    def network(self, inputs, outputs):
        c, device = self.config, self.run.device
        if c.network == "ntm":
            return NTM(
                inputs,
                outputs,
                units=c.hidden,
                places=c.places,
                width=c.width,
                heads=c.heads,
                controller=c.controller,
                device=device,
            )
        return torch.nn.ModuleDict(
            {
                "lstm": LSTM(inputs, c.hidden, c.layers, device=device),
                "head": torch.nn.Linear(c.hidden, outputs, device=device),
            }
        )

    def logits(self, x):
        if self.config.network == "ntm":
            return self.model(x)[0]
        head = self.model["head"]
        return head(self.model["lstm"](x.to(head.weight.dtype))[0])

    def figures(self):
        found = super().figures()
        if self.config.network == "ntm":
            found["heads"] = drawn_heads(
                self.model.trace(self.run.to(self.shown().x)), self.config.heads
            )
        return found
