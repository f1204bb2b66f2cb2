"""Grid LSTM: deep networks with a memory along depth, on parity, addition and other sequences.

Task: the parity of bits that are given all at once (`parity`, one dimension: depth), the sum of two
numbers digit by digit (`addition`, two dimensions: time and depth), the class of a picture (three:
rows, columns and depth), or other sequences. Data: sequences, images. Metrics: cross-entropy and
accuracy, or squared error if the answers are numbers. Kalchbrenner et al. learn the parity of up to
250 bits, and 15-digit addition at more than 99 % with 18 tied layers where stacked LSTMs reach
51 %. The same training takes networks without a memory along depth (`--network`) to compare with.

Twenty layers learn the parity of 20 bits from each of three seeds within 6,000 steps. Of plain
networks of 20 layers, as many steps from the same uniform weights, those of rectified units stay at
chance and those of tanh units reach 58 to 74 % (three seeds each); with He's initial weights and
rectified units, which this recipe does not have, one learned parity too.

    deepcanon train grid-lstm --data parity --length 20 --dims 1 --layers 20 --projection equal
    deepcanon train grid-lstm --data addition --digits 2 --layers 4
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import Examples, Number, Placed, SequenceTraining
from deepcanon.targets import ANSWERS, target

SYSTEM = "sequence.grid_lstm"
DATA = ("sequences", "images")
METRICS = ANSWERS
CHANCE = "20 layers of 64 units; half of the strings are even"
TARGETS = (
    target(
        "parity", "worst test/accuracy >= 1", "P", "20 bits at once, arXiv:1507.01526, section 4.1"
    ),
    target("parity_relu", "test/accuracy <= 0.55", "P", CHANCE),
    target("parity_tanh", "test/accuracy <= 0.55", "P", CHANCE),
    target(
        "addition - addition_stacked", "test/accuracy >= 0", "P", "equal examples, layers, units"
    ),
)


@dataclass(frozen=True, kw_only=True)
class Config(SequenceTraining, Placed, Examples):
    dims: Literal[1, 2, 3] = 2
    """Dimensions, depth among them: 1 gives all of a sequence at once, 2 reads it in time, 3 reads
    pictures."""
    tied: bool = True
    """All layers share their weights."""
    priority: bool = False
    """Depth sees what the other dimensions have just computed."""
    forget_bias: Number = 1.0
    """Initial bias of the forget gates."""
    projection: Literal["uniform", "equal"] = "uniform"
    """Initial weights of the first layer: drawn one by one; or, with one dimension, the same for
    all inputs of a unit, 1 or -1, so that units see how many bits are set."""
    network: Literal["grid", "stacked", "tanh", "relu"] = "grid"
    """The grid; layers of LSTM (two dimensions); or a plain network of as many layers (one)."""
    hidden: int = 64
    layers: int = 6
    batch: int = 64
    learning_rate: float = 3e-3


ONCE = Config(dims=1, length=20, layers=20, projection="equal", batch=256)
PARITY = {"data": "parity", "steps": 6000}
SUMS = Config(digits=2, layers=4, learning_rate=5e-3)
ADDITION = {"data": "addition", "steps": 2000}
PAPER = Config(digits=15, layers=18, hidden=400, batch=15, learning_rate=1e-3, epochs=2500)
PRESETS = {
    "smoke": (Config(digits=1, hidden=8, layers=2, batch=4), {"data": "addition", "steps": 20}),
    "default": (Config(digits=1), {"data": "addition", "options": {"layers": 3, "epochs": 20}}),
    "paper": (PAPER, {"data": "addition"}),
    "verify:parity": (ONCE, PARITY),
    "verify:parity_relu": (replace(ONCE, network="relu"), PARITY),
    "verify:parity_tanh": (replace(ONCE, network="tanh"), PARITY),
    "verify:addition": (SUMS, ADDITION),
    "verify:addition_stacked": (replace(SUMS, network="stacked"), ADDITION),
}

import itertools

import torch
from torch import nn

from deepcanon.data.sequences import UNASKED
from deepcanon.engine.figures import Heat
from deepcanon.errors import UsageError
from deepcanon.sequence.grid_lstm import GridLSTM
from deepcanon.sequence.lstm import LSTM
from deepcanon.techniques.sequence_tasks import ExportedTask, Rows

DEPTH = (
    "Memory along depth of a held-out example: layers that keep what they are given have equal "
    "rows, layers that compute change them."
)
FITS = {"stacked": 2, "tanh": 1, "relu": 1}  # dimensions that the other networks have


class Shaped(nn.Module):
    """A network on all of a sequence at once, or, given the sides of a picture, on its pixels."""

    def __init__(self, network, sides=None):
        super().__init__()
        self.network, self.sides = network, sides

    def forward(self, x, state=None):
        if self.sides:
            outputs, state = self.network(x.unflatten(1, self.sides))
            return outputs.flatten(1, 2), state
        found = self.network(x.flatten(1))
        outputs = found if isinstance(found, torch.Tensor) else found[0]
        return outputs[:, None].expand(-1, x.shape[1], -1), None


@torch.no_grad()
def equal_(layer):
    """Weights of 1 or -1, the same for all inputs of a unit; thresholds within its range."""
    signs = torch.randn_like(layer.bias).sign()
    layer.weight.copy_(signs[:, None].expand_as(layer.weight))
    layer.bias.uniform_(-1, 0).mul_(signs * layer.in_features)


class Recipe(ExportedTask[Config]):
    @classmethod
    def learn(cls, config, data):
        if (fits := FITS.get(config.network, config.dims)) != config.dims:
            raise UsageError(f"--network {config.network} has --dims {fits}, not {config.dims}")
        for name in ("tied", "priority", "forget_bias"):
            if config.network != "grid" and getattr(config, name) != getattr(Config, name):
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} is for --network grid: leave it out")
        if config.dims == 3 and data.kind != "images":
            raise UsageError("--dims 3 is for pictures, such as --data digits: give 1 or 2")
        if config.projection == "equal" and config.dims != 1:
            raise UsageError("--projection equal is for --dims 1: leave it out")
        y = data["train"].y
        if config.dims == 1 and y.ndim == 2 and (y != UNASKED).sum(1).max() > 1:
            raise UsageError("--dims 1 gives one answer for each sequence, and these ask for more")
        return super().learn(config, data)

    def scanned(self):
        shift, scale = self.facts["shift"], self.facts["scale"]
        return Rows(shift, scale, pixels=self.config.dims == 3)

    def network(self, features):
        c, device = self.config, self.run.device
        if c.network == "stacked":
            return LSTM(features, c.hidden, c.layers, device=device), c.hidden
        if c.dims == 1:
            features *= self.facts.get("steps") or self.facts["reader"]["size"][0]
        network: nn.Module
        if c.network == "grid":
            network = grid = GridLSTM(
                features,
                c.hidden,
                c.layers,
                c.dims,
                tied=c.tied,
                priority=c.priority,
                forget_bias=c.forget_bias,
                device=device,
            )
            first = grid.project
        else:
            unit = {"tanh": nn.Tanh, "relu": nn.ReLU}[c.network]
            widths = [features] + [c.hidden] * (c.layers + 1)
            pairs = itertools.pairwise(widths)
            linear = [nn.Linear(*pair, device=device) for pair in pairs]
            network, first = nn.Sequential(*(m for one in linear for m in (one, unit()))), linear[0]
        if c.projection == "equal":
            equal_(first)
        if c.dims == 2:
            return network, c.hidden
        return Shaped(network, self.facts["reader"]["size"] if c.dims == 3 else None), c.hidden

    def export(self):
        cells = "each cell of a grid over pictures becomes a part of its graph"
        why = f"{cells}, which takes many minutes: give --format torch"
        return super().export()._replace(no_onnx=why if self.config.dims == 3 else "")

    @torch.no_grad()
    def figures(self):
        c, shown = self.config, super().figures()
        if c.network != "grid":
            return shown
        x = self.one()
        if c.dims == 2:
            grid = self.model.network
        else:
            grid = self.model.network.network
            x = x.flatten(1) if c.dims == 1 else x.unflatten(1, self.facts["reader"]["size"])
        memory = grid.trace(x).memory[:, 0].cpu()  # [layers, *sides, hidden]
        if c.dims == 1:
            return {**shown, "depth": Heat(memory, "unit", "layer", diverging=True, caption=DEPTH)}
        size = memory.abs().mean(-1).flatten(1)
        heat = Heat(size, "step", "layer", unit="mean absolute memory", caption=DEPTH)
        return {**shown, "depth": heat}
