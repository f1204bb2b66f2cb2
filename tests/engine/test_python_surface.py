"""What `import deepcanon` offers: its names, the report of several runs, and one line for what is mistyped."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import deepcanon
from deepcanon import heads
from deepcanon.data import DataError, Inputs, Problem
from deepcanon.errors import UsageError
from deepcanon.trained import Trained

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(X[:, 0] > 0, "up", "down")
QUICK = {"threads": 1, "precision": "fp32", "quiet": True, "plain": True, "steps": 4}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_public_names_are_listed_and_there():
    assert {"Estimator", "Trained", "load", "report", "resume", "train"} < set(dir(deepcanon))
    assert all(hasattr(deepcanon, name) for name in deepcanon.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = deepcanon.fit


def test_a_run_is_trained_resumed_and_compared(tmp_path):
    run = deepcanon.train("mlp", data=(X, Y), out="one", **QUICK)
    assert repr(run) == "<mlp at step 4, run one>"
    further = deepcanon.resume("one", steps=6, data=(X, Y), quiet=True)
    assert isinstance(further, deepcanon.Trained) and further.status()["step"] == 6
    other = deepcanon.train("mlp", data=(X, Y), out="two", seed=1, **QUICK)
    page = deepcanon.report([run, "two"], to="both.html")
    assert page.name == "both.html" and "two" in page.read_text()
    assert deepcanon.report(other, to=tmp_path).name == "report.html"
    for nothing, told in (([], "at least one run"), ("three", "not a run folder")):
        with pytest.raises(UsageError, match=told):
            deepcanon.report(nothing)


def test_what_is_mistyped_is_told_in_one_line():
    wrong = {
        "mlp has no option 'learning_rat': did you mean learning_rate": {"learning_rat": 0.1},
        "mlp has no option 'step': did you mean steps": {"step": 3},
        "mlp has no option 'zzz': it has activation, ": {"zzz": 3},
        "device is 'gpu', not one of auto, cpu": {"device": "gpu"},
    }
    for told, options in wrong.items():
        with pytest.raises(UsageError, match=told):
            deepcanon.train("mlp", data=(X, Y), **options)
    with pytest.raises(UsageError, match=r"needs classes: .* or arrays \(X, y\)"):
        deepcanon.train("mlp", data=X, **QUICK)
    with pytest.raises(DataError, match=r"rows of different lengths; make them equal; labels go into a tuple \(X, y\)"):
        deepcanon.train("mlp", data=[X, Y], **QUICK)
    run = deepcanon.train("mlp", data=(X, Y), out="run", **QUICK)
    with pytest.raises(DataError, match=r"give rows \[N, 3\]"):
        run.predict(X[0])
    with pytest.raises(UsageError, match="checkpoint 'first': choose auto or best or last"):
        deepcanon.load("run", checkpoint="first")
    with pytest.raises(UsageError, match="--device gpu: this machine has cpu"):
        deepcanon.load("run", device="gpu")


def test_other_data_do_not_take_what_was_chosen_for_the_data_of_the_preset(tmp_path):
    """And a line says so, unless the option is given or the data are the preset's."""
    for given, said, decay in (({}, 1, 1e-4), ({"decay": 0.01}, 0, 0.01)):
        lines = []
        place = tmp_path / str(said)
        deepcanon.train(
            "softmax-regression", data="digits", steps=1, out=place, quiet=True, plain=True, say=lines.append, **given
        )
        told = [line for line in lines if line.startswith("not taken from the preset")]
        assert told == ["not taken from the preset, since chosen for letters: --decay 0.003"] * said
        assert json.loads((place / "config.json").read_text())["config"]["decay"] == decay
    head = heads.head("softmax-regression")
    assert heads.preset(head, "default")[0]["decay"] == heads.preset(head, "default", "letters")[0]["decay"] == 0.003
    assert heads.left_out(head, "default", "letters") == ({}, "letters")


def test_if_no_input_can_be_read_the_model_is_not_asked():
    refused = Inputs([], [], refused=[Problem("a.txt", "line 1", "is a sentence", "write its tree")])
    found = Trained.answer(SimpleNamespace(offers=lambda verb: None), refused)
    assert found == [{"input": "a.txt: line 1", "error": "is a sentence; write its tree"}]
