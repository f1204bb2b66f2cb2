"""What was measured once is remembered: equal commands make equal runs, other ones are measured."""

import json

import pytest

from deepcanon.engine import choices
from deepcanon.recipes.mlp import Config, Recipe
from deepcanon.settings import Settings

BOTH = ("fp32", "bf16")


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Runs `remembered` with a measurement that finds another answer every time; returns it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("deepcanon.engine.calibrate.available_threads", lambda: 2)
    calls = []

    def run(config=None, precisions=BOTH, counts=(("train", 100),), recipe=Recipe, **settings):
        asked = Settings(**{"data": "digits", "device": "cpu", **settings})

        def choose():
            calls.append(None)
            found = {"threads": 1 + len(calls) % 2, "precision": BOTH[len(calls) % 2]}
            return asked.with_(**{k: v for k, v in found.items() if getattr(asked, k) in (0, "auto")})

        found, said = choices.remembered(recipe, config or Config(), asked, dict(counts), precisions, choose)
        return found.threads, found.precision, bool(said)

    run.calls = calls
    return run


def test_three_seeds_of_one_command_compute_alike(measured):
    first, *others = [measured(seed=seed) for seed in range(3)]
    assert first == (2, "bf16", False) and others == [(2, "bf16", True)] * 2 and len(measured.calls) == 1
    text = choices.place().read_text()
    assert list(json.loads(text).values()) == [{"precision": "bf16", "threads": 2}]


def test_other_options_steps_and_data_are_measured_for_themselves(measured):
    measured()
    for other in (
        {"config": Config(hidden=(8,))},
        {"steps": 5},
        {"data": "iris"},
        {"threads": 1},
        {"compile": True},
        {"counts": (("train", 101),)},
    ):
        count = len(measured.calls)
        measured(**other)
        assert len(measured.calls) == count + 1, other


def test_what_leaves_nothing_to_choose_is_not_remembered(measured):
    assert measured(threads=1, precision="fp32")[:2] == (1, "fp32")
    assert measured(threads=1, precisions=("fp32",))[0] == 1
    assert not choices.place().exists()


def test_a_choice_that_cannot_be_is_measured_again(measured, monkeypatch):
    assert measured()[:2] == (2, "bf16")
    assert measured(precisions=("fp32",))[2] is False, "a device without bf16"
    monkeypatch.setattr("deepcanon.engine.calibrate.available_threads", lambda: 1)
    assert measured()[2] is False, "fewer cores"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_memory_is_measured_again(measured, text):
    measured()
    known = json.loads(choices.place().read_text())
    choices.place().write_text(text)
    assert measured()[2] is False and json.loads(choices.place().read_text()).keys() >= known.keys()
    choices.place().write_text(json.dumps({key: {"threads": "many", "precision": 3} for key in known}))
    assert measured()[2] is False


def test_a_cache_that_cannot_be_written_costs_only_the_measurement(measured, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert measured()[2] is False and measured()[2] is False
