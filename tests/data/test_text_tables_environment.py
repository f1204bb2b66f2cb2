"""The readers of text, tables and environments: forms, encodings, exact places of what is wrong, inputs."""

import gzip
import io
import json
import random
import sys

import numpy as np
import pytest
import torch

from deepcanon.data import cells, check, columns, open_data, read_inputs, table_columns
from deepcanon.data.errors import DataError


def text(path, **options):
    return open_data(("text",), str(path), options={"text": options})


def table(path, skip_bad=False, seed=0, **options):
    return open_data(("tables",), str(path), options={"tables": options}, skip_bad=skip_bad, seed=seed)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --------------------------------------------------------------------------------------------------------- text


def test_text_is_cut_into_contiguous_pieces(tmp_path):
    whole = "".join(random.Random(0).choices("abcäß漢", k=1000))
    data = text(write(tmp_path / "a.txt", whole))
    assert data.counts() == {"train": 800, "valid": 100, "test": 100}
    assert data["train"].x + data["valid"].x + data["test"].x == whole
    assert data.describe() == {"kind": "text"}
    assert text(tmp_path / "a.txt", test_share=0.0).counts() == {"train": 900, "valid": 100}
    assert text(tmp_path / "a.txt", valid_share=0.0, test_share=0.0).counts() == {"train": 1000}
    assert text(tmp_path / "a.txt", valid_share=0.3, test_share=0.2)["test"].x == whole[800:]


