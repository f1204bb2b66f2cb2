"""Pairs in tables as spreadsheets and other programs write them: quotes, signs between cells, first lines of names."""

import gzip

import pytest

from deepcanon.cli import main
from deepcanon.data import DataError, kinds_of, open_data, read_inputs


def pairs(path, **options):
    return open_data(("pairs",), str(path), options={"pairs": {"valid_share": 0, "test_share": 0, **options}})


def refused(path, said, **options):
    with pytest.raises(DataError, match=said) as error:
        pairs(path, **options)
    assert str(error.value).isprintable()


def read(path, **options):
    train = pairs(path, **options)["train"]
    return list(zip(train.x, train.targets, strict=True))


QUOTED = 'de,en\n"ein Hund, der\nläuft","a ""dog"" that runs"\nKatze,cat\n'


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_a_cell_in_quotes_has_signs_and_line_breaks(write, ending):
    path = write(f"a{ending}", gzip.compress(QUOTED.encode(), mtime=0) if ending.endswith("gz") else QUOTED)
    assert read(path) == [("ein Hund, der läuft", 'a "dog" that runs'), ("Katze", "cat")]
    notes = pairs(path, source="en", target="de").notes
    assert any("columns: en is the source, de the target" in note for note in notes)
    assert "sentences in which other or several blanks are read as one: 1" in notes


@pytest.mark.parametrize(("sign", "told"), [(",", ""), (";", ";"), ("\t", "tabs"), ("|", "|")])
def test_the_sign_between_cells_is_found_and_told(write, sign, told):
    rows = ["id", "tgt", "src"], ["1", "a dog", "ein Hund"], [""] * 3
    found = pairs(write("a.csv", "\ufeff" + "".join(sign.join(row) + "\r\n" for row in rows)))
    assert (found["train"].x, found["train"].targets) == (["ein Hund"], ["a dog"])
    assert (f"cells lie between {told}" in found.notes) == bool(told)
    assert "blank lines, which are no pairs: 1" in found.notes and "columns that are not read: id" in found.notes


def test_rows_name_their_splits(write):
    found = pairs(write("a.csv", "src,tgt,split\nein Hund,a dog,train\nKatze,cat,dev\n"))
    assert found.counts() == {"train": 1, "valid": 1}


def test_a_folder_has_a_table_for_each_split(write, tmp_path):
    write("train.csv", QUOTED)
    write("test.csv", "en;de\na dog;ein Hund\n")
    found = pairs(tmp_path)
    assert found.counts() == {"train": 2, "test": 1} and found["test"].x == ["ein Hund"]


@pytest.mark.parametrize(
    ("text", "said", "options"),
    [
        (
            "id,de,en\n1,ein Hund,a dog\n",
            r"line 1: names no columns for source and target \(id, de, en\); say which",
            {},
        ),
        (
            "ein Hund läuft weg,a dog runs away\nKatze,cat\n",
            r"line 1: looks like a pair \(ein Hund läuft weg, a dog",
            {},
        ),
        ("sentence\nein Hund\n", "line 1: has 1 cell in its first line; put a comma between", {}),
        ('src,tgt\nein Hund,a dog\n"Katze,cat\n', r"line 3: is not a valid row \(unexpected end of data\)", {}),
        ("src,tgt\nein Hund, der läuft,a dog\n", "line 2: has 3 cells, the first line 2; give every row as many", {}),
        ("src,tgt\nein Hund,\n", "line 2: has an empty target", {}),
        ("de,en\nein Hund,a dog\n", r"has no column 'fr' \(the first line has de, en\)", {"source": "fr"}),
        ("de,de\nein Hund,a dog\n", "has the column 'de' twice", {}),
    ],
)
def test_a_table_that_is_not_clear_is_refused(write, text, said, options):
    refused(write("a.csv", text), said, **options)


def test_a_first_line_of_languages_is_no_pair(write):
    path = write("a.tsv", "German\tEnglish\nein Hund\ta dog\n")
    assert read(path) == [("ein Hund", "a dog")]
    assert any("columns: German is the source" in note for note in pairs(path).notes)
    assert read(path, source="1", target="2")[0] == ("German", "English")
    assert read(write("b.tsv", "German\tdeutsche Sprache\nein Hund\ta dog\n"))[0] == ("German", "deutsche Sprache")


def test_numbers_before_sentences_are_not_their_sources(write):
    text = "0.93\tein Hund\ta dog\n0.91\tKatze\tcat\n"
    said = r"line 1: has no words in one of its first two columns \(0.93, ein Hund, a dog\); say the numbers"
    refused(write("a.tsv", text), said)
    assert read(write("a.tsv", text), source="2", target="3") == [("ein Hund", "a dog"), ("Katze", "cat")]
    assert read(write("b.tsv", "12\tzwölf\n7\tsieben\n")) == [("12", "zwölf"), ("7", "sieben")]


def test_sources_of_a_table_are_read_from_the_column_of_training(write):
    known = pairs(write("a.csv", QUOTED), source="en", target="de").describe()
    asked = read_inputs("pairs", known, [str(write("in.csv", 'note;EN\nx;"a dog; a cat"\n'))])
    assert asked.values == ["a dog; a cat"] and asked.names[0].endswith("in.csv:2")
    with pytest.raises(DataError, match=r"line 1: has no column 'en' .*give the columns of training"):
        read_inputs("pairs", known, [str(write("in.csv", "src;tgt\na dog;ein Hund\n"))])
    known = pairs(write("b.tsv", "ein Hund\ta dog\n")).describe()
    assert read_inputs("pairs", known, [str(write("in.csv", "sentence\nein Hund\n"))]).values == ["ein Hund"]
    with pytest.raises(DataError, match=r"names no column for the source \(id, sentence\); call one of them src"):
        read_inputs("pairs", known, [str(write("in.csv", "id,sentence\n1,ein Hund\n"))])


def test_what_a_table_of_pairs_looks_like(write):
    assert "pairs" in kinds_of(str(write("a.csv", "src,tgt\nHund,dog\n")))
    assert "pairs" in kinds_of(str(write("b.csv", "Deutsch;Englisch\nein Hund;a dog\neine Katze;a cat\n")))
    assert "pairs" not in kinds_of(str(write("c.csv", "name,city,age\nAnn Lee,New York,3\nBo Li,Los Angeles,4\n")))
    assert "pairs" not in kinds_of(str(write("d.csv", "text,label\na good film,good\na bad film,bad\n")))


def test_training_on_a_workbook_saved_as_csv(write, tmp_path, capsys):
    path = write("a.csv", "Deutsch;Englisch\n" + "".join(f"ein Hund {n};a dog {n}\n" for n in range(20)))
    run = tmp_path / "run"
    assert main(["train", "seq2seq", "--preset", "smoke", "--data", str(path), "--steps", "2", "--out", str(run)]) == 0
    assert "columns: Deutsch is the source, Englisch the target" in capsys.readouterr().out
    assert main(["predict", str(run), str(path)]) == 0
    assert f"{path}:2" in capsys.readouterr().out
