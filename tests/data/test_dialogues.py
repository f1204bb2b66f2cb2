"""Dialogues: three forms, ten broken files each answered by one line, altered files, and those that leak into train."""

import json
import os
import random

import pytest
from altered_files import altered

from deepcanon.data import DataError, check, open_data, read_inputs

FILES = int(os.environ.get("DEEPCANON_FUZZ", "200"))
LINES = "Hi . __eou__ Hello , you . __eou__\nHow are you ? __eou__ 你好 ! __eou__ Bye . __eou__\n"
TURNS = [["Hi .", "Hello , you ."], ["How are you ?", "你好 !", "Bye ."]]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def opened(path, **options):
    return open_data(
        ("dialogues",), str(path), options={"dialogues": {"valid_share": 0.0, "test_share": 0.0, **options}}
    )


def objects(turns):
    return "".join(json.dumps({"turns": some, "topic": 1}) + "\n" for some in turns)


def test_lines_and_objects_say_the_same(tmp_path):
    wanted = [tuple(some) for some in TURNS]
    found = opened(write(tmp_path / "a.txt", "\n" + LINES))
    assert found["train"].x == wanted and found.facts == {"turns": 3}
    assert opened(write(tmp_path / "a.jsonl", objects(TURNS)))["train"].x == wanted
    without_last = LINES.replace(" __eou__\n", "\n")  # a separator closes the last turn, or does not
    assert opened(write(tmp_path / "b.txt", without_last))["train"].x == wanted
    report = check(("dialogues",), str(tmp_path / "a.txt"))
    assert report.ok and "train 1 (3 turns), valid 1 (2 turns)" in report.notes[0]


def test_dialogues_are_named_by_their_lines_and_keys_come_once(tmp_path):
    path = write(tmp_path / "a.txt", "\na __eou__ b\n\nc __eou__ d\n")
    assert read_inputs("dialogues", {}, [str(path)]).names == [f"{path}:2", f"{path}:4"]
    twice = write(tmp_path / "b.jsonl", '{"turns": ["a", "b"], "Turns": ["c", "d"]}\n')
    with pytest.raises(DataError, match="line 1: has the key 'turns' twice"):
        opened(twice)


def test_another_sign_between_turns_is_remembered(tmp_path):
    path = write(tmp_path / "a.txt", "a|b|c\nd|e\n")
    found = opened(path, separator="|")
    assert found["train"].x == [("a", "b", "c"), ("d", "e")] and found.facts["separator"] == "|"
    given = read_inputs("dialogues", found.facts, [str(path)])
    assert given.values == found["train"].x and given.names[1].endswith("a.txt:2")
    assert opened(write(tmp_path / "b.txt", "a\tb\n"), separator="tab")["train"].x == [("a", "b")]
    with pytest.raises(DataError, match="--separator is a sign"):
        opened(path, separator=" ")


def test_folders_with_a_file_for_each_split_and_dialogues_that_leak(tmp_path):
    write(tmp_path / "train.txt", LINES)
    write(tmp_path / "test.jsonl", objects([["HI .", "Hello , YOU ."], ["So ?", "No ."]]))
    write(tmp_path / "readme.md", "x")
    whole = opened(tmp_path)
    assert whole["test"].leaked.tolist() == [True, False] and not whole["train"].leaked.any()
    assert whole["test"].take(whole["test"].leaked.logical_not().nonzero()[:, 0]).x == [("So ?", "No .")]
    assert any("dialogues of test that are in train too (whatever the case): 1" in note for note in whole.notes)
    assert any("not read: readme.md" in note for note in whole.notes)


