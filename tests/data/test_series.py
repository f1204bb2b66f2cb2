"""The reader of series: what is learned, what is held out, dates in every notation, what is refused with its place."""

from datetime import date, timedelta

import numpy as np
import pytest
import torch

from deepcanon.cli import main
from deepcanon.data import DataError, check, open_data, read_inputs
from deepcanon.data.dates import axis_of, continued, is_dates
from deepcanon.engine.forecasts import Forecast

DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(60)]


def write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(tmp_path, change=None, count=60):
    """A CSV of days and two columns; `change` edits its list of rows."""
    lines = ["day,sold,degrees"]
    lines += [f"{DAYS[0] + timedelta(row)},{(7 * row) % 11},{row % 5 + 0.25}" for row in range(count)]
    if change:
        change(lines)
    return write(tmp_path / "a.csv", lines)


def read(path, **options):
    return open_data(("series",), str(path), options={"series": {"valid_share": 0.1, "test_share": 0.1, **options}})


def cell(line, column, text):
    """An edit of one cell; lines count from 1."""

    def change(lines):
        cells = lines[line - 1].split(",")
        cells[column] = text
        lines[line - 1] = ",".join(cells)

    return change


def test_the_last_rows_are_held_out_in_their_order(tmp_path):
    data = read(table(tmp_path))
    assert {split: tuple(part.x.shape) for split, part in data.splits.items()} == {
        "train": (48, 2), "valid": (6, 2), "test": (6, 2),
    }  # fmt: skip
    whole = torch.cat([part.x for part in data.splits.values()])
    assert whole.dtype == torch.float64 and whole[:, 0].tolist() == [(7 * row) % 11 for row in range(60)]
    assert data.facts["columns"] == ["sold", "degrees"]
    assert "dates: day, 2024-01-01 to 2024-02-29, every day (read as 2024-01-31)" in data.notes
    assert read(tmp_path / "a.csv", test_share=0.0).splits.keys() == {"train", "valid"}


