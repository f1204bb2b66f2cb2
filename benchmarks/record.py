"""What every benchmark shares: a clean start, the CPU-time clock, interleaved rounds, the floor, and the record.

Rules: one thread; `time.process_time`, so that other programs on the machine do not count; variants alternate round by
round in one process; medians of five rounds or more; every ratio has a quality condition, and what does not
reach the peer's quality is not recorded. A ratio holds for the processor that is named with it.

BLAS libraries read their environment when they are loaded. Imported by a benchmark, this module therefore starts the
script once more, without variables that hold a BLAS back, and says which ones it left out.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "results"
LIMITS = ("OPENBLAS_", "GOTO_", "MKL_", "NVPL_BLAS_", "BLIS_", "ONEDNN_", "DNNL_", "ATEN_CPU_CAPABILITY", "OMP_")


def clean(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """An environment for one thread that holds no BLAS back, and the names that were left out for it."""
    held = sorted(name for name in environment if name.startswith(LIMITS) and name != "OMP_NUM_THREADS")
    kept = {name: value for name, value in environment.items() if name not in held}
    return {**kept, "OMP_NUM_THREADS": "1"}, held


def start_clean() -> None:
    """Replaces a benchmark's process by the same one in a clean environment; does nothing in any other program."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    environment, held = clean(os.environ)
    if script is None or Path(script).resolve().parent != HERE.resolve() or environment == dict(os.environ):
        return
    print(f"started again with OMP_NUM_THREADS=1{''.join(f', without {name}' for name in held)}", flush=True)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


start_clean()

import torch

from deepcanon.engine import machine

LOAD = os.getloadavg()[0]  # at the start


class Ratio(float):
    """A median over rounds, with the smallest and the largest of them as `low` and `high`."""

    low: float
    high: float

    def __new__(cls, rounds: list[float]) -> "Ratio":
        made = super().__new__(cls, statistics.median(rounds))
        made.low, made.high = min(rounds), max(rounds)
        return made

    def __round__(self, digits: int = 0) -> "Ratio":  # type: ignore[override]
        made = float.__new__(Ratio, round(float(self), digits))
        made.low, made.high = round(self.low, digits), round(self.high, digits)
        return made


def interleaved(variants: dict[str, Callable[[], float]], rounds: int = 7) -> dict[str, list[float]]:
    """Runs every variant once per round; each returns its rate (or its seconds) of that round."""
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            measured[name].append(measure())
    return measured


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU seconds of this process that one call takes."""
    began = time.process_time()
    function()
    return time.process_time() - began


def ratio(ours: list[float], peers: list[float], larger_is_better: bool = True) -> Ratio:
    """Median over rounds of how many times better ours is in the same round, with the range over the rounds."""
    pairs = zip(ours, peers, strict=True)
    return Ratio([a / b if larger_is_better else b / a for a, b in pairs])


def row_of_seconds(
    peer: str, version: str, unit: str, ours: list[float], theirs: list[float], target: float, quality: str
) -> dict:
    """The row of two variants' seconds in the same rounds."""
    return {
        "peer": peer,
        "version": version,
        "ours": statistics.median(ours),
        "peers": statistics.median(theirs),
        "unit": unit,
        "ratio": ratio(ours, theirs, larger_is_better=False),
        "target": target,
        "quality": quality,
    }


def verdict(row: dict) -> str:
    """shown: every round clears the target; reached: the median does; missed: it does not."""
    if not row["target"]:
        return "no target"
    if row["ratio"] < row["target"]:
        return "missed"
    return "shown" if row.get("interval", (0.0, 0.0))[0] >= row["target"] else "reached"


def gemm_rate(dtype: torch.dtype, n: int = 512, repeats: int = 30) -> float:
    """FLOP per CPU second of a square matrix product at one thread: what a step of pure arithmetic would run at."""
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    a @ b
    return 2 * n**3 * repeats / cpu_seconds(lambda: [a @ b for _ in range(repeats)])


def conditions() -> dict:
    """For what a ratio holds: see `machine.conditions`; and the load of the machine at the start and now."""
    return {**machine.conditions(), "load": [round(LOAD, 2), round(os.getloadavg()[0], 2)]}


def record(stem: str, rows: list[dict], results: Path = RESULTS) -> Path:
    """Prints the rows and merges them into docs/results/<stem>.json under "benchmark".

    A row has peer, version, ours, peers, unit, ratio, target (0 for none) and quality. A ratio that `ratio` made brings
    its interval; the verdict and the conditions are added. A row of the same peer and unit is replaced.
    """
    held, made = conditions(), []
    for row in rows:
        found = row["ratio"]
        if isinstance(found, Ratio):
            row = {**row, "ratio": float(found), "interval": [found.low, found.high]}
        row = {**row, "verdict": verdict(row), "conditions": held}
        made.append(row)
        floor = f", floor {row['floor']:.4g}" if "floor" in row else ""
        rounds = " ({:.2f} to {:.2f})".format(*row["interval"]) if "interval" in row else ""
        print(
            f"{row['peer']} {row['version']}: ours {row['ours']:.4g}, theirs {row['peers']:.4g} {row['unit']}{floor}: "
            f"ratio {row['ratio']:.2f}{rounds} (target {row['target']}: {row['verdict']}); {row['quality']}"
        )
    path = results / f"{stem}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"name": stem.replace("_", "-")}
    named = {(row["peer"], row["unit"]) for row in rows}
    kept = [row for row in content.get("benchmark", []) if (row["peer"], row["unit"]) not in named]
    content["benchmark"] = kept + made
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
