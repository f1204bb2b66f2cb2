"""What recipes share that learn the density of the next values of a series: measuring, forecasts, pictures.

The update is the recipe's own. It holds `model`, a `MixtureDensityRNN` of standardised values, and inherits the verbs.
What is measured is in the series' own units: a density of u = shift + scale x has -log p(u) = -log p(x) + log scale.
Where differences are learned, x is of u_t - u_{t-1}, whose density given the past is that of u_t.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from deepcanon import engine
from deepcanon.data import DataError, Problem, read_inputs
from deepcanon.data.dates import continued
from deepcanon.data.splits import ORDER, Dataset
from deepcanon.engine import Generates, Predicts
from deepcanon.engine.contract import Facts, Metrics
from deepcanon.engine.forecasts import Forecast
from deepcanon.errors import UsageError
from deepcanon.parts.progress import told
from deepcanon.parts.standardize import Standardize
from deepcanon.ranges import Count
from deepcanon.sequence.mixture_density_rnn import (
    GaussianMixture,
    MixtureDensityRNN,
    mixture_mean,
    mixture_nll,
    mixture_sample,
)
from deepcanon.verb_options import Sampling

__all__ = ["Forecaster", "Forecasting"]

C = TypeVar("C")
CONTEXT = 1000  # rows that are read before those that are measured or continued
AT_ONCE = 2000  # steps that are measured at a time
TOGETHER = 1 << 14  # the same, of all series that are asked side by side
PATHS_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Forecasting(Sampling):
    FILES: ClassVar[tuple[str, ...]] = ("prompt",)

    count: Count = 500
    """Continuations to sample."""
    length: Count = 50
    """Steps ahead."""
    prompt: str = ""
    """A file of the same columns to continue; if not given, the series that was learned."""


class Forecaster(engine.Recipe[C], Predicts, Generates, Generic[C]):
    """A recipe of the density of the next values, given all before them.

    Its options are `window`, `batch`, `epochs`, `horizon` and `difference`.
    """

    config: Any
    monitor = ("valid/nll", "min")
    parallel = "gradients"
    asked = Forecasting
    model: MixtureDensityRNN

    @classmethod
    def learn(cls, config: Any, data: Dataset) -> Facts:
        x, y = data["train"].x, data["train"].y
        if data.kind == "sequences":
            if config.difference:
                raise UsageError("--difference is for a series of your own: leave it out with generated ones")
            if y is None or data.facts["features"] != 1 or "coefficients" not in data.truth:
                raise UsageError("these sequences are no series whose next value is asked: give --data ar2 or a CSV")
            whole = torch.cat([x, y[:, None, None]], 1).double()
            return {"shift": whole.mean((0, 1)), "scale": whole.std((0, 1)), "ends": whole[0]}
        ends = torch.cat([data[split].x for split in ORDER if split in data])[-CONTEXT:]
        if not config.difference:
            return {"shift": x.mean(0), "scale": x.std(0), "ends": ends}
        steps = x.diff(dim=0)
        for name, scale in zip(data.facts["columns"], steps.std(0).tolist(), strict=True):
            if not scale:
                raise UsageError(f"column {name!r} changes by the same amount in every row: leave --difference out")
        return {"shift": steps.mean(0), "scale": steps.std(0), "spread": x.std(0), "ends": ends}

    @property
    def lost(self) -> int:
        """Rows of a series that are read before its first difference."""
        return int(self.config.difference)

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self.facts["reader"].get("columns") or ["value"])

    @property
    def of_one_series(self) -> bool:
        """Whether the data are one long series; else many of one column, each of which asks for its next value."""
        return self.facts["reader"]["kind"] == "series"

    def build(self) -> None:
        self.preprocess = Standardize(self.facts["shift"], self.facts["scale"]).to(self.run.device)

    def prepared(self, values: Tensor) -> Tensor:
        """Raw values [B, T, F] as the model takes them, of differences one row fewer."""
        rows = self.run.to(values)
        rows = rows.diff(dim=1) if self.lost else rows
        found = self.preprocess(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
        return found.to(self.model.output.weight.dtype)

    # Trained on

    def plan(self) -> int:
        train, config = self.run.data["train"], self.config
        many = len(train) // (config.batch * (config.window if self.of_one_series else 1))
        return int(config.epochs * max(1, many))

    def pieces(self) -> Tensor:
        """This process's part of the step's batch of raw values [B, T, F]: windows of one series, or series."""
        run, train, size = self.run, self.run.data["train"], self.config.batch
        if not self.of_one_series:
            return whole(run.examples(train, size))
        length = min(self.config.window + 1 + self.lost, len(train))
        first = torch.randint(len(train) - length + 1, (size,), generator=run.generator("windows"))[run.rows(size)]
        return train.x[first[:, None] + torch.arange(length)]

    def losses(self, x: Tensor) -> Tensor:
        """-log p [B, T - 1] of standardised values [B, T, F] after their first ones, in the units of the series."""
        outputs, _ = self.model(x[:, :-1])
        return mixture_nll(self.model.mixture(outputs), x[:, 1:]) + self.log_scale

    @property
    def log_scale(self) -> Tensor:
        """What a step's standardised -log p lacks."""
        return self.preprocess.scale.to(self.model.output.weight.dtype).log().sum()

    # Measured

    def mixtures(self, values: Tensor) -> Iterator[tuple[GaussianMixture, Tensor]]:
        """Densities of the rows of raw values [B, T, F] after the first, and these rows standardised, part by part."""
        x, state = self.prepared(values), None
        for begin in range(0, x.shape[1] - 1, AT_ONCE):
            part = x[:, begin : begin + AT_ONCE + 1]
            outputs, state = self.model(part[:, :-1], state)
            yield self.model.mixture(outputs), part[:, 1:]
            self.run.breathe()

    def nats(self, values: Tensor) -> Tensor:
        """-log p [B, T - 1] of raw values [B, T, F], float64; of differences [B, T - 2]."""
        found = [mixture_nll(mixture, rows).cpu().double() for mixture, rows in self.mixtures(values)]
        return torch.cat(found, 1) + self.preprocess.scale.cpu().double().log().sum()

    def scored(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """`nats`, and squared errors of the mean of the columns, over their variance, in the same shape."""
        scale, nats, errors = self.preprocess.scale, [], []
        unit = (scale / self.run.to(self.facts["spread"]).to(scale)).square() if self.lost else torch.ones_like(scale)
        for mixture, rows in self.mixtures(values):
            nats.append(mixture_nll(mixture, rows).cpu().double())
            missed = (mixture_mean(mixture) - rows).square() * unit.to(rows.dtype)
            errors.append(missed.mean(-1).cpu().double())
        return torch.cat(nats, 1) + scale.cpu().double().log().sum(), torch.cat(errors, 1)

    def evaluate(self, split: str) -> Metrics:
        data = self.run.data
        if self.of_one_series:
            before = self.before(split)
            asked = max(0, len(before) - 1 - self.lost)  # the first value of a series is not predicted
            nats, errors = self.scored(torch.cat([before, data[split].x])[None])
            return {"nll": nats[:, asked:].mean().item(), "mse": errors[:, asked:].mean().item()}
        values = whole(data[split])
        pairs = [self.scored(part) for part in values.split(500)]
        nats, errors = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        first, second = data.truth["coefficients"].double().tolist()
        variance, exact = float(data.truth["variance"]), values[..., 0].double()
        noise = exact[:, 2:] - first * exact[:, 1:-1] - second * exact[:, :-2]
        best = 0.5 * (2 * torch.pi * torch.tensor(variance)).log() + noise.square() / (2 * variance)
        return {
            "nll": nats[:, -1].mean().item(),
            "mse": errors[:, -1].mean().item(),
            "excess": (nats[:, 1:] - best).mean().item(),
        }

    def before(self, split: str) -> Tensor:
        """The last rows of a series before a split."""
        data, earlier = self.run.data, ORDER[: ORDER.index(split)]
        parts = [data[name].x for name in earlier if name in data]
        return torch.cat(parts)[-CONTEXT:] if parts else data[split].x[:0]

    # Continued

    def sampled(self, before: Tensor, count: int, length: int, generator: torch.Generator | None) -> Tensor:
        """Continuations [count, length, F] of raw values [S, F], in their units, float64 on the CPU."""
        outputs, state = self.model(self.prepared(before[None]))
        outputs, found = outputs[:, -1].expand(count, -1), []
        state = tuple(part.expand(-1, count, -1).contiguous() for part in state)
        for _ in told(range(length)):
            drawn = mixture_sample(self.model.mixture(outputs), generator)
            found.append(drawn.cpu().double())
            outputs, state = self.model(drawn[:, None], state)
            outputs = outputs[:, 0]
        scale, shift = self.preprocess.scale.cpu().double(), self.preprocess.shift.cpu().double()
        values = torch.stack(found, 1) * scale + shift
        return values.cumsum(1) + before[-1].cpu().double() if self.lost else values

    def generate(self, asked: Forecasting, generator: torch.Generator) -> Forecast:  # type: ignore[override]
        """Continuations of the series that was learned, after its last row, or of a file.

        Raises:
            DataError: the file cannot be read as the series that was learned.
        """
        reader, before = self.facts["reader"], self.facts["ends"]
        dates = reader.get("date")
        if asked.prompt:
            given = read_inputs(reader["kind"], reader, [asked.prompt])
            if given.refused:
                raise DataError(given.refused)
            ((before, dates),) = given.values
            before = before[-CONTEXT:]
            self.require(asked.prompt, before)
        paths = self.sampled(before, asked.count, asked.length, generator)
        return Forecast(paths, self.names, continued(dates, asked.length), before)

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        """-log p of each series [T, F] in nats a step, from its second row on (of differences from the third).

        Raises:
            DataError: one is too short to predict a row.
        """
        series = [torch.as_tensor(one[0] if isinstance(one, tuple) else one) for one in inputs]
        for number, one in enumerate(series, 1):
            self.require(f"series {number}", one, 2)
        found = [0.0] * len(series)
        order = sorted(range(len(series)), key=lambda place: len(series[place]))
        while order:
            count = max(1, TOGETHER // min(AT_ONCE, len(series[order[-1]])))
            here, order = order[-count:], order[:-count]
            # What follows the end of a row is not seen by what precedes it.
            nats = self.nats(pad_sequence([series[place] for place in here], batch_first=True))
            asked = torch.tensor([len(series[place]) - 1 - self.lost for place in here])
            inside = torch.arange(nats.shape[1]) < asked[:, None]
            for place, value in zip(here, (torch.where(inside, nats, 0.0).sum(1) / asked).tolist(), strict=True):
                found[place] = value
        return [{"value": value, "steps": len(one) - 1 - self.lost} for value, one in zip(found, series, strict=True)]

    def require(self, name: str, rows: Tensor, least: int = 1) -> None:
        """Raises DataError if a series has too few rows."""
        if len(rows) < least + self.lost:
            what = f"has {len(rows)} rows, and differences are learned" if self.lost else f"has {len(rows)} rows"
            raise DataError(Problem(name, "", what, f"give {least + self.lost} or more", skippable=False))

    def figures(self) -> dict[str, Any]:
        """The beginning of the held-out part, forecast from what precedes it."""
        part, length = self.run.data[self.run.pictured], self.config.horizon
        if self.of_one_series:
            known, before = part.x, self.before(self.run.pictured)
            if not len(before):
                cut = max(1 + self.lost, len(known) - length)
                before, known = known[:cut], known[cut:]
        else:
            series = whole(part.take(torch.tensor([0])))[0]
            cut = max(1, len(series) - length)
            before, known = series[:cut], series[cut:]
        length = min(length, len(known))
        paths = self.sampled(before, PATHS_SHOWN, length, self.run.generator("forecast"))
        shown = Forecast(paths, self.names, continued(None, length), before, known[:length])
        return {"forecast": shown.figure()}


def whole(rows: Any) -> Tensor:
    """Series with the value that each asks for at their end [N, T + 1, 1]."""
    return torch.cat([rows.x, rows.y[:, None, None]], 1)