@pytest.mark.parametrize(
    "line",
    [
        "seventeen " * 5 + "\n",
        "seventeen\n",
        "seventeen " * 400,
        "seventeen\n" * 3 + "\n",
        "a\r\nseventeen ",
        "so " * 99 + "\n",
    ],
)
@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.001, 0.5), (0.45, 0.45), (0.1, 0.0), (0.0, 0.01)])
def test_no_word_is_cut_in_two(tmp_path, line, shares):
    whole = (line * 401)[: -(len(line) // 2 or None) if "99" in line else None]
    (tmp_path / "a.txt").write_text(whole, encoding="utf-8", newline="")
    data = text(tmp_path / "a.txt", valid_share=shares[0], test_share=shares[1])
    pieces = [data[name].x for name in ("train", "valid", "test") if name in data.splits]
    assert len(pieces) == 1 + sum(share > 0 for share in shares)
    assert all(pieces) and "".join(pieces).split() == whole.split()
    assert [word for piece in pieces for word in piece.split()] == whole.split()


def test_pieces_of_lines_end_at_line_ends(tmp_path):
    (tmp_path / "a.txt").write_text("to be or not to be\n" * 300)
    data = text(tmp_path / "a.txt", valid_share=0.2, test_share=0.1)
    assert all(data[name].x.endswith("\n") for name in ("train", "valid", "test"))
    assert data.counts()["valid"] == pytest.approx(0.2 * 5700, abs=20)


@pytest.mark.parametrize("whole", ["x" * 1000, "one line\n", "a\nb", "ab"])
def test_a_text_without_a_border_near_is_cut_where_the_share_says(tmp_path, whole):
    (tmp_path / "a.txt").write_text(whole)
    data = text(tmp_path / "a.txt", valid_share=0.5, test_share=0)
    assert data["train"].x + data["valid"].x == whole


def test_bom_line_ends_and_gzip(tmp_path):
    write(tmp_path / "a.txt", b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    data = text(tmp_path / "a.txt", valid_share=0, test_share=0)
    assert data["train"].x == "one\ntwo\nthree\n"
    write(tmp_path / "b.txt.gz", gzip.compress("grün".encode()))
    assert text(tmp_path / "b.txt.gz", valid_share=0, test_share=0)["train"].x == "grün"


def test_folders_of_text(tmp_path):
    write(tmp_path / "b.txt", "second\n")
    write(tmp_path / "a.txt", "first")
    assert text(tmp_path, valid_share=0, test_share=0)["train"].x == "first\nsecond\n"
    splits = tmp_path / "splits"
    splits.mkdir()
    for name in ("train", "valid", "test"):
        write(splits / f"{name}.txt", name * 3)
    assert {k: v.x for k, v in text(splits).splits.items()} == {k: k * 3 for k in ("train", "valid", "test")}
    (splits / "valid.txt").unlink()
    data = text(splits, valid_share=0.4)
    assert data["train"].x + data["valid"].x == "train" * 3 and data["test"].x == "test" * 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"fine\nthen \xff", r"byte 10 \(line 2\): byte 0xff is not UTF-8"),
        (b"\xef\xbb\xbfab\xc3", r"byte 5 \(line 1\): byte 0xc3"),
        (b"\xff\xfea\0", "is UTF-16"),
        (b"a\n\0", r"byte 2 \(line 2\): holds a NUL"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_text_that_is_none(tmp_path, content, said):
    path = write(tmp_path / "x.txt", content)
    with pytest.raises(DataError, match=said) as error:
        text(path)
    assert str(path) in str(error.value)
    write(tmp_path / "y.txt", "good text")
    left = open_data(("text",), str(tmp_path), skip_bad=True)
    assert len(left.record["skipped"]) == 1 and left.record["files"] == ["y.txt"]
    assert len(check(("text",), str(tmp_path)).problems) == 1


def test_lines_are_inputs(tmp_path, monkeypatch):
    path = write(tmp_path / "in.txt", "first\n\n second \n")
    found = read_inputs("text", {}, [str(path)])
    assert (found.names, found.values) == ([f"{path}:1", f"{path}:3"], ["first", " second "])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nb")))
    found = read_inputs("text", {}, ["-"])
    assert (found.names, found.values) == (["stdin:1", "stdin:2"], ["a", "b"])
    for wrong in (write(tmp_path / "x.csv", "a"), write(tmp_path / "empty.txt", "")):
        with pytest.raises(DataError):
            read_inputs("text", {}, [str(wrong)])


def test_pydoc_is_here_for_everybody():
    data = text("pydoc")
    assert sum(data.counts().values()) > 300_000 and "assert" in data["train"].x[:100]


@pytest.mark.real_data("tinyshakespeare")
def test_tiny_shakespeare():
    data = text("tinyshakespeare")
    whole = data["train"].x + data["valid"].x
    assert len(whole) == 1_115_394 and len(set(whole)) == 65
    assert data.counts() == {"train": 1_003_854, "valid": 111_540} and whole.startswith("First Citizen:\nBefore we")


@pytest.mark.real_data("ptb")
def test_penn_treebank():
    data = text("ptb")
    words = {name: split.x.split() for name, split in data.splits.items()}
    lines = {name: split.x.count("\n") for name, split in data.splits.items()}
    assert {name: len(w) for name, w in words.items()} == {"train": 887_521, "valid": 70_390, "test": 78_669}
    assert lines == {"train": 42_068, "valid": 3_370, "test": 3_761}
    assert len(set(words["train"])) == 9_999


@pytest.mark.real_data("nltk")
def test_the_brown_corpus():
    whole = text("brown", valid_share=0, test_share=0)["train"].x
    words = whole.split()
    assert len(words) == 1_161_192 and len(set(words)) == 56_057 and whole.count("\n") == 57_340
    assert whole.startswith("The Fulton County Grand Jury said Friday an investigation of Atlanta's recent primary")
    assert text("brown").counts().keys() == {"train", "valid", "test"}


def test_texts_are_joined_split_by_split():
    """Each set keeps its own splits, and ends a line before the next begins."""
    both, first, second = text("pydoc+planted-grammar"), text("pydoc"), text("planted-grammar")
    for name in ("train", "valid", "test"):
        pieces = both[name].x.partition("\n" + second[name].x)
        assert pieces[0].strip("\n") == first[name].x.strip("\n") and pieces[1] and not pieces[2]
    assert [note.split(",")[0] for note in both.notes] == ["text: pydoc", "text: planted-grammar", "text: 2 files"]
    assert "10% valid, then 10% test" in both.notes[0] and "%" not in both.notes[2]
    for wrong, said in (
        ("pydoc+digits", "digits: is a set of images, but text is needed"),
        ("pydoc+nothing", "is neither a data set's name nor a path"),
        ("pydoc+", "is neither a data set's name nor a path"),
    ):
        with pytest.raises(DataError, match=said):
            text(wrong)
    with pytest.raises(DataError, match="joins sets that are not texts"):
        open_data(("images", "text"), "pydoc+digits")


# ------------------------------------------------------------------------------------------------------- tables

FLOWERS = "width,colour,kind\n1.5,red,a\n2.5,blue,b\n-3e2,red,a\n0,blue,b\n"


def rows_of(data):
    x = torch.cat([split.x for split in data.splits.values()])
    y = torch.cat([split.y for split in data.splits.values()])
    return {tuple(row): label for row, label in zip(x.tolist(), y.tolist(), strict=True)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_any_delimiter(tmp_path, delimiter):
    data = table(write(tmp_path / "x.csv", FLOWERS.replace(",", delimiter)), valid_share=0, test_share=0)
    assert data["train"].x.dtype == torch.float64 and data["train"].y.dtype == torch.int64
    assert data["train"].x.tolist() == [[1.5, 0, 1], [2.5, 1, 0], [-300, 0, 1], [0, 1, 0]]
    assert data["train"].y.tolist() == [0, 1, 0, 1]
    assert data.describe() == {
        "kind": "tables", "columns": ["width", "colour=blue", "colour=red"], "target": "kind", "classes": ["a", "b"],
        "sources": [{"name": "width"}, {"name": "colour", "categories": ["blue", "red"]}],
    }  # fmt: skip


def test_blank_lines_before_the_header_do_not_count(tmp_path):
    data = table(write(tmp_path / "x.csv", "\n  \na;b\n\n1;x\n2;y\n"), valid_share=0, test_share=0)
    assert data["train"].x.tolist() == [[1], [2]] and data.describe()["classes"] == ["x", "y"]


def test_the_same_table_in_every_form(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"w": float(i) / 4, "colour": "rb"[i % 2], "n": i, "kind": f"k{i % 3}"} for i in range(40)]
    header = list(rows[0])
    lines = [",".join(header)] + [",".join(str(r[h]) for h in header) for r in rows]
    write(tmp_path / "x.csv", "\ufeff" + "\r\n".join(lines))
    write(tmp_path / "x.tsv", "\n".join(lines).replace(",", "\t") + "\n\n")
    write(tmp_path / "x.jsonl", "\n".join(json.dumps(r) for r in rows))
    write(tmp_path / "x.csv.gz", gzip.compress("\n".join(f'"{line}"'.replace(",", '","') for line in lines).encode()))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    sets = [table(tmp_path / f"x.{end}", seed=3) for end in ("csv", "tsv", "jsonl", "csv.gz", "parquet")]
    for data in sets:
        assert data.describe() == sets[0].describe() and data.counts() == {"train": 32, "valid": 4, "test": 4}
        for name, split in data.splits.items():
            assert torch.equal(split.x, sets[0][name].x) and torch.equal(split.y, sets[0][name].y)


def test_targets(tmp_path):
    many = "x,y\n" + "".join(f"{i},{i % 4}\n" for i in range(40))
    data = table(write(tmp_path / "a.csv", many))
    assert data.describe()["classes"] == ["0", "1", "2", "3"] and data["train"].y.dtype == torch.int64
    numbers = "x,y\n" + "".join(f"{i},{i * i}\n" for i in range(40))
    data = table(write(tmp_path / "b.csv", numbers))
    assert data.describe()["classes"] is None and data["train"].y.dtype == torch.float64
    assert rows_of(data) == {(float(i),): float(i * i) for i in range(40)}
    data = table(tmp_path / "a.csv", target="x")
    assert data.describe()["columns"] == ["y"] and data.describe()["classes"] is None
    halves = "x,y\n" + "".join(f"{i},{i % 4 / 2}\n" for i in range(40))
    assert table(write(tmp_path / "c.csv", halves)).describe()["classes"] is None
    with pytest.raises(DataError, match=r"no column 'kin' for --target; did you mean kind\?"):
        table(write(tmp_path / "d.csv", FLOWERS), target="kin")
    names = "x,y\n" + "".join(f"{i},n{i}\n" for i in range(40))
    with pytest.raises(DataError, match="40 different values in 40 rows"):
        table(write(tmp_path / "e.csv", names))


def test_a_class_is_its_text(tmp_path):
    cells = ["007", "7", "1E2", "100", "9007199254740992", "9007199254740993"]
    rows = "x,y\n" + "".join(f"{i},{cells[i % 6]}\n" for i in range(60))
    data = table(write(tmp_path / "a.csv", rows), target_kind="classes", valid_share=0, test_share=0)
    assert data.facts["classes"] == ["007", "7", "100", "1E2", "9007199254740992", "9007199254740993"]
    assert data["train"].y.bincount().tolist() == [10] * 6
    lines = "".join(json.dumps({"x": i, "y": [9007199254740992, 9007199254740993][i % 2]}) + "\n" for i in range(20))
    assert len(table(write(tmp_path / "b.jsonl", lines), target_kind="classes").facts["classes"]) == 2


def test_whole_numbers_can_be_regressed_and_codes_can_be_categories(tmp_path):
    rows = "zip,y\n" + "".join(f"{10115 + i % 3},{i % 5}\n" for i in range(60))
    path = write(tmp_path / "a.csv", rows)
    number = table(path, target_kind="number", categories=("zip",))
    assert number.facts["classes"] is None and number["train"].y.dtype == torch.float64
    assert number.facts["columns"] == ["zip=10115", "zip=10116", "zip=10117"]
    assert table(path, target_kind="classes").facts["classes"] == list("01234")
    with pytest.raises(DataError, match="no column 'zipp' for --categories; did you mean zip"):
        table(path, categories=("zipp",))


def test_numbers_keep_their_digits(tmp_path):
    rows = "t,y\n" + "".join(f"{1_700_000_000 + i * 0.125},{i}\n" for i in range(40))
    data = table(write(tmp_path / "a.csv", rows), target_kind="number", valid_share=0, test_share=0)
    assert data["train"].x[:, 0].diff().tolist() == [0.125] * 39


@pytest.mark.parametrize(
    ("cells", "values", "note"),
    [
        (["1,5", "2,25"], [1.5, 2.25], "decimal commas (first: 1,5)"),
        (["$1,200.50", "$3"], [1200.5, 3], "$ removed"),
        (["12 %", "3.5%"], [12, 3.5], "% removed"),
        (["\u22123", "4"], [-3, 4], "read as minus"),
        (["1'000", "20"], [1000, 20], "thousands separators"),
        (["1.234,5", "2.000"], [1234.5, 2000], "decimal commas"),
        (["(\u20ac3)", "\u20ac5"], [-3, 5], "brackets"),
        (["0,125", "0,250"], [0.125, 0.25], "decimal commas"),
        (["1\u202f000,5", "2"], [1000.5, 2], "thousands separators"),
        (["1,234,567", "8"], [1234567, 8], "thousands separators"),
        (["3 \u20ac", "4 \u20ac"], [3, 4], "removed"),
    ],
)
def test_notations_of_numbers_are_recognised_and_told(tmp_path, cells, values, note):
    rows = "a;y\n" + "".join(f"{cell};{kind}\n" for cell in cells for kind in "xy")
    data = table(write(tmp_path / "a.csv", rows), valid_share=0, test_share=0)
    assert data["train"].x[::2, 0].tolist() == values
    assert any(note in line for line in data.notes), data.notes


def test_a_notation_that_means_two_things_is_refused_by_name(tmp_path):
    path = write(tmp_path / "a.csv", "a;y\n" + "1,234;x\n5,678;y\n" * 5)
    with pytest.raises(DataError, match=r"1,234 may be 1234 or 1.234.*--decimal"):
        table(path)
    for decimal, value in ((",", 1.234), (".", 1234.0)):
        assert table(path, decimal=decimal, valid_share=0, test_share=0)["train"].x[0].tolist() == [value]


def test_a_line_of_the_spreadsheet_names_the_separator(tmp_path):
    data = table(write(tmp_path / "a.csv", "sep=|\na|y\n1|x\n2|z\n"), valid_share=0, test_share=0)
    assert data["train"].x.tolist() == [[1], [2]] and any("sep=|" in note for note in data.notes)


def test_a_table_without_a_header_is_refused_or_read_as_asked(tmp_path):
    rows = "".join(f"{i}.5,{i % 7},kind-{'ab'[i % 2]}\n" for i in range(30))
    path = write(tmp_path / "a.csv", rows)
    with pytest.raises(DataError, match=r"looks like values .*--header no"):
        table(path)
    data = table(path, header="no", valid_share=0, test_share=0)
    assert len(data["train"]) == 30 and data.facts["columns"] == ["x1", "x2"]
    with pytest.raises(DataError, match="looks like values"):  # only words, all of which occur below
        table(write(tmp_path / "b.csv", "a,b\nb,a\na,b\nb,b\na,a\n"))
    years = "name,2019,2020\nx,1,2\ny,3,4\n"
    with pytest.raises(DataError, match="--header yes if these are names"):
        table(write(tmp_path / "c.csv", years), target="name")
    assert table(tmp_path / "c.csv", target="name", header="yes").facts["columns"] == ["2019", "2020"]


def test_missing_cells_are_words_that_are_told_and_chosen(tmp_path):
    rows = "country,x,y\n" + "".join(f"{['NA', 'ZA'][i % 2]},{i},{i}.5\n" for i in range(20))
    path = write(tmp_path / "a.csv", rows)
    data = table(path, target_kind="number")
    assert data.facts["columns"] == ["country=NA", "country=ZA", "x"] and any(
        "'NA' is a category" in n for n in data.notes
    )
    with pytest.raises(DataError, match="line 2, column country: is missing"):
        table(path, target_kind="number", missing=("NA",))
    numbers = write(tmp_path / "b.csv", "a,y\n" + "1,x\nNA,y\n3,x\n5,y\n" * 5)
    with pytest.raises(DataError, match=r"line 3, column a: is missing: 'NA'.*--impute"):
        table(numbers)


def test_missing_cells_are_filled_by_the_training_rows_and_told(tmp_path):
    rows = "a,c,y,part\n" + "".join(f"{i % 5},{'uv'[i % 2]},{'xy'[i % 2]},train\n" for i in range(20))
    rows += ",,x,test\n1000,w,y,test\n"
    data = table(write(tmp_path / "a.csv", rows), impute=True, split="part", valid_share=0)
    assert data.facts["columns"] == ["a", "a is missing", "c=u", "c=v", "c=w", "c is missing"]
    assert data["test"].x.tolist() == [[2, 1, 1, 0, 0, 1], [1000, 0, 0, 0, 1, 0]]
    assert any("filled with 2 of the training rows" in note for note in data.notes)
    later = read_inputs("tables", data.describe(), [str(write(tmp_path / "in.csv", "a,c\n,v\n3,\n"))])
    assert later.values.tolist() == [[2, 1, 0, 1, 0, 0], [3, 0, 1, 0, 0, 1]] and not later.refused


def test_columns_are_left_out_and_identifiers_and_dates_named(tmp_path):
    rows = "id,day,x,y\n" + "".join(f"n{i},2026-01-{i % 28 + 1:02},{i},{'ab'[i % 2]}\n" for i in range(40))
    path = write(tmp_path / "a.csv", rows)
    with pytest.raises(DataError, match=r"column id: .*an identifier.*--ignore id"):
        table(path)
    with pytest.raises(DataError, match=r"column day: holds dates \(2026-01-01\).*--ignore day"):
        table(path, ignore=("id",))
    data = table(path, ignore=("id", "day"))
    assert data.facts["columns"] == ["x"] and "left out: id, day" in data.notes


def test_splits_by_files_columns_groups_and_time(tmp_path):
    rows = [f"{i},{i // 4},{'ab'[i % 2]}\n" for i in range(40)]
    head = "x,who,y\n"
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "train.csv", head + "".join(rows[:30]))
    write(tmp_path / "set" / "test.csv", head + "".join(rows[30:]))
    given = table(tmp_path / "set", valid_share=0.1)
    assert given.counts() == {"train": 27, "valid": 3, "test": 10}
    assert given["test"].x[:, 0].tolist() == list(range(30, 40))
    whole = write(tmp_path / "a.csv", head + "".join(rows))
    grouped = table(whole, group="who", valid_share=0.2, test_share=0.2)
    who = {name: set((split.x[:, 0] // 4).tolist()) for name, split in grouped.splits.items()}
    assert all(not who[a] & who[b] for a in who for b in who if a < b) and grouped.facts["columns"] == ["x"]
    timed = write(
        tmp_path / "t.csv", "when,x,y\n" + "".join(f"2026-{i % 12 + 1:02}-01,{i},{'ab'[i % 2]}\n" for i in range(24))
    )
    late = table(timed, time="when", valid_share=0, test_share=0.25)
    assert sorted((late["test"].x[:, 0] % 12).tolist()) == [9, 9, 10, 10, 11, 11]
    with pytest.raises(DataError, match="says 'maybe', which is not a split"):
        table(write(tmp_path / "s.csv", "x,y,part\n1,a,train\n2,b,maybe\n"), split="part")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("2.5,blue,b", "2.5,blue"), "line 3: has 2 cells, the header 3"),
        (("2.5,blue,b", "2.5,,b"), "line 3, column colour: is missing"),
        (("2.5,blue,b", "NA,blue,b"), "line 3, column width: is missing"),
        (("2.5,blue,b", "2.5,blue,"), "line 3, column kind: is missing"),
        (("2.5,blue,b", "x,blue,b"), "line 3, column width: 'x' is not a number"),
        (("2.5,blue,b", "1_0,blue,b"), "line 3, column width: '1_0' is not a number"),
        (("2.5,blue,b", "inf,blue,b"), "line 3, column width: 'inf' is not finite"),
        (("2.5,blue,b", "1e151,blue,b"), "line 3, column width: '1e151' is not finite"),
    ],
)
def test_bad_rows_are_named_or_left_out(tmp_path, change, said):
    path = write(tmp_path / "x.csv", FLOWERS.replace(*change))
    with pytest.raises(DataError, match=said) as error:
        table(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    data = table(path, skip_bad=True, valid_share=0, test_share=0)
    assert data["train"].x[:, 0].tolist() == [1.5, -300, 0] and len(data.record["skipped"]) == 1
    report = check(("tables",), str(path), {"tables": {"valid_share": 0}})
    assert len(report.problems) == 1 and sum(report.counts.values()) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("a,b\n", "has no rows"),
        ("a\n1\n", "has 1 column"),
        ("a,a,b\n1,2,3\n", "'a' occurs twice"),
        ("a,,b\n1,2,3\n", "column 2: has no name"),
        ("1,2,3\n1,2,3\n", "looks like values"),
        ('a,b\n"1,2\n', "is not a valid row"),
        (b"a,b\n1,\xff\n", "is not UTF-8"),
        (b"a,b\n1,\0\n", "NUL"),
        ("a,b\n" + "".join(f"w{i},{i % 2}\n" for i in range(30)), "text with 30 different values"),
        ("a,b\n" + ",".join("1" * 100_000) + "\n", "has 100000 cells"),
        (",".join(f"c{i}" for i in range(1_000_000)) + "\n", "has 1000000 columns"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_tables_that_are_none(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        table(write(tmp_path / "x.csv", content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": 1, "b": 2}\n{"a": 1', "line 2: is not a row"),
        ('{"a": [1], "b": 2}\n', "column 'a' is nested"),
        ('{"a": 1, "a": 2}\n', "key 'a' occurs twice"),
        ("[1, 2]\n", "is not an object"),
        ("[" * 100_000, "line 1"),
        ('{"a": 1, "b": 2}\n{"b": 2}\n', "line 2, column a: is missing"),
        ('{"a": NaN, "b": 2}\n{"a": 1, "b": 2}\n', "line 1, column a: is missing"),
        ('{"a": Infinity, "b": 2}\n', "column a: 'Infinity' is not finite"),
        ('{"a": ' + "9" * 400 + ', "b": 2}\n', "is not finite"),
        ('{"a": ' + "9" * 5000 + ', "b": 2}\n', "line 1"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_json_lines_that_are_none(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        table(write(tmp_path / "x.jsonl", content))


def test_parquet_that_is_none(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"a": [[1], [2]], "b": [1, 2]}), path)
    with pytest.raises(DataError, match="column a: holds list"):
        table(path)
    with pytest.raises(DataError, match="not a readable Parquet"):
        table(write(path, path.read_bytes()[:-5]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'deepcanon\[tables\]'"):
        table(path)


def test_table_inputs_match_by_name(tmp_path, monkeypatch):
    describe = table(write(tmp_path / "x.csv", FLOWERS)).describe()
    path = write(tmp_path / "in.csv", "id,colour,width\n7,red,2\n8,blue,3\n")
    found = read_inputs("tables", describe, [str(path)])
    names, x = found.names, found.values
    assert names == [f"{path}: line 2", f"{path}: line 3"] and x.dtype == torch.float64
    assert x.tolist() == [[2, 0, 1], [3, 1, 0]]
    assert read_inputs("tables", describe, [str(path), str(tmp_path / "x.csv")]).values.shape == (6, 3)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"width\tcolour\n1\tred\n")))
    assert read_inputs("tables", describe, ["-"]).values.tolist() == [[1, 0, 1]]
    for content, said in (
        ("width\n1\n", "no column 'colour'"),
        ("width,colour\nx,red\n", "'x' is not a number"),
        ("width,colour\n", "holds no rows"),
    ):
        with pytest.raises(DataError, match=said):
            read_inputs("tables", describe, [str(write(tmp_path / "in.csv", content))])


def test_a_bad_row_is_refused_alone_and_an_unknown_category_gives_zeros(tmp_path):
    describe = table(write(tmp_path / "x.csv", FLOWERS)).describe()
    path = write(tmp_path / "in.csv", "width,colour\n1,green\nx,red\n2,blue\n")
    found = read_inputs("tables", describe, [str(path)])
    assert found.names == [f"{path}: line 2", f"{path}: line 4"] and found.values.tolist() == [[1, 0, 0], [2, 1, 0]]
    assert list(found.notes) == [0] and "'green' is unknown (known are blue, red)" in found.notes[0]
    assert ["line 3, column width" in str(problem) for problem in found.refused] == [True]
    assert [row["colour"] for row in found.rows] == ["green", "blue"]


def test_embedded_tables():
    counts = {"iris": (4, 150, 3), "wine": (13, 178, 3), "breast-cancer": (30, 569, 2), "diabetes": (10, 442, None)}
    for name, (features, rows, classes) in counts.items():
        data = table(name)
        about = data.describe()
        assert data["train"].x.shape[1] == len(about["columns"]) == features and sum(data.counts().values()) == rows
        assert (len(about["classes"]) if about["classes"] else None) == classes


@pytest.mark.real_data("california-housing")
def test_california_housing():
    data = table("california-housing", valid_share=0, test_share=0)
    assert data.counts() == {"train": 20_433} and data.record["left_out"] == 207
    assert data.describe()["target"] == "median_house_value" and data.describe()["classes"] is None
    assert data["train"].x.shape[1] == 13 and np.isclose(data["train"].y.double().mean(), 206_864.41, atol=0.01)


def test_few_and_many(monkeypatch):
    assert table_columns.MOST_CATEGORIES == 20 and cells.number("1_0") is None and cells.number("٣") is None
    assert columns.name_of_number(3.0) == "3" and columns.name_of_number(0.5) == "0.5"


# -------------------------------------------------------------------------------------------------- environments


def test_environment_ids():
    pytest.importorskip("gymnasium")
    data = open_data(("environment",), "CartPole-v1")
    assert data.describe() == {"kind": "environment", "id": "CartPole-v1", "observation": [4], "actions": 2}
    with pytest.raises(DataError, match="did you mean CartPole-v1"):
        open_data(("environment",), "CartPole")
    with pytest.raises(DataError, match="shows Box and takes Box"):
        open_data(("environment",), "Pendulum-v1")


def test_a_module_is_never_imported_for_an_id(tmp_path, monkeypatch):
    pytest.importorskip("gymnasium")
    write(tmp_path / "evil_module.py", "raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match="not an environment that gymnasium knows"):
        open_data(("environment",), "evil_module:Thing-v0")
    assert "evil_module" not in sys.modules


def test_a_missing_gymnasium_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(DataError, match=r"pip install 'deepcanon\[rl\]'"):
        open_data(("environment",), "CartPole-v1")


# ---------------------------------------------------------------------------------------------------- one door


def test_the_reader_is_chosen_by_what_the_path_is(tmp_path):
    write(tmp_path / "x.csv", FLOWERS)
    write(tmp_path / "x.txt", "words " * 10)
    kinds = ("images", "tables", "text")
    assert open_data(kinds, str(tmp_path / "x.csv")).kind == "tables"
    assert open_data(kinds, str(tmp_path / "x.txt")).kind == "text"
    assert open_data(kinds, "digits").kind == "images"
    write(tmp_path / "x.xyz", "?")
    with pytest.raises(DataError, match="is not images or tables or text; accepted are"):
        open_data(kinds, str(tmp_path / "x.xyz"))
    for wrong in ("", "a\0b", "x" * 5000):
        with pytest.raises(DataError):
            open_data(kinds, wrong)
        assert check(kinds, wrong).problems
    assert check(("tables",), "iris").ok


def test_nothing_dangerous_is_in_the_source():
    from pathlib import Path

    import deepcanon.data

    source = "".join(p.read_text() for p in Path(deepcanon.data.__file__).parent.glob("*.py"))
    for word in ("pickle.", "eval(", "exec(", "allow_pickle=True", "weights_only=False", "extractall", "shell=True"):
        assert word not in source, word


def test_zeros_that_a_number_loses_are_told(tmp_path):
    path = write(tmp_path / "x.csv", "code,share,y\n" + "007,0.5,a\n10,0,b\n" * 5)
    data = table(path, valid_share=0, test_share=0)
    said = [note for note in data.notes if "zeros" in note]
    assert len(said) == 1 and "column code: 007" in said[0] and "--categories code" in said[0]
    kept = table(path, valid_share=0, test_share=0, categories=("code",))
    assert "code=007" in kept.facts["columns"] and not any("without its leading zeros" in note for note in kept.notes)
