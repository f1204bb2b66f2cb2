"""A regressor around a model written by hand: numbers with a band, classes as outputs, its export."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from deepcanon.data.splits import Split
from deepcanon.engine.figures import Histogram, Plot
from deepcanon.engine.regressor import Regressor

READER = {"columns": ["a", "b"], "target": "y", "classes": None}


class Sum(nn.Module):
    def __init__(self, outputs=None):
        super().__init__()
        self.outputs = outputs
        self.variance_ = torch.tensor(0.25 if outputs is None else [0.25] * outputs, dtype=torch.float64)

    def forward(self, x):
        total = x.double().sum(1)
        return total if self.outputs is None else torch.stack([total, -total], 1)


def regressor(outputs=None, classes=None, splits=None):
    run = SimpleNamespace(
        to=lambda value: value,
        data=splits or {},
        pictured="valid" if "valid" in (splits or {}) else "train",
        device=torch.device("cpu"),
    )
    return Regressor(run, Sum(outputs), nn.Identity(), {**READER, "classes": classes})


X = torch.tensor([[1.0, 2.0], [-3.0, 1.0]])


def test_a_number_comes_with_its_band():
    found = regressor().predict(X)
    assert found[0] == pytest.approx({"value": 3.0, "low": 3 - 0.98, "high": 3 + 0.98})
    values = regressor().measure(Split(X, torch.tensor([4.0, -2.0])))
    assert values["mse"] == 0.5 and values["sigma"] == 0.5 and "error" not in values
    exported = regressor().export()
    assert exported.about["columns"] == ["a", "b"] and exported.about["sigma"] == 0.5
    assert exported.module(X).tolist() == [3.0, -2.0]


def test_of_classes_the_largest_output_counts():
    of = regressor(2, ["up", "down"])
    assert [record["label"] for record in of.predict(X)] == ["up", "down"]
    assert of.predict(X)[0]["values"] == {"up": 3.0, "down": -3.0}
    values = of.measure(Split(X, torch.tensor([0, 0])))
    assert values["error"] == 0.5 and values["mse"] == ((3 - 1) ** 2 + 3**2 + (2 + 1) ** 2 + 2**2) / 4


def test_figures_are_drawn_on_validation_if_there_is_one():
    train, valid = Split(X, torch.tensor([3.0, -2.0])), Split(X, torch.tensor([4.0, -2.0]))
    for splits, word, residuals in (
        ({"train": train}, "train", [0, 0]),
        ({"train": train, "valid": valid}, "valid", [1, 0]),
    ):
        shown = regressor(splits=splits).figures()
        fit, rest = shown["predicted-and-true"], shown["residuals"]
        assert (
            isinstance(fit, Plot) and fit.y.endswith(f", true ({word})") and fit.caption and isinstance(rest, Histogram)
        )
        assert rest.values["residuals"].tolist() == residuals
