"""Words in two forms of Unicode, and clauses that count as words, are told when a training begins."""

import pytest

from deepcanon.cli import main
from deepcanon.engine.script_remarks import script_remarks

ONE, TWO = "caf\u00e9", "cafe\u0301"


def test_words_of_both_forms_are_named_once():
    (line,) = script_remarks({"words": {"source": {"symbols": ["a", ONE, TWO]}, "target": {"symbols": [ONE]}}})
    assert line.startswith("a symbol of the text is there in two forms of Unicode")
    assert r"'caf\xe9' and 'cafe\u0301'" in line or r"'cafe\u0301' and 'caf\xe9'" in line


def test_characters_are_told_where_a_letter_and_its_parts_are_both_there():
    assert len(script_remarks({"vocabulary": {"unit": "characters", "symbols": ["e", "\u0301", "\u00e9"]}})) == 1
    assert script_remarks({"vocabulary": {"unit": "characters", "symbols": ["e", "\u0301", "\u00fc"]}}) == []


@pytest.mark.parametrize("words", [[ONE], [TWO], ["a", "b"], [ONE, "cafe"], []])
def test_one_form_is_not_worth_a_word(words):
    assert script_remarks({"words": words, "shape": [3], "counts": [ONE, TWO]}) == []


def test_a_training_says_it(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text(f"{ONE} {TWO} bon soir monde\n" * 60, encoding="utf-8")
    given = ["train", "rnn-lm", "--preset", "smoke", "--steps", "1", "--unit", "words", "--data", str(text)]
    assert main([*given, "--out", str(tmp_path / "run")]) == 0
    assert "in two forms of Unicode" in capsys.readouterr().out


def test_clauses_of_scripts_without_blanks_are_told():
    clauses = ["我喜歡這部電影。", "今天老師去看朋友。", "<unk>", "</s>"]
    (line,) = script_remarks({"vocabulary": {"unit": "words", "symbols": clauses}})
    assert "我喜歡這部電影。 counts as one" in line
    for unit, symbols in (
        ("words", ["我", "喜歡", "電影", "<unk>"]),
        ("characters", clauses),
        ("words", ["長" * 9, "a", "b"]),
    ):
        assert script_remarks({"vocabulary": {"unit": unit, "symbols": symbols}}) == []
