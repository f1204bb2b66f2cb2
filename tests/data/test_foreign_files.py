"""Files of other programs are named, with what to do, by their content as well as by their names."""

import gzip
import json
import random
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from deepcanon.cli import main
from deepcanon.data import DataError, foreign, open_data, read_inputs


def zipped(path, *members):
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "x")


@pytest.mark.parametrize(
    ("name", "member", "what"),
    [
        ("a.xlsx", "xl/workbook.xml", "workbook"),
        ("a", "xl/workbook.xml", "workbook"),
        ("a.docx", "word/document.xml", "word processor"),
        ("a.pt", "archive/data.pkl", "never opened"),
        ("a.zip", "cats/1.png", "archive"),
        ("a.ods", "content.xml", "workbook"),
    ],
)
def test_archives_are_what_their_members_say(tmp_path, name, member, what):
    zipped(tmp_path / name, "[Content_Types].xml", member)
    assert what in foreign(tmp_path / name).what


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("report", b"%PDF-1.7\n", "PDF"),
        ("a.bin", b"\x89HDF\r\n\x1a\n" + bytes(20), "matrices"),
        ("a.bin", b"SQLite format 3\0" + bytes(20), "database"),
        ("song", b"ID3\x04" + bytes(20), "sound"),
        ("song.flac", b"fLaC" + bytes(20), "sound"),
        ("a.pkl", b"\x80\x04]", "can run any code"),
        ("a.json", b'[{"x": 1}, {"x": 2}]', "one JSON value"),
        ("a.json", b'{"x": 1}\n{"x": 2}\n', "object on each line"),
        ("a.json.gz", gzip.compress(b'{"x": 1}\n{"x": 2}\n', mtime=0), "object on each line"),
        ("a.json.gz", b"damaged", "one JSON value"),
        ("a.json", b"[" * 5000 + b"\n{", "one JSON value"),
        ("A.MP4", b"", "film"),
        ("damaged.zip", b"PK\x03\x04 and no more", "archive"),
    ],
)
def test_files_are_what_they_begin_with_or_are_called(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    assert what in foreign(tmp_path / name).what


def test_what_is_read_here_is_not_foreign(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 2)))
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "nothing"):
        assert foreign(path) is None


@pytest.mark.parametrize(
    ("kinds", "remedy"),
    [
        (("images", "tables"), "as CSV or Parquet"),
        (("tables",), "as CSV or Parquet"),
        (("text",), "accepted are"),
        (("audio",), "accepted are"),
    ],
)
def test_a_remedy_that_gives_another_kind_of_data_is_none(tmp_path, kinds, remedy):
    feather.write_feather(pa.table({"x": [1.0], "y": ["a"]}), tmp_path / "a.feather")
    with pytest.raises(DataError, match=f"table of another program; .*{remedy}"):
        open_data(kinds, str(tmp_path / "a.feather"))


@pytest.mark.parametrize("recipe", [[], ["mlp"]])
def test_check_says_so_with_and_without_a_recipe(tmp_path, monkeypatch, capsys, recipe):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps([{"x": i, "y": i % 2} for i in range(9)]))
    code = main(["data", "check", *recipe, "a.json"])
    said = capsys.readouterr()
    assert code == 2 and "a.json: is one JSON value; write one object on each line" in said.out + said.err


def test_inputs_of_a_run_are_named_too(tmp_path):
    zipped(tmp_path / "a.xlsx", "xl/workbook.xml")
    with pytest.raises(DataError, match="workbook of a spreadsheet; save the sheet as CSV"):
        read_inputs("tables", {}, [str(tmp_path / "a.xlsx")])


@pytest.mark.parametrize("head", ["ORCID,a", "ID3,a", "BZh,a", "Rar!,a", "MATLAB 5.0,a"])
def test_words_that_other_files_begin_with_are_words(tmp_path, head):
    path = tmp_path / "a.csv"
    path.write_text(f"{head}\n1,2\n")
    assert foreign(path) is None
    (tmp_path / "a").write_text(head)
    assert foreign(tmp_path / "a") is None


def test_what_a_reader_takes_has_problems_of_its_own(tmp_path):
    """A table that is wrong as a whole stays a table, whatever its first bytes are."""
    (tmp_path / "a.csv").write_bytes(b"SQLite format 3\0,b\n")
    with pytest.raises(DataError) as error:
        read_inputs("tables", {}, [str(tmp_path / "a.csv")])
    assert "database" not in str(error.value)


def test_damaged_archives_are_archives(tmp_path):
    """Names that are no UTF-8, sizes that are wrong, ends that are missing: 2,000 alterations."""
    zipped(tmp_path / "a", "xl/workbook.xml", "\u00e4/\u00f6.txt")
    whole, draw = (tmp_path / "a").read_bytes(), random.Random(0)
    lines = gzip.compress(b'{"x": 1}\n{"x": 2}\n' * 50, mtime=0)
    found = set()
    for path, content, kept in ((tmp_path / "a", whole, 4), (tmp_path / "a.json.gz", lines, 2)):
        for _ in range(1000):
            altered = bytearray(content)
            for _ in range(draw.randint(1, 12)):
                altered[draw.randrange(kept, len(altered))] = draw.randrange(256)
            path.write_bytes(altered[: draw.randrange(kept, len(altered))] if draw.random() < 0.3 else altered)
            found.add(foreign(path).what)
    assert found <= {
        "is an archive", "is a workbook of a spreadsheet", "is one JSON value", "has one JSON object on each line",
    }  # fmt: skip
