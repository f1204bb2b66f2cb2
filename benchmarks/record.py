"""What every benchmark shares: the CPU-time clock, interleaved rounds, the floor, and the record in docs/results.

Rules: one thread; `time.process_time`, so that other programs on the machine do not count; variants alternate round by
round in one process; medians of five rounds or more; a quality condition stands beside every ratio.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

RESULTS = Path(__file__).parents[1] / "docs" / "results"


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


def ratio(ours: list[float], peers: list[float], larger_is_better: bool = True) -> float:
    """Median over rounds of how many times better ours is in the same round."""
    pairs = zip(ours, peers, strict=True)
    return statistics.median(a / b if larger_is_better else b / a for a, b in pairs)


def gemm_rate(dtype: torch.dtype, n: int = 512, repeats: int = 30) -> float:
    """FLOP per CPU second of a square matrix product at one thread: what a step of pure arithmetic would run at."""
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    a @ b
    return 2 * n**3 * repeats / cpu_seconds(lambda: [a @ b for _ in range(repeats)])


def record(stem: str, rows: list[dict], results: Path = RESULTS) -> Path:
    """Prints the rows and merges them into docs/results/<stem>.json under "benchmark".

    A row has peer, version, ours, peers, unit, ratio, target and quality; the processor's instructions are added, since
    ratios differ between kinds of them. A row of the same peer and unit is replaced.
    """
    for row in rows:
        met = "met" if row["ratio"] >= row["target"] else "MISSED"
        floor = f", floor {row['floor']:.4g}" if "floor" in row else ""
        print(
            f"{row['peer']} {row['version']}: ours {row['ours']:.4g}, theirs {row['peers']:.4g} {row['unit']}{floor}: "
            f"ratio {row['ratio']:.2f} (target {row['target']}: {met}); {row['quality']}"
        )
    path = results / f"{stem}.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"name": stem.replace("_", "-")}
    named = {(row["peer"], row["unit"]) for row in rows}
    kept = [row for row in content.get("benchmark", []) if (row["peer"], row["unit"]) not in named]
    instructions = torch.backends.cpu.get_cpu_capability()
    content["benchmark"] = kept + [{**row, "instructions": instructions} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
