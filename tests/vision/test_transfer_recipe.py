"""Transfer: sources are trained first, every arm begins with those of its seed, layers are copied as the arm says."""

import json
import math

import pytest
import torch

import deepcanon
from deepcanon.engine.checkpoint import Checkpoints
from deepcanon.errors import UsageError

SMALL = {
    "data": "digits", "filters": (4, 5), "hidden": 6, "layers": (1, 3), "seeds": 2, "train_examples": 60, "batch": 10,
    "epochs": 1, "source_epochs": 1, "learning_rates": (0.003,), "batch_norm": True, "quiet": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer") / "run"
    return deepcanon.train("transfer", out=folder, say=lambda line: None, **SMALL)


def config_of(finished, number):
    return json.loads((finished.folder / "trials" / str(number) / "config.json").read_text())["config"]


def weights_of(folder, kind="best"):
    """The newest weights of a kind: an arm begins with a source's best ones."""
    found = Checkpoints(folder / "checkpoints").newest(kind)
    return found[1].get("shared", found[1])["model"]


def test_sources_come_first_and_arms_take_those_of_their_seed(finished):
    results = finished.recipe.comparison.results
    assert [(r["phase"], r["arm"], r["seed"]) for r in results[:4]] == [
        ("source", "A", 0), ("source", "B", 0), ("source", "A", 1), ("source", "B", 1),
    ]  # fmt: skip
    for number, result in enumerate(results[4:], 4):
        began = config_of(finished, number)["init_from"]
        name = result["arm"][0]
        expected = "" if result["arm"] == "scratch" else str(2 * result["seed"] + "AB".index(name))
        assert (began and began.rsplit("/", 1)[1]) == expected, result["arm"]


def test_the_classes_are_halved_and_sources_see_theirs_only(finished):
    a, b = (set(config_of(finished, number)["classes"]) for number in (0, 1))
    assert len(a) == len(b) == 5 and not a & b
    assert config_of(finished, 0)["train_examples"] == 0, "the network of A learns from all examples of A"
    assert config_of(finished, 1)["train_examples"] == 60
    for number in range(4, len(finished.recipe.comparison.results)):
        assert set(config_of(finished, number)["classes"]) == b


def test_frozen_layers_are_those_of_the_source(finished):
    results = finished.recipe.comparison.results
    number = next(i for i, r in enumerate(results) if (r["arm"], r["phase"], r["seed"]) == ("A1B", "seeds", 1))
    source, mine = (weights_of(finished.folder / "trials" / str(n)) for n in (2, number))
    assert torch.equal(mine["convolutions.0.weight"], source["convolutions.0.weight"])
    assert torch.equal(mine["normalisations.0.running_mean"], source["normalisations.0.running_mean"])
    assert not torch.equal(mine["convolutions.1.weight"], source["convolutions.1.weight"])
    number = next(i for i, r in enumerate(results) if (r["arm"], r["phase"], r["seed"]) == ("A3B", "seeds", 0))
    source, mine = (weights_of(finished.folder / "trials" / str(n)) for n in (0, number))
    assert torch.equal(mine["hidden.weight"], source["hidden.weight"])


def test_arms_of_a_source_that_diverged_have_failed_and_others_have_not(tmp_path):
    options = {**SMALL, "source_rate": 1e30, "seeds": 1, "layers": (1,)}
    found = deepcanon.train("transfer", out=tmp_path / "run", say=lambda line: None, **options)
    results = {r["arm"]: r for r in found.recipe.comparison.results if r["phase"] == "seeds"}
    assert results["A1B"]["failed"].startswith("the source A of seed 0 failed: ") and results["A1B"]["test"] == math.inf
    assert results["B1Bplus"]["failed"].startswith("the source B of seed 0 failed: ")
    assert results["scratch"]["failed"] is None and math.isfinite(results["scratch"]["test"])
    assert "failed: A1Bplus" in found.recipe.comparison.table()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": (4,)}, "has 3 to copy"),
        ({"source_classes": ("0", "nine")}, "--source-classes must leave two of"),
        ({"classes": ("0", "1", "2")}, "too few to halve"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        deepcanon.train("transfer", out=tmp_path / "run", **{**SMALL, **options})
