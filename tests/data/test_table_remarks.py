"""What is said of a table that can be read, and would mislead: row numbers, marks for gaps, classes."""

import numpy as np
import pytest

from deepcanon.data import tables

ROWS = range(60)


def notes_of(folder, names, columns, **options):
    """What is printed of a table whose columns are functions of the row."""
    path = folder / "t.csv"
    lines = [",".join(names), *(",".join(str(column(i)) for column in columns) for i in ROWS)]
    path.write_text("\n".join(lines) + "\n")
    data = tables.read(path, options=options)
    return "\n".join(data.notes), data


def noise(i):
    return i * i % 37 / 37


def label(i):
    return "ab"[i % 2]


def test_a_column_that_numbers_the_rows_is_said(tmp_path):
    said, data = notes_of(tmp_path, ["id", "x", "y"], [lambda i: 100 - i, noise, label])
    assert "column id numbers the rows (41 to 100)" in said and "--ignore id" in said
    assert data.facts["columns"] == ["id", "x"]
    said, _ = notes_of(tmp_path, ["id", "x", "y"], [lambda i: 3 * i, noise, label])
    assert "numbers the rows" not in said


@pytest.mark.parametrize(("last", "dates"), [(30, True), (32, False)])
def test_dates_in_eight_digits_are_told(tmp_path, last, dates):
    said, _ = notes_of(tmp_path, ["day", "x", "y"], [lambda i: 20240101 + i % last, noise, label])
    assert ("day looks like dates (20240101 for 2024-01-01) and is read as numbers; --ignore day" in said) == dates


@pytest.mark.parametrize("start", [0, 1])
def test_the_row_numbers_of_pandas_are_left_out(start, tmp_path):
    said, data = notes_of(tmp_path, ["", "x", "y"], [lambda i: i + start, noise, label])
    assert "column 1 has no name and numbers the rows: left out" in said and data.facts["columns"] == ["x"]


def test_an_empty_column_without_a_name_is_left_out_and_no_other(tmp_path):
    said, data = notes_of(tmp_path, ["x", "y", ""], [noise, label, lambda i: ""])
    assert "column 3 has neither a name nor cells: left out" in said and data.facts["target"] == "y"
    with pytest.raises(ValueError, match="header, column 1: has no name"):
        notes_of(tmp_path, ["", "x", "y"], [lambda i: 7 * i, noise, label])
    with pytest.raises(ValueError, match="header: names no column"):
        notes_of(tmp_path, ["", ""], [lambda i: "", lambda i: ""])


@pytest.mark.parametrize("written", ["-999", "-999.0"])
def test_a_mark_for_gaps_is_said_and_the_remedy_works(written, tmp_path):
    columns = [lambda i: written if i % 9 == 4 else noise(i), label]
    said, _ = notes_of(tmp_path, ["x", "y"], columns)
    assert "-999 is far from all other numbers (in x); --missing -999" in said
    said, data = notes_of(tmp_path, ["x", "y"], columns, missing=("-999",), impute=True)
    assert "far from" not in said and "7 missing cells" in said
    assert float(data["train"].x.min()) >= 0


def test_a_number_far_away_once_is_a_value(tmp_path):
    said, _ = notes_of(tmp_path, ["x", "flag", "y"], [lambda i: -999 if i == 3 else noise(i), lambda i: i % 2, label])
    assert "far from" not in said


def test_a_word_for_gaps_means_the_number_in_typed_columns(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    values = np.where(np.arange(60) % 9 == 4, -999.0, 0.5 + np.arange(60) / 100)
    content = arrow.table({"x": values, "y": [label(i) for i in ROWS]})
    parquet.write_table(content, tmp_path / "t.parquet")
    data = tables.read(tmp_path / "t.parquet", options={"missing": ("-999",), "impute": True})
    assert float(data["train"].x.min()) >= 0 and data.facts["columns"] == ["x", "x is missing"]


def test_what_is_the_same_in_every_row_is_said(tmp_path):
    said, _ = notes_of(tmp_path, ["c", "x", "y"], [lambda i: 7, noise, label])
    assert "the same in every row, which tells nothing: c" in said


def test_classes_that_cannot_be_learned_or_judged_are_said(tmp_path):
    said, _ = notes_of(tmp_path, ["x", "y"], [noise, lambda i: "rare" if i == 5 else label(i)])
    assert "no row of test is rare: such a class is not judged by test" in said and "of train" not in said
    said, _ = notes_of(tmp_path, ["x", "y"], [noise, lambda i: "a"])
    assert "as 1 class" in said and "every row is a: nothing can be learned from one class" in said
    said, _ = notes_of(tmp_path, ["x", "y"], [noise, lambda i: ["Cat", "cat", "C", "C++", "A-", "A"][i % 6]])
    assert "'Cat' and 'cat', stay apart" in said and "C++" not in said and "A-" not in said
