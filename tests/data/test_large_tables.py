"""Large tables: pyarrow holds their text, and what is understood is what the reader of small ones understands."""

import json
import sys

import numpy as np
import pytest
import torch

from deepcanon.data import DataError, check, csv_tables, open_data, read_inputs, table_cells
from deepcanon.data.cells import from_bytes
from deepcanon.data.columns import numbers_of, text_array
from deepcanon.data.errors import Problems
from deepcanon.data.looks import Look
from deepcanon.data.splits import draw_splits
from deepcanon.data.table_cells import ArrowCells

pyarrow = pytest.importorskip("pyarrow")

CELLS = {
    "numbers": ["1.5", "-2e3", "+.5", "7.", "1E2", "100", "0", "1e400", "1e-400"],
    "missing": ["1", "", "NA", "nan", "?", "-3"],
    "zeros": ["0.5", "0", "007", "0.0", "10"],
    "digits": ["9007199254740992", "9007199254740993", "1"],
    "infinite": ["inf", "1", "-Infinity"],
    "blanks": [" 1", "2 ", "3"],
    "currency": ["$1", "2", "$3"],
    "commas": ["0,1", "0,25", "3"],
    "points": ["1.234", "5.678", "9"],
    "spaced": ["1\u202f000", "2", "\u22123"],
    "words": ["red", "blue", "gr\u00fcn", "red"],
    "odd": ["1_0", "\u0663", "0x1F", "4"],
    "quoted": ['"a"', '"a,b;c"', '""', '"say ""no"""'],
    "classes": ["u", "v"],
}
OPTIONS = [
    {}, {"impute": True}, {"impute": True, "missing": ("?", "1", "inf")}, {"decimal": ","}, {"decimal": "."},
    {"target_kind": "number"}, {"target_kind": "classes"}, {"categories": ("a",)}, {"header": "no"},
]  # fmt: skip


def lines(name, separator=";", count=30):
    cells = CELLS[name]
    return "a;y;b\n".replace(";", separator) + "".join(
        separator.join([cells[i % len(cells)], f"{i * i}.5", "uvw"[i % 3]]) + "\n" for i in range(count)
    )


def all_of(path, options, skip_bad):
    try:
        data = open_data(("tables",), path, options={"tables": options}, skip_bad=skip_bad)
    except DataError as error:
        return [repr(p) for p in error.problems]
    later = read_inputs("tables", data.describe(), [path])
    read = [later.names, later.values.tolist(), later.rows, list(later.notes.items()), [str(p) for p in later.refused]]
    report = check(("tables",), path, {"tables": options}).as_json()
    return [json.dumps(data.facts), data.notes, data.record, data.examples, data.fingerprint(), read, report]


