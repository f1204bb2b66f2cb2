"""Runs of language models on the command line: what is printed, reported and recorded of them."""

import json
import sys

import pytest

import deepcanon
from deepcanon import heads
from deepcanon.cli import main, use
from deepcanon.engine.report.folder import read_run
from deepcanon.verify import units

TEXT = "to be or not to be\nthat is the question\n" * 30
PER = {"words": "per word (with sentence ends)", "characters": "per character (with line ends)"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "own.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("unit", list(PER))
def test_a_perplexity_says_its_unit_wherever_it_is_shown(own, tmp_path, capsys, unit):
    run, per = str(tmp_path / "run"), PER[unit]
    given = ["--preset", "smoke", "--steps", "3", "--data", own, "--unit", unit, "--out", run]
    assert main(["train", "rnn-lm", *given]) == 0
    out, err = capsys.readouterr()
    for said, whole in ((out, per), (err, per.partition(" (")[0])):  # lines of progress are short
        assert said.split("perplexity ", 1)[1].split(",")[0].strip().endswith(whole)
    assert "bits_per_character" in out
    assert main(["eval", run]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[0] == "perplexity" and line.endswith(f" {per}") for line in lines)
    assert main(["eval", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["units"] == {"nll": f"nats {per}", "perplexity": per}
    assert main(["predict", run, own]) == 0
    assert f"nats {per}, perplexity " in capsys.readouterr().out
    assert read_run(tmp_path / "run").metric("valid/perplexity")[1] == per
    assert per in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_records_and_mixtures_say_the_unit_too():
    words, letters = PER["words"], PER["characters"]
    found = units(heads.head("ngram-lm"), ["ptb-5", "tinyshakespeare-7"])["units"]
    assert found["ptb-5"]["perplexity"] == words and found["ptb-5"]["valid_perplexity"] == words
    assert found["tinyshakespeare-7"]["nll"] == f"nats {letters}"
    assert units(heads.head("neural-lm"), ["ptb"])["units"]["ptb"]["mixed_perplexity"] == words
    assert units(heads.head("logistic-regression"), list(heads.head("logistic-regression").verified)) == {}


def test_what_a_mixture_measures_is_described_with_its_unit(own, tmp_path):
    options = {"preset": "smoke", "steps": 2, "test_share": 0.2, "quiet": True}
    deepcanon.train("neural-lm", data=own, out=tmp_path / "run", **options)
    run = read_run(tmp_path / "run")
    assert run.metric("test/mixed_perplexity")[1] == run.metric("test/perplexity")[1] == PER["words"]
    assert "Kneser-Ney" in run.metric("test/ngram_perplexity")[0] and run.metric("test/weight")[1] == "share"


def test_a_text_is_streamed_on_a_terminal_or_if_asked_and_is_the_same(own, tmp_path, capsys, monkeypatch):
    run = str(tmp_path / "run")
    assert main(["train", "rnn-lm", "--preset", "smoke", "--steps", "3", "--data", own, "--out", run]) == 0
    (tmp_path / "prompts.txt").write_text("to be\nthat\n", encoding="utf-8")
    pieces: list[str] = []
    monkeypatch.setattr(use, "_tell", lambda piece: (pieces.append(piece), print(piece, end="")))
    for more in (["--prompt", "to"], ["--prompts", str(tmp_path / "prompts.txt")], ["--stop", "e", "o"]):
        asked = ["generate", run, "--length", "30", "--seed", "3", *more]
        shown = {}
        for name, how, terminal in (("whole", [], False), ("asked", ["--stream"], False), ("terminal", [], True)):
            pieces.clear()
            capsys.readouterr()
            monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
            assert main([*asked, *how]) == 0
            shown[name] = capsys.readouterr().out
            assert bool(pieces) is (name != "whole") or shown[name].strip() == ""
        assert shown["asked"] == shown["whole"] == shown["terminal"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    pieces.clear()
    assert main(["generate", run, "--count", "2", "--length", "5"]) == 0 and not pieces, "several are drawn at once"


def test_what_draws_no_text_has_nothing_to_stream(tmp_path, capsys):
    given = ["--preset", "smoke", "--steps", "2", "--out", str(tmp_path / "run")]
    assert main(["train", "gan", *given]) == 0
    capsys.readouterr()
    assert main(["generate", str(tmp_path / "run"), "--stream"]) == 2
    assert "does not draw a text token by token" in capsys.readouterr().err


def test_the_report_says_how_much_of_a_long_text_is_measured(own, tmp_path):
    for most in (20, 1000):
        options = {"preset": "smoke", "steps": 2, "evaluated": most, "quiet": True}
        deepcanon.train("rnn-lm", data=own, out=tmp_path / str(most), **options)
    pages = [(tmp_path / name / "report.html").read_text(encoding="utf-8") for name in ("20", "1000")]
    assert ["Of a held-out text its first 20 tokens are measured" in page for page in pages] == [True, False]


@pytest.mark.parametrize(("name", "refused"), [("texts.csv", True), ("texts.txt", False)])
def test_a_paragraph_is_a_document_of_a_txt_alone(name, refused, tmp_path, capsys):
    rows = "text,label\n" + "good film,1\nbad film,0\n" * 20
    lines = "good film\n\nbad film\n\n" * 20
    (tmp_path / name).write_text(rows if refused else lines, encoding="utf-8")
    given = ["--data", str(tmp_path / name), "--each", "paragraph", "--out", str(tmp_path / "run"), "--preset", "smoke"]
    code, said = main(["train", "replicated-softmax", *given, "--steps", "1"]), capsys.readouterr().err
    assert ("--each paragraph is of a .txt, and has no effect on" in said) == refused and (code == 2 or not refused)
