"""First lines and file names as other programs write them: understood, or refused with what is wrong."""

import numpy as np
import pytest
from PIL import Image

from deepcanon.data import DataError, open_data, read_inputs, table_cells
from deepcanon.data.dates import axis_of, continued
from deepcanon.data.wav import to_bytes
from deepcanon.engine.script_remarks import script_remarks

ALONE = {"valid_share": 0.0, "test_share": 0.0}


def opened(path, kind="tables", **options):
    return open_data((kind,), str(path), options={kind: {**ALONE, **options}})


def refusal(path, kind="tables", **options):
    with pytest.raises(DataError) as error:
        opened(path, kind, **options)
    return str(error.value)


def written(path, lines, suffix=""):
    path.write_text("\n".join(lines) + suffix, "utf-8")
    return path


ROWS = [f"{i % 5},{i * 7 % 11},{'uv'[i % 2]}" for i in range(12)]


def test_names_of_columns_are_the_same_in_both_forms_of_unicode_and_without_unseen_signs(tmp_path):
    trained = written(tmp_path / "a.csv", ["\u200bGro\u0308\u00dfe\u00a0(m),b,y", *ROWS])
    data = opened(trained)
    assert data.facts["columns"] == ["Gr\u00f6\u00dfe (m)", "b"]
    assert opened(trained, ignore=("Gro\u0308\u00dfe (m)",)).facts["columns"] == ["b"]
    later = written(tmp_path / "b.csv", ["Gr\u00f6\u00dfe (m),b", "3,4"])
    assert read_inputs("tables", data.facts, [str(later)]).values.tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize("least", [table_cells.LARGE, 1])  # bytes of a file that pyarrow reads
def test_a_header_that_comes_again_is_refused(tmp_path, monkeypatch, least):
    monkeypatch.setattr(table_cells, "LARGE", least)
    path = written(tmp_path / "t.csv", ["\ufeffa,b,y", *ROWS, "\ufeffa,b,y", *ROWS])
    assert "line 14: repeats the names of the columns; remove it" in refusal(path)
    data = open_data(("tables",), str(path), options={"tables": ALONE}, skip_bad=True)
    assert len(data["train"]) == 24


def test_rows_with_one_cell_more_than_names_are_those_of_r(tmp_path):
    path = written(tmp_path / "t.csv", ["a,b,y", *[f'"{i}",{row}' for i, row in enumerate(ROWS)]])
    assert "give the first column a name too (R's write.table" in refusal(path)
    ended = written(tmp_path / "u.csv", ["a,b,y", *[f"{row}," for row in ROWS]])
    assert "remove the separator at the end of each row" in refusal(ended)


def test_commas_in_names_do_not_separate_where_semicolons_do(tmp_path):
    path = written(tmp_path / "t.csv", ["T, K;p, hPa", *[f"{i},5;{i * 7 % 11},25" for i in range(9)]])
    data = opened(path)
    assert data.facts["columns"] == ["T, K"] and data.facts["target"] == "p, hPa"


def test_a_quote_that_swallows_lines_is_told(tmp_path):
    rows = [f"{i * 3 % 7}\t{cell}\t{'uv'[i % 2]}" for i, cell in enumerate(["x", '"He came.', 'She went."', "x"] * 3)]
    said = "\n".join(opened(written(tmp_path / "t.tsv", ["a\tb\ty", *rows])).notes)
    assert "rows that hold other lines in quotes: 3 (first: the one that ends in line 4)" in said


def test_a_last_row_of_sums_is_told(tmp_path):
    rows = [(i * 7 % 11, i * i) for i in range(12)]
    lines = [f"{name},{a},{b}" for name, (a, b) in zip("uv" * 6, rows, strict=True)]
    total = f"Summe,{sum(a for a, _ in rows)},{sum(b for _, b in rows)}"
    said = "the last row (line 14) is the sum of those above it, in n; remove it if it is no example"
    assert said in opened(written(tmp_path / "t.csv", ["x,n,m", *lines, total])).notes
    assert said not in opened(written(tmp_path / "u.csv", ["x,n,m", *lines, "u,4,5"])).notes


# Series


def test_a_repeated_hour_and_weeks_as_the_column_writes_them():
    hours = np.array(["2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T02:00"], dtype=np.dtypes.StringDType())
    with pytest.raises(ValueError, match="where clocks were set back, write the time zone"):
        axis_of("t", hours)
    for cells in (["2024-W51", "2024-W52"], ["2024W51", "2024W52"], ["2024-W51-1", "2024-W52-1"]):
        axis = axis_of("t", np.array(cells, dtype=np.dtypes.StringDType()))
        assert continued(axis.facts(), 1) == [cells[0].replace("2024", "2025").replace("51", "01")]


