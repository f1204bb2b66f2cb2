"""Long short-term memory on tasks with long time lags, with pictures of its gates.

Task: the sum of two marked numbers in a sequence (`adding`), ten symbols after a delay (`copying`),
or any other generated sequences. Data: sequences. Metrics: mean squared error where the answer is a
number (always answering 1 has 1/6); cross-entropy and accuracy where it is a class. Hochreiter and
Schmidhuber 1997 solve lags of 1,000 steps. Ours at a length of 200, with biases for such lags
(`--lag`): 0.0003 after 5,000 steps (three seeds, a minute on one core each). Copying over 100 steps
has not been learned here yet. Variants of later papers are options.

    deepcanon train lstm --data adding --length 200 --lag 200
"""

from dataclasses import dataclass

from deepcanon.options import Number, SequenceTraining, Whole
from deepcanon.targets import ANSWERS, target

SYSTEM = "sequence.lstm"
DATA = ("sequences",)
METRICS = ANSWERS
TARGETS = (
    target("adding", "test/mse <= 0.01", "P", "length 200; always answering 1 has 1/6"),
    target("copying", "test/nll <= 0.01733", "P", "a tenth of 10 ln 8 / 120, having forgotten all"),
)


@dataclass(frozen=True, kw_only=True)
class Config(SequenceTraining):
    forget_bias: Number = 1.0
    """Initial bias of the forget gates; the longer the lag, the larger."""
    lag: Whole = 0
    """Set the gates' initial biases for lags of up to this many steps instead; 0: do not."""
    peepholes: bool = False
    """Let the gates see the memory."""
    coupled: bool = False
    """Forget as much as is written: a forget gate of one minus the input gate."""
    layer_norm: bool = False
    """Normalise the sums and the memory of each step."""


LONG = Config(length=200, hidden=64, lag=200, learning_rate=3e-3)
DELAY = Config(length=100, lag=120, batch=32)
PRESETS = {
    "smoke": (Config(length=10, hidden=8, batch=4), {"data": "adding", "steps": 30}),
    "default": (Config(length=50), {"data": "adding", "options": {"epochs": 40, "lag": 50}}),
    "paper": (Config(length=1000, hidden=64, lag=1000, epochs=500), {"data": "adding"}),
    "verify:adding": (LONG, {"data": "adding", "steps": 5000}),
    "verify:copying": (DELAY, {"data": "copying", "steps": 20_000}),
}

from deepcanon.parts.recurrence import lag_biases_
from deepcanon.sequence.lstm import LSTM
from deepcanon.techniques.sequence_tasks import ExportedTask, gate_maps


class Recipe(ExportedTask[Config]):
    def network(self, features):
        c = self.config
        network = LSTM(
            features,
            c.hidden,
            c.layers,
            forget_bias=c.forget_bias,
            peepholes=c.peepholes,
            coupled=c.coupled,
            layer_norm=c.layer_norm,
            device=self.run.device,
        )
        for layer in range(c.layers if c.lag else 0):
            lag_biases_(network.get_parameter(f"bias_ih_l{layer}"), c.hidden, c.lag)
        return network, c.hidden

    def figures(self):
        trace = self.model.network.trace(self.one())
        gates = {f"{name} gate": getattr(trace, name) for name in ("input", "forget", "output")}
        return {**super().figures(), "gates": gate_maps(gates, {"memory": trace.cell})}
