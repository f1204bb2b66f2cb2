"""Environments, points, tasks, queries: what is not one of them is refused in one line that says what is."""

import gzip

import pytest

from deepcanon.cli import main
from deepcanon.cli.arguments import Usage
from deepcanon.cli.places import place_of
from deepcanon.data import DataError, open_data
from deepcanon.data.queries import read_analogies, read_pairs
from deepcanon.writing import replacing


def refused(kinds, spec, said):
    with pytest.raises(DataError, match=said) as error:
        open_data(kinds, spec)
    assert str(error.value).isprintable() and len(str(error.value)) < 2000


# Environments


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("CartPole", "is not an environment that gymnasium knows; did you mean CartPole-v1"),
        ("cartpole-v1", "is not an environment"),
        ("CartPole-v99", "did you mean"),
        ("CartPole-v1 ", "is not an environment"),
        ("CartPole-v1\n", "is not an environment"),
        ("os:system", "is not an environment"),
        ("../CartPole-v1", "is not an environment"),
        ("x" * 5000, "is not an environment"),
        ("Pendulum-v1", "shows Box and takes Box; choose one with Box and Discrete"),
        ("FrozenLake-v1", "shows Discrete and takes Discrete"),
        ("digits", "is a set of images, but environment is needed"),
        ("", "names nothing"),
        ("a\0b", "is not a name or path"),
        ("catalogue:CartPole-v1", "is not an environment"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_not_an_environment(tmp_path, monkeypatch, spec, said):
    pytest.importorskip("gymnasium")
    monkeypatch.chdir(tmp_path)
    refused(("environment",), spec, said)


def test_a_path_is_not_an_environment(tmp_path):
    refused(("environment",), str(tmp_path), "is not an environment")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "ModuleNotFoundError: No module named 'my_envs'"),
        ("x = (", "SyntaxError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_of_environments_that_cannot_be_imported(tmp_path, monkeypatch, capsys, content, said):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "my_envs.py").write_text(content)
    assert main(["train", "dqn", "--data", "Mine-v0", "--environment-module", "my_envs", "--out", "run"]) == 2
    err = capsys.readouterr().err
    assert f"--environment-module my_envs cannot be imported ({said}" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()


# Generated sets


@pytest.mark.parametrize("spec", ["gaussians-24", "GAUSSIANS-25", ""])
def test_a_generated_set_is_named_exactly(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    refused(("tables",), spec, "gaussians-25")


@pytest.mark.parametrize("spec", ["digits", "x.csv", "x" * 5000, "a\0b"])
def test_a_recipe_that_needs_no_data_takes_none(spec):
    refused(("nothing",), spec, "is not used: this recipe needs no data; leave --data out")


# Pairs and analogies

PAIRS = [("love", "sex", 6.77), ("tiger", "cat", 7.35)]
ROWS = "love,sex,6.77\ntiger,cat,7.35\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ROWS),
        ("b.csv", ROWS.replace("\n", "\r")),
        ("c.csv", "\n" + ROWS + "\n\n"),
        ("d.csv", ROWS.replace(",", " , ")),
        ("e.csv", '"love","sex","6.77"\ntiger,cat,7.35'),
        ("f.CSV", "a,b,mean\n" + ROWS),
        ("g.tsv", ROWS.replace(",", "\t")),
        ("h.tsv.gz", gzip.compress(ROWS.replace(",", "\t").encode(), mtime=0)),
        ("i.csv", "\ufeff" + ROWS),
        ("j.csv", ROWS.replace("6.77", "+6.77").replace("7.35", "735e-2")),
    ],
)
def test_pairs_in_other_forms(tmp_path, name, content):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_pairs(str(tmp_path / name)) == PAIRS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("love;sex;6.77\ntiger;cat;7.35\n", "line 1: has 1 cell, not 3"),
        ("love,sex,6,77\n", "line 1: has 4 cells, not 3"),
        ("a,b,c\nlove,sex,high\n", "line 2: 'high' is not a score of two words"),
        ("love,sex,nan\nlove,sex,nan\n", "line 2: 'nan' is not a score"),
        ("love,sex,1_0\ntiger,cat,1_0\n", "line 2: '1_0' is not a score"),
        ("love,sex,6.77\n", "holds 1 pair; give at least two"),
    ],
)
def test_pairs_that_are_refused(tmp_path, content, said):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        read_pairs(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("a b c d\r\n", {"questions": [("a", "b", "c", "d")]}),
        ("a\tb  c d", {"questions": [("a", "b", "c", "d")]}),
        (": s\n: t\na b c d\n", {"t": [("a", "b", "c", "d")]}),
        (":s\na b c d\n", {"s": [("a", "b", "c", "d")]}),
        ("\ufeff: s\ra b c d\r", {"s": [("a", "b", "c", "d")]}),
    ],
)
def test_analogies_in_other_forms(tmp_path, content, found):
    (tmp_path / "a.txt").write_bytes(content.encode())
    assert read_analogies(str(tmp_path / "a.txt")) == found


# Where files go


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / "codes.npz"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(Usage, match="it is a folder; name a file"):
        place_of(str(tmp_path))
    with pytest.raises(Usage, match="does not exist"):
        place_of(str(tmp_path / "no" / "codes.npz"))
