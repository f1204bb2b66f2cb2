"""The learning-rate range test on your own data: the rate rises step by step until the loss explodes.

Task: choose a learning rate for a classifier by short training. Data: images or the number columns of a table. Metric:
the rate at the minimum of the smoothed training loss, a suggested rate a tenth of it, and whether the curve has the
shape of a U. Papers show the shape and give no number; ours are in docs/results/learning_curves.json. The weights at
the minimum are kept, so that the test leaves a trained network too. Ten seconds on one core.

    deepcanon train learning-curves --data mnist
"""

from dataclasses import dataclass
from typing import Literal

SYSTEM = "foundations.learning_curves"
DATA = ("images", "tables")
TARGETS = (
    {"run": "mnist", "metric": "test/inside", "relation": "==", "value": 1.0, "tolerance": 0.0, "mark": "P",
     "source": "A19: the minimum lies strictly inside the range, and the loss rises behind it", "statistic": "worst"},
    {"run": "mnist", "metric": "test/rise", "relation": ">=", "value": 1.5, "mark": "P", "statistic": "worst",
     "source": "A19: loss at the largest rate over the minimum, capped at 100 where it is no number"},
    {"run": "mnist-sgd", "metric": "test/inside", "relation": "==", "value": 1.0, "tolerance": 0.0, "mark": "P",
     "source": "A19: the same without momentum", "statistic": "worst"},
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    hidden: tuple[int, ...] = (256, 256)
    """Units of each hidden layer."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum, or AdamW."""
    momentum: float = 0.9
    """Share of the last update that sgd keeps."""
    lowest: float = 1e-5
    """Rate of the first step."""
    highest: float = 10.0
    """Rate of the last step."""
    keep: float = 0.9
    """Memory of the smoothed loss."""
    factor: float = 1.5
    """The loss has risen where it is so many times its minimum."""
    stop_at: float = 20.0
    """The test ends where the loss is so many times the smoothed minimum, or no number."""
    batch: int = 128
    """Examples per step."""
    length: int = 500
    """Steps of the test, where none are given."""
    size: int = 0
    """Images: side in pixels; 0 as they are."""
    channels: int = 0
    """Images: 1 grey, 3 colour; 0 as they are."""
    target: str = ""
    """Tables: the column with the class; the last if not given."""
    valid_share: float = 0.1
    """Share of the training data that is held out for validation."""
    test_share: float = 0.1
    """Share that is held out for the test where the data bring none."""


def smoke():
    return Config(hidden=(16,), batch=32), {"data": "digits", "steps": 60}


def default():
    return Config(batch=64), {"data": "digits"}


def paper():
    return Config(momentum=0.0), {"data": "mnist"}


def verify():
    settings = {"data": "mnist", "threads": 1}
    return {"mnist": (Config(), settings), "mnist-sgd": (Config(momentum=0.0, highest=100.0), settings)}


import copy
import math

import torch
from torch import nn

from deepcanon.engine import Classifier, require_classes
from deepcanon.engine.errors import UsageError
from deepcanon.foundations.learning_curves import diagnose, range_rate, read_range, smooth
from deepcanon.foundations.mlp import MLP
from deepcanon.parts.classification import cross_entropy
from deepcanon.parts.standardize import Standardize, channel_statistics


class Curve:
    """The rates and losses of the steps so far."""

    def __init__(self):
        self.rates, self.losses = [], []

    def add(self, rate: float, loss: float) -> None:
        self.rates, self.losses = [*self.rates, rate], [*self.losses, loss]

    def tensors(self):
        return torch.tensor(self.rates, dtype=torch.float64), torch.tensor(self.losses, dtype=torch.float64)

    def state_dict(self) -> dict:
        return {"rates": list(self.rates), "losses": list(self.losses)}

    def load_state_dict(self, state: dict) -> None:
        self.rates, self.losses = list(state["rates"]), [float(loss) for loss in state["losses"]]


class Recipe:
    state = ("model", "optimizer", "kept", "curve")
    monitor = None
    parallel = "gradients"
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        require_classes(data)
        if not (0 < config.lowest < config.highest and config.factor > 1 and config.stop_at > config.factor):
            raise UsageError("give 0 < --lowest < --highest and 1 < --factor < --stop-at")
        train = data["train"]
        shift, scale = channel_statistics(part.x for part in train.chunks())
        return {"shape": list(train.x.shape[1:]), "shift": shift, "scale": scale}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        features, reader = torch.Size(facts["shape"]).numel(), facts["reader"]
        self.model = MLP(features, len(reader["classes"]), hidden=config.hidden).to(run.device)
        self.kept = copy.deepcopy(self.model).requires_grad_(False)  # at the minimum of the smoothed loss
        self.preprocess = nn.Sequential(Standardize(facts["shift"], facts["scale"]), nn.Flatten()).to(run.device)
        self.classifier = Classifier(run, self.kept, self.preprocess, facts["shape"], reader)
        if config.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), config.lowest, config.momentum)
        else:
            self.optimizer = torch.optim.AdamW(self.model.parameters(), config.lowest)
        self.curve = Curve()

    def plan(self) -> int:
        return max(3, self.config.length)

    def step(self, step: int) -> dict:
        config, run = self.config, self.run
        rate = range_rate(step, max(run.steps, 2), config.lowest, config.highest)
        rows = run.batch(run.data["train"], config.batch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss = run.backward(cross_entropy(self.model(self.preprocess(rows.x)), rows.y), self.model)
        self.curve.add(rate, float(loss))
        smoothed = smooth(self.curve.tensors()[1], config.keep).nan_to_num(nan=math.inf)
        lowest = float(smoothed.min())
        if smoothed[-1] <= lowest:
            self.kept.load_state_dict(self.model.state_dict())
        if not math.isfinite(loss) or loss > config.stop_at * lowest:
            run.stop(f"the loss explodes at a rate of {rate:.3g}")
            return {"rate": rate}
        self.optimizer.step()
        return {"loss": loss, "rate": rate}

    def reading(self):
        """What the test says so far, or None while it is too short."""
        rates, losses = self.curve.tensors()
        return read_range(rates, losses, self.config.keep, self.config.factor) if len(rates) >= 30 else None

    def evaluate(self, split: str) -> dict:
        result, found = self.classifier.measure(self.run.data[split]), self.reading()
        if found is None:
            return result
        rise = min(100.0, found.last / max(found.minimum, 1e-12))
        names = ("suggested", "best", "steepest", "largest", "minimum")
        result |= {name: getattr(found, name) for name in names}
        return {**result, "rise": rise, "inside": float(found.inside)}

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        found, (rates, losses) = self.reading(), self.curve.tensors()
        if found is None:
            return {"verdict": f"{len(rates)} steps: too few to read\n"}
        figure = Figure(figsize=(6, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.plot(rates, losses, color="0.8", linewidth=0.8, label="loss")
        axes.plot(rates, smooth(losses, self.config.keep), color="C0", label="smoothed")
        for name, colour in (("suggested", "C2"), ("best", "C1"), ("largest", "C3")):
            rate = getattr(found, name)
            axes.axvline(rate, color=colour, linestyle="--", label=f"{name} {rate:.2g}")
        axes.set(
            xscale="log", xlabel="learning rate", ylabel="training loss", ylim=(0, 2.2 * float(losses[:20].mean()))
        )
        axes.legend(fontsize=8)
        return {"range": figure, "verdict": self.verdict(found, rates, losses)}

    def verdict(self, found, rates, losses) -> str:
        if found.inside:
            shape = f"a U: the minimum {found.minimum:.3g} lies at rate {found.best:.3g}, inside the range"
        elif found.best >= float(rates[-1]):
            shape = "still falling at the largest rate: test up to a larger one (--highest)"
        else:
            shape = "no U: the loss has not risen behind its minimum; test a wider range"
        lines = [
            shape,
            f"suggested rate {found.suggested:.2g}; steepest fall at {found.steepest:.2g}",
            f"largest rate that does not diverge {found.largest:.2g}, half of it {found.largest / 2:.2g}",
        ]
        before = losses[rates <= found.best]
        if len(before) >= 30:
            seen = diagnose(before)
            lines.append(f"the curve up to the minimum: {seen.verdict}; {seen.advice}")
        return "\n".join(lines) + "\n"

    def predict(self, inputs) -> list[dict]:
        return self.classifier.predict(inputs)

    def export(self):
        return self.classifier.export()
