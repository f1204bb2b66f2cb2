"""One process against two at equal global batch: the same numbers, and the steps per second of both.

    python benchmarks/processes.py

Each recipe is trained by torchrun with gloo, one thread a process, on cores that nothing else uses, for few and for
many steps: the difference is free of what surrounds the steps (the last evaluation, pictures, the report). The
parameters after many steps are compared in the precision of the row, where Adam makes rounding grow; `make test`
compares them in float64 to 1e-9.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from record import Ratio, record

from deepcanon.engine.checkpoint import Checkpoints
from deepcanon.engine.precision import has_bf16

NORMALISED = ["--batch-norm", "true", "--dropout", "0", "--batch", "256"]
RUNS = {  # by what the table says: recipe, precision, options, and the ratio to reach
    "convnet, batch 256": ("convnet", "fp32", NORMALISED, 1.4),
    "convnet, batch 256, bf16": ("convnet", "bf16", NORMALISED, 1.3),
    "rnn-lm, 650 units": ("rnn-lm", "fp32", ["--dropout", "0", "--hidden", "650"], 1.3),
    "gan": ("gan", "fp32", [], 0.0),  # none: two processes pay off with the work of a step
    "pca": ("pca", "fp32", ["--batch", "200"], 0.0),
}
ROUNDS, FEW, MANY = 5, 4, 24


def train(
    name: str, precision: str, options: list[str], steps: int, processes: int, folder: Path
) -> tuple[float, dict]:
    """(seconds, final shared state) of one training."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "-m", "deepcanon"]
    command += ["train", name, "--out", str(folder), "--threads", "1", "--precision", precision, *options]
    command += ["--evaluate-every", "100000", "--checkpoint-every", "100000", "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{name} by {processes}: {done.stderr[-2000:]}")
    status = json.loads((folder / "status.json").read_text())
    found = Checkpoints(folder / "checkpoints").newest("step")
    assert found is not None
    parts = found[1]
    return status["seconds"], {**parts["shared"], **parts["rank0"]}


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
    for name, (recipe, precision, options, target) in RUNS.items():
        if precision == "bf16" and not has_bf16("cpu"):
            print(f"{name}: this processor has no bf16")
            continue
        rates: dict[int, list[float]] = {1: [], 2: []}
        states: dict[int, dict] = {}
        with tempfile.TemporaryDirectory() as place:
            for i in range(ROUNDS):
                for count in (1, 2):
                    took = {}
                    for steps in (FEW, MANY):
                        folder = Path(place) / f"{count}-{steps}-{i}"
                        took[steps], states[count] = train(recipe, precision, options, steps, count, folder)
                    rates[count].append((MANY - FEW) / (took[MANY] - took[FEW]))
        one, two = (statistics.median(rates[count]) for count in (1, 2))
        ratio = Ratio([b / a for a, b in zip(rates[1], rates[2], strict=True)])
        gap = difference(states[1], states[2])
        print(f"{name}: {one:.3g} steps/s by one process, {two:.3g} by two; parameters differ by {gap:.1e}")
        rows.append(
            {
                "peer": f"{name}, one process",
                "version": torch.__version__,
                "unit": "steps/s (wall)",
                "ours": two,
                "peers": one,
                "ratio": ratio,
                "target": target,
                "quality": f"parameters of two and one differ by {gap:.1e} in relative norm",
            }
        )
    record("processes", rows)


if __name__ == "__main__":
    main()
