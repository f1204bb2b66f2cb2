"""Rectified recurrent network that starts as the identity, on tasks with long lags.

Task: the sum of two marked numbers in a sequence (`adding`), the digit of a picture that is read
row by row (`--data mnist`) or pixel by pixel (`--pixels`), or other sequences. Data: sequences,
images. Metrics: mean squared error where the answer is a number (always answering 1 has 1/6);
cross-entropy and accuracy where it is a class. `--network` trains the networks that Le et al.
compare with: tanh or rectified units with usual weights, and an LSTM. They report 97 % on the
pixels of MNIST and 65 % with an LSTM, which takes days on a CPU. Ours reads MNIST row by row with
98.6 %. On the adding problem over 150 steps 24,000 steps of 16 sequences bring it to 0.0003 (three
seeds); after 8,000 it had learned nothing.

    deepcanon train identity-rnn --data adding --length 150
    deepcanon train identity-rnn --data adding --length 150 --network tanh
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.options import Examples, NonNegative, Number, Placed, Positive, SequenceTraining
from deepcanon.targets import ANSWERS, target

SYSTEM = "sequence.identity_rnn"
DATA = ("sequences", "images")
METRICS = ANSWERS
SOLVED = "length 150, as in arXiv:1504.00941, section 4.1; always answering 1 has 1/6"
TARGETS = (
    target("adding", "test/mse <= 0.02", "P", SOLVED),
    target("adding_tanh", "test/mse >= 0.15", "P", "the same steps; usual initial weights"),
    target("adding - adding_lstm", "test/mse <= 0.01", "P", "as good as an LSTM, section 4.1"),
    target("rows", "test/accuracy >= 0.98", "P", "MNIST in 28 rows, 100 units"),
    target("rows - rows_tanh", "test/accuracy >= -0.01", "P", "as good as tanh units"),
    target("rows - rows_lstm", "test/accuracy >= -0.01", "P", "as good as an LSTM"),
)


@dataclass(frozen=True, kw_only=True)
class Config(SequenceTraining, Placed, Examples):
    network: Literal["identity", "relu", "tanh", "lstm"] = "identity"
    """Rectified units that start as the identity; rectified or tanh units with uniform initial
    weights; or an LSTM."""
    scale: NonNegative = 1.0
    """Recurrent weights start as the identity times this; below 1 the network starts forgetful."""
    input_std: Positive = 0.001
    """Standard deviation of the other initial weights of an identity network."""
    forget_bias: Number = 1.0
    """Initial bias of an LSTM's forget gates."""
    pixels: bool = False
    """Read pictures pixel by pixel instead of row by row."""
    hidden: int = 100
    batch: int = 16
    learning_rate: float = 1e-3


FAST = {"epochs": 100, "learning_rate": 3e-3}
LONG = Config(length=150)
ADDING = {"data": "adding", "steps": 24_000}
ROWS = Config(batch=128, learning_rate=2e-3)
MNIST = {"data": "mnist", "steps": 6500}
PRESETS = {
    "smoke": (Config(length=10, hidden=8, batch=4), {"data": "adding", "steps": 30}),
    "default": (Config(length=50), {"data": "adding", "options": FAST}),
    "paper": (Config(pixels=True, epochs=300), {"data": "mnist"}),
    "verify:adding": (LONG, ADDING),
    "verify:adding_tanh": (replace(LONG, network="tanh"), ADDING),
    "verify:adding_lstm": (replace(LONG, network="lstm"), ADDING),
    "verify:rows": (ROWS, MNIST),
    "verify:rows_tanh": (replace(ROWS, network="tanh"), MNIST),
    "verify:rows_lstm": (replace(ROWS, network="lstm"), MNIST),
}

import torch

from deepcanon.engine.figures import Heat, Line, Panels, Plot
from deepcanon.errors import UsageError
from deepcanon.sequence.identity_rnn import SimpleRNN, gradient_by_step
from deepcanon.sequence.lstm import LSTM
from deepcanon.techniques.sequence_tasks import ExportedTask, Rows

SEEN = 100  # held-out sequences whose gradients are averaged
LAGS = (
    "Gradient of the last outputs by the step whose input it reaches: a curve that falls to the "
    "left forgets. Next to it the hidden vectors over a held-out sequence."
)


class Recipe(ExportedTask[Config]):
    @classmethod
    def learn(cls, config, data):
        if config.pixels and data.kind != "images":
            raise UsageError("--pixels is for pictures: leave it out, or give some as --data mnist")
        own = {"identity": ("scale", "input_std"), "lstm": ("forget_bias",)}
        for network, names in own.items():
            for name in names:
                if network != config.network and getattr(config, name) != getattr(Config, name):
                    option = name.replace("_", "-")
                    raise UsageError(f"--{option} is for --network {network}: leave it out")
        return super().learn(config, data)

    def scanned(self):
        return Rows(self.facts["shift"], self.facts["scale"], self.config.pixels)

    def network(self, features):
        c = self.config
        sizes = (features, c.hidden, c.layers)
        if c.network == "lstm":
            return LSTM(*sizes, forget_bias=c.forget_bias, device=self.run.device), c.hidden
        network = SimpleRNN(
            *sizes,
            nonlinearity="tanh" if c.network == "tanh" else "relu",
            scale=c.scale if c.network == "identity" else None,
            input_std=c.input_std,
            device=self.run.device,
        )
        return network, c.hidden

    def build(self):
        super().build()
        if self.config.network == "identity":
            torch.nn.init.normal_(self.model.head.weight, 0.0, self.config.input_std)
            torch.nn.init.zeros_(self.model.head.bias)

    def figures(self):
        x = self.prepared(self.run.data[self.run.pictured].x[:SEEN])
        x = x.to(self.model.head.weight.dtype)
        norms = gradient_by_step(self.model.network, x)
        with torch.no_grad():
            hidden, _ = self.model.network(x[:1])
        panels = [
            Plot([Line(norms.cpu(), style="-")], "step", "norm of the gradient", log="y"),
            Heat(hidden[0].T.cpu(), "step", "unit", "hidden vector", diverging=True),
        ]
        return {**super().figures(), "memory": Panels(panels, columns=2, caption=LAGS)}
