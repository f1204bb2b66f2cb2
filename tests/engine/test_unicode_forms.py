"""Words in two forms of Unicode are told when a training begins."""

import pytest

from deepcanon.cli import main
from deepcanon.engine.unicode_forms import two_forms

ONE, TWO = "caf\u00e9", "cafe\u0301"


def test_words_of_both_forms_are_named_once():
    (line,) = two_forms({"words": {"source": {"symbols": ["a", ONE, TWO]}, "target": {"symbols": [ONE]}}})
    assert line.startswith("a symbol of the text is there in two forms of Unicode")
    assert r"'caf\xe9' and 'cafe\u0301'" in line or r"'cafe\u0301' and 'caf\xe9'" in line


def test_characters_are_told_where_a_letter_and_its_parts_are_both_there():
    assert len(two_forms({"vocabulary": {"unit": "characters", "symbols": ["e", "\u0301", "\u00e9"]}})) == 1
    assert two_forms({"vocabulary": {"unit": "characters", "symbols": ["e", "\u0301", "\u00fc"]}}) == []


@pytest.mark.parametrize("words", [[ONE], [TWO], ["a", "b"], [ONE, "cafe"], []])
def test_one_form_is_not_worth_a_word(words):
    assert two_forms({"words": words, "shape": [3], "counts": [ONE, TWO]}) == []


def test_a_training_says_it(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text(f"{ONE} {TWO} bon soir monde\n" * 60, encoding="utf-8")
    given = ["train", "rnn-lm", "--preset", "smoke", "--steps", "1", "--unit", "words", "--data", str(text)]
    assert main([*given, "--out", str(tmp_path / "run")]) == 0
    assert "in two forms of Unicode" in capsys.readouterr().out
