"""A threshold for two classes: what is found at the price of more false alarms."""

import json

import pytest
import torch

import deepcanon
from deepcanon.cli import main
from deepcanon.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 2
    x = torch.randn(200, 3, generator=generator) + y[:, None]
    options = {"steps": 20, "quiet": True, "threads": 1, "precision": "fp32"}
    return deepcanon.train(
        "softmax-regression", data=(x.numpy(), y.numpy()), out=tmp_path_factory.mktemp("r") / "run", **options
    )


def test_the_second_class_is_told_from_its_probability_on(run):
    inputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)) + 0.5
    records = run.predict(inputs)
    first, second = records[0]["probabilities"]
    chances = torch.tensor([record["probabilities"][second] for record in records])
    for threshold in (0.0, 0.2, 0.5, 0.9, 1.0):
        labels = [record["label"] for record in run.predict(inputs, threshold)]
        assert labels == [second if chance >= threshold else first for chance in chances]
    assert len({tuple(r["label"] for r in run.predict(inputs, t)) for t in (0.1, 0.9)}) == 2, "else this shows nothing"


def test_the_command_takes_it(run, tmp_path, capsys):
    table = tmp_path / "new.csv"
    table.write_text("x0,x1,x2\n0.2,0.1,0.4\n")
    said = []
    for threshold in ("0.001", "0.999"):
        assert main(["predict", str(run.folder), str(table), "--threshold", threshold, "--json"]) == 0
        said.append(json.loads(capsys.readouterr().out)[0]["label"])
    assert said == list(run.predict(torch.zeros(1, 3))[0]["probabilities"])[::-1]


def test_the_area_and_the_curve_are_there(run):
    assert 0.8 < run.evaluate()["auc"] <= 1
    assert list((run.folder / "figures").glob("roc-*.npz"))


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_what_is_no_probability_is_refused(run, threshold):
    with pytest.raises(UsageError, match="from 0 to 1"):
        run.predict(torch.zeros(1, 3), threshold)


def test_more_classes_have_no_threshold(tmp_path):
    options = {"preset": "smoke", "steps": 2, "quiet": True, "threads": 1, "precision": "fp32"}
    run = deepcanon.train("softmax-regression", out=tmp_path / "run", **options)
    with pytest.raises(UsageError, match="between two classes"):
        run.predict(torch.zeros(1, 1, 8, 8), 0.5)
