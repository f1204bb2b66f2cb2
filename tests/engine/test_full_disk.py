"""A full disk: one line that names the path, an exit code that is not 0, nothing lost, and the same bits later.

The disk is full from the moment at which a chosen file is opened: from then on no file of the process may hold a byte.
"""

import io
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine.test_resume import final
from PIL import Image

from deepcanon.cli import main
from deepcanon.engine import drawing
from deepcanon.engine.checkpoint import Checkpoints, read_folder

HARD = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
TRAIN = ["train", "mlp", "--preset", "smoke", "--checkpoint-every", "0", "--steps", "8", "--evaluate-every", "4"]
TRAIN += ["--log-every", "1", "--threads", "1"]


def command(*arguments, full_at="", count=1):
    """Runs a command in a fork: (exit code, standard output, lines of standard error).

    Args:
        full_at: the disk is full once a file of this pattern is opened for writing.
        count: for which time.
    """
    (out, into_out), (err, into_err) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            for number, pipe in ((1, into_out), (2, into_err)):
                os.dup2(pipe, number)
            sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb", 0), write_through=True) for n in (1, 2))
            torch.set_num_threads(1)
            drawing.FORGIVING = True
            if full_at:
                fill_at(full_at, count)
            code = main(list(map(str, arguments)))
        finally:
            os._exit(code)
    os.close(into_out)
    os.close(into_err)
    with open(out) as said, open(err) as complained:
        texts = said.read(), complained.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert "Traceback" not in texts[1] and "Exception ignored" not in texts[1], texts[1]
    return code, texts[0], [line for line in texts[1].splitlines() if not line.startswith("step ")]


def fill_at(pattern, count):
    left = [count]

    def hear(event, arguments):
        if event != "open" or not isinstance(arguments[0], str | bytes) or not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if re.search(pattern, os.fsdecode(arguments[0])):
            left[0] -= 1
            if left[0] == 0:  # the system then says "File too large"; a write is refused at the same places
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, HARD))

    sys.addaudithook(hear)


