"""The probability of each token of a text: its mean is the loss, its table, and the text coloured on a terminal."""

import csv
import json
import sys

import pytest

import deepcanon
from deepcanon.cli import main, surprise
from deepcanon.data import Inputs
from deepcanon.errors import UsageError

TEXT = "to be or not to be\nthat is the question\n" * 30


@pytest.fixture(
    scope="module",
    params=[
        ("rnn-lm", "characters"),
        ("rnn-lm", "words"),
        ("ngram-lm", "words"),
        ("ngram-lm", "characters"),
        ("neural-lm", "words"),
    ],
)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("surprise")
    (folder / "own.txt").write_text(TEXT, encoding="utf-8")
    (folder / "asked.txt").write_text("the question\nto be\n", encoding="utf-8")
    name, unit = request.param
    steps = {} if name == "ngram-lm" else {"steps": 5}
    deepcanon.train(name, preset="smoke", data=str(folder / "own.txt"), unit=unit, out=str(folder / "run"), **steps)
    return folder


def test_the_mean_over_the_tokens_is_the_loss(run):
    trained = deepcanon.load(run / "run")
    given = trained.read([str(run / "asked.txt")])
    for whole, each in zip(trained.answer(given), trained.surprises(given), strict=True):
        bits = [token["bits"] for token in each["tokens"]]
        assert len(bits) == whole["tokens"] and each["input"] == whole["input"]
        assert sum(bits) / len(bits) * 0.6931471805599453 == pytest.approx(whole["value"], rel=1e-4)
        assert all(token["probability"] == pytest.approx(2 ** -token["bits"]) for token in each["tokens"])
    apart = "" if trained.config.unit == "characters" else " "
    shown = apart.join(token["token"] for token in trained.surprises(given)[0]["tokens"])
    assert shown == "the question" + (" </s>" if apart else "")


def test_the_command_line_prints_and_writes_them(run, capsys, monkeypatch):
    asked = ["predict", str(run / "run"), str(run / "asked.txt"), "--tokens"]
    assert main([*asked, "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert main([*asked, "--to", str(run / "each.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    tokens = [token for record in records for token in record["tokens"]]
    assert len(lines) == len(records) + len(tokens) and "bits a token" in lines[0]
    with open(run / "each.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["token"] for row in rows] == [token["token"] for token in tokens]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert len(surprise.shown(records[0], " ")) == 2
    monkeypatch.setenv("NO_COLOR", "1")
    assert len(surprise.shown(records[0], " ")) == 1 + len(records[0]["tokens"])


def test_what_has_no_place_in_them_is_refused_or_told(run, capsys, tmp_path):
    asked = ["predict", str(run / "run"), "--tokens"]
    for option in (["--top", "2"], ["--threshold", "0.5"], ["--draw", str(tmp_path / "drawn")]):
        assert main([*asked, str(run / "asked.txt"), *option]) == 2
        assert f"leave {option[0]} out" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("to be\n", encoding="utf-8")
    (tmp_path / "b.pdf").write_text("to be\n", encoding="utf-8")
    assert main([*asked, str(tmp_path)]) == 0
    assert "not read: b.pdf" in capsys.readouterr().err


def test_colours_grow_with_surprise():
    tokens = [{"token": str(bits), "bits": bits} for bits in (0.5, 2.0, 5.0, 8.0, 99.0)]
    assert surprise.coloured(tokens, " ") == "0.5 " + " ".join(
        f"\x1b[30;48;5;{colour}m{token['token']}\x1b[0m"
        for (_, colour), token in zip(surprise.LEVELS[1:], tokens[1:], strict=True)
    )


def test_other_systems_have_no_tokens(tmp_path):
    deepcanon.train("pca", preset="smoke", out=str(tmp_path / "run"))
    with pytest.raises(UsageError, match="leave --tokens out"):
        deepcanon.load(tmp_path / "run").surprises(Inputs([], []))