def test_a_column_that_rises_as_time_does_is_told(tmp_path):
    days = [45292 + i + 2 * (i // 5) for i in range(40)]  # as a spreadsheet counts days
    said = "\n".join(opened(written(tmp_path / "s.csv", ["t,v", *[f"{t},{t * 7 % 11}" for t in days]]), "series").notes)
    assert "t rises from row to row (45292 to 45345) and is learned; if it counts time, name by --columns" in said


# Files


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("gro\u0308sse.png", "gr\u00f6sse.png"),
        ("A B.PNG", "a b.png"),
        ("a%20b.png", "a b.png"),
        ("C:\\pictures\\c.png", "c.png"),
        ("pictures/c.png", "c.png"),
    ],
)
def test_names_that_differ_as_nobody_sees_are_named(tmp_path, name, file):
    for one in ("gr\u00f6sse.png", "a b.png", "c.png"):
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / one)
    shown = ascii(file) if "\u00f6" in file else repr(file)
    for others in (["c.png,u", "a b.png,v"], []):
        written(tmp_path / "labels.csv", ["file,label", f"{name},u", *others])
        assert f"write {shown}, as the file is called" in refusal(tmp_path, "images")


def test_recordings_named_without_ending_or_without_a_header(tmp_path):
    (tmp_path / "wavs").mkdir()
    for name in ("LJ001-0001", "LJ001-0002"):
        (tmp_path / "wavs" / f"{name}.wav").write_bytes(to_bytes(np.zeros(800), 8000))
    table = tmp_path / "metadata.csv"
    written(table, ["file|text", "LJ001-0001|a, b", "LJ001-0002|b, a"])
    assert "write 'wavs/LJ001-0001.wav', as the file is called" in refusal(tmp_path, "speech")
    written(table, ["LJ001-0001|Printing, in, this|a", "LJ001-0002|b, a|b"])
    assert "first line: names a recording (LJ001-0001), and is taken for the names" in refusal(tmp_path, "speech")


def test_symbols_of_transcripts_in_two_forms_are_told():
    assert "two forms of Unicode" in script_remarks({"symbols": ["e", "\u00e9", "\u0301"]})[0]


def test_a_table_of_transcripts_of_another_name_and_recordings_of_another_format_are_named(tmp_path):
    (tmp_path / "u.wav").write_bytes(to_bytes(np.zeros(800), 8000))
    written(tmp_path / "validated.tsv", ["path\tsentence", "u.wav\tja"])
    assert "if validated.tsv says it, call that metadata.tsv" in refusal(tmp_path, "speech")
    written(tmp_path / "validated.tsv", ["path\tsentence", "u.mp3\tja"]).rename(tmp_path / "metadata.tsv")
    assert "names 'u.mp3', which is not a file of the folder; write 'u.wav'" in refusal(tmp_path, "speech")


def test_folders_that_hold_the_same_folders_may_be_splits_of_another_language(tmp_path):
    for place in ("entrenamiento/a", "entrenamiento/b", "prueba/a", "prueba/b"):
        (tmp_path / place).mkdir(parents=True)
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / place / "0.png")
    said = "\n".join(opened(tmp_path, "images").notes)
    assert "entrenamiento, prueba hold the same folders (a, b): if they are splits, call them train" in said


def test_boxes_of_turned_pictures_are_told_or_refused_with_the_reason(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(tmp_path / "a.jpg", exif=turned)
    written(tmp_path / "boxes.csv", ["file,x,y,width,height,label", "a.jpg,1,2,9,9,u"])
    assert "pictures that their EXIF turns (first: a.jpg)" in "\n".join(opened(tmp_path, "boxes").notes)
    written(tmp_path / "boxes.csv", ["file,x,y,width,height,label", "a.jpg,30,2,9,9,u"])
    assert "boxes are those of the turned picture" in refusal(tmp_path, "boxes")


@pytest.mark.parametrize("name", ["84-12.trans.txt", "text"])
def test_a_list_of_names_and_what_is_said_is_named_with_the_table_to_make_of_it(tmp_path, name):
    for number in (0, 1):
        (tmp_path / f"84-12-{number}.wav").write_bytes(to_bytes(np.zeros(800), 8000))
    written(tmp_path / "wav.scp", [f"84-12-{number} sounds/84-12-{number}.wav" for number in (0, 1)])
    written(tmp_path / name, ["84-12-0 CHAPTER ONE", "84-12-1 IT WAS"])
    assert f"if {name} says it, write its lines into a metadata.csv" in refusal(tmp_path, "speech")
    written(tmp_path / "metadata.csv", ["file,transcript", "84-12-0.wav,CHAPTER ONE", "84-12-1.wav,IT WAS"])
    assert len(opened(tmp_path, "speech")["train"].x) == 2
