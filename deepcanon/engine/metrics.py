"""`metrics.jsonl`: one row per logged step.

It holds nothing that depends on the clock: a resumed run writes the same bytes as one that was never stopped.
"""

import json
import math
from pathlib import Path
from typing import Any

from deepcanon.writing import replacing, writing

__all__ = ["Averages", "MetricsFile", "plain", "read_metrics"]


def plain(value: Any) -> Any:
    """A metric as JSON: a float, an int, or one of the strings nan, inf, -inf."""
    number = value if isinstance(value, int) else float(value)
    return number if math.isfinite(number) else repr(number)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file; a torn last line (a killed process) is left out."""
    rows = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                rows.append(row)
    return rows


class MetricsFile:
    """Appends rows, each flushed at once."""

    def __init__(self, path: Path):
        self.path = path

    def append(self, row: dict[str, Any]) -> None:
        line = json.dumps({name: plain(value) for name, value in row.items()}) + "\n"
        with writing(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(line)

    def cut(self, step: int) -> None:
        """Removes what was written after `step`: a resumed run writes it again."""
        kept = [row for row in read_metrics(self.path) if row["step"] <= step]
        with replacing(self.path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")


class Averages:
    """Means of the training metrics since the last logged row; part of the checkpoint."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(self, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        means = {f"train/{name}": total / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.sums, self.counts = dict(saved["sums"]), dict(saved["counts"])
