"""One process against two at equal global batch: the same numbers, and the steps per second of both.

    python benchmarks/processes.py

Each recipe trains a few steps by torchrun with gloo, one thread a process, without dropout (its masks depend on the
process). The final parameters are compared here in fp32 as they come, and Adam makes rounding grow with the steps;
`make test` compares them in float64 to 1e-9.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from record import record

from deepcanon.engine.checkpoint import Checkpoints

RUNS = {
    "convnet": ["--batch-norm", "true", "--dropout", "0", "--steps", "40"],
    "rnn-lm": ["--dropout", "0", "--steps", "20"],
    "gan": ["--steps", "20"],
    "pca": ["--batch", "200"],
}
ROUNDS = 5


def train(name: str, options: list[str], processes: int, folder: Path) -> tuple[float, dict]:
    """(steps per second, final shared state) of one training."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "-m", "deepcanon"]
    command += ["train", name, "--out", str(folder), "--threads", "1", "--precision", "fp32", *options]
    command += ["--evaluate-every", "100000"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{name} by {processes}: {done.stderr[-2000:]}")
    status = json.loads((folder / "status.json").read_text())
    found = Checkpoints(folder / "checkpoints").newest("step")
    assert found is not None
    parts = found[1]
    return status["step"] / status["seconds"], {**parts["shared"], **parts["rank0"]}


def leaves(value, key=""):
    if isinstance(value, torch.Tensor):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{key}/{name}")


def difference(a: dict, b: dict) -> float:
    """Largest relative difference (in norm) of a model's tensors."""
    others = dict(leaves(b))
    worst = 0.0
    for key, tensor in leaves(a):
        if key.startswith(("/model", "/discriminator")) and tensor.is_floating_point():
            gap = (tensor.double() - others[key].double()).norm() / tensor.double().norm().clamp_min(1e-12)
            worst = max(worst, float(gap))
    return worst


def main() -> None:
    rows = []
    for name, options in RUNS.items():
        rates: dict[int, list[float]] = {1: [], 2: []}
        with tempfile.TemporaryDirectory() as place:
            for i in range(ROUNDS):
                states = {}
                for count in (1, 2):
                    rate, states[count] = train(name, options, count, Path(place) / f"{count}-{i}")
                    rates[count].append(rate)
        one, two = (statistics.median(rates[count]) for count in (1, 2))
        gap = difference(states[1], states[2])
        print(f"{name}: {one:.3g} steps/s by one process, {two:.3g} by two; parameters differ by {gap:.1e}")
        rows.append(
            {
                "peer": f"{name}, one process",
                "version": torch.__version__,
                "unit": "steps/s (wall)",
                "ours": two,
                "peers": one,
                "ratio": two / one,
                "target": 0.0,  # none: two processes pay off with cores and batch size
                "quality": f"fp32 parameters of two and one differ by {gap:.1e} in relative norm",
            }
        )
    record("processes", rows)


if __name__ == "__main__":
    main()
