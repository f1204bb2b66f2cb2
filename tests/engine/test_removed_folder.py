"""A run folder that somebody removes while the run trains: one error, and the folder stays gone."""

import shutil
import threading
import time

import pytest

import deepcanon
from deepcanon.engine.keeping import InFolder
from deepcanon.errors import DeepcanonError
from deepcanon.glance import LOCK
from deepcanon.recipes import mlp

FIRST = ("config.json", LOCK, "data.json")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "checkpoints" / "step-1").mkdir(parents=True)
    for name in (*FIRST, "status.json", ".tmp-status.json"):
        (folder / name).touch()
    return folder


def test_a_folder_that_is_there_is_not_removed(run):
    kept = InFolder(run, 0)
    assert kept.is_there() and not kept.is_removed(wait=False)
    assert len([*run.iterdir()]) == 6


def test_what_was_written_during_a_removal_goes_with_it(run):
    for name in FIRST:
        (run / name).unlink()
    assert not InFolder(run, 0).is_there() and InFolder(run, 0).is_removed(wait=False)
    assert not run.exists()


def test_what_is_not_the_runs_stays(run):
    for name in FIRST:
        (run / name).unlink()
    (run / "notes.txt").write_text("mine")
    assert InFolder(run, 0).is_removed(wait=False)
    assert [path.name for path in run.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_removal_that_takes_a_while_is_waited_for(run, begun):
    if begun:
        (run / "config.json").unlink()

    def remove():
        time.sleep(0.2)
        for name in FIRST:
            (run / name).unlink(missing_ok=True)

    other = threading.Thread(target=remove)
    other.start()
    assert InFolder(run, 0).is_removed(wait=not begun)
    other.join()
    assert not run.exists()


@pytest.mark.parametrize("before", ["step", "evaluate"])
def test_the_training_ends_and_the_folder_stays_gone(tmp_path, monkeypatch, before):
    class Recipe(mlp.Recipe):
        def step(self, step):
            if before == "step" and step == 3:
                shutil.rmtree(tmp_path / "run")
                (tmp_path / "run" / "figures").mkdir(parents=True)  # made while it was removed
            return super().step(step)

        def evaluate(self, split):
            if before == "evaluate" and self.run.step > 1:
                shutil.rmtree(tmp_path / "run", ignore_errors=True)
            return super().evaluate(split)

    monkeypatch.setattr(mlp, "Recipe", Recipe)
    with pytest.raises(DeepcanonError, match="run was removed during training: stopped after step"):
        deepcanon.train("mlp", out=tmp_path / "run", preset="smoke", steps=6, evaluate_every=2, threads=1, quiet=True)
    assert not (tmp_path / "run").exists()
