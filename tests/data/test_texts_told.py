"""Texts: what is understood is told, what is not read is named, and what is not clear is refused in one line."""

import gzip
import io
import os
import unicodedata

import pytest

from deepcanon.cli import main
from deepcanon.data import DataError, check, kinds_of, open_data, read_inputs


def text(path, skip_bad=False, **options):
    chosen = {"valid_share": 0, "test_share": 0, **options}
    return open_data(("text",), str(path), options={"text": chosen}, skip_bad=skip_bad)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path, said, **options):
    with pytest.raises(DataError, match=said) as error:
        text(path, **options)
    assert str(error.value).isprintable() and len(str(error.value).splitlines()) == 1


def told(path, said, **options):
    notes = text(path, **options).notes
    assert any(said in note for note in notes), notes


# One file


@pytest.mark.parametrize(
    ("content", "right", "said"),
    [
        (b"a\r\nb\r\n", "a\nb\n", r"line ends \r\n, read as \n: 2"),
        (b"a\rb\rc\r", "a\nb\nc\n", r"line ends \r, read as \n: 3"),
        (b"a\r\nb\rc\nd", "a\nb\nc\nd", r"line ends \r, read as \n: 1"),
        (b"a\r\r\nb", "a\n\nb", r"line ends \r, read as \n: 1"),
        (
            b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n",
            "a\n\ufeffb\n",
            "byte order marks (U+FEFF) within a text, kept as characters: 1",
        ),
        (b"\xef\xbb\xbfone\n", "one\n", "characters: train 4"),
        (b"no last line end", "no last line end", "characters: train 16"),
        (b"x", "x", "characters: train 1"),
        ("a\u2028b\x85c\x0bd\x0ce".encode(), "a\u2028b\x85c\x0bd\x0ce", "characters: train 9"),
        (b" \t lead\n\n\n", " \t lead\n\n\n", "characters: train 10"),
        (b"z" * 3_000_000, "z" * 3_000_000, "characters: train 3,000,000"),
        ("e\u0301\U0001f468\u200d\U0001f469".encode(), "e\u0301\U0001f468\u200d\U0001f469", "characters: train 5"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_every_character_is_there_and_what_was_changed_is_told(tmp_path, content, right, said):
    path = write(tmp_path / "a.txt", content)
    assert text(path)["train"].x == right
    told(path, said)
    packed = write(tmp_path / "b.TXT.GZ", gzip.compress(content))
    assert text(packed)["train"].x == right


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b" \r\n\t \n", "is empty"),
        ("words".encode("utf-16"), "byte 0: is UTF-16, not UTF-8; save it as UTF-8"),
        (b"\xfe\xff\0a", "is UTF-16"),
        ("words".encode("utf-32"), "is UTF-32"),
        (b"\0\0\xfe\xff\0\0\0a", "is UTF-32"),
        (
            "words".encode("utf-16-le"),
            r"byte 1 \(line 1\): holds a NUL byte, so it is not UTF-8 text; save it as UTF-8",
        ),
        ("gr\u00fcn\n".encode() + "gr\u00fcn\n".encode("latin-1"), r"byte 8 \(line 2\): byte 0xfc is not UTF-8"),
        ("\ud800".encode("utf-8", "surrogatepass"), "byte 0xed is not UTF-8"),
        (b"good\n\xc0\x80", "byte 0xc0 is not UTF-8"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_not_text_is_refused(tmp_path, content, said):
    refused(write(tmp_path / "a.txt", content), said)
    assert check(("text",), str(tmp_path / "a.txt")).problems


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.md", r"is text with another ending; copy it to a \.txt file"),
        ("a.text", r"is not a \.txt file; accepted is"),
        ("a", r"is not a \.txt file; accepted is"),
        ("a.txt.zip", "is an archive; unpack it"),
        ("a.txt~", r"is not a \.txt file; accepted is"),
    ],
)
def test_other_files_are_not_taken_for_text(tmp_path, name, said):
    refused(write(tmp_path / name, "words"), said)


# Cuts


@pytest.mark.parametrize("length", [95, 85, 60, 30])
@pytest.mark.parametrize("end", ["yyyy", "y\n", ""])
def test_no_character_is_in_two_splits(tmp_path, length, end):
    whole = "x" * length + "\n" + end
    data = text(write(tmp_path / "a.txt", whole), valid_share=0.1, test_share=0.1)
    assert "".join(data[name].x for name in ("train", "valid", "test")) == whole
    assert all(data.counts().values())


@pytest.mark.parametrize(("content", "shares"), [("x", (0.1, 0)), ("ab", (0.1, 0.1)), ("abc\n", (0.01, 0.01))])
def test_a_split_that_would_be_empty_is_refused(tmp_path, content, shares):
    valid, test = shares
    refused(write(tmp_path / "a.txt", content), "is too short to be split: nothing is left for", valid_share=valid,
            test_share=test)  # fmt: skip


@pytest.mark.parametrize(
    "one", ["e\u0301", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd"]
)
@pytest.mark.parametrize("share", [0.1, 0.25, 0.31, 0.5])
def test_what_is_shown_as_one_character_is_not_cut_in_two(tmp_path, one, share):
    data = text(write(tmp_path / "a.txt", one * 50), valid_share=share)
    assert data["train"].x + data["valid"].x == one * 50
    assert len(data["train"].x) % len(one) == 0 and not unicodedata.combining(data["valid"].x[0])


# Folders


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ("training.txt", "val.txt", "testing.txt"),
            "train from training.txt, valid from val.txt, test from testing.txt",
        ),
        (("Train.TXT", "DEV.txt", "Test.txt.gz"), "train from Train.TXT, valid from DEV.txt, test from Test.txt.gz"),
        (("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"), "train from ptb.train.txt, valid from ptb.valid.txt"),
        (("wiki-train.txt", "wiki-dev.txt", "wiki-test.txt"), "train from wiki-train.txt, valid from wiki-dev.txt"),
    ],
)
def test_files_are_splits_by_their_names(tmp_path, names, said):
    for name, content in zip(names, ("one", "two", "six"), strict=True):
        write(tmp_path / name, gzip.compress(content.encode()) if name.endswith("gz") else content)
    data = text(tmp_path)
    assert {split: data[split].x for split in data.splits} == {"train": "one", "valid": "two", "test": "six"}
    told(tmp_path, said)


