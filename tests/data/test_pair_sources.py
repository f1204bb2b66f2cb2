"""What is asked of a translator: the side that training read as the source, in any of the accepted forms."""

import gzip

import pytest

from deepcanon.data import DataError, open_data, read_inputs

TWO = "hund da\tdog there\nkatze\tcat\n"


def facts(path, **options):
    data = open_data(("pairs",), str(path), options={"pairs": {"valid_share": 0, "test_share": 0, **options}})
    return data.describe()


def asked(known, path):
    return read_inputs("pairs", known, [str(path)])


def refused(known, path, said):
    with pytest.raises(DataError, match=said) as error:
        asked(known, path)
    assert str(error.value).isprintable() and path.name in str(error.value)


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz"])
def test_rows_and_headers_without_options(write, ending):
    def file(text):
        return write(f"in{ending}", gzip.compress(text.encode(), mtime=0) if ending.endswith("gz") else text)

    known = facts(write("a.tsv", TWO))
    assert known["sides"] == {"source": "", "target": "", "form": "columns", "width": 2}
    for text, values, first in (
        (TWO, ["hund da", "katze"], 1),
        ("hund\tdog\n", ["hund"], 1),  # which does not look like sentences by itself
        ("src\ttgt\nhund\tdog\n", ["hund"], 2),
        ("tgt\tsrc\ndog\thund\n", ["hund"], 2),
        ("src\nhund\n", ["hund"], 2),
        ("\nhund\nkatze\n", ["hund", "katze"], 2),
        ("hund\tdog\nkatze\n", ["hund", "katze"], 1),  # a target is not needed
    ):
        found = asked(known, file(text))
        assert found.values == values and found.names[0].endswith(f"in{ending}:{first}"), text
    assert asked(known, file("hund\tdog\n")).notes[0].startswith("sources: column 1 (no header)")
    assert asked(known, file("src\ttgt\nhund\tdog\n")).notes[0].startswith("sources: column src")


def test_columns_are_those_of_training(write):
    named = facts(write("n.tsv", "id\tDeutsch\tEnglish\n1\tein Hund\ta dog\n"), source="Deutsch", target="English")
    assert (named["sides"]["source"], named["sides"]["target"]) == ("deutsch", "english")
    assert asked(named, write("in.tsv", "id\tDeutsch\n7\thund\n")).values == ["hund"]
    refused(
        named, write("in.tsv", "src\ttgt\nhund\tdog\n"), "line 1: has no column 'deutsch'.*give the columns of train"
    )
    assert asked(named, write("in.jsonl", '{"DEUTSCH": "hund"}\n')).values == ["hund"]
    refused(named, write("in.jsonl", '{"src": "hund"}\n'), r"has no key 'deutsch' \(it has src\)")
    number = facts(write("k.tsv", "1\tthe dog\tder Hund\n"), source="3", target="2")
    assert number["sides"]["source"] == 3
    assert asked(number, write("in.tsv", "7\tdog\thund\n")).values == ["hund"]
    refused(number, write("in.tsv", TWO), "has 2 cells, and training read its sources from column 3")
    year = facts(write("y.tsv", "2019\ttarget\tid\nhund\tdog\t7\n"), source="1")
    assert asked(year, write("in.tsv", "id\t2019\n7\thund\n")).values == ["hund"], "a name of digits is a name"
    second = facts(write("t.tsv", TWO), target="1")
    assert asked(second, write("in.tsv", "dog\thund\n")).values == ["hund"]
    header = facts(write("h.tsv", "tgt\tsrc\n" + TWO))
    refused(header, write("in.tsv", TWO), r"has no column 'src' \(the first line has hund da, dog there\)")
    refused(facts(write("a.tsv", TWO)), write("in.tsv", "7\thund\tdog\n"), "has 3 cells, and training had 2")