def both(monkeypatch, path, options=None, skip_bad=False):
    """What the reader of small tables understands, after a comparison with that of large ones."""
    small = all_of(path, options or {}, skip_bad)
    monkeypatch.setattr(table_cells, "LARGE", 0)
    for size in (1 << 24, 128):
        monkeypatch.setattr(csv_tables, "BLOCK", size), monkeypatch.setattr(csv_tables, "PIECE", size // 2)
        assert all_of(path, options or {}, skip_bad) == small
    monkeypatch.undo()
    return small


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("target", ["a", "b"])
def test_cells_are_understood_alike(tmp_path, monkeypatch, name, target):
    (tmp_path / "x.csv").write_text(lines(name))
    for options in OPTIONS:
        both(monkeypatch, str(tmp_path / "x.csv"), {"target": target, **options}, skip_bad=name in ("infinite", "odd"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"), ("\n", "\r"), ("a;", "\n\na;"), ("a;", "\ufeffa;"), ("a;", "sep=;\na;"), ("a;", "  \na;"),
        ("2\n", "2\n\n\n"), ("2;16.5;v\n", "2;16.5\n"), ("2;16.5;v\n", "2\n  \n\u00e92\n"),
        ("2;16.5;v\n", '2;"16.5;v\n'), ("2;16.5;v\n", '2;16"5;v\n'), ("2;16.5;v\n", '2;"16"5;v\n'),
        ("2;16.5;v\n", '2;16.5;"v\nw"\n'), ("2;16.5;v\n", '2;"16.5";"v""w"\n""\n'), ("a;y", "a;a"),
        ("a;y;b", "1;2;3"), ("a;y;b\n", ""), ("a;y;b", '"a";"y";b'),
    ],
)  # fmt: skip
def test_lines_are_understood_alike(tmp_path, monkeypatch, old, new):
    text = "a;y;b\n" + "".join(f"{i % 7};{i * i}.5;{'uv'[i % 2]}\n" for i in range(30)).replace("4;16.5;u", "2;16.5;v")
    (tmp_path / "x.csv").write_bytes(text.replace(old, new).encode())
    for skip_bad in (False, True):
        both(monkeypatch, str(tmp_path / "x.csv"), {"target": "b"}, skip_bad)


@pytest.mark.parametrize("name", CELLS)
def test_json_lines_are_understood_alike(tmp_path, monkeypatch, name):
    cells = [*CELLS[name], None]
    rows = [{"a": cells[i % len(cells)], "y": i * i, "b": "uvw"[i % 3]} for i in range(30)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for options in OPTIONS[:-1]:
        both(monkeypatch, str(tmp_path / "x.jsonl"), options, skip_bad=True)


def test_half_a_character_of_json_lines_is_named(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"a": "u", "y": 0}\n{"a": "\\ud83d\\ude00", "y": 1}\n{"a": "\\ud800", "y": 1}\n')
    with pytest.raises(DataError, match=r"line 3: is not a row .*surrogates"):
        open_data(("tables",), str(tmp_path / "x.jsonl"))


@pytest.mark.parametrize("bad", [b"\xff", b"\0", b"2;3\xc3\n4;5"])
def test_bytes_that_are_no_text_are_named_alike(tmp_path, monkeypatch, bad, capfd):
    (tmp_path / "x.csv").write_bytes(lines("numbers").encode().replace(b"49.5", bad))
    both(monkeypatch, str(tmp_path / "x.csv"), {"target": "b"}, skip_bad=True)
    assert capfd.readouterr() == ("", "")


def test_a_large_table_is_held_by_pyarrow_and_read_without_it(tmp_path, monkeypatch):
    text = "a,b,y\n" + "".join(f"{i / 7:.6f},{i},{i % 3}\n" for i in range(60_000))
    assert len(text) > table_cells.LARGE
    table = from_bytes(text.encode(), "x.csv", ".csv", Problems())
    assert all(isinstance(cells, ArrowCells) for cells in table.columns.values())
    assert table.rows.tolist() == list(range(2, 60_002))
    (tmp_path / "x.csv").write_text(text)
    with_it = open_data(("tables",), str(tmp_path / "x.csv"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    without = open_data(("tables",), str(tmp_path / "x.csv"))
    assert with_it.fingerprint() == without.fingerprint() and with_it.notes == without.notes
    assert with_it.facts == without.facts and with_it.facts["classes"] == ["0", "1", "2"]


def test_lines_keep_their_numbers_next_to_empty_ones(monkeypatch):
    monkeypatch.setattr(table_cells, "LARGE", 0)
    monkeypatch.setattr(csv_tables, "PIECE", 4)
    problems = Problems()
    table = from_bytes(b"\na,b\r\n\r\n1,2\r\n3\r\n\n \r\n4,5\n\n6,7", "x.csv", ".csv", problems)
    assert isinstance(table.columns["a"], ArrowCells) and table.rows.tolist() == [4, 8, 10]
    assert [p.place for p in problems.found] == ["line 5"]


@pytest.mark.parametrize("name", CELLS)
def test_a_look_at_words_is_one_at_cells(name):
    cells = [CELLS[name][i % len(CELLS[name])] for i in range(50)]
    texts, look = text_array(cells), Look(ArrowCells(pyarrow.chunked_array([cells[:20], [], cells[20:]])))
    for decimal in ("auto", ",", "."):
        ours, right = look.numbers(decimal, ";"), numbers_of(texts, decimal, ";")
        assert np.array_equal(ours.values, right.values, equal_nan=True) and np.array_equal(ours.ok, right.ok)
        assert (ours.notes, ours.unsure, ours.decimal) == (right.notes, right.unsure, right.decimal)
    rows = np.arange(50) % 3 == 1
    assert look.distinct(rows) == Look(texts).distinct(rows) and look.count(rows) == len(look.distinct(rows))
    assert look.cells.text().tolist() == list(look.cells) == texts.tolist()


def test_a_file_of_quotes_alone_is_empty(tmp_path):
    (tmp_path / "x.csv").write_text('""\n""\n')
    for header in ("auto", "no"):
        with pytest.raises(DataError, match="is empty"):
            open_data(("tables",), str(tmp_path / "x.csv"), options={"tables": {"header": header}})


def test_digits_of_any_script_are_found_in_long_columns_of_text():
    numbers = numbers_of(text_array(["a"] * 5000 + ["\u0663", "3"] + ["b"] * 5000))
    assert np.flatnonzero(numbers.ok).tolist() == [5000, 5001] and numbers.values[5000] == 3


def test_many_classes_are_drawn_at_once():
    labels = torch.arange(60_000) // 2
    drawn = draw_splits(len(labels), labels, [("valid", 0.1), ("test", 0.1)], 0)
    assert {name: len(rows) for name, rows in drawn.items()} == {"train": 48_000, "valid": 6_000, "test": 6_000}
    assert len(labels[drawn["train"]].unique()) == 30_000
