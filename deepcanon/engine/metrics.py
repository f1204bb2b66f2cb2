"""`metrics.jsonl`: one row per logged step.

It holds nothing that depends on the clock: a resumed run writes the same bytes as one that was never stopped.
"""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepcanon.engine.precision import widest
from deepcanon.writing import replacing, writing

__all__ = ["Averages", "MetricsFile", "Unread", "plain", "read_metrics", "waits_for"]


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
    """Appends rows, which are in the file within a second: to open it for each would take longer than a short step."""

    SECONDS = 1.0

    def __init__(self, path: Path):
        self.path = path
        self._lines: list[str] = []
        self._written = time.monotonic()

    def append(self, row: dict[str, Any]) -> None:
        self._lines.append(json.dumps({name: plain(value) for name, value in row.items()}) + "\n")
        if time.monotonic() - self._written >= self.SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes the rows that are not in the file yet."""
        if self._lines:
            with writing(self.path), open(self.path, "a", encoding="utf-8") as file:
                file.write("".join(self._lines))
        self._lines, self._written = [], time.monotonic()

    def cut(self, step: int) -> None:
        """Removes what was written after `step`: a resumed run writes it again."""
        self.flush()
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


def waits_for(device: torch.device) -> bool:
    """Whether the host waits when a number is read from the device."""
    return device.type != "cpu"


class Unread:
    """The metrics of the newest steps, which stay on their device until they are read, all at once.

    Each is copied into a vector there, of one place for each step: the recipe may write over its own tensor.

    Args:
        device: whose numbers are not read at once. Where the host need not wait, numbers are read at once.
    """

    ROOM = 1024
    """Steps that are kept before they must be read."""

    def __init__(self, device: torch.device) -> None:
        self.later = device.type if waits_for(device) else ""
        self.dtype = widest(device.type)
        self.steps: list[int] = []
        self.rows: list[dict[str, float | None]] = []  # None for what is on the device
        self.vectors: dict[str, Tensor] = {}

    @property
    def full(self) -> bool:
        return len(self.steps) >= (self.ROOM if self.later else 1)

    def add(self, step: int, metrics: Mapping[str, Tensor | float]) -> None:
        row: dict[str, float | None] = {}
        for name, value in metrics.items():
            if isinstance(value, Tensor) and value.device.type == self.later:
                if name not in self.vectors:
                    self.vectors[name] = torch.zeros(self.ROOM, dtype=self.dtype, device=value.device)
                self.vectors[name][len(self.steps)].copy_(value.detach(), non_blocking=True)
                row[name] = None
            else:
                row[name] = float(value)
        self.rows.append(row)
        self.steps.append(step)

    def read(self) -> list[tuple[int, dict[str, float]]]:
        """The steps since the last reading and their metrics, which are forgotten here."""
        if not self.steps:
            return []
        held = {name: vector[: len(self.steps)].cpu().tolist() for name, vector in self.vectors.items()}
        rows = [
            {name: held[name][place] if value is None else value for name, value in row.items()}
            for place, row in enumerate(self.rows)
        ]
        steps, self.steps, self.rows = self.steps, [], []
        return list(zip(steps, rows, strict=True))
