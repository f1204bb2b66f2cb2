"""The text that Python brings along: as it stands, and as words."""

import re

from deepcanon.data import open_data
from deepcanon.data.embedded import pydoc


def whole(name):
    return open_data(("text",), name, options={"text": {"valid_share": 0, "test_share": 0}})["train"].x


def test_the_words_of_pydoc_are_words():
    """No mark stays with a word: what is near `class` was `Foo:`, `y)"` and `class.`."""
    text = whole("pydoc-words")
    words = text.split()
    assert len(words) > 50_000 and text.count("\n") > 3_000 and "__getattr__" in words and "built-in" in words
    for word in set(words):
        number, parts = word.replace(".", ""), re.split("['’-]", word)
        assert number.isdecimal() or all(part.isidentifier() for part in parts), word
    assert whole("pydoc").count('"') > 1_000  # and the text as it stands is still there


def test_names_of_code_stay_whole_and_sentences_are_lines(monkeypatch):
    from pydoc_data import topics

    said = """Note:\n\n   An object's "x.__init__()" isn't called;\nsee f'Foo {bar}' in 3.11.2. (Built-in\ntypes!)"""
    monkeypatch.setattr(topics, "topics", {"b": said, "a": "====\n  *a*"})
    lines = pydoc(words=True).splitlines()
    assert lines == [
        "a", "Note", "An object's x __init__ isn't called", "see f Foo bar in 3.11.2", "Built-in types"
    ]  # fmt: skip
