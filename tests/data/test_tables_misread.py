"""Tables: values that could be read in two ways, columns taken for what they are not, and remedies that exist."""

import json

import pytest

from deepcanon.cli import main
from deepcanon.data import DataError, open_data, read_inputs


@pytest.fixture
def write(tmp_path):
    def write(text, name="t.csv"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def table(path, kinds="tables", **options):
    return open_data((kinds,), path, options={kinds: {"valid_share": 0.0, "test_share": 0.0, **options}})


def refusal(path, **options):
    with pytest.raises(DataError) as error:
        table(path, **options)
    return str(error.value)


def rows(header, row, count=24):
    return "\n".join([header, *(row(i) for i in range(count))]) + "\n"


# Numbers


def test_points_next_to_decimal_commas_of_the_target_and_of_a_feature(write):
    feature = write(rows("a;y", lambda i: f"{1 + i % 7}.{100 + i};{i},5"))
    target = write(rows("a;y", lambda i: f"{i},5;{1 + i % 7}.{100 + i}"), "u.csv")
    assert "column a: holds numbers that can be read in two ways (1.100 may be 1100" in refusal(feature)
    assert "column y: holds numbers that can be read in two ways (1.100 may be 1100" in refusal(target)
    assert table(target, decimal=",", target_kind="number")["train"].y[0] == 1100


def test_points_next_to_decimal_commas_of_boxes_and_series(tmp_path, write):
    said = r"column '?{}'?: 1.100 may be 1100, since column {} has commas"
    (tmp_path / "boxes").mkdir()
    write(rows("file;x;y;width;height;label", lambda i: f"{i}.png;{i},5;1.{100 + i};9;9;u"), "boxes/boxes.csv")
    with pytest.raises(DataError, match=said.format("y", "x")):
        table(tmp_path / "boxes", "boxes")
    write("file,x,y,width,height,label\n0.png,1%,2,9,9,u\n", "boxes/boxes.csv")
    with pytest.raises(DataError, match="column x: holds percentages, not pixels"):
        table(tmp_path / "boxes", "boxes")
    path = write(rows("a;b", lambda i: f"{i % 9},5;{1 + i % 7}.{100 + i}", 40))
    with pytest.raises(DataError, match=said.format("b", "a") + r"; give --decimal \. or ,"):
        table(path, "series")
    assert table(path, "series", decimal=",").facts["columns"] == ["a", "b"]


def test_a_file_of_semicolons_whose_points_may_stand_between_thousands_is_told(write):
    said = "column a: 1.100 is read with a decimal point; --decimal , reads it as 1100"
    assert said in table(write(rows("a;y", lambda i: f"{1 + i % 7}.{100 + i};{'uv'[i % 2]}"))).notes
    for line in ("{0}.5;u", "{0}.100;u"):  # a point that cannot be one, and cells of a file of commas
        text = rows("a;y", lambda i, line=line: line.format(1 + i)).replace(";", "," if "100" in line else ";")
        assert "--decimal" not in "\n".join(table(write(text)).notes)


@pytest.mark.parametrize(("cells", "said"), [(("5%", "0.05"), "0.05"), (("€5", "$5"), "$5"), (("5%", "0"), "")])
def test_a_unit_that_only_some_cells_have_is_told(write, cells, said):
    notes = "\n".join(table(write(rows("a,y", lambda i: f"{cells[i % 2]},{'uv'[i % 2]}"))).notes)
    assert ("removed" in notes) and (f"; {said} has none" in notes if said else "has none" not in notes)


def test_digits_that_a_target_loses_are_told(write):
    said = "\n".join(table(write(rows("a,y", lambda i: f"{i % 5},{2**55 + 3 * i}")), target_kind="number").notes)
    assert "column y: 36028797018963971 is rounded to 36028797018963968; --target-kind classes keeps" in said


def test_words_for_a_missing_cell_that_are_classes_are_told(write):
    said = table(write(rows("a,y", lambda i: f"{i % 5},{('NaN', 'u')[i % 2]}"))).notes
    assert "column y: 'NaN' is a class; --missing NaN takes it for a missing cell" in said


@pytest.mark.parametrize("twins", [("1", "1.0"), ("00501", "501"), ("e\u0301", "\u00e9")])
def test_classes_that_are_one_written_twice_are_told(write, twins):
    notes = "\n".join(table(write(rows("a,y", lambda i: f"{i % 5},{twins[i % 2]}")), target_kind="classes").notes)
    assert f"{twins[0]!a} and {twins[1]!r}, stay apart" in notes


# Columns and lines


def test_the_index_of_pandas_is_no_target(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"a": [1.0, 2.0] * 6, "y": ["u", "v"] * 6, "day": list(range(0, 36, 3)), "__index_level_0__": range(12)}
    for last, left in (("__index_level_0__", True), ("day", False)):
        held = arrow.table({name: list(columns[name]) for name in ("a", "y", last)})
        named = [{"field_name": name, "name": None if name[0] == "_" else name} for name in held.column_names]
        about = json.dumps({"index_columns": [last], "columns": named})
        parquet.write_table(held.replace_schema_metadata({"pandas": about}), tmp_path / "t.parquet")
        data = table(tmp_path / "t.parquet")
        assert data.facts["target"] == "y" and data.facts["columns"] == (["a"] if left else ["day", "a"])
        assert ("__index_level_0__ is an index of pandas without a name: left out" in data.notes) == left


def test_a_column_without_a_value_is_refused_at_once(write):
    path = write(rows("a,b,y", lambda i: f",{i % 5},{'uv'[i % 2]}"))
    for impute in (False, True):
        assert refusal(path, impute=impute).endswith("column a: has no value in any row; leave it out with --ignore a")


def test_a_column_called_label_that_is_not_the_target_is_told(write):
    path = write(rows("label,b,c", lambda i: f"{'uv'[i % 2]},{i % 5},{'pq'[i % 2]}"))
    assert "column label is a feature; --target label predicts it" in table(path).notes
    assert "predicts it" not in "\n".join(table(path, target="c").notes)


def test_a_target_that_numbers_the_rows_is_not_called_a_feature(write):
    said = "\n".join(table(write(rows("a,y", lambda i: f"{i % 5},{i}"))).notes)
    assert "column y numbers the rows (0 to 23) and is the target; --target chooses another" in said


def test_a_title_above_the_names_of_the_columns(write):
    path = write("Report\n\n" + rows("a,b,y", lambda i: f"{i},{i},u"))
    said = "header: has 1 cell, all lines below it 3 (separated by ','); remove what stands above the names"
    assert said in refusal(path) and "more)" not in refusal(path)
    assert r"has 1 column (separated by '\t')" in refusal(write("a,y\n1,u\n", "t.tsv"))


# Remedies


def test_remedies_name_options_that_are_there(write, tmp_path):
    data = table(write(rows("a,y", lambda i: f"{i % 5}.5,{'uv'[i % 2]}")))
    for text in ("a\nx\n", "a\ninf\n", "a,a\n1,2\n", "1\n2\n"):
        with pytest.raises(DataError) as error:
            read_inputs("tables", data.describe(), [write(text, "later.csv")])
        assert "--" not in str(error.value)
    assert "or list the words for a missing cell with --missing" in refusal(write("a,y\n1,u\n2,v\n#N/A,u\n"))
    (tmp_path / "boxes").mkdir()
    write("file,label,label\n0.png,u,v\n", "boxes/boxes.csv")
    with pytest.raises(DataError, match=r"occurs twice; give each column its own name$"):
        table(tmp_path / "boxes", "boxes")


def test_data_check_understands_what_a_training_does(write, capsys):
    def said(recipe, path):
        return main(["data", "check", recipe, path]), capsys.readouterr().out

    numbers, one = write(rows("a,y", lambda i: f"{i % 5},{i * i}")), write(rows("a,y", lambda i: f"{i % 5},u"), "u.csv")
    code, text = said("linear-regression", numbers)
    assert code == 0 and "target y as a number (which the recipe predicts" in text
    code, text = said("softmax-regression", numbers)
    assert code == 2 and "y: holds 24 different numbers, and the recipe predicts classes" in text
    code, text = said("softmax-regression", one)
    assert code == 2 and "u.csv: every example is of the class u" in text
