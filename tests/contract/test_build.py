"""What the build adds: a stub, from which editors and type checkers know the options of recipes, and the records."""

import importlib.util
import inspect
import os
import subprocess
import sys

import pytest

from deepcanon import heads, verbs
from deepcanon.errors import UsageError
from deepcanon.settings import Settings

from .files import ROOT

spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
hatch_build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hatch_build)

RIGHT = """
import deepcanon
from typing import Any
name, more = str(), dict[str, Any]()
deepcanon.train("convnet", data="digits", preset="smoke", batch=32, levels=[0.5], seed=None, threads=1, quiet=True)
deepcanon.train("naive_bayes", valid_share=0.2).predict("x")
deepcanon.train(name, steps=3, **more)
deepcanon.Estimator("mlp", epochs=3, hidden=(8,), seed=1, preset="default").fit([[1.0]], [1])
deepcanon.Estimator(name, **more).predict([[1.0]])
deepcanon.resume(deepcanon.load("runs/x").folder)
""".strip().splitlines()
WRONG = {
    'deepcanon.train("convnet", bath=3)': 'did you mean "batch"',
    'deepcanon.train("convnet", batch="many")': "No overload variant",
    'deepcanon.train("pca", epochs=3)': "No overload variant",
    'deepcanon.train("mlp", optimizer="sdg")': "No overload variant",
    'deepcanon.Estimator("mlp", epoch=3)': 'did you mean "epochs"',
    "deepcanon.train()": "at least one argument",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """By line of a script, what mypy says of it; the stub is read, and what it imports is not."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("typed")
    package = folder / "deepcanon"
    package.mkdir()
    (package / "__init__.pyi").write_text(hatch_build.stub(), encoding="utf-8")
    (folder / "script.py").write_text("\n".join([*RIGHT, *WRONG]), encoding="utf-8")
    words = ["-m", "mypy", "--config-file=", "--follow-imports=skip", "--ignore-missing-imports", "--no-error-summary"]
    files = ["deepcanon/__init__.pyi", "script.py"]
    done = subprocess.run(
        [sys.executable, *words, "--cache-dir", os.devnull, *files], cwd=folder, capture_output=True, text=True
    )
    assert "__init__.pyi" not in done.stdout + done.stderr, done.stdout + done.stderr
    found: dict[int, str] = {}
    for line in done.stdout.splitlines():
        if ": error:" in line:
            place, _, text = line.partition(": error:")
            number = int(place.split(":")[1])
            found[number] = found.get(number, "") + text
    return found


def test_right_calls_are_accepted(said):
    assert not [f"{RIGHT[n - 1]}: {said[n]}" for n in range(1, len(RIGHT) + 1) if n in said]


@pytest.mark.parametrize("call", WRONG)
def test_wrong_calls_are_refused(said, call):
    assert WRONG[call] in said.get(len(RIGHT) + 1 + list(WRONG).index(call), "")


@pytest.mark.parametrize("stem", heads.stems())
def test_every_option_is_a_key_and_every_key_an_option(stem):
    """The stub says neither more nor less than `Config` and `Settings`."""
    space: dict = {}
    lines = hatch_build.stub().replace("from deepcanon", "# ").partition("@overload")[0].splitlines()
    exec("\n".join(lines), space)
    head = heads.head(stem)
    keys = space[f"_{hatch_build.camel(head)}"].__annotations__.keys()
    assert keys == {*vars(head.config()), *vars(Settings())} - {"data"}


def test_a_wheel_has_the_records_that_show_reads_and_no_others():
    places = set(hatch_build.records().values())
    assert "deepcanon/results/convnet.json" in places and "deepcanon/results/steady.json" not in places
    assert len(places) == sum(heads.record(stem) != {} for stem in heads.stems())


def test_the_stub_has_the_keywords_of_the_functions():
    given = inspect.signature(verbs.train).parameters
    shown = hatch_build.TRAIN + "".join(vars(Settings()))
    assert all(name in shown for name in given)
    kept = {name for name in given if name in hatch_build.TRAIN} - {"name", "data", "options"}
    assert kept == set(verbs.OWN)


@pytest.mark.parametrize(
    ("name", "meant"), [("bath", "batch"), ("presett", "preset"), ("quite", "quiet"), ("lr", "learn")]
)
def test_an_unknown_keyword_is_one_line_with_what_was_meant(name, meant):
    with pytest.raises(UsageError, match=f"has no option '{name}': did you mean {meant}") as error:
        verbs.train("convnet", **{name: 3})
    assert "\n" not in str(error.value)