def test_what_is_no_series_of_numbers_is_left_out_and_said(tmp_path):
    lines = ["n,word,same,value"] + [f"{row},w{row % 3},4,{row % 7}" for row in range(40)]
    data = read(write(tmp_path / "a.csv", lines))
    assert data.facts["columns"] == ["value"] and data.facts["date"] is None
    assert [note for note in data.notes if note.startswith("not learned")] == [
        "not learned: n (it counts the rows)",
        "not learned: word (most cells are not numbers)",
        "not learned: same (it is constant over the training rows)",
    ]
    with pytest.raises(DataError, match="column 'word': cannot be learned: most cells are not numbers"):
        read(tmp_path / "a.csv", columns=("value", "word"))
    with pytest.raises(DataError, match=r"has no column 'x' \(--columns\); its columns are n, word, same, value"):
        read(tmp_path / "a.csv", columns=("x",))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cell(9, 1, ""), "line 9, column 'sold': is empty; fill it"),
        (cell(9, 2, "1.2.3"), "line 9, column 'degrees': is '1.2.3', not a number"),
        (cell(9, 1, "inf"), "line 9, column 'sold': is 'inf', not a number"),
        (cell(9, 0, "soon"), "line 9, column 'day': is 'soon', not a date; write dates such as 2024-01-31"),
        (cell(9, 0, "2024-01-07"), "line 9, column 'day': is '2024-01-07' again; sort the rows by date"),
        (cell(9, 0, "2024-01-02"), "line 9, column 'day': is '2024-01-02' after '2024-01-07'; sort"),
        (lambda lines: lines.insert(8, "2024-01-07,1"), "line 9: has 2 cells, the header 3"),
        (lambda lines: lines.__delitem__(slice(30, None)), "has 29 rows; give a series of 30 rows or more"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(tmp_path, capsys, change, said):
    path = table(tmp_path, change)
    with pytest.raises(DataError) as error:
        read(path)
    assert said in str(error.value)
    assert main(["train", "mixture-density-rnn", "--data", str(path), "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_every_bad_cell_is_listed_by_a_check(tmp_path):
    def change(lines):
        cell(9, 1, "")(lines)
        cell(20, 2, "?")(lines)

    problems = [str(problem) for problem in check(("series",), str(table(tmp_path, change))).problems]
    assert len(problems) == 2 and "line 9" in problems[0] and "line 20, column 'degrees': is '?'" in problems[1]


@pytest.mark.parametrize(
    ("form", "step", "following"),
    [
        ("%Y-%m-%d", timedelta(days=1), ["2024-03-01", "2024-03-02"]),
        ("%d.%m.%Y", timedelta(days=1), ["01.03.2024", "02.03.2024"]),
        ("%m/%d/%Y", timedelta(days=1), ["03/01/2024", "03/02/2024"]),
        ("%d/%m/%Y", timedelta(days=1), ["01/03/2024", "02/03/2024"]),
        ("%Y%m%d", timedelta(days=1), ["20240301", "20240302"]),
        ("%b %d, %Y", timedelta(days=7), ["Feb 24, 2025", "Mar 03, 2025"]),
    ],
)
def test_dates_are_read_and_continued_in_their_notation(form, step, following):
    cells = np.array([(DAYS[0] + row * step).strftime(form) for row in range(60)])
    assert is_dates(cells)
    assert continued(axis_of("day", cells).facts(), 2) == following


def test_months_hours_and_what_is_not_evenly_spaced():
    months = np.array([f"{1950 + row // 12}-{row % 12 + 1:02d}" for row in range(36)])
    assert continued(axis_of("m", months).facts(), 2) == ["1953-01", "1953-02"]
    ends = np.array(["2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31"])
    assert continued(axis_of("m", ends).facts(), 2) == ["2024-02-29", "2024-03-31"]
    fifth = np.array(["2023-11-05", "2023-12-05", "2024-01-05"])
    assert continued(axis_of("m", fifth).facts(), 2) == ["2024-02-05", "2024-03-05"]
    summer = np.array(["01/07/2023", "01/08/2023", "01/09/2023"])  # 31 days each
    assert continued(axis_of("m", summer, "%d/%m/%Y").facts(), 2) == ["01/10/2023", "01/11/2023"]
    years = np.array(["2001-03-01", "2002-03-01", "2003-03-01"])
    assert continued(axis_of("y", years).facts(), 1) == ["2004-03-01"]
    hours = np.array([f"2024-01-01 {hour:02d}:00:00" for hour in range(24)])
    assert continued(axis_of("h", hours).facts(), 1) == ["2024-01-02 00:00:00"]
    uneven = axis_of("d", np.array(["2024-01-01", "2024-01-02", "2024-01-05"]))
    assert "not evenly spaced" in uneven.said() and continued(uneven.facts(), 2) == ["+1", "+2"]
    assert not is_dates(np.array(["1.5", "2.5"])) and not is_dates(np.array(["20", "21"]))


def test_dates_that_may_be_two_things_are_refused():
    """From 1 to 3 of a month, or the first of three months."""
    with pytest.raises(ValueError, match=r"may be read as 01/31/2024 or 31/01/2024"):
        axis_of("d", np.array(["01/01/2024", "02/02/2024", "03/03/2024", "04/05/2024"]))


@pytest.mark.parametrize(("form", "following"), [("%d/%m/%Y", "05/01/2024"), ("%m/%d/%Y", "05/01/2024")])
def test_a_notation_that_is_given_decides(tmp_path, form, following):
    """The first days of January, or the first of the first months: both rise, and the option says which is meant."""
    month, rows = form.startswith("%m"), range(40)
    days = [date(2024 + row // 12, row % 12 + 1, 1) if month else date(2024, 1, 1) + timedelta(row) for row in rows]
    lines = ["day,sold", *(f"{day.strftime(form)},{row % 7}" for row, day in enumerate(days))]
    data = read(write(tmp_path / "a.csv", lines), dates=form)
    assert any(f"(read as {form})" in line for line in data.notes)
    four = write(tmp_path / "b.csv", lines[:5])  # which alone may be two things
    ((_, axis),) = read_inputs("series", data.describe(), [str(four)]).values
    assert continued(axis, 1) == [following]
    with pytest.raises(DataError, match=r"may be read as .* or give --dates such as %d/%m/%Y"):
        read(write(tmp_path / "c.csv", [lines[0], *(f"{row + 1:02d}/01/2024,{row % 5}" for row in range(12))]))


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("%H:%M", r"'%H:%M' is no notation of dates; give --dates such as %d/%m/%Y"),
        ("day", r"'day' is no notation of dates"),
        ("%Q", r"'%Q' is no notation of dates"),
        ("%d/%d/%Y", r"'%d/%d/%Y' is no notation of dates"),
        ("%Y-%m-%d %Y", r"'%Y-%m-%d %Y' is no notation of dates"),
        ("%x", r"'%x' has %x, which each machine's language writes in another way; give its parts"),
        ("%c", r"'%c' has %c, which each machine's"),
        ("%Y-%m-%d %X", r"has %X, which each machine's"),
        ("%d.%m.%Y", r"has no column of dates such as %d.%m.%Y; name it by --date, or leave --dates out"),
    ],
)
def test_a_notation_that_cannot_be_used_is_refused(tmp_path, form, said):
    with pytest.raises(DataError, match=said):
        read(table(tmp_path), dates=form)


def test_a_file_to_be_continued_needs_the_columns_that_were_learned(tmp_path):
    data = read(table(tmp_path))
    other = write(tmp_path / "b.csv", ["degrees,day,sold", "1,2025-05-01,2", "3,2025-05-02,4"])
    found = read_inputs("series", data.describe(), [str(other)])
    ((values, dates),) = found.values
    assert values.tolist() == [[2.0, 1.0], [4.0, 3.0]] and continued(dates, 1) == ["2025-05-03"]
    wrong = write(tmp_path / "c.csv", ["degrees,day", "1,2025-05-01", "3,2025-05-02"])
    found = read_inputs("series", data.describe(), [str(wrong), str(tmp_path)])
    assert not found.names and [problem.what for problem in found.refused] == [
        "has no column 'sold', which the run learned", "is not such a file",
    ]  # fmt: skip


def test_a_forecast_is_written_as_bands():
    paths = torch.arange(101.0)[:, None, None] * torch.tensor([1.0, 10.0]) + torch.zeros(101, 3, 2)
    forecast = Forecast(paths, ["a", "b"], ["+1", "+2", "+3"], torch.zeros(4, 2), torch.ones(2, 2))
    rows = list(forecast.rows())
    assert len(rows) == 3 and rows[0] == {
        "time": "+1", "a mean": 50.0, "a 5%": 5.0, "a 50%": 50.0, "a 95%": 95.0,
        "b mean": 500.0, "b 5%": 50.0, "b 50%": 500.0, "b 95%": 950.0,
    }  # fmt: skip
    first = forecast.figure().figures[0]
    series, ahead, truth = first.lines
    assert list(series.x) == [-3, -2, -1, 0] and list(ahead.x) == [1, 2, 3] and list(truth.x) == [1, 2]


def test_a_check_of_a_table_says_in_one_line_why_it_is_no_series(tmp_path, capsys):
    gaps = [f"{row % 7},{'' if row % 3 == 1 else row % 5},x" for row in range(40)]
    path = write(tmp_path / "a.csv", ["a,b,kind", *gaps])
    code = main(["data", "check", str(path)])
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if "series" in line]
    assert len(told) == 1 and told[0].startswith("not a series: ") and "line 3, column 'b': is empty" in told[0]
    only_table = check(("tables",), str(path))
    assert (code == 0) == only_table.ok


def test_a_run_reads_numbers_and_columns_as_it_learned_them(tmp_path):
    lines = ["day;sold;degrees"] + [f"{DAYS[row]};{(7 * row) % 11};{row % 5},{row % 9 + 1}25" for row in range(60)]
    data = read(write(tmp_path / "a.csv", [*lines[:-1], lines[-1][:-1]]))
    assert data.facts["decimal"] == "," and "degrees: decimal commas (first: 0,125)" in data.notes
    asked = write(tmp_path / "b.csv", ["degrees;sold", "1,125;1", "2.250;3"])
    found = read_inputs("series", data.describe(), [str(asked)])
    ((values, _),) = found.values
    assert values.tolist() == [[1.0, 1.125], [3.0, 2250.0]]
    assert "degrees: thousands separators removed (first: 2.250)" in found.notes[0]
    found = read_inputs("series", data.describe(), [str(write(tmp_path / "c.csv", ["degrees;sold", "2.5;1", "1;2"]))])
    assert [problem.what for problem in found.refused] == ["is '2.5', not a number with a decimal comma"]
    swapped = write(tmp_path / "d.csv", [";".join((*line.split(";")[::-1], "9")) for line in lines])
    again = read(swapped, learned=data.facts)
    assert torch.equal(again["train"].x[:40], data["train"].x[:40]) and again.facts["columns"] == ["sold", "degrees"]
    with pytest.raises(DataError, match="has no column 'sold', which the run learned"):
        read(write(tmp_path / "e.csv", [line.replace("sold", "bought") for line in lines]), learned=data.facts)
    mixed = [f"{line};{row % 7 + 1}.125" if row else f"{line};kilos" for row, line in enumerate(lines)]
    with pytest.raises(DataError, match=r"'kilos': 2.125 may be 2125, since column degrees has commas; give --decimal"):
        read(write(tmp_path / "f.csv", mixed))


def test_a_line_without_a_row_is_an_empty_cell_or_is_told(tmp_path):
    lines = ["sold", *(str((7 * row) % 11) for row in range(60))]
    with pytest.raises(DataError, match=r"a.csv: line 31: is empty; fill it, or remove the line"):
        read(write(tmp_path / "a.csv", [*lines[:30], "", *lines[30:]]))
    assert (
        "lines without a row, which are left out: 2" in read(table(tmp_path, lambda rows: rows.insert(9, "\n"))).notes
    )


def test_dates_with_and_without_a_time_zone_are_not_put_in_order():
    cells = np.array(["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T02:00:00"])
    with pytest.raises(
        ValueError, match=r"\(2, \"is '2024-01-01T02:00:00', without a time zone, unlike '2024-01-01T00"
    ):
        axis_of("at", cells)