def test_keys_and_languages_are_those_of_training(write):
    keys = facts(write("k.jsonl", '{"a": "hund", "b": "dog"}\n'), source="a", target="b")
    assert asked(keys, write("in.jsonl", '{"a": "hund", "n": 1}\n')).values == ["hund"]
    refused(keys, write("in.tsv", TWO), "has no column 'a'")
    usual = facts(write("j.jsonl", '{"src": "hund", "tgt": "dog"}\n'))
    assert asked(usual, write("in.jsonl", '{"src": "hund"}\n{"Source": "katze"}\n')).values == ["hund", "katze"]
    write("c.de", "hund\n")
    files = facts(write("c.en", "dog\n").parent / "c.en", target="de")
    assert (files["sides"]["source"], files["sides"]["form"]) == ("en", "files")
    assert asked(files, write("in.tsv", "de\ten\nhund\tdog\n")).values == ["dog"]
    assert asked(files, write("in.jsonl", '{"en": "dog"}\n{"src": "cat"}\n')).values == ["dog", "cat"]


BAD = [
    ("in.tsv", "src\tsource\ttgt\na\tb\tc\n", r"line 1: has two columns for the source \(src, source\)"),
    ("in.tsv", "tgt\ndog\n", "names a column for the target and none for the source"),
    ("in.tsv", "hund\tdog\n\tcat\n", "line 2: has an empty source; give each line a source"),
    ("in.tsv", "hund\tdog\nkatze\tcat\tx\n", "has 2 cells, and line 2 has 3|has 3 cells, and training had 2"),
    ("in.tsv", "src\ttgt\n", "holds no source"),
    ("in.jsonl", '{"src": "a", "source": "b"}\n', r"line 1: has two keys for the source \(src, source\)"),
    ("in.jsonl", '{"src": "a", "src": "b"}\n', "line 1: has the key 'src' twice"),
    ("in.jsonl", '{"src": "a"}\n{"tgt": "b"}\n', r"line 2: has no key 'src' \(it has tgt\)"),
    ("in.jsonl", '{"src": "a"}\n{"src": null}\n', "line 2: has no source"),
    ("in.jsonl", '{"src": "a"}\n{"src": "\\ud800"}\n', "line 2: has a NUL or half a character"),
    ("in.parquet", "hund,dog\n", "is not a file of sentences; give a .txt with a source in each line"),
    ("in.txt", "\n \n", "holds no source"),
]


@pytest.mark.parametrize(("name", "content", "said"), BAD, ids=range(len(BAD)))
def test_what_is_not_a_source_is_refused_with_its_place(write, name, content, said):
    refused(facts(write("a.tsv", TWO)), write(name, content), said)


def test_an_empty_file_among_others_is_not_passed_over(write):
    with pytest.raises(DataError, match=r"none\.txt: holds no source"):
        read_inputs("pairs", {}, [str(write("in.txt", "hund\n")), str(write("none.txt", "\n"))])


def test_plain_texts_are_sentences_a_line_and_tell_what_is_no_sentence(write):
    found = asked(facts(write("a.tsv", TWO)), write("in.txt", "der  Hund\n\nkatze\tcat\n"))
    assert found.values == ["der Hund", "katze cat"] and [name[-1] for name in found.names] == ["1", "3"]
    assert "blank lines, which are not sentences: 1" in found.notes[0] and "lines with a tab" in found.notes[0]


def test_other_splits_and_other_data_are_read_as_training_was(write, tmp_path):
    write("f/train.tsv", "tgt\tsrc\na dog\tein Hund\n")
    write("f/test.tsv", "drei Hunde\tthree dogs\n")
    with pytest.raises(DataError, match=r"test\.tsv: line 1: has no column 'src'.*give the columns of training$"):
        facts(tmp_path / "f")
    for side, text in (("de", "ein Hund\n"), ("en", "a dog\n")):
        write(f"g/corpus.{side}", text)
    known = facts(tmp_path / "g" / "corpus.en")
    assert known["sides"]["source"] == "en"
    data = open_data(("pairs",), str(tmp_path / "g"), options={"pairs": {"learned": known, "valid_share": 0}})
    assert data["train"].x == ["a dog"], "not in the order of the alphabet"
    write("h/corpus.fr", "un chien\n"), write("h/corpus.de", "ein Hund\n")
    with pytest.raises(DataError, match="has no files in 'en', only in de, fr; name them as in training"):
        open_data(("pairs",), str(tmp_path / "h"), options={"pairs": {"learned": known}})
