"""Tables: what is understood is kept for later tables, told, or refused; nothing is passed over."""

import numpy as np
import pytest
import torch

from deepcanon.data import DataError, check, open_data, read_inputs

ROWS = [(i, i * 1.5, "uv"[i % 2]) for i in range(12)]
PLAIN = "a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in ROWS)


@pytest.fixture
def write(tmp_path):
    def write(text, name="t.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def table(path, **options):
    return open_data(("tables",), path, options={"tables": {"valid_share": 0.0, "test_share": 0.0, **options}})


def later(data, path):
    return read_inputs("tables", data.describe(), [path])


def refused(path, match, **options):
    with pytest.raises(DataError, match=match):
        table(path, **options)


def column(cells, y="uv", separator=";"):
    return f"a{separator}y\n" + "".join(f"{cell}{separator}{y[i % 2]}\n" for i, cell in enumerate(cells))


# Notation


@pytest.mark.parametrize(
    ("trained", "cell", "value"),
    [
        ([f"1.{i}00,5" for i in range(8)], "1.200", 1200.0),
        ([f"{i},25" for i in range(8)], "1,234", 1.234),
        ([f'"1,{i}00.5"' for i in range(8)], "1,200", 1200.0),
    ],
)
def test_a_later_table_is_read_in_the_notation_of_training(write, trained, cell, value):
    data = table(write(column(trained)))
    assert later(data, write(column([cell]), "later.csv")).values.tolist() == [[value]]


def test_what_is_taken_off_later_is_told(write):
    data = table(write(column([f"0.0{i}" for i in range(1, 9)])))
    found = later(data, write(column(["0.5", "5%"]), "later.csv"))
    assert found.values.tolist() == [[0.5], [5.0]] and "% removed" in " ".join(found.notes.values())


def test_points_next_to_decimal_commas_are_not_guessed(write):
    text = "price;count;y\n" + "".join(f"0,1{i};{i}.137;{'uv'[i % 2]}\n" for i in range(1, 9))
    refused(write(text), "column count: .*1.137 may be 1137, since column price has commas")
    assert table(write(text), decimal=",")["train"].x[0].tolist() == [0.11, 1137.0]
    text = text.replace(".137", ".13")
    assert table(write(text))["train"].x[0].tolist() == [0.11, 1.13], "1.13 has no thousands"


def test_a_point_in_a_word_does_not_settle_what_commas_are(write):
    cells = [f"{i},20{i}" for i in range(1, 9)]
    for words in (cells, [*cells, "n.a."]):
        refused(write(column(words, separator="\t"), "t.tsv"), "two ways", missing=("n.a.",), impute=True)


@pytest.mark.parametrize("impute", [False, True])
def test_digits_that_a_float_loses_are_told(write, impute):
    data = table(write(column([str(2**53 + i) for i in range(8)])), impute=impute)
    assert any("9007199254740993 is rounded to 9007199254740992" in note for note in data.notes)
    assert not any("rounded" in note for note in table(write(column([str(2**53 - i) for i in range(8)]))).notes)


def test_cells_filled_later_are_told(write):
    data = table(write("a,b,y\n" + "1,u,0\n,v,1\n3,,0\n4,u,1\n" * 3), impute=True, missing=("x",))
    found = later(data, write("a,b\n1,u\n,\n", "later.csv"))
    assert list(found.notes) == [1]
    assert "column a: is missing, filled with 3" in found.notes[1] and "filled with u" in found.notes[1]


@pytest.mark.parametrize(("text", "header"), [(PLAIN.split("\n", 1)[1], "no"), ("1,2,y\n" + PLAIN[6:], "yes")])
def test_the_header_of_training_is_that_of_later_tables(write, text, header):
    path = write(text)
    assert later(table(path, header=header), path).values.tolist() == [[a, b] for a, b, _ in ROWS]


# Columns and roles


@pytest.mark.parametrize(("options", "target"), [({"ignore": ("y",)}, "b"), ({"group": "y"}, "b")])
def test_the_target_is_the_last_column_that_no_option_takes(write, options, target):
    assert table(write(PLAIN), **options).facts["target"] == target


@pytest.mark.parametrize("options", [{"ignore": ("b",)}, {"group": "b"}, {"time": "b"}, {"split": "b"}])
def test_a_target_that_another_option_takes_is_refused(write, options):
    refused(write(PLAIN), "column b: is the target", target="b", **options)


def test_a_table_of_roles_alone_is_refused(write):
    refused(write("g,t\na,1\nb,2\n"), "no column left to predict", group="g", time="t")


def test_roles_that_exclude_each_other_are_refused(write):
    text = "g,t,a,y\n" + "".join(f"g{i // 2},{i},{i * 1.5},{i % 2}\n" for i in range(20))
    refused(write(text), "both --group and --time", group="g", time="t", test_share=0.2)


def test_empty_groups_are_no_group(write):
    refused(write("g,a,y\n" + "".join(f"{'g' * (i > 2)},{i},{i % 2}\n" for i in range(8))), "has no group", group="g")


@pytest.mark.parametrize(
    "months",
    [
        [f"2026-{m}-1" for m in range(1, 13)],
        [f"2026/{m:02}" for m in range(1, 13)],
        [f"2026-01-01T{m}:00:00+00:00" for m in range(10, 22)],
    ],
)
def test_the_latest_rows_are_those_of_the_latest_dates(write, months):
    path = write("t,a,y\n" + "".join(f"{month},{i},{i % 2}\n" for i, month in enumerate(months)))
    assert table(path, time="t", test_share=0.25)["test"].x[:, 0].tolist() == [9, 10, 11]


@pytest.mark.parametrize("cell", ["2026-foo", "2026-13-01", "2026-02-30", "1.2.2026", ""])
def test_what_is_no_date_is_refused(write, cell):
    path = write("t,a,y\n" + "".join(f"2026-0{i}-01,{i},{i % 2}\n" for i in range(1, 9)) + f"{cell},9,1\n")
    refused(path, "is not a time|has no time", time="t", test_share=0.25)
    if not cell:
        good = open_data(("tables",), path, options={"tables": {"time": "t"}}, skip_bad=True)
        assert good["test"].x[:, 0].tolist() == [8]


def test_times_that_can_be_read_in_two_ways_are_refused(write):
    path = write("t\ta\ty\n" + "".join(f"{i},200\t{i}\t{i % 2}\n" for i in range(1, 9)), "t.tsv")
    refused(path, "two ways", time="t", test_share=0.25)


# Files


def test_another_file_in_a_folder_is_no_split_and_is_told(write, tmp_path):
    for name in ("train.csv", "train.backup.csv", "extra.csv"):
        write(PLAIN if name == "train.csv" else "a,b,y\n9,9,u\n", f"d/{name}")
    write("a,b,y\n1,2,u\n5,x,v\n5,3,u\n", "d/test.csv")
    report = check(("tables",), str(tmp_path / "d"))
    assert any("not read: extra.csv, train.backup.csv" in note for note in report.notes)
    assert str(report.problems[0]).startswith(f"{tmp_path / 'd'}: test.csv, line 3, column b")
    write(PLAIN, "d/training.csv")
    refused(str(tmp_path / "d"), "two files for train: train.csv and training.csv")


def test_a_split_column_next_to_files_for_splits_is_refused(write, tmp_path):
    write(PLAIN, "d/train.csv"), write(PLAIN, "d/test.csv")
    refused(str(tmp_path / "d"), "a file for each split", split="b")


@pytest.mark.parametrize(
    "options", [{"ignore": ("x",)}, {"group": "x"}, {"missing": ("x",)}, {"target_kind": "number"}]
)
def test_options_of_files_are_refused_where_no_file_is_read(options):
    refused("iris", f"iris: .*--{next(iter(options)).replace('_', '-')}", **options)
    if "target_kind" not in options:
        with pytest.raises(DataError, match="--"):
            table((np.ones((8, 2)), np.arange(8) % 2), **options)


@pytest.mark.parametrize("text", ['{"a": 1, "y": 0}\n{"a": 2, "y": 1}\n'])
def test_json_lines_name_their_columns(write, text):
    refused(write(text, "t.jsonl"), "names its columns itself", header="no")
    refused(write(text.replace('"y"', '" a"'), "t.jsonl"), "occurs twice")
    assert table(write(text.replace('"y"', '" y "'), "t.jsonl")).facts["target"] == "y"


# Arrays


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.ma.masked_array(np.ones((8, 2)), mask=np.eye(8, 2)), "masked"),
        (np.full((8, 2), "2026-01-01", dtype="datetime64[D]"), "times"),
        (np.full((8, 2), "1_000"), "not a number"),
        (np.full((8, 2), "1", dtype=object), "not a number"),
    ],
)
def test_arrays_that_are_no_numbers_are_refused(x, match):
    refused((x, np.arange(8) % 2), match)


def test_classes_are_never_nan():
    refused((np.ones((8, 2)), np.array([0, 1, np.nan, 0, 1, 0, 1, 0])), "NaN", target_kind="classes")


def test_bfloat16_is_read():
    x = torch.arange(16).reshape(8, 2).to(torch.bfloat16)
    assert table((x, np.arange(8) % 2))["train"].x.tolist() == x.double().tolist()