BROKEN = {
    "tabs": ("a.txt", "hi\thello\nhow\twell\n", "name another sign with --separator ('\\t' is the tab) (and 1 more)"),
    "no separator": ("a.txt", LINES + "all in one\n", "line 3: has no '__eou__' between turns; separate turns"),
    "one turn": ("a.txt", LINES + "alone __eou__\n", "line 3: has 1 turn; a dialogue has two or more"),
    "nothing in a turn": ("a.txt", LINES + "a __eou__ __eou__ b\n", "line 3: has nothing in turn 2; fill it"),
    "NUL": ("a.txt", LINES + "a\0 __eou__ b\n", "line 3): holds a NUL byte"),
    "no JSON": ("a.jsonl", objects(TURNS) + "turns\n", "line 3: is not a JSON object; give"),
    "another key": ("a.jsonl", objects(TURNS) + '{"lines": ["a", "b"]}\n', 'line 3: has no list under "turns"; give'),
    "a text": ("a.jsonl", objects(TURNS) + '{"turns": "a b"}\n', 'line 3: has no list under "turns"; give'),
    "a number": ("a.jsonl", objects(TURNS) + '{"turns": ["a", 2]}\n', "line 3: has a turn that is not a text; give"),
    "half a character": ("a.jsonl", objects(TURNS) + '{"turns": ["a", "\\ud800"]}\n', "line 3: has half a character"),
    "empty": ("a.txt", " \n", "a.txt: is empty; give one dialogue a line"),
    "not UTF-8": ("a.txt", LINES.encode() + b"caf\xe9 __eou__ b\n", "UTF-8"),
    "a key twice": (
        "a.jsonl",
        objects(TURNS) + '{"turns": ["a", "b"], "turns": ["c", "d"]}\n',
        "the key 'turns' twice",
    ),
    "another kind": ("a.ppt", "x", "is not a file of dialogues; accepted are"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_one_line(tmp_path, kind):
    name, content, words = BROKEN[kind]
    with pytest.raises(DataError) as raised:
        opened(write(tmp_path / name, content))
    said = str(raised.value)
    assert words in said and len(said.splitlines()) == 1, said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\thello\thi", "line 2: has nothing in turn 1"),
        ("hello\thi\t\t", "line 2: has nothing in turn 3"),
        ("\t\t", "line 2: has nothing in turn 1"),
        (" \t ", "line 2: has 1 turn"),
    ],
)
def test_a_tab_at_an_end_of_a_line_is_not_a_blank(tmp_path, line, said):
    with pytest.raises(DataError, match=said):
        opened(write(tmp_path / "a.txt", f"a\tb\n{line}\n"), separator="tab")
    assert opened(write(tmp_path / "b.txt", "a\tb\t\n  c \t d\n"), separator="tab")["train"].x == [
        ("a", "b"),
        ("c", "d"),
    ]


def test_empty_lines_keys_and_files_that_are_not_read_are_told(tmp_path):
    lines = write(tmp_path / "a.txt", "\n" + LINES.replace("\n", "\n\n", 1) + " \n")
    assert "empty lines, which are not dialogues: 3" in opened(lines).notes
    row = {"turns": ["a", "b"], "split": "test", "topic": 2}
    found = opened(write(tmp_path / "b.jsonl", json.dumps(row) + "\n"))
    assert "keys that are not read: split, topic" in found.notes
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    write(tmp_path / "folder" / "a.txt", LINES)
    write(tmp_path / "folder" / "read.me", "x")
    given = read_inputs("dialogues", {}, [str(lines), str(tmp_path / "folder")])
    assert given.notes == {0: "empty lines, which are not dialogues: 3", 2: "not read: inner/, read.me"}
    with pytest.raises(DataError, match="inner: holds no file of dialogues"):
        read_inputs("dialogues", {}, [str(lines), str(tmp_path / "folder" / "inner")])


def test_a_split_that_too_few_dialogues_leave_empty_is_not_told_as_drawn(tmp_path):
    notes = opened(write(tmp_path / "a.txt", LINES), valid_share=0.1, test_share=0.1).notes
    assert "drawn by the seed: 10% valid" in notes and "too few dialogues for a split: test" in notes


def test_bad_lines_are_left_out_if_asked(tmp_path):
    path = write(tmp_path / "a.txt", LINES + "all in one\n")
    found = open_data(("dialogues",), str(path), options={"dialogues": {"valid_share": 0.0}}, skip_bad=True)
    assert sum(found.counts().values()) == 2 and any("1" in note and "left out" in note for note in found.notes)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_altered_files_are_read_or_refused_in_one_line(tmp_path, name):
    """With DEEPCANON_FUZZ=2000 of 2,000 files."""
    read, content = 0, (LINES if name == "a.txt" else objects(TURNS)).encode()
    for seed in range(FILES // 2):
        rng = random.Random(f"{name} {seed}")
        path = write(tmp_path / name, altered(content, rng))
        for look in (lambda p: opened(p)["train"].x, lambda p: read_inputs("dialogues", {}, [str(p)]).values):
            try:
                found = look(path)
            except DataError as error:
                said = str(error)
                assert said and said.isprintable() and len(said.splitlines()) == 1, said
            else:
                read += 1
                assert found and all(len(turns) > 1 and all(t.strip() == t and t for t in turns) for turns in found)
                assert not any("\0" in turn or "\n" in turn for turns in found for turn in turns)
    assert 0 < read < FILES


@pytest.mark.real_data("dailydialog")
def test_daily_dialogues_are_all_there():
    """Published counts; what leaks from train into test and validation, to the number."""
    data = open_data(("dialogues",), "dailydialog")
    assert data.counts() == {"train": 11_118, "valid": 1000, "test": 1000}
    turns = {split: sum(map(len, part.x)) for split, part in data.splits.items()}
    assert turns == {"train": 87_171, "valid": 8069, "test": 7740}
    assert int(data["test"].leaked.sum()) == 107 and int(data["valid"].leaked.sum()) == 77
