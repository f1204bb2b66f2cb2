"""Pairs of sentences: every accepted form, what is told of it, and broken files answered by one line."""

import gzip

import pytest

from deepcanon.cli import main
from deepcanon.data import DataError, check, kinds_of, open_data, read_inputs


def pairs(path, skip_bad=False, **options):
    chosen = {"valid_share": 0, "test_share": 0, **options}
    return open_data(("pairs",), str(path), options={"pairs": chosen}, skip_bad=skip_bad)


def both(data, split="train"):
    return list(zip(data[split].x, data[split].targets, strict=True))


@pytest.fixture
def write(tmp_path):
    def one(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return one


TWO = [("ein Hund läuft", "a dog runs"), ("zwei Katzen", "two cats")]
LINES = "".join(f"{s}\t{t}\n" for s, t in TWO)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", LINES),
        ("a.tsv.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("a.tsv", "src\ttgt\n" + LINES),
        ("a.tsv", "\ufeff" + LINES.replace("\n", "\r\n") + "\r\n"),
        ("a.tsv", "target\tsource\n" + "".join(f"{t}\t{s}\n" for s, t in TWO)),
        ("a.jsonl", "".join(f'{{"tgt": "{t}", "src": "{s}", "id": 1}}\n' for s, t in TWO)),
    ],
)
def test_forms_of_one_file(write, name, content):
    path = write(name, content)
    assert both(pairs(path)) == TWO
    assert "pairs" in kinds_of(str(path)) and check(("pairs",), str(path)).ok


def test_two_files_whose_lines_belong_together(write, tmp_path):
    for side, place in (("de", 0), ("en", 1)):
        write(f"corpus.{side}", "\n".join(pair[place] for pair in TWO))
    data = pairs(tmp_path)
    assert both(data) == TWO and any("de is the source, en the target" in note for note in data.notes)
    assert both(pairs(tmp_path, source="en")) == [(t, s) for s, t in TWO]
    assert both(pairs(tmp_path / "corpus.en")) == [(t, s) for s, t in TWO]
    assert kinds_of(str(tmp_path)) == ("pairs",)


def test_a_folder_with_splits(write, tmp_path):
    for split in ("train", "val", "test_2016"):
        for side, place in (("de", 0), ("en", 1)):
            write(f"{split}.{side}", "\n".join(f"{pair[place]} {split}" for pair in TWO))
    data = pairs(tmp_path)
    assert list(data.splits) == ["train", "valid", "test"] and both(data, "valid")[0][0] == "ein Hund läuft val"
    write("train.fr", "un\ndeux\n")
    with pytest.raises(DataError, match=r"3 languages \(de, en, fr\).*--source and --target"):
        pairs(tmp_path)
    assert both(pairs(tmp_path, source="de", target="en"))[1][1] == "two cats train"


def test_a_folder_of_tables_and_a_column_of_splits(write, tmp_path):
    write("train.tsv", LINES)
    write("test.tsv", "drei Hunde\tthree dogs\n")
    assert both(pairs(tmp_path), "test") == [("drei Hunde", "three dogs")]
    path = write("own/one.tsv", "src\ttgt\tsplit\na b\tc\ttrain\nd e\tf\tdev\n")
    assert both(pairs(path), "valid") == [("d e", "f")]


def test_every_guess_can_be_said_otherwise(write):
    path = write("t.tsv", "12\ta dog\tein Hund\n13\ta cat\teine Katze\n")
    assert both(pairs(path, source="3", target="2"))[0] == ("ein Hund", "a dog")
    named = write("n.tsv", "id\tDeutsch\tEnglish\n12\tein Hund\ta dog\n")
    assert both(pairs(named, source="deutsch", target="english")) == [("ein Hund", "a dog")]
    assert any(
        "columns that are not read: id" in note for note in pairs(named, source="Deutsch", target="English").notes
    )
    keys = write("k.jsonl", '{"a": "x y", "b": "z"}\n')
    assert both(pairs(keys, source="a", target="b")) == [("x y", "z")]


