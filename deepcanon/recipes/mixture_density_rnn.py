"""Mixture density RNN: the density of the next values of a series, and forecasts with bands.

Task: the next values of a series. Data: a CSV whose rows follow each other in time, several columns
of numbers, with dates or without; or the generated `ar2`, whose exact density is known. Metric:
test/nll, nats per step for all columns together, of a density in the series' own units: so it may
be negative and depends on the units. On `ar2` no model has less than 0.3048 on average; ours has
0.0004 more (excess; three seeds, 30 CPU seconds each). `generate` samples continuations: `--length`
steps ahead, a CSV of bands and a picture.

    deepcanon train mixture-density-rnn --data my.csv
"""

from dataclasses import dataclass

from deepcanon.options import Count, Positive, SequenceTraining, Series
from deepcanon.targets import metric, target

SYSTEM = "sequence.mixture_density_rnn"
DATA = ("sequences", "series")
METRICS = {
    "nll": metric("mean negative log density of the next values", "nats per step", "min"),
    "mse": metric(
        "squared error of the mean, over the training variance; mean of columns", "", "min"
    ),
    "excess": metric("nll above that of the process that made the data", "nats per step", "min"),
}
TARGETS = (
    target("ar2", "test/excess <= 0.00305", "X", "1 % of the entropy rate of the process, 0.30479"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Series, SequenceTraining):
    components: Count = 5
    """Gaussians of the mixture."""
    correlated: bool = True
    """Whether columns may be correlated within a Gaussian."""
    floor: Positive = 1e-3
    """Smallest standard deviation of a Gaussian, as a share of a column's."""
    difference: bool = False
    """Learn the changes from row to row, for series that drift; forecasts are of the values."""
    window: Count = 100
    """Maximum number of rows in a piece of a series."""
    hidden: Count = 64
    batch: Count = 32
    epochs: Count = 300
    horizon: Count = 50
    """Steps ahead in the pictures."""


FEW = {"epochs": 30, "components": 2, "horizon": 20}
PRESETS = {
    "smoke": (Config(hidden=8, batch=4, components=2, length=20), {"data": "ar2", "steps": 30}),
    "default": (Config(), {"data": "ar2", "options": FEW}),
    # The sizes of section 4.2, for other data than its handwriting.
    "paper": (
        Config(hidden=400, layers=3, components=20, learning_rate=1e-4),
        {"data": "ar2"},
    ),
    "verify:ar2": (
        Config(components=2, learning_rate=4e-3),
        {"data": "ar2", "steps": 3000, "evaluate_every": 1000},
    ),
}

import torch

from deepcanon.parts.clipping import clip_in_step
from deepcanon.sequence.mixture_density_rnn import MixtureDensityRNN
from deepcanon.techniques.forecasting import Forecaster
from deepcanon.techniques.optimizers import optimizer_of, set_rate
from deepcanon.techniques.schedules import scheduled


class Recipe(Forecaster[Config]):
    state = ("model", "optimizer")

    def build(self):
        super().build()
        config = self.config
        self.model = MixtureDensityRNN(
            len(self.names),
            config.hidden,
            config.layers,
            components=config.components,
            correlated=config.correlated,
            floor=config.floor,
            device=self.run.device,
        )
        self.optimizer = optimizer_of(config, self.model)

    def step(self, step):
        config, run = self.config, self.run
        rate = config.learning_rate * scheduled(config, step, run.steps)
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        loss = self.losses(self.prepared(self.pieces())).mean()
        loss = run.backward(loss, self.model)
        norm = clip_in_step(self.optimizer, config.clip)
        rate = torch.tensor(rate, dtype=torch.float64)
        return {"loss": loss, "gradient_norm": norm, "learning_rate": rate}
