"""Kill, stop and resume: the same bits as a run that was never stopped (random moments: `test_kills.py`)."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import deepcanon
from deepcanon import verbs
from deepcanon.engine import checkpoint
from deepcanon.engine.checkpoint import Checkpoints
from deepcanon.engine.metrics import MetricsFile, read_metrics
from deepcanon.errors import NonFiniteError, UsageError
from deepcanon.resolving import resolve

SMALL = {"rnn-lm": {"steps": 12}, "softmax-regression": {"steps": 12}}


@pytest.fixture
def tmp_path(in_memory):
    return in_memory


def in_child(work) -> int:
    """Runs `work` in a fork of this process (torch is loaded once); its exit code, or minus the signal."""
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            work()
            os._exit(0)
        except BaseException as error:
            os._exit(getattr(error, "exit_code", 1))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start(name: str, folder: Path, **options) -> None:
    torch.set_num_threads(1)
    given = {"checkpoint_every": 0.0, "threads": 1, **SMALL.get(name, {}), **options}
    verbs.train(name, preset="smoke", out=folder, quiet=True, **given)


def final(folder: Path) -> dict[str, str]:
    """What the run came to: the hashes of its final state, and its metrics."""
    newest = Checkpoints(folder / "checkpoints").named("step")[0]
    files = json.loads((newest / "manifest.json").read_text())["files"]
    kept = {name: digest for name, digest in files.items() if not name.startswith("run.")}
    return {"folder": newest.name, "metrics": (folder / "metrics.jsonl").read_text(), **kept}


@pytest.mark.slow
@pytest.mark.parametrize("call", range(0, 22, 3))
def test_sigkill_inside_a_checkpoint(call, tmp_path):
    """Dies at a chosen flush or rename of the third checkpoint."""

    def dies():
        count = [0]

        def counted(original):
            def wrapper(*arguments, **keywords):
                count[0] += 1
                if count[0] == 60 + call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **keywords)

            return wrapper

        checkpoint.os.fsync, checkpoint.os.rename = counted(os.fsync), counted(os.rename)
        start("softmax-regression", tmp_path / "killed")

    assert in_child(lambda: start("softmax-regression", tmp_path / "whole")) == 0
    assert in_child(dies) == -signal.SIGKILL
    assert in_child(lambda: verbs.resume(tmp_path / "killed", quiet=True)) == 0
    assert final(tmp_path / "killed") == final(tmp_path / "whole")


def test_a_resume_that_forgets_the_optimizer_is_caught(tmp_path, monkeypatch):
    """The planted bug: state that is not saved changes the outcome, so the comparison above can fail."""
    _, module = resolve("rnn-lm")
    start("rnn-lm", tmp_path / "whole")
    kept = tuple(name for name in module.Recipe.state if name != "optimizer")
    monkeypatch.setattr(module.Recipe, "state", kept)
    start("rnn-lm", tmp_path / "forgets", steps=6)
    verbs.resume(tmp_path / "forgets", steps=12, quiet=True)
    monkeypatch.undo()
    weights = [Checkpoints(tmp_path / run / "checkpoints").newest("step")[1] for run in ("whole", "forgets")]
    assert str(weights[0]["shared"]["model"]) != str(weights[1]["shared"]["model"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_at_a_step_border(number, code, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "deepcanon", "train", "softmax-regression", "--preset", "smoke"]
    options = ["--out", str(folder), "--steps", "200000", "--optimizer", "sgd"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not read_metrics(folder / "metrics.jsonl"):
            time.sleep(0.05)
        sent = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == code and time.monotonic() - sent < 5
    assert "Traceback" not in errors and errors.strip().splitlines()[-1].startswith("deepcanon: stopped at step")
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert Checkpoints(folder / "checkpoints").newest("step")[0] == status["step"] > 0


def test_going_further_equals_one_long_run(tmp_path):
    """For a recipe without a schedule: L-BFGS."""
    rhythm = {"evaluate_every": 2, "log_every": 1}
    start("softmax-regression", tmp_path / "long", steps=12, **rhythm)
    start("softmax-regression", tmp_path / "short", steps=6, **rhythm)
    assert verbs.resume(tmp_path / "short", steps=12, quiet=True).status()["step"] == 12
    assert final(tmp_path / "short") == final(tmp_path / "long")


def test_resume_of_a_finished_run_changes_nothing(tmp_path):
    start("softmax-regression", tmp_path / "run")
    before = final(tmp_path / "run")
    (tmp_path / "run" / "status.json").unlink()  # as if killed between the last checkpoint and the end
    assert verbs.resume(tmp_path / "run", quiet=True).status()["state"] == "done"
    assert final(tmp_path / "run") == before and (tmp_path / "run" / "status.json").exists()


def test_resume_clears_what_a_kill_left_of_a_finished_run(tmp_path):
    folder = tmp_path / "run"
    start("softmax-regression", folder)
    before = sorted(folder.rglob("*"))
    left = [folder / ".tmp-checksums.json", folder / "figures" / ".tmp-weights-000000012.svg"]
    for path in left:
        path.write_text("half")
    (folder / "checkpoints" / ".tmp-step-000000012").mkdir()
    best = Checkpoints(folder / "checkpoints").named("best")[0]
    shutil.copytree(best, best.with_name("best-000000000"))  # killed before older ones were removed
    verbs.resume(folder, quiet=True)
    assert sorted(folder.rglob("*")) == before


def test_one_seed_one_trace(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        start("softmax-regression", tmp_path / name, optimizer="sgd", seed=seed)
    assert final(tmp_path / "a") == final(tmp_path / "b") != final(tmp_path / "c")


def test_train_refuses_a_folder_that_holds_a_run(tmp_path):
    start("softmax-regression", tmp_path / "run")
    before = final(tmp_path / "run")
    with pytest.raises(UsageError, match="resume"):
        start("softmax-regression", tmp_path / "run")
    assert final(tmp_path / "run") == before


def test_a_second_process_touches_nothing(tmp_path):
    start("softmax-regression", tmp_path / "run", steps=6)
    half_written = tmp_path / "run" / "checkpoints" / ".tmp-step-000000007"
    half_written.mkdir()
    with open(tmp_path / "run" / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another process is training"):
            verbs.resume(tmp_path / "run", steps=12, quiet=True)
    assert half_written.exists()


def test_a_metric_that_is_not_a_number_is_never_the_best(tmp_path, monkeypatch):
    _, module = resolve("softmax-regression")
    sound = module.Recipe.evaluate
    calls: list[int] = []

    def first_is_nan(self, split):
        calls.append(1)
        metrics = sound(self, split)
        return {name: float("nan") for name in metrics} if len(calls) == 1 else metrics

    monkeypatch.setattr(module.Recipe, "evaluate", first_is_nan)
    start("softmax-regression", tmp_path / "run", steps=6, evaluate_every=2)
    best = json.loads((tmp_path / "run" / "status.json").read_text())["best"]
    assert best["step"] > 2 and best["value"] == best["value"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_at_its_step(value, tmp_path, monkeypatch):
    _, module = resolve("softmax-regression")
    sound = module.Recipe.step

    def poisoned(self, step):
        metrics = sound(self, step)
        return {**metrics, "loss": value} if step == 4 else metrics

    monkeypatch.setattr(module.Recipe, "step", poisoned)
    with pytest.raises(NonFiniteError, match=r"train/loss is (nan|inf) at step 4"):
        start("softmax-regression", tmp_path / "run", optimizer="sgd")
    assert Checkpoints(tmp_path / "run" / "checkpoints").newest("step")[0] == 4
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
    assert NonFiniteError.exit_code == 3


def test_early_stopping_survives_a_resume(tmp_path):
    options = {"optimizer": "sgd", "steps": 60, "evaluate_every": 1, "patience": 3, "learning_rate": 1e-30}
    start("softmax-regression", tmp_path / "run", **options)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["step"] == 4 and "no better" in status["reason"]
    assert verbs.resume(tmp_path / "run", quiet=True).status()["step"] == 4


def test_metrics_are_cut_to_the_checkpoint(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        file.append({"step": step, "train/loss": float("nan") if step == 2 else 0.5})
    assert not file.path.exists(), "rows of the same second are written together"
    file.flush()
    with open(file.path, "a") as torn:
        torn.write('{"step": 4, "trai')
    file.append({"step": 5, "train/loss": 0.5})  # not in the file yet
    file.cut(2)
    assert read_metrics(file.path) == [{"step": 1, "train/loss": 0.5}, {"step": 2, "train/loss": "nan"}]


def test_the_python_verbs_are_those_of_the_command_line(tmp_path):
    trained = deepcanon.train("softmax-regression", preset="smoke", out=tmp_path / "run", quiet=True)
    assert deepcanon.load(tmp_path / "run").evaluate() == trained.evaluate()
    assert isinstance(trained.module, torch.nn.Module)


def test_seeds_are_hashes_not_sums():
    from deepcanon.data.seeds import stream_seed

    seen = {stream_seed(seed, step, name) for seed in range(20) for step in range(20) for name in ("order", "noise")}
    assert len(seen) == 800
