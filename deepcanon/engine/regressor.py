"""What is done with a model that predicts numbers apart from training it: measured, drawn, asked, taken out of its run.

A target of classes is learned as one number for each class, 1 for its own rows and 0 for the others.
"""

from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.engine.contract import Exports, Predicts
from deepcanon.engine.export import Export, raw_export
from deepcanon.engine.figures import Histogram, Line, Plot
from deepcanon.engine.run import Run
from deepcanon.parts.regression import regression_measures

__all__ = ["Regresses", "Regressor", "independent_columns"]

PREDICTED = (
    "Each point is a held-out row: good predictions lie along the line, 95 % of them within its band, at every height."
)
RESIDUALS = (
    "Residuals against normal noise of the same deviation: they should agree, centred at 0 and without a long tail."
)
NORMAL = torch.special.ndtri(torch.linspace(0.001, 0.999, 999, dtype=torch.float64))


def independent_columns(sources: list[dict[str, Any]]) -> list[int]:
    """The columns of a table without the first category of each column of text; [] if there is no such column.

    The indicators of a column's categories sum to 1, which is the column of the intercept: with all of them least
    squares have no unique solution.

    Args:
        sources: what the table reader says of its columns.
    """
    kept: list[int] = []
    place = 0
    for source in sources:
        width = len(source.get("categories", "x")) + bool(source.get("indicator"))
        kept += range(place + ("categories" in source), place + width)
        place += width
    return kept if len(kept) < place else []


class Regressor:
    """Called with raw inputs it gives the means [N, K] of their targets.

    Args:
        run: of the recipe.
        model: from prepared inputs to means, [N] for a number or [N, K] for K classes; its `variance_`, [] or [K], is
            that of the noise about them.
        preprocess: from raw inputs to prepared ones; it becomes part of the export.
        reader: what the reader said of the data; it names columns, target and classes.
    """

    def __init__(self, run: Run, model: Any, preprocess: nn.Module, reader: dict[str, Any]) -> None:
        self.run, self.model, self.preprocess, self.reader = run, model, preprocess, reader
        self.classes: list[str] | None = reader.get("classes")

    def __call__(self, x: Tensor) -> Tensor:
        return self.model(self.preprocess(self.run.to(x))).reshape(len(x), -1)

    def targets(self, y: Tensor) -> Tensor:
        """Numbers as one column; classes as one column each."""
        y = self.run.to(y)
        return (nn.functional.one_hot(y, len(self.classes)) if self.classes else y[:, None]).double()

    def measure(self, data: Any) -> dict[str, Tensor]:
        """mse, nll, sigma and r2 on a split; error too where the target holds classes."""
        means, targets, variance = self(data.x), self.targets(data.y), self.model.variance_
        found = regression_measures(means, targets, variance.reshape(-1))
        found["sigma"] = variance.mean().sqrt()
        if self.classes:
            found["error"] = (means.argmax(1) != targets.argmax(1)).double().mean()
        return found

    def figures(self) -> dict[str, Any]:
        """Truth over prediction, and residuals against normal noise, on validation (training if there is none)."""
        split = self.run.pictured
        data, sigma = self.run.data[split], self.model.variance_.mean().sqrt().cpu()
        means, truth = self(data.x).flatten().cpu(), self.targets(data.y).flatten().cpu()
        ends = torch.stack([means.min(), means.max()])
        band = Line(ends, ends, "true = predicted, 2 sigma", (ends - 2 * sigma, ends + 2 * sigma))
        spread = {"residuals": truth - means, "normal of the same sigma": sigma * NORMAL}
        target = self.reader.get("target") or "target"
        both = [band, Line(truth, means, style=".")]
        return {
            "predicted-and-true": Plot(both, f"{target}, predicted", f"{target}, true ({split})", caption=PREDICTED),
            "residuals": Histogram(
                spread, f"{target}, true minus predicted ({split})", bins=30, density=True, caption=RESIDUALS
            ),
        }

    def predict(self, inputs: Tensor) -> list[dict[str, Any]]:
        """The value of each raw input with its 95 % band, or its class and the value of every class."""
        rows = self(inputs).tolist()
        if self.classes:
            each = [dict(zip(self.classes, row, strict=True)) for row in rows]
            return [{"label": max(row, key=row.__getitem__), "values": row} for row in each]
        half = 1.96 * self.model.variance_.sqrt().item()
        return [{"value": value, "low": value - half, "high": value + half} for (value,) in rows]

    def export(self) -> Export:
        """Raw columns in, the value out."""
        about = {"task": "regress", "target": self.reader["target"], "classes": self.classes}
        about["sigma"] = self.model.variance_.sqrt().tolist()
        module, shape = nn.Sequential(self.preprocess, self.model), [len(self.reader["columns"])]
        return raw_export(module, shape, self.reader, self.run.device, ("value",), about)


class Regresses(Predicts, Exports):
    """The verbs of a recipe that holds a `Regressor`."""

    run: Run
    regressor: Regressor

    def evaluate(self, split: str) -> dict[str, Tensor]:
        return self.regressor.measure(self.run.data[split])

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        return self.regressor.predict(inputs)

    def export(self) -> Export:
        return self.regressor.export()
