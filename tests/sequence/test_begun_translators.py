"""Translators that go on where another one stands: its words, form and weights; what does not fit is one line."""

import dataclasses
import json
import re
import shutil

import pytest
import safetensors.torch
import torch

import deepcanon
from deepcanon.data import DataError
from deepcanon.errors import UsageError

LINES = ["ein Hund läuft .\ta dog runs .", "zwei Katzen schlafen dort .\ttwo cats sleep there ."]
OTHERS = ["ein Vogel läuft .\ta bird runs .", "zwei Katzen schlafen dort .\ttwo cats sleep there ."]
SMALL = {"hidden": 8, "embedding": 8, "batch": 8, "threads": 1, "quiet": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for name, lines in (("first", LINES), ("own", OTHERS), ("back", ["the cat\tdie Katze"])):
        (folder / f"{name}.tsv").write_text("\n".join(lines * 20) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def first(folder):
    given = {"data": str(folder / "first.tsv"), "out": folder / "first", "minimum_count": 1, **SMALL}
    return deepcanon.train("attention", steps=20, learning_rate=2e-2, form="luong", score="general", **given)


@pytest.fixture(scope="module")
def begun(first, folder):
    said = []
    given = {"data": str(folder / "own.tsv"), "out": folder / "own", **SMALL, "quiet": False}
    options = {"whole": 1.0, "whole_rate": 1e-12, "init_from": str(first.folder)}
    run = deepcanon.train("sequence-level-training", steps=2, say=said.append, plain=True, **given, **options)
    return run, "\n".join(said)


def test_words_form_and_weights_are_those_of_the_run(first, begun):
    run, said = begun
    assert run.recipe.model.form == "luong" and run.recipe.model.attention.score == "general"
    assert [w.symbols for w in run.recipe.words] == [w.symbols for w in first.recipe.words]
    for name, value in first.module.state_dict().items():
        torch.testing.assert_close(run.module.state_dict()[name], value, atol=1e-7, rtol=0)
    assert "readout, output\n" in said and "copied from" in said, "at the rate of all, as nothing is new"
    strange = r"of the sources 14 of 146 words to train on are read as <unk>, since .* lacks them: 'Vogel'\n"
    assert re.search(strange, said), said


def test_it_learns_from_whole_sentences_at_once_and_can_be_moved(begun, tmp_path):
    run, _ = begun
    lines = (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert run.recipe.first == 0 and any("train/reward" in json.loads(line) for line in lines)
    moved = shutil.copytree(run.folder, tmp_path / "moved")
    texts = ["ein Hund läuft ."]
    assert deepcanon.load(moved).recipe.predict(texts) == run.recipe.predict(texts)


def options(recipe, **changes):
    return dataclasses.replace(recipe.config, **changes)


def test_what_does_not_fit_is_one_line(first, begun, folder, tmp_path):
    recipe = begun[0].recipe
    content = json.loads((first.folder / "config.json").read_text(encoding="utf-8"))
    for change, said in (
        ({"network": "seq2seq"}, "its network is attention: give --network attention"),
        ({"hidden": 16}, "was trained with --hidden 8: give that here too"),
        ({"lower": True}, "was trained with --lower false: give that here too"),
        ({"init_from": str(tmp_path)}, "is not a run with a sound checkpoint"),
        ({"init_from": "", "freeze": ("output",)}, "--freeze needs --init-from"),
    ):
        with pytest.raises(UsageError, match=said):
            type(recipe).learn(options(recipe, **change), recipe.run.data)
    other = shutil.copytree(first.folder, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({**content, "name": "rnn-lm"}), encoding="utf-8")
    with pytest.raises(UsageError, match="is a run of rnn-lm, not of attention, seq2seq"):
        type(recipe).learn(options(recipe, init_from=str(other)), recipe.run.data)
    swapped = deepcanon.load(first.folder, data=str(folder / "back.tsv")).recipe.run.data
    with pytest.raises(DataError, match=r"of the sources are unknown to .*train a new model on them"):
        type(recipe).learn(recipe.config, swapped)


def test_a_file_has_no_words_so_what_belongs_to_them_is_new(first, begun, tmp_path):
    recipe = begun[0].recipe
    safetensors.torch.save_file(dict(first.module.state_dict()), tmp_path / "w.safetensors")
    config = options(recipe, init_from=str(tmp_path / "w.safetensors"), minimum_count=1)
    facts = type(recipe).learn(config, recipe.run.data)
    assert "Vogel" in facts["words"]["source"]["symbols"] and facts["initial"]["same_classes"] is False


def test_a_location_aware_translator_goes_on_with_its_own_window(folder, tmp_path):
    data, form = str(folder / "first.tsv"), {"form": "location-aware", "window": 3, "reach": 7}
    first = deepcanon.train("attention", data=data, out=tmp_path / "a", steps=4, minimum_count=1, **form, **SMALL)
    given = {"data": data, "steps": 2, "init_from": str(first.folder), **SMALL}
    with pytest.raises(UsageError, match="its network is location-aware: give --network location-aware"):
        deepcanon.train("sequence-level-training", out=tmp_path / "b", **given)
    how = {"network": "location-aware", "whole": 1.0, "whole_rate": 1e-12}
    run = deepcanon.train("sequence-level-training", out=tmp_path / "b", **given, **how)
    assert run.recipe.model.around.kernel_size == (3,) and run.recipe.model.before.kernel_size == (7,)
    for name, value in first.module.state_dict().items():
        torch.testing.assert_close(run.module.state_dict()[name], value, atol=1e-7, rtol=0)
