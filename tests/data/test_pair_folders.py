"""Folders and columns of pairs: two files of one split or side, lone test sets, names that come twice, are refused."""

import gzip

import pytest

from deepcanon.cli import main
from deepcanon.data import DataError, check, kinds_of, open_data

TSV = "ein Hund läuft\ta dog runs\nzwei Katzen\ttwo cats\n"
DE, EN = "ein Hund läuft\nzwei Katzen\n", "a dog runs\ntwo cats\n"
OBJECTS = '{"src": "ein Hund", "tgt": "a dog"}\n'


def pairs(path, skip_bad=False, **options):
    chosen = {"valid_share": 0, "test_share": 0, **options}
    return open_data(("pairs",), str(path), options={"pairs": chosen}, skip_bad=skip_bad)


def refused(path, said, **options):
    with pytest.raises(DataError, match=said) as error:
        pairs(path, **options)
    assert str(error.value).isprintable()


TWICE = [
    ({"train.tsv": TSV, "train.jsonl": OBJECTS}, r"train\.tsv: is a second train split next to train\.jsonl; keep one"),
    ({"train.tsv": TSV, "dev.tsv": TSV, "valid.tsv": TSV}, r"valid\.tsv: is a second valid split next to dev\.tsv"),
    ({"train.de": DE, "train.en": EN, "train.tsv": TSV}, r"train\.tsv: is a second train split next to train\.de"),
    ({"train.src": DE, "train.source": DE, "train.tgt": EN}, r"two sides that could be the source \(src, source\)"),
    ({"test.tsv": TSV}, r"test\.tsv: has the name of the test split, but there is no train; add it"),
    ({"news.test.tsv": TSV}, r"news\.test\.tsv: has the name of the test split, but there is no train"),
    ({"test.de": DE, "test.en": EN}, r"test\.de: has the name of the test split, but there is no train"),
    ({"val.de": DE, "val.en": EN, "test.de": DE, "test.en": EN}, "has the name of the valid split"),
    ({"a.tsv": TSV}, r"has no train\.tsv, train\.csv or train\.jsonl \(it has a\.tsv\)"),
]


@pytest.mark.parametrize(("files", "said"), TWICE, ids=range(len(TWICE)))
def test_two_files_of_one_split_or_none_for_training(write, tmp_path, files, said):
    for name, text in files.items():
        write(name, text)
    refused(tmp_path, said)
    assert main(["data", "check", str(tmp_path)]) == 2


def test_two_files_of_one_side_are_a_problem_and_one_given_by_its_name_is_read(write, tmp_path):
    write("train.de", DE)
    other = write("train.de.txt", "drei\nvier\n")
    write("train.de.gz", gzip.compress(DE.encode(), mtime=0))
    write("train.en", EN)
    refused(tmp_path, r"train\.de\.gz: is a second file of de next to train\.de; keep one of them \(and 1 more\)")
    assert pairs(tmp_path, skip_bad=True)["train"].x[0] == "ein Hund läuft"
    assert pairs(other)["train"].x == ["drei", "vier"]


def test_files_that_are_not_read_are_told_and_forms_may_be_mixed(write, tmp_path):
    for name, text in {"train.de": DE, "train.en": EN, "train.fr": EN, "test.jsonl": OBJECTS, "w.tsv": TSV}.items():
        write(name, text)
    write("more/x.txt", "x")
    data = pairs(tmp_path, source="de", target="en")
    assert data.counts() == {"train": 2, "test": 1} and data["test"].x == ["ein Hund"]
    assert "splits: train from train.de and train.en, test from test.jsonl" in data.notes
    assert "not read: more/, train.fr, w.tsv" in data.notes


def test_splits_may_have_a_name_before_theirs(write, tmp_path):
    write("news.train.tsv", TSV)
    write("news.test.tsv", TSV)
    assert list(pairs(tmp_path).splits) == ["train", "test"] and "pairs" in kinds_of(str(tmp_path))


COLUMNS = [
    ("src\tsource\ttgt\n", {}, r"line 1: has two columns for the source \(src, source\); keep one, or say which"),
    ("src\tsource\tx\n", {}, "has two columns for the source"),
    ("src\ttgt\tTGT\n", {}, r"has two columns for the target \(tgt, tgt\)"),
    ("id\tid\tsrc\ttgt\n", {}, "has the column 'id' twice"),
    ("src\tenglish\n", {}, r"names a column for the source and none for the target \(src, english\)"),
    (
        "id\tDeutsch\tEnglish\n",
        {"source": "Deutsch"},
        "has 2 columns that could be the target \\(id, Deutsch, English\\); say which with --target",
    ),
    ("1\tein Hund\ta dog\n", {"source": "2"}, "has 2 columns that could be the target"),
    ("\n\nsrc\tsource\n", {}, "line 3: has two columns"),
    (TSV, {"source": "²"}, "line 1: has no column '²'.*or its number, with --source"),
    (TSV, {"source": "١"}, "has no column '١'"),
    (TSV, {"source": "9" * 5000}, "has no column '999"),
    (TSV, {"source": "0"}, "has no column '0'"),
]


@pytest.mark.parametrize(("first", "options", "said"), COLUMNS, ids=range(len(COLUMNS)))
def test_columns_that_could_be_two_things(write, first, options, said):
    cells = max(first.rstrip("\n").split("\n")[-1].count("\t"), 1) + 1
    refused(write("a.tsv", first + "\t".join(["ein Hund"] * cells) + "\n"), said, **options)


def test_one_of_two_names_can_be_said(write):
    path = write("a.tsv", "src\tsource\ttgt\na\tb\tc\n")
    assert pairs(path, source="source")["train"].x == ["b"]
    assert pairs(path, source="1", target="3")["train"].x == ["a"]
    assert pairs(write("b.tsv", "src\tenglish\tsplit\na\tb\ttrain\n"), target="english")["train"].targets == ["b"]


def test_keys_that_come_twice(write):
    path = write("a.jsonl", OBJECTS + '{"src": "a", "source": "b", "tgt": "c"}\n')
    refused(path, r"line 2: has two keys for one side \(src, source\); keep one, or say which with --source")
    assert pairs(path, skip_bad=True).counts() == {"train": 1}
    refused(write("b.jsonl", OBJECTS + '{"src": "a", "Src": "b", "tgt": "c"}\n'), "line 2: has the key 'src' twice")
    nested = write("c.jsonl", '{"src": "a", "tgt": "b", "more": {"n": 1, "N": 2}}\n')
    assert pairs(nested).counts() == {"train": 1}, "only the keys of the object itself count"


def test_a_long_source_is_named_in_its_own_file(write, tmp_path):
    write("corpus.de", "ein Hund\n" + "wort " * 101)
    write("corpus.en", "a dog\nx")
    refused(tmp_path, r"corpus\.de: line 2: has a source of 101 words")


def test_blanks_and_quotation_marks_are_told(write):
    data = pairs(write("a.tsv", '"ein  Hund"\t"a dog"\n'))
    assert data["train"].x == ['"ein Hund"']
    assert any("other or several blanks" in note for note in data.notes)
    assert any("between quotation marks, which are kept: 2" in note for note in data.notes)
    assert check(("pairs",), str(write("b.tsv", TSV.replace("\n", "\r")))).counts["train"] == 1
