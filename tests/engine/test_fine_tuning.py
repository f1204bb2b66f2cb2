"""A language model that begins with the weights of another run: its vocabulary, what is copied, what is refused."""

import json
import shutil

import pytest
import safetensors.torch
import torch

import deepcanon
from deepcanon.cli import main
from deepcanon.data import DataError
from deepcanon.errors import UsageError

TEXT = "to be or not to be\nthat is the question\n" * 40
OWN = "to bé or nöt to be\nis that the question\n" * 40
COMMON = {"preset": "smoke", "quiet": True, "threads": 1}


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for name, text in (("first", TEXT), ("own", OWN), ("greek", "μῆνιν ἄειδε θεά\n" * 90)):
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["characters", "words"])
def first(request, texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / request.param
    return deepcanon.train("rnn-lm", data=str(texts / "first.txt"), unit=request.param, steps=40, out=folder, **COMMON)


def tune(first, data, out, **options):
    said = []
    given = {**COMMON, "unit": first.recipe.vocabulary.unit, "init_from": str(first.folder), "steps": 5, **options}
    return deepcanon.train("rnn-lm", data=str(data), out=out, say=said.append, **given), "\n".join(said)


def test_vocabulary_and_weights_are_those_of_the_run(first, texts, tmp_path):
    run, said = tune(first, texts / "own.txt", tmp_path / "run", learning_rate=1e-12)
    assert run.recipe.vocabulary.symbols == first.recipe.vocabulary.symbols
    for name, value in run.module.state_dict().items():
        torch.testing.assert_close(value, first.module.state_dict()[name], atol=1e-7, rtol=0)
    assert "copied from" in said and "embedding, recurrent, output at 0.1 of the learning rate" in said
    strange = ["'é'", "'ö'"] if first.recipe.vocabulary.unit == "characters" else ["'bé'", "'nöt'"]
    assert "2 symbols that the vocabulary lacks are read as <unk> (7" in said and ", ".join(strange) in said
    wanted = {"characters": 2 / 40, "words": 2 / 12}[first.recipe.vocabulary.unit]
    assert run.evaluate("train")["unknown"] == pytest.approx(wanted, abs=0.01)


def test_tuning_lowers_the_loss_from_where_the_run_stood_and_needs_neither_run_nor_text_later(first, texts, tmp_path):
    copy = shutil.copytree(first.folder, tmp_path / "first")
    before = first.evaluate("valid")["nll"]
    shutil.copy(texts / "first.txt", tmp_path / "text.txt")
    run, _ = tune(
        deepcanon.load(copy), tmp_path / "text.txt", tmp_path / "run", steps=30, copied_rate=1.0, learning_rate=0.02
    )
    assert run.evaluate("valid")["nll"] < before
    shutil.rmtree(copy)
    (tmp_path / "text.txt").unlink()
    moved = shutil.move(tmp_path / "run", tmp_path / "moved")
    assert deepcanon.load(moved).generate(prompt="to be", length=5)[0]["text"].startswith("to be")


def test_a_resumed_tuning_is_the_one_that_never_stopped(first, texts, tmp_path):
    options = {"evaluate_every": 3, "freeze": ("embedding",), "dropout": 0.1}
    whole, _ = tune(first, texts / "own.txt", tmp_path / "whole", steps=6, **options)
    deepcanon.train(
        "rnn-lm", data=str(texts / "own.txt"), out=tmp_path / "half", steps=6, checkpoint_every=0.0, **COMMON,
        unit=first.recipe.vocabulary.unit, init_from=str(first.folder), **options,
    )  # fmt: skip
    for path in (tmp_path / "half" / "checkpoints").glob("*6"):
        shutil.rmtree(path)
    again = deepcanon.resume(tmp_path / "half", quiet=True)
    for ours, theirs in zip(again.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    start = first.module.state_dict()["embedding.weight"]
    assert torch.equal(again.module.embedding.weight, start), "what is frozen stays"


def test_what_does_not_fit_is_one_line(first, texts, tmp_path):
    unit = first.recipe.vocabulary.unit
    other = {"characters": "words", "words": "characters"}[unit]
    for options, said in (
        ({"unit": other}, f"is a model of {unit}: give --unit {unit}"),
        ({"hidden": 32}, "recurrent.weight_ih_l0 is .* there and .* here: give the options of that model"),
        ({"cell": "gru"}, "give the options of that model"),
        ({"init_from": str(tmp_path / "none")}, "no such run or file"),
    ):
        with pytest.raises(UsageError, match=said):
            tune(first, texts / "own.txt", tmp_path / "run", **options)
        assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match=r"are unknown to .*train a new model on it, without --init-from"):
        tune(first, texts / "greek.txt", tmp_path / "run")
    with pytest.raises(UsageError, match="--freeze needs --init-from"):
        deepcanon.train("rnn-lm", data=str(texts / "own.txt"), out=tmp_path / "run", freeze=("output",), **COMMON)


def test_another_kind_of_run_is_refused_and_a_file_has_no_vocabulary(first, texts, tmp_path):
    digits = deepcanon.train("softmax-regression", data="digits", out=tmp_path / "digits", steps=2, quiet=True)
    with pytest.raises(UsageError, match="is not a run of a language model"):
        tune(first, texts / "own.txt", tmp_path / "run", init_from=str(digits.folder))
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(dict(first.module.state_dict()), weights)
    run, said = tune(first, texts / "own.txt", tmp_path / "run", init_from=str(weights), learning_rate=1e-12)
    assert "recurrent at 0.1 of the learning rate; new: embedding, output" in said
    assert ("bé" if first.recipe.vocabulary.unit == "words" else "é") in run.recipe.vocabulary.symbols
    ours, theirs = (of.module.recurrent.weight_hh_l0 for of in (run, first))
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=0)


def test_a_recipe_that_always_begins_with_its_own_weights_says_so(texts, tmp_path, capsys):
    given = ["--data", str(texts / "own.txt"), "--init-from", "x", "--out", str(tmp_path / "run")]
    assert main(["train", "ngram-lm", *given]) == 2
    assert "ngram-lm does not begin with the weights of another run: leave --init-from out" in capsys.readouterr().err


def test_the_options_of_the_run_come_from_its_config(texts, tmp_path, capsys):
    given = ["--preset", "smoke", "--hidden", "24", "--steps", "3", "--data", str(texts / "first.txt")]
    assert main(["train", "rnn-lm", *given, "--out", str(tmp_path / "first")]) == 0
    more = ["--config", str(tmp_path / "first" / "config.json"), "--init-from", str(tmp_path / "first")]
    own = ["--data", str(texts / "own.txt"), "--steps", "3", "--out", str(tmp_path / "own")]
    assert main(["train", "rnn-lm", *more, *own]) == 0
    assert "copied from" in capsys.readouterr().out
    assert json.loads((tmp_path / "own" / "config.json").read_text())["config"]["hidden"] == 24