def test_splits_are_drawn_and_repetitions_told(write):
    path = write("a.tsv", "".join(f"satz {n}\tsentence {n}\n" for n in range(40)))
    data = pairs(path, valid_share=0.1, test_share=0.1)
    assert data.counts() == {"train": 32, "valid": 4, "test": 4}
    assert data.fingerprint() == pairs(path, valid_share=0.1, test_share=0.1).fingerprint()
    twice = write("b.tsv", "src\ttgt\tsplit\na b\tc\ttrain\na b\td\ttest\n")
    assert any("sources of test that are in train too: 1" in note for note in pairs(twice).notes)
    other = write("c.tsv", "src\ttgt\tsplit\na b\tc\ttrain\na b\te\ttest\n")
    assert pairs(twice).fingerprint()["test"] != pairs(other).fingerprint()["test"], "targets count too"


LONG = " ".join(["wort"] * 101)
BROKEN = [
    ("a.tsv", "a b\tc\nno tab\n", "line 2: has 1 cell, the first line 2; put one tab"),
    ("a.tsv", "a b\tc\nd\te\tf\n", "line 2: has 3 cells, the first line 2"),
    ("a.tsv", "only one column\n", "line 1: has 1 cell in its first line; put a tab between"),
    ("a.tsv", "a b\tc\n \tf\n", "line 2: has an empty source; give each pair a source and a target"),
    ("a.tsv", "a b\tc\nd\t \n", "line 2: has an empty target"),
    (
        "a.tsv",
        f"a b\tc\n{LONG}\tx\n",
        "line 2: has a source of 101 words and signs, more than the model's limit of 100",
    ),
    ("a.tsv", b"a b\tc\n\xff\xfed\te\n", r"line 2\): byte 0xff is not UTF-8; save it as UTF-8"),
    ("a.tsv", "a b\tc\nd\0\te\n", "NUL byte"),
    ("a.tsv", "\n \n", "holds no pair"),
    ("a.tsv", "src\ttgt\tsplit\na b\tc\ttrain\nd\te\tnever\n", "line 3: gives 'never' as its split"),
    ("a.jsonl", '{"src": "a", "tgt": "b"}\n[1]\n', "line 2: is not a JSON object"),
    ("a.jsonl", '{"src": "a", "tgt": "b"}\n{"src": "a"}\n', "line 2: has no target"),
    ("a.jsonl", '{"de": "a", "en": "b"}\n' * 9, r"has no key 'src' \(its keys are de, en\); name .* --source$"),
    ("a.jsonl", '{"src": "a", "tgt": 7}\n', r"line 1: has a target that is not text \(7\)"),
    ("a.jsonl", '{"src": "a", "tgt": "\\ud800"}\n', "lone surrogate"),
    ("a.tsv.gz", b"\x1f\x8b\x08 not gzip", "a.tsv.gz"),
    ("a.txt", "a\nb\n", "is not a file of pairs; accepted is pairs: a .tsv"),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN, ids=range(len(BROKEN)))
def test_broken_files_are_answered_by_one_line_that_names_the_remedy(write, name, content, said):
    path = write(name, content)
    with pytest.raises(DataError, match=said) as error:
        pairs(path)
    text = str(error.value)
    assert text.isprintable() and len(text.splitlines()) == 1 and name in text
    assert not check(("pairs",), str(path)).ok


def test_line_counts_that_differ_are_both_named(write, tmp_path):
    write("corpus.de", "eins\nzwei\ndrei\n")
    write("corpus.en", "one\ntwo\n")
    with pytest.raises(DataError, match=r"corpus\.de: has 3 lines, but corpus\.en has 2; give files whose lines"):
        pairs(tmp_path)
    assert len(check(("pairs",), str(tmp_path)).problems) == 1


