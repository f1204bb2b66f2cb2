"""Tables as people of other languages and programs write them: read as they are meant, or told."""

import pytest

from deepcanon.data import DataError, open_data, read_inputs

ALONE = {"valid_share": 0.0, "test_share": 0.0}


def in_script(zero, number):
    """A number with the ten digits of a script that begin at `zero`."""
    return "".join(chr(ord(zero) + int(sign)) if sign.isdecimal() else sign for sign in str(number))


@pytest.fixture
def read(tmp_path):
    def read(cells, kind="tables", separator=";", **options):
        rows = [f"{cell}{separator}{'uv'[i % 2]}" for i, cell in enumerate(cells)]
        path = tmp_path / "t.csv"
        path.write_text("\n".join([f"a{separator}y", *rows]) + "\n", "utf-8")
        data = open_data((kind,), str(path), options={kind: {**ALONE, **options}})
        return data, "\n".join(data.notes)

    return read


# Numbers


@pytest.mark.parametrize(
    ("cell", "value", "said"),
    [
        (in_script("\u0660", 12), 12, "digits of another script read as 0 to 9"),  # Arabic
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665", 1234.5, "digits of another script"),
        (in_script("\u0966", "-7"), -7, "digits of another script"),  # Devanagari
        ("\uff0d\uff11\uff0c\uff12\uff13\uff14\uff0e\uff15", -1234.5, "the sign \uff0d read as minus"),
        ("12\u2009345", 12345, "thousands separators removed"),
        ("12\u2019345.50", 12345.5, "thousands separators removed"),
        ("1,23,456", 123456, "thousands separators removed"),
        ("\u20135", -5, "the sign \u2013 read as minus"),
        ("%12", 12, "% removed"),
        ("\u0661\u066a", 1, "% removed"),
        ("12 \u20bd", 12, "\u20bd removed"),
        ("R$ 12,50", 12.5, "R$ removed"),
        ("\u200e12\u200f", 12, "signs that nobody sees left out"),
    ],
)
def test_numbers_of_other_languages_are_read_and_told(read, cell, value, said):
    data, notes = read([cell, "3", "4"])
    assert data["train"].x[0].tolist() == [value] and data.facts["columns"] == ["a"]
    assert f"column a: {said}" in notes


def test_two_currencies_with_the_same_sign_are_told(read):
    assert "US$ removed (first: US$ 5); R$ 7 has none" in read(["US$ 5", "R$ 7", "US$ 8"])[1]


def test_a_later_table_is_read_in_the_digits_of_any_script(read, tmp_path):
    data, _ = read(["1", "2", "3"])
    (tmp_path / "later.csv").write_text("a\n\u0664\n")
    found = read_inputs("tables", data.facts, [str(tmp_path / "later.csv")])
    assert found.values.tolist() == [[4.0]] and "digits of another script" in found.notes[0]


def test_a_first_line_of_numbers_in_another_notation_is_no_header(tmp_path):
    (tmp_path / "t.csv").write_text("".join(f"{i},5;{i},25\n" for i in range(9)))
    with pytest.raises(DataError, match="first line: looks like values"):
        open_data(("tables",), str(tmp_path / "t.csv"), options={"tables": ALONE})


# Text that may be meant as something else


def test_numbers_with_units_are_told_or_refused_as_such(read):
    assert (
        "column a: 3 cm\u00b2 is one of its categories, not the number 3"
        in read([f"{i % 3 + 3} cm\u00b2" for i in range(9)])[1]
    )
    with pytest.raises(DataError, match="0 cm is text, not the number 0; write the numbers alone"):
        read([f"{i} cm" for i in range(30)])
    codes = [f"{'ABC'[i % 3]}{i % 4}" for i in range(9)]
    assert (
        "not the number"
        not in read(codes)[1]
        + read(["1st", "2nd", "3rd"])[1]
        + read(["3-5", "6-9", "10-14"])[1]
        + read(["0.0.1", "0.0.2", "0.1.0"])[1]
    )


def test_a_word_in_most_rows_of_a_column_of_numbers_is_told(read):
    said = read(["absent" if i % 3 else str(i) for i in range(12)])[1]
    assert "column a: 'absent' is not a number, as others are, so that all are categories; --missing absent" in said
    with pytest.raises(DataError, match=r"'absent' is not a number, as others are; --missing absent takes it"):
        read(["absent" if i % 3 else str(i) for i in range(90)])


@pytest.mark.parametrize("word", [".", ".a", "#N/A", "#DIV/0!", "n.d.", "k. A.", "\\N", "\u2013"])
def test_missing_cells_of_other_programs_are_told(read, word):
    said = read(["Oslo", "Bergen", word] * 3)[1]
    assert f"column a: {word!r} is a category; --missing " in said


def test_categories_in_two_forms_of_unicode_are_told(read):
    said = read(["Orl\u00e9ans", "Orle\u0301ans", "Paris"] * 3)[1]
    assert "column a: categories that are nearly the same" in said


def test_months_with_a_point_are_told_and_are_the_dates_of_a_series(read, tmp_path):
    cells = [f"{i % 12 + 1:02}.{2020 + i // 12}" for i in range(36)]
    assert "column a: looks like months and is read as numbers (01.2020)" in read(cells)[1]
    (tmp_path / "s.csv").write_text("t,v\n" + "".join(f"{cell},{i * 7 % 11}\n" for i, cell in enumerate(cells)))
    said = "\n".join(open_data(("series",), str(tmp_path / "s.csv")).notes)
    assert "dates: t, 01.2020 to 12.2022, every month" in said and "learned: v" in said


def test_dates_of_east_asia_are_called_dates(read):
    with pytest.raises(DataError, match="holds dates"):
        read([f"{2000 + i // 12}\u5e74{i % 12 + 1}\u6708" for i in range(30)])
