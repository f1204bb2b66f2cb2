"""`deepcanon runs`: what lies in a folder, what differs between runs, and what is removed."""

import fcntl
import json

import pytest

from deepcanon.cli import main
from deepcanon.engine.lock import hold


def made(folder, name="mlp", rate=0.1, score=0.25, **status):
    folder.mkdir(parents=True)
    config = {
        "name": name,
        "config": {"learning_rate": rate, "hidden": [8, 8]},
        "settings": {"data": "digits", "seed": 0},
    }
    (folder / "config.json").write_text(json.dumps(config))
    best = {"metric": "valid/error", "value": score, "step": 40}
    status = {"state": "done", "step": 60, "steps": 60, "best": best, **status}
    (folder / "status.json").write_text(json.dumps(status))
    return folder


def call(capsys, *words):
    code = main(["runs", *map(str, words)])
    return code, *capsys.readouterr()


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return made(tmp_path / "runs" / "one"), made(tmp_path / "runs" / "two", rate=0.01, score=0.125)


def test_runs_are_listed_with_their_state_and_score(two, capsys, monkeypatch):
    code, out, _ = call(capsys)
    head, *rows = out.splitlines()
    assert code == 0 and head.split() == ["run", "state", "step", "best", "data", "written", "recipe"]
    assert sorted(row.split()[0] for row in rows) == ["runs/one", "runs/two"]
    assert "valid/error 0.125" in out and "60/60" in out
    monkeypatch.setenv("COLUMNS", "40")
    code, out, err = call(capsys, "list")
    assert all(len(line) <= 40 for line in out.splitlines()) and "too narrow for best, data, written, recipe" in err
    found = json.loads(call(capsys, "--json")[1])
    assert found[0]["best"] == {"metric": "valid/error", "value": 0.25, "step": 40} and "options" not in found[0]


def test_a_damaged_run_is_listed_with_what_can_be_read(two, capsys):
    (two[0] / "status.json").write_text('{"state": "runn')
    (two[1] / "config.json").write_text("[]")
    code, out, _ = call(capsys, "list", "runs")
    assert code == 0 and "valid/error 0.125" in out
    assert [row.split()[:2] for row in out.splitlines()[1:]] == [["runs/one", "stopped"], ["runs/two", "damaged"]]


def test_a_run_is_running_while_a_process_holds_it(two, capsys):
    made(two[0].parent / "three", state="running")
    with hold(two[0].parent / "three"):
        assert json.loads(call(capsys, "--json")[1])[-1]["state"] == "running"
    assert json.loads(call(capsys, "--json")[1])[-1]["state"] == "stopped"


def test_only_what_differs_is_compared(two, capsys):
    code, out, _ = call(capsys, "compare", "runs/one", "runs/two")
    assert code == 0 and out.splitlines()[0] == "recipe mlp, data digits"
    assert out.splitlines()[1].split() == ["run", "learning-rate", "step", "best"]
    assert "0.01" in out and "hidden" not in out and "seed" not in out
    found = json.loads(call(capsys, "compare", *two, "--json")[1])
    assert [row["options"] for row in found] == [{"learning_rate": 0.1}, {"learning_rate": 0.01}]


def test_runs_are_removed_when_that_is_confirmed(two, capsys, monkeypatch):
    code, _, err = call(capsys, "remove", two[0])
    assert code == 2 and "--yes" in err and two[0].is_dir(), "nobody can answer"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert call(capsys, "remove", two[0])[0] == 0 and two[0].is_dir()
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert call(capsys, "remove", two[0])[0] == 0 and not two[0].exists()
    assert call(capsys, "remove", two[1], "--yes")[1] == f"removed {two[1]}\n"


def test_what_is_no_run_or_is_running_stays(two, capsys, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(two[0])
    for name in ("mine", "nowhere", "link"):
        code, _, err = call(capsys, "remove", tmp_path / name, "--yes")
        assert code == 2 and err.count("\n") == 1
    with open(two[0] / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, err = call(capsys, "remove", two[0], "--yes")
    assert code == 2 and "another process is training" in err and (two[0] / "config.json").exists()


def test_wrong_words_are_one_line(two, capsys):
    for words, said in ((["compare", two[0]], "two run folders"), (["list", "no/such"], "there is no folder no/such")):
        code, _, err = call(capsys, *words)
        assert code == 2 and said in err and err.count("\n") == 1
