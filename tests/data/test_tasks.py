"""Every generated set, by being in the folder: one function of the seed and the step, with scores that are known."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deepcanon.cli import main
from deepcanon.data import catalogue, check, open_data, tasks
from deepcanon.data.drawn import DrawnSplit, Streams, Substreams, drawn_splits
from deepcanon.data.splits import Split
from deepcanon.engine import Run
from deepcanon.engine.checksums import write_checked
from deepcanon.settings import Settings

ROOT = Path(__file__).parents[2]
NAMES = sorted(tasks.listed())
every = pytest.mark.parametrize("name", NAMES)


def opened(name, seed=0, **options):
    kind = catalogue.entry(name).kind
    return open_data((kind,), name, seed=seed, options={kind: options})


@every
def test_a_set_of_the_catalogue_with_known_scores(name):
    data = opened(name)
    entry = catalogue.entry(name)
    assert entry.generated and not entry.files and data.kind == entry.kind
    assert list(data.splits) == ["train", "valid", "test"] and min(data.counts().values()) > 1
    assert data.known, "nothing is known of it"
    for known in data.known:
        assert known.optimum is None or known.optimum != known.floor
        assert all(known.reasons[: 1 + (known.optimum is not None)]) and known.line() in data.notes
    report = check((entry.kind,), name)
    assert report.ok and report.as_json()["known"] == [dataclasses.asdict(known) for known in data.known]


@every
def test_it_is_told_by_the_seed(name):
    """All but the points that papers compare on, which are the same for everyone."""
    first, again, other = opened(name), opened(name), opened(name, seed=1)
    assert first.fingerprint() == again.fingerprint()
    if isinstance(first["train"], DrawnSplit):
        assert batches(first, 0) != batches(other, 1)
    else:
        assert (first.fingerprint() == other.fingerprint()) == (name == "gaussians-25")


def batches(data, seed, size=6, steps=(0, 1)):
    run = Run(Settings(seed=seed, device="cpu"))
    found = []
    for step in steps:
        run.step = step
        if isinstance(data["train"].x, torch.Tensor):
            found.append(run.batch(data["train"], size).x.tolist())
    return found


DRAWN = [name for name in NAMES if isinstance(opened(name)["train"], DrawnSplit)]


@pytest.mark.parametrize("name", DRAWN)
def test_batches_are_drawn_for_each_step_and_shared_by_processes(name):
    data = opened(name)
    one, two = batches(data, 0, 40)
    assert one != two, "each step has its own"
    assert [two] == batches(opened(name), 0, 40, steps=(1,)), "whatever came before"
    for rank in (0, 1):
        run = Run(Settings(device="cpu"))
        run.rank, run.world = rank, 2
        assert run.batch(data["train"], 40).x.tolist() == one[rank::2]
    run = Run(Settings(device="cpu"))
    assert run.batch(data["train"], 40, part=1).x.tolist() not in (one, two)
    assert run.batch(data["train"], 40, "critic").x.tolist() != one


def test_names_and_kinds_are_read_without_torch():
    code = "import sys; from deepcanon.data import catalogue; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False", done.stdout + done.stderr


def test_a_file_without_its_kind_is_named(tmp_path, monkeypatch):
    (tmp_path / "no_kind.py").write_text('"""A set."""\n')
    monkeypatch.setattr(tasks, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"no_kind\.py lacks"):
        tasks.listed.__wrapped__()


def table_of_tasks():
    """The table of docs/tasks.md."""
    rows = ["| set | kind | what | known scores |", "| --- | --- | --- | --- |"]
    for name in NAMES:
        kind, summary = tasks.listed()[name]
        known = "<br>".join(known.line().removeprefix("known of ") for known in opened(name).known)
        rows.append(f"| `{name}` | {kind} | {summary} | {known} |")
    return "\n".join(rows)


def test_the_page_of_the_tasks_has_them_all():
    text = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert table_of_tasks() in text, f"the table of docs/tasks.md must be:\n{table_of_tasks()}"


def test_the_command_line_tells_of_them(capsys):
    assert main(["data", "check", "bars-and-stripes"]) == 0
    told = capsys.readouterr().out
    assert "optimum 3.37909 nats" in told and "rbm" in told
    assert main(["data", "where", "bars-and-stripes"]) == 0
    assert "needs no file" in capsys.readouterr().out
    assert main(["train", "rbm", "--data", ""]) == 2
    assert "a recipe once drew itself is a set now: bars-and-stripes" in capsys.readouterr().err


def test_a_choice_of_examples_is_an_ordinary_split():
    data = opened("bars-and-stripes", train_examples=20, label_noise=0.5)
    assert type(data["train"]) is Split and len(data["train"]) == 20


def test_noise_has_names():
    streams = Streams(3, 5)
    assert torch.equal(streams.rand("a", (4,)), Streams(3, 5).rand("a", (4,)))
    sub = Substreams(streams, "b")
    assert torch.equal(sub.randn("a", (4,)), streams.randn("b/a", (4,)))
    assert not torch.equal(streams.rand("a", (4,)), Streams(3, 6).rand("a", (4,)))
    splits = drawn_splits(lambda noise, size: Split(noise.rand("x", (size,))), "set", 0, 5, 3)
    assert {name: len(split) for name, split in splits.items()} == {"train": 5, "valid": 3, "test": 3}
    assert not torch.equal(splits["valid"].x, splits["test"].x)


def test_a_run_on_a_task_that_its_recipe_drew_says_what_to_train_on(tmp_path, capsys):
    """Such runs are of versions before 0.2: they can be used, but the examples that they drew are not to be had."""
    out = tmp_path / "run"
    options = ["--steps", "4", "--hidden", "4", "--temperatures", "5", "--mixing", "2", "--threads", "1"]
    assert main(["train", "rbm", "--data", "bars-and-stripes", "--out", str(out), *options]) == 0
    content = json.loads((out / "config.json").read_text())
    content["settings"]["data"], content["kinds"] = "", ["images", "tables", "task"]
    write_checked(out / "config.json", json.dumps(content))
    capsys.readouterr()
    for command in (["resume", str(out), "--steps", "8"], ["eval", str(out)]):
        assert main(command) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("deepcanon: --data: names nothing") and "itself is a set now: bars-and-stripes" in line
    assert main(["generate", str(out), "--count", "1", "--json"]) == 0
