"""Runs of models over byte-pair pieces: what is said, measured, resumed, taken over and refused."""

import json
import math
import shutil
import sys

import pytest
import torch
from tokenizers import Tokenizer

import deepcanon
from deepcanon.cli import main
from deepcanon.data import large_text, pieces
from deepcanon.engine.report.folder import read_run

TEXT = "to be or not to be\nthat is the question: bé, 中\n" * 40
OWN = "ob wir sind oder nicht\nα, β und \U0001f600\n" * 40
PER = "per piece (with line ends)"
NAMES = ("rnn-lm", "neural-lm", "factorized-bigram-lm", "ngram-lm")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for name, text in (("text", TEXT), ("own", OWN)):
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def given(name, data, out, *more, steps=4):
    steps = () if name == "ngram-lm" else ("--steps", str(steps))
    return [
        "train",
        name,
        "--preset",
        "smoke",
        *steps,
        "--data",
        str(data),
        "--unit",
        "pieces",
        *more,
        "--out",
        str(out),
    ]


@pytest.fixture(scope="module", params=NAMES)
def run(request, own, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / request.param
    more = () if request.param == "ngram-lm" else ("--test-share", "0.2")
    assert main(given(request.param, own / "text.txt", folder, "--pieces", "280", *more)) == 0
    return folder


def test_a_run_says_its_unit_and_its_bits_per_character_are_exact(run, capsys):
    trained = deepcanon.load(run)
    assert len(trained.recipe.vocabulary) == 280 and trained.recipe.facts["learned"]["asked"] == 280
    assert main(["eval", str(run), "--split", "valid", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["units"]["perplexity"] == PER and "unknown" not in found["metrics"]
    text = trained.recipe.run.data["valid"].x
    numbers = trained.recipe.vocabulary.encode(text)
    first = trained.recipe.first
    skipped = len(trained.recipe.vocabulary.symbols[numbers[0]]) * first
    bits = found["metrics"]["nll"] * (len(numbers) - first) / math.log(2) / (len(text) - skipped)
    assert found["metrics"]["bits_per_character"] == pytest.approx(bits, rel=1e-9)
    assert read_run(run).metric("valid/perplexity")[1] == PER


def test_pieces_of_a_text_are_coloured_by_surprise(run, own, capsys):
    (run.parent / "asked.txt").write_text("to be Ω\n", encoding="utf-8")
    assert main(["predict", str(run), str(run.parent / "asked.txt"), "--tokens", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert "".join(token["token"] for token in record["tokens"]) == "to be \\xce\\xa9"
    (whole,) = deepcanon.load(run).recipe.predict(["to be Ω"])
    total = sum(token["bits"] for token in record["tokens"])
    assert whole["bits_per_character"] * len("to be Ω") == pytest.approx(total, rel=1e-4) and whole["unknown"] == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "bits per piece" in page


def test_texts_are_written_from_any_prompt(run, capsys):
    assert main(["generate", str(run), "--prompt", "Ω 中", "--length", "12", "--count", "2", "--json"]) == 0
    assert all(sample["text"].startswith("Ω 中") for sample in json.loads(capsys.readouterr().out))
    assert main(["generate", str(run), "--prompt", "a\udcff"]) == 2
    assert "did not occur" in capsys.readouterr().err


def test_what_is_measured_does_not_depend_on_whether_the_text_is_in_memory(own, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_text, "LARGE", 0)
    monkeypatch.setattr(pieces, "SAMPLE", 640)
    said = []
    for cache in ("auto", "off"):
        lines = []
        deepcanon.train(
            "rnn-lm", preset="smoke", steps=4, data=str(own / "text.txt"), unit="pieces", pieces=270, cache=cache,
            out=tmp_path / cache, say=lines.append, quiet=True,
        )  # fmt: skip
        said.append(next(line for line in lines if "learned from" in line))
        assert (
            said[-1]
            == said[0]
            == "270 pieces, learned from 640 of 1,692 characters (64 stretches) of the training text"
        )
    here, there = ((tmp_path / cache / "metrics.jsonl").read_text() for cache in ("auto", "off"))
    assert here == there


def test_a_resumed_run_is_the_one_that_never_stopped(own, tmp_path):
    more = ("--evaluate-every", "3", "--checkpoint-every", "0")
    for name in ("whole", "cut"):
        assert main(given("rnn-lm", own / "text.txt", tmp_path / name, *more, steps=6)) == 0
    for path in (tmp_path / "cut" / "checkpoints").glob("*6"):
        shutil.rmtree(path)
    assert main(["resume", str(tmp_path / "cut")]) == 0
    ours, theirs = (deepcanon.load(tmp_path / name).recipe for name in ("cut", "whole"))
    assert ours.vocabulary == theirs.vocabulary
    weights = theirs.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in ours.model.state_dict().items())


@pytest.mark.parametrize("name", ["rnn-lm", "neural-lm"])
def test_another_text_is_read_in_the_pieces_of_the_run_that_it_begins_with(name, own, tmp_path, capsys):
    assert main(given(name, own / "text.txt", tmp_path / "first", "--pieces", "270")) == 0
    more = ("--init-from", str(tmp_path / "first"))
    assert main(given(name, own / "own.txt", tmp_path / "next", *more)) == 0
    assert "copied from" in capsys.readouterr().out
    ours, theirs = (deepcanon.load(tmp_path / folder).recipe.vocabulary for folder in ("next", "first"))
    assert ours == theirs and ours.decode(ours.encode(OWN)) == OWN
    assert main([*given(name, own / "own.txt", tmp_path / "more", *more)[:-4], "characters", "--out", "x"]) == 2


def test_an_export_holds_what_the_library_reads(own, tmp_path):
    assert main(given("rnn-lm", own / "text.txt", tmp_path / "run")) == 0
    recipe = deepcanon.load(tmp_path / "run").recipe
    said = json.dumps(recipe.export().about["tokenizer"])
    assert Tokenizer.from_str(said).encode(OWN).ids == recipe.vocabulary.encode(OWN).tolist()


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("rnn-lm", ("--minimum-count", "2"), "--minimum-count leaves symbols out"),
        ("neural-lm", ("--vocabulary", "300"), "--vocabulary leaves symbols out"),
        ("rnn-lm", ("--unit", "words", "--pieces", "300"), "--pieces is the size of the vocabulary of --unit pieces"),
        ("ngram-lm", ("--pieces", "256"), "--pieces"),
    ],
)
def test_what_has_no_effect_is_refused(name, more, said, own, tmp_path, capsys):
    assert main([*given(name, own / "text.txt", tmp_path / "run"), *more]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_an_arpa_file_has_no_pieces(own, tmp_path, capsys):
    assert main(given("ngram-lm", own / "text.txt", tmp_path / "run")) == 0
    assert main(["export", str(tmp_path / "run"), "--to", str(tmp_path / "model.arpa")]) == 2
    assert "ARPA files hold words or characters" in capsys.readouterr().err
    assert main(given("ngram-lm", own / "text.txt", tmp_path / "own", "--arpa", str(own / "text.txt"))) == 2
    assert "ARPA files hold words or characters" in capsys.readouterr().err


def test_without_the_library_one_line_says_what_to_install(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert main(given("rnn-lm", own / "text.txt", tmp_path / "run")) == 2
    assert "deepcanon: pieces of a text need an extra: pip install 'deepcanon[text]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