def check_sound(folder):
    """Whatever stands in the checkpoints is whole; returns how many there are."""
    found = [path for path in (folder / "checkpoints").iterdir() if path.is_dir()]
    assert not [path.name for path in folder.rglob(".tmp-*")]
    for path in found:
        read_folder(path)
    return len(found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main([*TRAIN, "--out", str(folder)]) == 0  # in this process, so that the forks have all modules loaded
    return folder


@pytest.mark.parametrize("pattern", [r"facts/facts\.", r"\.tmp-data\.json", r"\.tmp-config\.json", r"checksums\.json"])
def test_before_there_is_a_run(pattern, whole, tmp_path):
    out = tmp_path / "run"
    code, _, complaints = command(*TRAIN, "--out", out, full_at=pattern)
    assert code == 1 and len(complaints) == 1 and f"cannot write {out}" in complaints[0], complaints
    assert not out.exists(), "the way is not free"
    assert command(*TRAIN, "--out", out)[0] == 0
    assert final(out) == final(whole)


@pytest.mark.parametrize(
    ("pattern", "count", "checkpoints"),
    [
        (r"status\.json", 1, 0),
        (r"step-000000001/shared\.", 1, 0),
        (r"step-000000005/shared\.safetensors", 1, 2),
        (r"step-000000005/rank0\.", 1, 2),
        (r"step-000000007/manifest\.json", 1, 2),
        (r"best-000000004/", 1, 2),
        (r"metrics\.jsonl", 7, 2),
        (r"figures/.*svg", 1, 2),
        (r"status\.json", 2, 2),
    ],
)
def test_during_training(pattern, count, checkpoints, whole, tmp_path):
    out = tmp_path / "run"
    code, _, complaints = command(*TRAIN, "--out", out, full_at=pattern, count=count)
    assert code == 1 and len(complaints) == 1 and f"cannot write {out}/" in complaints[0], complaints
    assert check_sound(out) >= checkpoints
    again, _, complaints = command("resume", out)
    assert again == 0 and not complaints, complaints
    assert final(out) == final(whole)
    check_sound(out)


def test_what_cannot_be_drawn_or_noted_next_to_the_training_is_told(whole, tmp_path):
    """The last thing that a training writes is its report, and events are not its own: it is whole without them."""
    out = tmp_path / "run"
    code, said, complaints = command(*TRAIN, "--out", out, full_at=r"report\.html")
    assert code == 0 and f"cannot write {out / 'report.html'}" in said and not complaints
    assert final(out) == final(whole) and not (out / "report.html").exists()
    out = tmp_path / "second"
    code, said, complaints = command(*TRAIN, "--out", out, full_at=r"tfevents")
    if (whole / "events").exists():
        assert code == 1 and f"cannot write {out / 'events'}" in said and len(complaints) == 1
    assert command("resume", out)[0] == 0 and final(out) == final(whole)


def test_a_resume_on_a_full_disk_loses_nothing(whole, tmp_path):
    out = tmp_path / "run"
    assert command(*TRAIN, "--out", out, full_at=r"step-000000006/", count=1)[0] == 1
    metrics, before = (out / "metrics.jsonl").read_bytes(), Checkpoints(out / "checkpoints").newest("step")[0]
    for pattern in (r"\.lock", r"metrics\.jsonl", r"status\.json"):
        code, _, complaints = command("resume", out, full_at=pattern)
        assert code == 1 and len(complaints) == 1 and f"cannot write {out}/" in complaints[0], complaints
        assert Checkpoints(out / "checkpoints").newest("step")[0] == before
        assert metrics.startswith((out / "metrics.jsonl").read_bytes())
    assert command("resume", out)[0] == 0
    assert final(out) == final(whole)


@pytest.mark.parametrize(
    "verb",
    [
        ["predict", "PICTURE", "--to", "answers.csv"],
        ["encode", "PICTURE", "--to", "codes.npz"],
        ["export", "--to", "model.pt2"],
        ["export", "--to", "model.json"],
        pytest.param(["export", "--format", "onnx", "--to", "model.onnx"], marks=pytest.mark.slow),
        ["report", "--to", "page.html"],
    ],
    ids=lambda verb: " ".join(verb),
)
def test_a_file_that_was_there_stays(verb, whole, tmp_path):
    name, *options, to = verb
    picture, to = tmp_path / "picture.png", tmp_path / to
    Image.new("L", (8, 8), 9).save(picture)
    call = [name, whole, *(picture if option == "PICTURE" else option for option in options)]
    to.write_text("older")
    asked = to.with_suffix(".pt2") if to.suffix == ".json" else to  # what is next to an export
    code, _, complaints = command(*call, asked, full_at=re.escape(to.name))
    assert code == 1 and len(complaints) == 1 and f"cannot write {to}: " in complaints[0], complaints
    assert to.read_text() == "older" and {path.name for path in tmp_path.iterdir()} <= {
        to.name,
        picture.name,
        asked.name,
    }
    assert command(*call, asked)[0] == 0 and to.read_bytes() != b"older"


@pytest.mark.parametrize(
    ("train", "verb", "name"),
    [
        (["gan", "--steps", "2"], ["generate", "--count", "4"], "tiles.png"),
        (["dqn", "--steps", "2"], ["play", "--episodes", "1"], "film.gif"),
    ],
    ids=["generate", "play"],
)
def test_a_picture_or_film_that_was_there_stays(train, verb, name, tmp_path):
    run, to = tmp_path / "run", tmp_path / name
    code, _, complaints = command("train", *train, "--preset", "smoke", "--threads", "1", "--out", run)
    assert code == 0, complaints
    to.write_text("older")
    call = [verb[0], run, *verb[1:], "--to", to]
    code, _, complaints = command(*call, full_at=re.escape(name))
    assert code == 1 and len(complaints) == 1 and f"cannot write {to}: " in complaints[0], complaints
    assert to.read_text() == "older" and {path.name for path in tmp_path.iterdir()} == {"run", name}
    assert command(*call)[0] == 0 and to.read_bytes() != b"older"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize(
    "verb", [["predict", "PICTURE"], ["encode", "PICTURE"], ["export"], ["report"]], ids=lambda verb: verb[0]
)
def test_a_device_is_written_itself(verb, whole, tmp_path):
    """A file is replaced by a new one; the device that discards everything must not be, whoever asks."""
    picture = tmp_path / "picture.png"
    Image.new("L", (8, 8), 9).save(picture)
    (tmp_path / "full").symlink_to("/dev/full")  # in a folder of its own, should it be replaced all the same
    call = [verb[0], whole, *(picture for _ in verb[1:]), "--to", tmp_path / "full"]
    code, _, complaints = command(*call)
    assert code == 1 and len(complaints) == 1, complaints
    assert f"cannot write {tmp_path / 'full'}: No space left on device" in complaints[0]
    assert (tmp_path / "full").is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("arguments", [["list"], ["show", "mlp"], ["train", "mlp", "--help"], ["--version"]])
@pytest.mark.parametrize("buffered", ["", "1"])
def test_standard_output_on_a_full_disk(arguments, buffered):
    env = {**os.environ, "PYTHONUNBUFFERED": buffered}
    with open("/dev/full", "w") as full:
        run = [sys.executable, "-m", "deepcanon", *arguments]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, env=env, timeout=60)
        assert done.returncode == 1
        assert done.stderr.startswith("deepcanon: cannot write standard output: ") and done.stderr.count("\n") == 1
        both = subprocess.run(run, stdout=full, stderr=full, env=env, timeout=60)
        assert both.returncode == 1


def test_a_full_standard_output_ends_a_training_that_can_go_on(whole, tmp_path):
    out = tmp_path / "run"
    with open("/dev/full", "w") as full:
        run = [sys.executable, "-m", "deepcanon", *TRAIN, "--out", str(out)]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "cannot write standard output" in done.stderr.splitlines()[-1]
    assert not out.exists() or command("resume", out)[0] == 0
