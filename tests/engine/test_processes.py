"""Several processes: gradients on their way in buckets, agreement at step borders, and what happens if one is lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from contract.gloo import free_port, in_two
from torch import nn

from deepcanon.engine import gradients, processes
from deepcanon.engine.agreement import FARTHEST, Agreement, Told
from deepcanon.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
ROWS, INPUTS = (2, 6), 3  # the processes hold different numbers of rows


class Net(nn.Module):
    """One layer is used by everyone, one by the second process only, one by nobody."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.all, self.some, self.none = (nn.Linear(INPUTS, INPUTS, dtype=torch.float64) for _ in range(3))

    def loss(self, x, branch):
        y = self.all(torch.tanh(self.all(x)))
        return (self.some(y) if branch else y).square().mean()


def rows():
    return torch.randn(sum(ROWS), INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).split(ROWS)


def found_by(rank, count):
    """Gradients and losses of a process: twice, the second on top of the first."""
    net = Net()
    x, of = rows()[rank], list(net.parameters())
    losses = [gradients.backward_together(net.loss(x, rank == 1), of, count and len(x)) for _ in range(2)]
    return {"losses": losses, "grads": [p.grad for p in of]}


def process(rank, port, folder):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    found = {}
    for bucket in (1, 200, 1 << 20):
        gradients.BUCKET = bucket
        found |= {f"{bucket}/{count}": found_by(rank, count) for count in (True, None)}
    mixed = [torch.arange(3.0) + rank, torch.tensor(rank), torch.ones(2, 2, dtype=torch.float64)]
    found["sums"] = processes.sums_over_processes(mixed)
    agreement = Agreement()
    found["told"] = [tuple(agreement.reached(1, Told(15 * rank, rank == 0, False, rank == 1)))]
    apart = [step for step in range(2, 4 * FARTHEST) if agreement.reached(step, Told(signal=2)).signal]
    found["borders"] = [*apart, agreement.reached(4 * FARTHEST, Told(left=rank == 0), now=True).left]
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes found."""
    folder = tmp_path_factory.mktemp("two")
    in_two(process, str(folder))
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("count", [True, None])
@pytest.mark.parametrize("bucket", [1, 200, 1 << 20])
def test_gradients_are_those_of_the_global_mean(two, bucket, count):
    net, weights = Net(), [n / sum(ROWS) for n in ROWS] if count else [0.5, 0.5]
    loss = sum(w * net.loss(x, branch) for w, x, branch in zip(weights, rows(), (False, True), strict=True))
    loss.backward()
    for part in (rank[f"{bucket}/{count}"] for rank in two):
        torch.testing.assert_close(torch.stack(part["losses"]), loss.detach().expand(2))
        for parameter, grad in zip(net.parameters(), part["grads"], strict=True):
            if parameter.grad is None:
                assert grad is None, "an optimizer would move what nobody used"
            else:
                torch.testing.assert_close(grad, 2 * parameter.grad)


def test_buckets_are_cut_by_size_type_and_device():
    of = [nn.Parameter(torch.zeros(n, dtype=dtype)) for n, dtype in ((4, torch.float32), (2, torch.float64))]
    of += [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(5))]
    sizes = [[p.numel() for p in bucket] for bucket in gradients.buckets_of(of, 20)]
    assert sizes == [[5], [3], [2], [4]]
    assert [len(bucket) for bucket in gradients.buckets_of(of[2:], 21)] == [2]


def test_several_tensors_are_summed_each_in_its_type(two):
    for rank in two:
        first, second, third = rank["sums"]
        assert first.tolist() == [1, 3, 5] and (second.dtype, second.item()) == (torch.int64, 1)
        assert (third.dtype, third.tolist()) == (torch.float64, [[2, 2], [2, 2]])


def test_all_processes_know_at_the_same_border_what_one_was_told(two):
    assert two[0]["told"] == two[1]["told"] == [(15, True, False, True)]
    *borders, left = two[0]["borders"]
    assert two[0]["borders"] == two[1]["borders"] and left
    gaps = [after - before for before, after in zip([1, *borders], borders, strict=False)]
    assert borders and max(gaps) <= FARTHEST and max(gaps) > 1, "quick steps are not followed by an exchange each"


def test_one_process_needs_no_agreement():
    assert Agreement().reached(7, Told(2, True, False, False)) == Told(2, True, False, False)


@pytest.mark.parametrize("asked", ["soon", "0", "-3", "1e9", "nan"])
def test_a_patience_that_is_no_number_of_seconds_is_refused(monkeypatch, asked):
    monkeypatch.setenv(processes.WAIT, asked)
    with pytest.raises(UsageError, match=re.escape(f"DEEPCANON_WAIT={asked}: give a number of seconds")):
        processes.patience()


# Trainings on two machines, which two launchers stand for


class Machines:
    """Two launchers of one process each, which meet on this machine."""

    def __init__(self, folders, arguments, wait=60):
        port = free_port()
        meet = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "test"]
        launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *meet]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "DEEPCANON_SHAPES": "off", processes.WAIT: str(wait)}
        env["PYTHONPATH"] = str(ROOT)
        self.started = [
            subprocess.Popen(
                [*launch, "-m", "deepcanon", *arguments],
                cwd=folder, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True,
            )
            for folder in folders
        ]  # fmt: skip

    def ended(self):
        """The exit codes and errors of both."""
        errors = [one.communicate(timeout=240)[1] for one in self.started]
        return [one.returncode for one in self.started], errors

    def workers(self):
        """The processes that train, by their launchers."""
        children = [Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split() for one in self.started]
        return [int(found[0]) for found in children if found]


@pytest.fixture
def small():
    return ["train", "mlp", "--preset", "smoke", "--threads", "1", "--precision", "fp32", "--out", "run"]


@pytest.mark.slow
def test_two_machines_train_together_and_one_goes_on_alone(tmp_path, small):
    codes, errors = Machines([tmp_path, tmp_path], [*small, "--steps", "6"]).ended()
    assert codes == [0, 0], errors
    assert json.loads((tmp_path / "run" / "status.json").read_text())["step"] == 6
    done = subprocess.run(
        [sys.executable, "-m", "deepcanon", "resume", "run", "--steps", "8"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "trained by 2 processes so far, now by 1" in done.stdout + done.stderr


@pytest.mark.slow
def test_machines_without_a_common_file_system_are_refused(tmp_path, small):
    (tmp_path / "other").mkdir()
    codes, errors = Machines([tmp_path, tmp_path / "other"], small).ended()
    assert 0 not in codes and not (tmp_path / "run").exists()
    assert "process 1 of 2 does not see the folder run of process 0: give --out a place" in "".join(errors)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes in /proc")
def test_a_process_that_stops_answering_ends_the_run_in_time(tmp_path, small):
    machines = Machines([tmp_path, tmp_path], [*small, "--steps", "1000000", "--checkpoint-every", "0.1"], wait=3)
    kept = tmp_path / "run" / "checkpoints"
    until = time.monotonic() + 120
    while not list(kept.glob("step-*")) and time.monotonic() < until:
        time.sleep(0.1)
    workers = machines.workers()
    os.kill(workers[1], signal.SIGSTOP)
    until = time.monotonic() + 180  # ten minutes would pass without the variable
    while machines.started[0].poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    ended_by_itself = machines.started[0].poll() is not None
    os.killpg(machines.started[1].pid, signal.SIGKILL)
    os.kill(workers[1], signal.SIGKILL)
    codes, errors = machines.ended()
    assert codes[0] == 1 and ended_by_itself
    gone = r"another process of 2 is gone or no longer answers: ended in step \d+; the last good checkpoint is \S+, and"
    assert re.search(rf"{gone} `deepcanon resume run`, started like this run, continues", errors[0])
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "failed" and status["step"] > 0
