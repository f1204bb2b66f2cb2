"""Where a run keeps what it learns while it trains: in its folder, or in memory, for as long as the caller holds it."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from deepcanon.engine import checkpoint, lock, processes
from deepcanon.engine.checkpoint import Checkpoints, write_folder
from deepcanon.engine.metrics import MetricsFile
from deepcanon.glance import LOCK

__all__ = ["InFolder", "InMemory"]

Saved = dict[str, Any]
REMOVAL = 2.0  # seconds that the removal of a run folder may take on a busy machine
WRITTEN = ("checkpoints", "events", "figures", "samples", "metrics.jsonl", "report.html", "status.json")
"""What a training writes in its folder after its beginning."""


class InFolder:
    """Checkpoints, metrics and status as files.

    Args:
        folder: of the run.
        rank: of this process.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        self.folder, self.rank = folder, rank
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self.rows = MetricsFile(folder / "metrics.jsonl")

    @property
    def place(self) -> str:
        return str(self.folder)

    def is_there(self) -> bool:
        """False once somebody has removed the folder, or is about to."""
        return self.rank > 0 or (self.folder / "config.json").is_file()

    def is_removed(self, wait: bool) -> bool:
        """Whether somebody removes the folder; then what was written there meanwhile is removed with it.

        Args:
            wait: a moment, because a file was missing. A removal takes a while, and leaves what is new since it began.
        """
        ends = time.monotonic() + (REMOVAL if wait or not self.is_there() else 0.0)
        while any((self.folder / name).exists() for name in ("config.json", LOCK)):
            if time.monotonic() >= ends:
                return False
            time.sleep(0.02)
        for name in WRITTEN:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()
        checkpoint.sweep(self.folder)
        with contextlib.suppress(OSError):  # gone, or it holds what is not ours
            self.folder.rmdir()
        return True

    def good(self) -> str:
        """The newest checkpoint, in words."""
        found = self.checkpoints.named("step")
        return f"the last good checkpoint is {found[0]}" if found else "there is no checkpoint yet"

    def continues(self) -> str:
        """How a run that was stopped is resumed, to follow what is said of the stop; of a trial its experiment is."""
        whole = self.folder.parent.parent
        is_trial = self.folder.parent.name == "trials" and (whole / "config.json").exists()
        return f"; `deepcanon resume {whole if is_trial else self.folder}` continues"

    def best(self, step: int, models: Saved) -> None:
        if self.rank == 0:
            write_folder(self.checkpoints.path("best", step), shared=models)

    def last(self, step: int, shared: Saved, own: Saved, progress: Saved) -> None:
        """Keeps the state after a step: what all processes share, and what each has for itself."""
        with checkpoint.taking_shape(final := self.checkpoints.path("step", step)) as temporary:
            if self.rank == 0:
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir()
                checkpoint.write_part(temporary, "shared", shared)
                checkpoint.write_part(temporary, "run", progress)
            processes.barrier()
            checkpoint.write_part(temporary, f"rank{self.rank}", own)
            checkpoint.write_slices(temporary, shared)
            processes.barrier()
            if self.rank == 0:
                checkpoint.seal(temporary, final)
                self.checkpoints.prune(progress["best"]["step"] if progress["best"] else None)
            processes.barrier()

    def status(self, content: dict[str, Any]) -> None:
        if self.rank == 0:
            checkpoint.write_text(self.folder / "status.json", json.dumps(content, indent=1) + "\n")

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return lock.hold(self.folder)


class InMemory:
    """The best and the last state alone: nothing is written, and a run that is interrupted is gone."""

    place = "a run in memory"

    def __init__(self) -> None:
        self.rows = NoRows()
        self.state: Saved = {}
        self.step = 0
        self._best: tuple[int, Saved] | None = None

    def is_there(self) -> bool:
        return True

    def is_removed(self, wait: bool) -> bool:
        return False

    def good(self) -> str:
        return "nothing is kept of a run in memory that fails"

    def continues(self) -> str:
        return ""

    @property
    def has_best(self) -> bool:
        """Whether what is kept are the best weights, not the last ones."""
        return self._best is not None

    def best(self, step: int, models: Saved) -> None:
        self._best = step, copied(models)

    def last(self, step: int, shared: Saved, own: Saved, progress: Saved) -> None:
        """Keeps the state after a step, until the next one changes it; inference takes the best one where there is one,
        as of a folder."""
        self.step, self.state = self._best or (step, {**shared, **own})

    def status(self, content: dict[str, Any]) -> None:
        """There is nobody to read it."""

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        yield


class NoRows:
    """Metrics that nobody asked to keep."""

    def append(self, row: dict[str, Any]) -> None:
        """Forgets the row."""

    def flush(self) -> None:
        """There is nothing to write."""


def copied(value: Any) -> Any:
    """The same value with tensors of its own, which later steps do not change."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(item) for item in value)
    return value.copy() if hasattr(value, "copy") else value
