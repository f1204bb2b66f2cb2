"""Another run as an input: copied with its checksums, used again on resume, refused when it was altered."""

import shutil
from dataclasses import dataclass

import pytest
import torch

import deepcanon
from deepcanon import engine
from deepcanon.engine import training
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.resolving import opener, resolve
from deepcanon.settings import Settings
from deepcanon.verbs import load

SETTINGS = Settings(data="digits", threads=1, precision="fp32", device="cpu", steps=4)


@dataclass(frozen=True, kw_only=True)
class Config:
    source: str = ""
    """Folder of the run that is borrowed."""


class Recipe(engine.Recipe[Config]):
    """Learns a scale for the codes of a borrowed PCA."""

    state = ("scale",)
    parallel = "none: a toy"

    def build(self):
        self.codes = self.run.borrow(self.config.source)
        self.scale = torch.ones(())

    def plan(self):
        return 4

    def step(self, step):
        rows = self.run.batch(self.run.data["train"], 50)
        self.scale = self.scale + self.codes.recipe.encode(rows.x).square().mean()
        return {"loss": self.scale}

    def evaluate(self, split):
        return {"scale": self.scale}


def train(folder, source, **settings):
    open_data = opener(resolve("pca")[0])
    return training.train(
        Recipe, "pca", Config(source=str(source)), SETTINGS.with_(**settings), folder, open_data, quiet=True,
        plain=True, lend=load,
    )  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "run"
    deepcanon.train("pca", preset="smoke", out=folder, threads=1, quiet=True, plain=True)
    return folder


@pytest.mark.filterwarnings("error::UserWarning")  # nothing of a copy is missing or changed
def test_the_copy_counts_when_the_source_is_gone(source, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(source, other)
    whole = train(tmp_path / "whole", other)
    assert (tmp_path / "whole" / "borrowed" / "borrowed" / "checksums.json").is_file()
    train(tmp_path / "short", other, steps=2)
    shutil.rmtree(other)
    open_data = opener(resolve("pca")[0])
    done = training.resume(Recipe, tmp_path / "short", open_data, steps=4, quiet=True, plain=True, lend=load)
    assert done["metrics"]["train/loss"] == whole["metrics"]["train/loss"]
    shutil.move(tmp_path / "short", tmp_path / "moved")
    recipe, step, _ = training.load(Recipe, tmp_path / "moved", lend=load)
    assert step == 4 and float(recipe.scale) == done["metrics"]["train/loss"]


def test_an_altered_copy_is_refused(source, tmp_path):
    train(tmp_path / "run", source)
    weights = next((tmp_path / "run" / "borrowed").rglob("*.safetensors"))
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(bytes(raw))
    with pytest.raises(UsageError, match="is not what was copied"):
        training.load(Recipe, tmp_path / "run", lend=load)


def test_what_is_not_a_run_is_refused_before_a_folder_is_made(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "missing"):
        with pytest.raises(UsageError, match="is not a run"):
            train(tmp_path / "run", tmp_path / folder)
    assert not (tmp_path / "run").exists()


def test_without_a_lender_nothing_is_borrowed():
    with pytest.raises(UsageError, match="cannot borrow"):
        Run(SETTINGS).borrow("anywhere")
