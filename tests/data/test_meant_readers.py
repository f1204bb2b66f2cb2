"""`data check` without a recipe: what the reader finds wrong whose form a file has counts, whoever else takes it."""

import os

import pytest
from sound_files import pcm, tone

from deepcanon.cli import main
from deepcanon.data import PATHS, SPECIFIC, kinds_of, meant_kinds

STORY = "1 Mary moved .\n2 Where is Mary?\tbathroom\t1\n"
TALK = "Hi . __eou__ Hello . __eou__\n"
SETS = "set,x,y\n" + "".join(f"{n},0,0\n{n},1,0\n{n},0,1\n" for n in range(12))
TREE = "(3 (2 a) (4 film))\n"
PAIR = "ein Hund läuft\ta dog runs\n"
RATED = "text,label\n" + "a film,good\nno film,bad\n" * 8

MEANT = [
    ("stories", "a.txt", STORY * 12, "7 And so on.\n"),
    ("dialogues", "a.txt", TALK * 12, "alone\n"),
    ("dialogues", "a.jsonl", '{"turns": ["a b", "c"], "text": "x"}\n' * 12, '{"turns": "a", "text": "y"}\n'),
    ("pairs", "a.tsv", PAIR * 12, "eine Katze\t \n"),
    ("pairs", "a.jsonl", '{"src": "a b", "tgt": "c"}\n' * 12, '{"src": "a", "tgt": ""}\n'),
    ("point_sets", "a.csv", SETS, "3,0,0\n"),
    ("trees", "a.txt", TREE * 12, "(3 (2 a)\n"),
    ("documents", "a.csv", RATED, " ,good\n"),
]


@pytest.mark.parametrize(("kind", "name", "good", "bad"), MEANT, ids=[f"{kind}-{name}" for kind, name, *_ in MEANT])
def test_a_problem_of_the_meant_reader_is_one(write, capsys, kind, name, good, bad):
    assert len(good.splitlines()) > 2
    path = write(name, good)
    assert main(["data", "check", str(path)]) == 0 and meant_kinds(str(path)) == (kind,)
    capsys.readouterr()
    path = write(name, good + bad)
    assert len(kinds_of(str(path))) > 1, "another reader takes it too"
    assert main(["data", "check", str(path)]) == 2
    assert f"{path}: {kind}" in capsys.readouterr().out
    assert main(["data", "check", str(path), "--json"]) == 2


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("stories", "a.txt", "Mary moved .\n" + STORY * 12),
        ("dialogues", "a.txt", "alone\n" + TALK * 12),
        ("trees", "a.txt", "3 (2 a)\n" + TREE * 12),
        ("stories", "a.txt", (STORY * 12 + "1 Märy\n").encode("latin-1")),
    ],
)
def test_a_broken_line_does_not_hide_whose_file_it_is(write, kind, name, text):
    path = write(name, text)
    assert kind in meant_kinds(str(path)) and main(["data", "check", str(path)]) == 2


def test_recordings_without_a_transcript(write, tmp_path, capsys):
    for place in range(12):
        write(f"{place}.wav", pcm(tone()))
        write(f"{place}.txt", "one two")
    assert main(["data", "check", str(tmp_path)]) == 0 and meant_kinds(str(tmp_path)) == ("speech",)
    (tmp_path / "7.txt").unlink()
    assert main(["data", "check", str(tmp_path)]) == 2
    assert "7.wav: has no 7.txt next to it" in capsys.readouterr().out


def test_what_has_no_form_of_its_own_need_be_nothing_special(write, tmp_path, capsys):
    line = write("line.csv", "x,y\n" + "".join(f"{n},{2 * n}\n" for n in range(40)))
    assert main(["data", "check", str(line)]) == 0, "a straight line has no hull, and is a table"
    assert "not sets of points: " in capsys.readouterr().out
    for place in range(12):
        write(f"s/{'ab'[place % 2]}/{place}.wav", pcm(tone()))
    assert main(["data", "check", str(tmp_path / "s")]) == 0 and "not speech: " in capsys.readouterr().out
    table = write("t.tsv", "name\tof what\tprice\n" + "red shoe\ta shoe\t1\n" * 20 + "\ta shoe\t2\n")
    assert "pairs" not in meant_kinds(str(table))


def test_every_specific_kind_is_read_from_a_path():
    assert set(SPECIFIC) < set(PATHS)


def test_lone_test_sets_are_not_trained_on(write, tmp_path):
    table = "a,b\n" + "1,2\n2,3\n" * 20
    lines = {
        "rnn-lm": ("x.test.txt", "the cat\n" * 40),
        "pointer-network": ("x.test.csv", SETS),
        "rntn": ("x.test.txt", TREE * 20),
        "linear-regression": ("test.csv", table),
    }
    for recipe, (name, text) in lines.items():
        write(f"{recipe}/{name}", text)
        assert main(["data", "check", recipe, str(tmp_path / recipe)]) == 2, recipe


def test_a_pipe_in_a_folder_is_not_waited_for(write, tmp_path):
    write("a.tsv", PAIR)
    for name in ("train.tsv", "train.csv", "train.jsonl", "train.txt"):
        os.mkfifo(tmp_path / name)
    meant_kinds(str(tmp_path))
    for recipe in ("seq2seq", "pointer-network", "linear-regression"):
        assert main(["data", "check", recipe, str(tmp_path)]) == 2