@pytest.mark.parametrize("name", ["valid.txt", "test.txt", "dev.txt.gz", "validation.txt"])
def test_a_split_without_train_is_refused(tmp_path, name):
    write(tmp_path / "chapter.txt", "words")
    write(tmp_path / name, gzip.compress(b"words") if name.endswith("gz") else "words")
    refused(tmp_path, f"{name}: has the name of the (valid|test) split, but there is no train.txt; add a train.txt")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train.txt", "training.txt"), "is a second train split next to train.txt; keep one of them"),
        (("train.txt", "dev.txt", "valid.txt"), "valid.txt: is a second valid split next to dev.txt"),
        (("train.txt", "notes.txt"), "notes.txt: is next to train.txt but is not a split"),
        (("en.train.txt", "en.test.txt", "de.train.txt", "de.test.txt"), "is the train split of one text"),
    ],
)
def test_splits_that_are_not_clear_are_refused(tmp_path, names, said):
    for name in names:
        write(tmp_path / name, "words")
    refused(tmp_path, said)


def test_a_file_is_not_read_twice(tmp_path):
    write(tmp_path / "a.txt", "words")
    write(tmp_path / "a.txt.gz", gzip.compress(b"words"))
    refused(tmp_path, "a.txt.gz: is there twice, as a.txt too")


def test_the_order_of_joined_files_and_what_is_added_is_told(tmp_path):
    for name in ("b", "a", "c", "d", "e", "f"):
        write(tmp_path / f"{name}.txt", name)
    assert text(tmp_path)["train"].x == "a\nb\nc\nd\ne\nf"
    told(tmp_path, "joined in the order of their names: a.txt, b.txt, c.txt, ..., f.txt")
    told(tmp_path, "files without a last line end, to which one is added: 5")


def test_names_that_only_look_like_splits_are_joined_and_told(tmp_path):
    for name in ("acid.test.txt", "chapter.txt"):
        write(tmp_path / name, name)
    told(tmp_path, "joined in the order of their names: acid.test.txt, chapter.txt")


