"""Records in a .txt are read as text, and that is told."""

import pytest

from deepcanon.data import documents, text
from deepcanon.data.records_in_text import told_of_records

JSON = '{"text": "a good film", "label": "good"}\n{"text": "a bad film", "label": "bad"}\n'


@pytest.mark.parametrize(
    ("written", "suffix"),
    [
        (JSON, ".jsonl"),
        ("Text,Label\na good film,good\n", ".csv"),
        ("label;text\ngood;a film, good\n", ".csv"),
        ("id\ttext\tlabel\n1\ta film\tgood\n", ".tsv"),
    ],
)
def test_records_are_told_with_the_name_they_need(tmp_path, written, suffix):
    path = tmp_path / "films.txt"
    path.write_text(written, encoding="utf-8")
    (note,) = told_of_records(path)
    assert note.startswith("films.txt: it") and note.endswith(f"call it films{suffix}")


@pytest.mark.parametrize(
    "written",
    [
        "",
        '{"text": "a"}\n',
        "A label, a text and a film.\n",
        "text, label and more\nno commas here\n",
        "[1]\n[2]\n",
        '{"text": "a"}\nThe end.\n',
    ],
)
def test_other_texts_are_not(tmp_path, written):
    path = tmp_path / "films.txt"
    path.write_text(written, encoding="utf-8")
    assert told_of_records(path) == []


@pytest.mark.parametrize("read", [text.read, documents.read], ids=["text", "documents"])
def test_both_readers_of_text_say_it_once(tmp_path, read):
    path = tmp_path / "films.txt"
    path.write_text(JSON * 50, encoding="utf-8")
    notes = read(path).notes
    assert sum("call it films.jsonl" in note for note in notes) == 1
