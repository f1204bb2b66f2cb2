"""The runs of the folder that is served: found, watched, named. A page can reach these and nothing else."""

import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deepcanon import heads
from deepcanon.glance import glance

__all__ = ["Row", "Shelf"]

FRESH = 0.5
"""Seconds for which what was found counts as true: many requests share one look at the disk."""
INSIDE = (
    "config.json", "status.json", "metrics.jsonl", "data.json", "examples.npz", "facts", "checkpoints", "figures",
    "samples", "trials",
)  # fmt: skip
"""What is read of a run folder; none of it may be a link that leads out of it."""
SIGNS = {"config.json", "status.json", "metrics.jsonl", "checkpoints"}
"""A folder that holds one of these is, or was, a run."""


@dataclass(frozen=True)
class Row:
    """A run as the list shows it.

    Attributes:
        id: how addresses name it: its folder, for a trial below that of its experiment.
        problem: why nothing of it can be shown; "" if it can.
        changed: when something in it changed last, in seconds of the clock.
    """

    id: str
    folder: Path
    recipe: str = ""
    data: str = ""
    state: str = ""
    step: int | None = None
    steps: int | None = None
    best: dict[str, Any] | None = None
    problem: str = ""
    changed: float = 0.0


class Shelf:
    """The runs in a folder, or one run if the folder is that of a run.

    Raises:
        FileNotFoundError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve(strict=True)
        if not self.folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder")
        self.lone = (self.folder / "config.json").is_file()
        self._rows: dict[str, Row] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._seen, self._lock = -FRESH, threading.Lock()
        self.others: list[str] = []
        """Names of the folders that hold no run."""
        self.version = 0
        """Grows whenever something of the list changed."""

    @property
    def fresh(self) -> bool:
        """Whether what was found counts as true still."""
        return time.monotonic() - self._seen < FRESH

    def rows(self) -> list[Row]:
        """All runs, the one that changed last first."""
        with self._lock:
            if not self.fresh:
                self._look()
                self._seen = time.monotonic()
            return list(self._rows.values())

    def find(self, name: str) -> Row | None:
        """The run of that id; None if there is none. Trials are found below their experiment."""
        first, *rest = name.split("/trials/")
        row = next((row for row in self.rows() if row.id == first), None)
        for number in rest:
            if row is None or row.problem:
                return None
            row = next((trial for trial in self.trials(row) if trial.id == f"{row.id}/trials/{number}"), None)
        return row

    def trials(self, row: Row) -> list[Row]:
        """The trials of an experiment in their order."""
        place = row.folder / "trials"
        if row.problem or place.is_symlink() or not place.is_dir():
            return []
        numbers = sorted((int(path.name), path) for path in place.iterdir() if path.name.isdecimal())
        return [read(f"{row.id}/trials/{path.name}", path) for _, path in numbers if _is_run(path)]

    def _look(self) -> None:
        before, found, others = self._rows, {}, []
        for place in self._places():
            name = os.fsencode(os.path.basename(place)).decode("utf-8", "replace")
            path = Path(place)
            try:
                stamp = _stamp(place)
                if stamp == self._stamps.get(name) and before[name].state != "running":
                    found[name] = before[name]
                    continue
                if not self.lone and not _is_run(path):
                    others.append(name)
                    continue
            except OSError as error:
                found[name] = Row(name, path, problem=f"cannot be read: {error.strerror or error}")
                continue
            self._stamps[name] = stamp
            found[name] = read(name, path)
        self._rows = dict(sorted(found.items(), key=lambda item: -item[1].changed))
        self.version += list(self._rows.values()) != list(before.values()) or others != self.others
        self.others = others

    def _places(self) -> Iterator[str]:
        if self.lone:
            yield str(self.folder)
            return
        with os.scandir(self.folder) as entries:
            yield from (entry.path for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def read(name: str, path: Path) -> Row:
    """What is seen of a run folder at a glance, or why it is not shown."""
    try:
        problem = _wrong(path)
        row = Row(name, path, problem=problem, changed=_changed(path))
        if problem:
            return row
        seen = glance(path)
    except OSError as error:
        return Row(name, path, problem=f"cannot be read: {error.strerror or error}")
    recipe = seen["recipe"]
    if not isinstance(recipe, str):
        return Row(name, path, problem="config.json is damaged", changed=row.changed)
    if recipe.replace("-", "_") not in _recipes():
        return Row(name, path, problem=f"config.json names no recipe of this version: {recipe}", changed=row.changed)
    step, steps = (value if type(value) is int else None for value in (seen["step"], seen["steps"]))
    data, state = str(seen["data"] or ""), str(seen["state"])
    return Row(name, path, recipe, data, state, step, steps, seen["best"], "", row.changed)


@cache
def _recipes() -> frozenset[str]:
    return frozenset(heads.stems())


def _wrong(path: Path) -> str:
    if not _is_utf8(path.name):
        return "its name is not UTF-8"
    for inside in (path, *(path / name for name in INSIDE)):
        if inside.is_symlink() and not inside.resolve().is_relative_to(path.parent.resolve()):
            return f"{inside.name} links to a place outside the folder: nothing of it is read"
    if not (path / "config.json").is_file():
        return "there is no config.json"
    return ""


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_run(path: Path) -> bool:
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        return True  # it is named, and not read
    return any((path / name).exists() for name in SIGNS)


def _stamp(path: str) -> tuple[int, ...]:
    """Differs when a file of the run was replaced: `status.json` is, at least every few seconds."""
    return os.stat(path).st_mtime_ns, _time_of(f"{path}/config.json"), _time_of(f"{path}/status.json")


def _time_of(path: str) -> int:
    try:
        found = os.stat(path)
    except OSError:
        return 0
    return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else 0


def _changed(path: Path) -> float:
    return max(_time_of(f"{path}/{name}") for name in ("config.json", "status.json", "metrics.jsonl")) / 1e9