def test_what_is_not_read_is_named(tmp_path):
    write(tmp_path / "a.txt", "words")
    write(tmp_path / "a.md", "words")
    write(tmp_path / "inner" / "b.txt", "words")
    write(tmp_path / ".hidden.txt", "words")
    told(tmp_path, "not read: inner/, a.md")
    for number in range(9):
        write(tmp_path / f"{number}.rtf", "words")
    told(tmp_path, "not read: 9 .rtf, 1 .md, 1 folder")
    assert text(tmp_path)["train"].x == "words"
    assert "not read" in read_inputs("text", {}, [str(tmp_path)]).notes[0]


def test_a_folder_with_texts_only_further_down_is_refused(tmp_path):
    write(tmp_path / "inner" / "b.txt", "words")
    refused(tmp_path, r"holds no \.txt file \(not read: inner/\); accepted is")


def test_a_broken_link_is_a_problem(tmp_path):
    write(tmp_path / "a.txt", "words")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone")
    refused(tmp_path, "b.txt: cannot be read")
    told(tmp_path, "left out: 1 (", skip_bad=True)


def test_an_empty_validation_is_not_passed_over(tmp_path):
    write(tmp_path / "train.txt", "words and words and words")
    write(tmp_path / "valid.txt", "\n")
    refused(tmp_path, "valid.txt: is empty")


# Inputs


@pytest.mark.parametrize(
    ("content", "names", "values"),
    [
        (b"a\r\nb\rc", ["stdin:1", "stdin:2", "stdin:3"], ["a", "b", "c"]),
        (b"\xef\xbb\xbfa\n", ["stdin:1"], ["a"]),
        (b"\n\n x \n", ["stdin:3"], [" x "]),
        ("a\u2028b".encode(), ["stdin:1"], ["a\u2028b"]),
    ],
)
def test_standard_input(monkeypatch, content, names, values):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    found = read_inputs("text", {}, ["-"])
    assert (found.names, found.values) == (names, values)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "-: holds no line of text"), (b"\xff\xfea\0", "standard input: byte 0: is UTF-16"), (b"a\n\xff", "line 2")],
)
def test_standard_input_that_is_not_text(monkeypatch, content, said):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(DataError, match=said):
        read_inputs("text", {}, ["-"])


def test_inputs_that_cannot_be(tmp_path):
    path = str(write(tmp_path / "a.txt", "words"))
    for given, said in (
        (["-", path, "-"], "given twice"), (["x" * 5000], "does not exist"), ([path, "a\0b"], "does not exist"),
        ([], "no input"), ([str(write(tmp_path / "b.md", "x"))], r"copy it to a \.txt file"), ([""], "does not exist"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said) as error:
            read_inputs("text", {}, given)
        assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_named_pipe_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    refused(tmp_path / name, "is neither a file nor a folder; save its output as a file")


# Names


def test_a_set_is_not_joined_with_itself():
    refused("pydoc+planted-grammar+pydoc", "names a set twice; give each once")


@pytest.mark.parametrize(
    ("spec", "kinds"),
    [
        ("pydoc", ("text",)),
        ("pydoc+planted-grammar", ("text",)),
        ("catalogue:pydoc+planted-grammar", ("text",)),
        ("pydoc+digits", ()),
        ("pydoc+pydoc", ()),
        ("wordsim353", ()),
        ("gaussians-25", ("tables",)),
        ("x" * 5000, ()),
        ("", ()),
        ("~nobody-of-that-name/x", ()),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_name_is_without_a_recipe(tmp_path, monkeypatch, capsys, spec, kinds):
    monkeypatch.chdir(tmp_path)
    assert kinds_of(spec) == kinds
    code = main(["data", "check", spec])
    said = capsys.readouterr()
    assert code == (0 if kinds else 2)
    if not kinds:
        assert "no recipe reads this; name a recipe to see why" in said.err and said.err.count("\n") == 1


def test_an_environment_is_known_without_a_recipe(tmp_path, monkeypatch, capsys):
    pytest.importorskip("gymnasium")
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", "CartPole-v1"]) == 0
    assert "CartPole-v1: environment" in capsys.readouterr().out


def test_ones_own_file_of_the_name_of_a_set_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "pydoc" / "a.txt", "words")
    wanted = f"read from {tmp_path / 'pydoc'}; for the published set of that name write catalogue:pydoc"
    assert text("pydoc").notes[0] == wanted and text("pydoc")["train"].x == "words"
