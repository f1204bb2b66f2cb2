"""Text that is read from disk: the same characters, splits, tokens, messages and trainings as text in memory."""

import gzip
import json

import numpy as np
import pytest
import torch

import deepcanon
from deepcanon.cli import main
from deepcanon.data import DataError, cache, large_text, open_data, text, vectors
from deepcanon.data.errors import Problems
from deepcanon.data.large_text import LargeText
from deepcanon.data.splits import Split
from deepcanon.data.tokens import tokens_of
from deepcanon.parts.vocabulary import Vocabulary

WORDS = "the cat sat\r\non the mat, a naïve one\r\r\n\r\nwith  two blanks \n"
WIDE = WORDS + "smile \U0001f600 and flags \U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7 中文\n"
DISK, MEMORY = {"text": {"cache": "auto"}}, {"text": {"cache": "off"}}


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Everything is large, and pieces and rows are so short that words, characters and line ends are cut by them."""
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_text, "LARGE", 0)
    monkeypatch.setattr(large_text, "PIECE", 5)
    monkeypatch.setattr(vectors, "ROW", 7)
    monkeypatch.setattr(vectors, "HELD", 0)


def folder(tmp_path, **files):
    (tmp_path / "texts").mkdir()
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        packed = name.endswith("gz")
        (tmp_path / "texts" / f"{name}.txt{'.gz' * packed}").write_bytes(gzip.compress(data) if packed else data)
    return tmp_path / "texts"


def both(path, **options):
    return [open_data(("text",), str(path), options={"text": {**o["text"], **options}}) for o in (DISK, MEMORY)]


@pytest.mark.parametrize(
    "files",
    [
        {"one": WORDS * 9},
        {"a": WIDE * 5, "b_gz": WORDS * 5 + "no line end", "c": b"\xef\xbb\xbf" + b"mark \xef\xbb\xbf within\r\n" * 4},
        {"train": WIDE * 5, "valid": WORDS, "test": "other words\r"},
        {"flags": "\U0001f1e9\U0001f1ea" * 60},
        {"latin": "é à\r" * 80, "wide": "中" * 200},
    ],
)
def test_splits_are_those_of_a_text_in_memory(tmp_path, files):
    disk, memory = both(folder(tmp_path, **files), test_share=0.2)
    assert list(disk.splits) == list(memory.splits)
    for name, split in memory.splits.items():
        large = disk[name].x
        assert isinstance(large, LargeText) and str(large) == split.x and len(disk[name]) == len(split)
        assert "".join(large.strings("")) == split.x
    assert disk.fingerprint() == memory.fingerprint() and disk.record == memory.record
    assert disk.examples == memory.examples
    assert set(memory.notes) < set(disk.notes) and any("a large text" in note for note in disk.notes)


def test_it_is_indexed_as_a_string_is(tmp_path):
    disk, memory = (data["train"].x for data in both(folder(tmp_path, one=WIDE * 3), valid_share=0))
    assert disk[0] == memory[0] and disk[-2] == memory[-2] and str(disk[4:31][3:-5]) == memory[4:31][3:-5]
    assert str(disk[9:4]) == "" and disk.find("中", 10, 150) == memory.find("中", 10, 150)
    assert disk.rfind("c", 10, 150) == memory.rfind("c", 10, 150) and disk.find("§", 0, len(disk)) == -1
    with pytest.raises(IndexError):
        disk[len(disk)]
    with pytest.raises(ValueError, match="without a step"):
        disk[::2]
    with pytest.raises(TypeError, match="cut the text itself"):
        Split(disk).take(torch.arange(2))


BAD = {
    "a byte": b"0123456789\nab\xffcd",
    "two letters of UTF-8 cut by the end": b"0123456789\n0123\xc3",
    "a letter whose second byte is wrong, across pieces": b"0123\xc3(56",
    "a NUL byte": b"0123456789\n\nab\0cd",
    "NUL after a wrong byte": b"01\xff345678\0",
    "after a mark": b"\xef\xbb\xbf0123456789\n\xfe",
    "UTF-16": "a wide text".encode("utf-16"),
    "UTF-32": "a wide text".encode("utf-32"),
    "blanks": b"  \n \r\n  ",
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_told_as_of_a_text_in_memory(tmp_path, what):
    path = folder(tmp_path, good=WORDS, bad=BAD[what])
    said = []
    for options in (DISK, MEMORY):
        with pytest.raises(DataError) as error:
            open_data(("text",), str(path), options=options)
        said.append(str(error.value))
    assert said[0] == said[1] and "bad.txt" in said[0]
    if what == "a NUL byte":
        assert "byte 14 (line 3): holds a NUL byte" in said[0]
    skipped = [open_data(("text",), str(path), options=o, skip_bad=True) for o in (DISK, MEMORY)]
    assert str(skipped[0]["train"].x) == skipped[1]["train"].x and skipped[0].record == skipped[1].record


def test_a_broken_gzip_file_is_named(tmp_path):
    path = folder(tmp_path, a_gz=WORDS * 50)
    (file,) = path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a_gz\.txt\.gz: is not a whole gzip file"):
        open_data(("text",), str(path), options=DISK)


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_tokens_are_those_of_a_text_in_memory(tmp_path, unit):
    disk, memory = both(folder(tmp_path, train=WORDS * 5, valid=WIDE + "open end"))
    large, whole = disk["train"].x, memory["train"].x
    vocabulary = Vocabulary.build(large.strings(""), unit, 2, 9)
    assert vocabulary.symbols == Vocabulary.build(whole, unit, 2, 9).symbols
    for split in ("train", "valid"):
        tokens, wanted = tokens_of(disk[split].x, vocabulary), vocabulary.encode(memory[split].x)
        assert len(tokens) == tokens.numel() == len(wanted) and tokens.shape == wanted.shape
        assert torch.equal(tokens[:], wanted) and torch.equal(tokens[3:-2], wanted[3:-2])
        places = torch.randint(len(wanted), (3, 17), generator=torch.Generator().manual_seed(0))
        assert torch.equal(tokens[places], wanted[places])
        assert torch.equal(tokens.bincount(len(vocabulary)), wanted.bincount(minlength=len(vocabulary)))
    with pytest.raises(IndexError, match="do not lie within"):
        tokens[torch.tensor([len(tokens)])]


def test_it_is_written_once_and_found_wherever_the_file_lies(tmp_path):
    path = folder(tmp_path, one=WORDS * 9)
    open_data(("text",), str(path), options=DISK)
    files = {p: p.stat().st_ino for p in (tmp_path / "cache").iterdir()}
    path.rename(tmp_path / "moved")
    notes = open_data(("text",), str(tmp_path / "moved"), options=DISK).notes
    assert any("read from" in note for note in notes)
    assert {p: p.stat().st_ino for p in (tmp_path / "cache").iterdir()} == files
    (tmp_path / "moved" / "one.txt").write_text(WORDS * 8 + WORDS.upper())  # of the same size
    assert "CAT" in str(open_data(("text",), str(tmp_path / "moved"), options=DISK)["test"].x)


def test_a_damaged_row_is_read_from_the_text_again(tmp_path, capsys):
    path = folder(tmp_path, one=WORDS * 9)
    files = list(path.iterdir())

    def damaged():
        """The text, of which a row is damaged that nobody has read yet."""
        found, _, _ = large_text.large_text(files, Problems())
        with open(found.characters.store.path, "r+b") as file:
            file.seek(40)
            file.write(b"#####")
        return large_text.large_text(files, Problems())[0]

    memory = text.load(files[0], Problems())
    assert str(damaged()) == memory and "is damaged at row 5" in capsys.readouterr().err
    assert str(large_text.large_text(files, Problems())[0]) == memory and not capsys.readouterr().err
    disk = damaged()
    (path / "one.txt").write_text("another text\n" * 40)
    with pytest.raises(DataError, match="the text it was made of has changed; restore it"):
        str(disk)


def test_without_a_place_on_disk_it_is_read_into_memory(tmp_path, monkeypatch):
    path = folder(tmp_path, one=WORDS * 9)
    monkeypatch.setenv("DEEPCANON_CACHE", "off")
    data = open_data(("text",), str(path), options=DISK)
    assert isinstance(data["train"].x, str) and "cannot be kept on disk ($DEEPCANON_CACHE is off)" in "".join(
        data.notes
    )
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "cache"))
    large = text.read(path, 0, {"cache": "auto"}, Problems())["train"].x
    monkeypatch.setattr(cache, "limit", lambda: 10)
    with pytest.raises(DataError, match=r"tokens cannot be kept: .* more than the limit"):
        tokens_of(large, Vocabulary.build(str(large), "words"))


WINDOWS = {"window": 5, "steps": 6}


@pytest.mark.parametrize("evaluated", [30, 0])  # the first pieces of a split, and all of it
@pytest.mark.parametrize("unit", ["characters", "words"])
@pytest.mark.parametrize(("recipe", "options"), [("rnn-lm", WINDOWS), ("ngram-lm", {})])
def test_a_training_from_disk_has_the_same_bits(tmp_path, recipe, options, unit, evaluated):
    path = folder(tmp_path, one=WORDS * 40)
    runs = []
    for kept in ("auto", "off"):
        out = tmp_path / kept
        common = {"preset": "smoke", "data": str(path), "unit": unit, "evaluated": evaluated, "cache": kept}
        deepcanon.train(recipe, **common, **options, out=str(out))
        runs.append((out / "metrics.jsonl").read_text())
        assert json.loads((out / "data.json").read_text())["fingerprint"]
    assert runs[0] == runs[1]
    scored = [deepcanon.load(tmp_path / kept).evaluate("train") for kept in ("auto", "off")]
    assert scored[0] == scored[1]


def test_an_evaluation_of_a_part_says_so(tmp_path, capsys):
    path, out = folder(tmp_path, one=WORDS * 40), str(tmp_path / "run")
    asked = ["--preset", "smoke", "--data", str(path), "--test-share", "0.1", "--order", "1", "--out", out]
    assert main(["train", "ngram-lm", *asked, "--unit", "characters", "--evaluated", "30"]) == 0
    said = capsys.readouterr()
    counts = open_data(("text",), str(path), options={"text": {"test_share": 0.1}}).counts()
    for split in ("valid", "test"):
        line = f"{split}: measured on the first 30 of {counts[split]} characters (--evaluated 0: all)"
        assert line in said.out + said.err
    assert "Warning" not in said.err
    for split in ("train", "test"):
        assert main(["eval", out, "--split", split]) == 0
        line = f"{split}: measured on the first 30 of {counts[split]:,} characters\n"
        assert capsys.readouterr().err == f"deepcanon: {line}"


def test_blocks_keep_the_order():
    pieces = [np.arange(3), np.arange(3, 20), np.arange(20, 20), np.arange(20, 23)]
    found = np.concatenate(list(vectors.blocks(iter(pieces))))
    assert found[:23].tolist() == list(range(23)) and not found[23:].any() and len(found) == 28