def test_an_empty_line_in_one_of_two_files_is_named_in_it(write, tmp_path):
    write("corpus.de", "eins\n\n\nvier")
    write("corpus.en", "one\n\nthree\nfour\n")
    with pytest.raises(DataError, match=r"corpus\.de: line 3: has an empty source"):
        pairs(tmp_path)
    data = pairs(tmp_path, skip_bad=True)
    assert both(data) == [("eins", "one"), ("vier", "four")]
    assert any("blank in both files" in note for note in data.notes)


def test_sides_that_cannot_be(write, tmp_path):
    path = write("a.tsv", LINES)
    for said, options in (
        ("both say 'x'", {"source": "x", "target": "x"}),
        ("has no column 'x'", {"source": "x"}),
        ("both say '1'", {"source": "1", "target": "1 "}),
        ("must differ", {"source": "1", "target": "ein Hund läuft"}),
    ):
        with pytest.raises(DataError, match=said):
            pairs(path, **options)
    write("c.de", "a\n")
    write("c.en", "b\n")
    with pytest.raises(DataError, match="has no files in 'fr', only in de, en"):
        pairs(tmp_path / "c.de", target="fr")


def test_inputs_are_sources_line_by_line(write):
    path = write("in.txt", "ein Hund\n\nzwei Katzen\n")
    found = read_inputs("pairs", {"longest": 100}, [str(path)])
    assert found.values == ["ein Hund", "zwei Katzen"] and found.names == [f"{path}:1", f"{path}:3"]
    assert read_inputs("pairs", {}, [str(write("a.tsv", LINES))]).values == [s for s, _ in TWO]
    with pytest.raises(DataError, match=r"in\.txt:3: has 2 words and signs, more than the model's limit of 1"):
        read_inputs("pairs", {"longest": 1}, [str(write("in.txt", "Hund\n\nzwei Katzen\n"))])
    with pytest.raises(DataError, match="holds no source"):
        read_inputs("pairs", {}, [str(write("none.txt", "\n"))])


def test_other_kinds_of_folders_and_tables_are_not_taken_for_pairs(write, tmp_path):
    write("t/train.txt", "a\n")
    write("t/test.txt", "a\n")
    assert "pairs" not in kinds_of(str(tmp_path / "t"))
    assert "pairs" not in kinds_of(str(write("n.tsv", "1.5\t2\n3\t4\n")))
    assert "pairs" not in kinds_of(str(write("d.tsv", "text\tlabel\na b\tx\n")))


def test_a_broken_line_among_the_first_does_not_hide_what_the_file_is(write, capsys):
    path = write("a.tsv", "ein Hund läuft .\ta dog runs .\nzwei Katzen\ndrei Hunde\tthree dogs\n")
    assert "pairs" in kinds_of(str(path))
    main(["data", "check", str(path)])
    assert "line 2: has 1 cell, the first line 2; put one tab between source and target" in capsys.readouterr().out


def test_the_command_line_checks_pairs(write, capsys):
    assert main(["data", "check", str(write("a.tsv", LINES * 20))]) == 0
    told = capsys.readouterr().out
    assert "ein Hund läuft -> a dog runs" in told and "1 is the source, 2 the target (no header)" in told


@pytest.mark.real_data("multi30k")
def test_multi30k():
    data = open_data(("pairs",), "multi30k")
    assert data.counts() == {"train": 29_000, "valid": 1014, "test": 1000}
    assert data["train"].x[0].startswith("Zwei junge weiße Männer") and data["train"].targets[0].startswith("Two young")
    other = open_data(("pairs",), "multi30k", options={"pairs": {"source": "en", "target": "fr"}})
    assert other["train"].targets[0].startswith("Deux jeunes hommes")
    with pytest.raises(DataError, match="has no language 'es'"):
        open_data(("pairs",), "multi30k", options={"pairs": {"target": "es"}})
