"""Trainings that a page may start, resume and stop: only with `--allow-train`, and only into the folder that is served.

Each is the command that a person would type, in a process of its own. Stopped means SIGTERM: it saves at a step border.
"""

import asyncio
import contextlib
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from deepcanon import heads
from deepcanon.errors import UsageError
from deepcanon.serving.shelf import Row, Shelf

__all__ = ["Trainings"]

KEPT = 5
"""Lines that are remembered of what a training says."""
LOOK = 0.2
"""Seconds between two looks for the folder of a training."""


class Trainings:
    """The trainings of this server.

    Args:
        shelf: where their runs go.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._readers: set[asyncio.Task[None]] = set()

    def mine(self, row: Row) -> bool:
        """Whether a run is trained by a process of this server."""
        process = self._running.get(row.id)
        return process is not None and process.returncode is None

    async def start(self, asked: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Begins a training; {line} of what it says, then {done: {run}} when its folder is there, or {error}.

        Args:
            asked: "recipe", "preset", and if they are to differ from the preset's "data" and "steps".
        """
        try:
            name, arguments = _arguments(asked)
        except UsageError as error:
            yield {"error": str(error)}
            return
        if self.shelf.lone:
            yield {"error": "this page serves a single run: serve the folder around it to train others"}
            return
        folder = self._free(name)
        async for line in self._going(folder, ["train", name, f"--out={folder}", *arguments]):
            yield line

    async def resume(self, row: Row) -> AsyncIterator[dict[str, Any]]:
        """Resumes a run."""
        async for line in self._going(row.folder, ["resume", str(row.folder)]):
            yield line

    def stop(self, row: Row) -> bool:
        """Tells a training of this server to save and stop; False if it is none."""
        if not self.mine(row):
            return False
        with contextlib.suppress(ProcessLookupError):
            self._running[row.id].send_signal(signal.SIGTERM)
        return True

    def close(self) -> None:
        """Tells all of them to save and stop."""
        for process in self._running.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)

    async def _going(self, folder: Path, command: list[str]) -> AsyncIterator[dict[str, Any]]:
        began = _written(folder / "status.json")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "deepcanon", *command, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._running[folder.name] = process
        said: deque[str] = deque(maxlen=KEPT)
        reader = asyncio.ensure_future(_read(process, said))  # also when nobody asks any more, or the pipe would fill
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        shown = ""
        while True:
            await asyncio.wait([reader], timeout=LOOK)
            if said and said[-1] != shown:
                shown = said[-1]
                yield {"line": shown}
            if process.returncode is not None and process.returncode != 0:
                yield {"error": shown.removeprefix("deepcanon: ") or f"ended with code {process.returncode}"}
                return
            if process.returncode == 0 or _written(folder / "status.json") > began:
                yield {"done": {"run": folder.name}}
                return

    def _free(self, name: str) -> Path:
        """The first folder NAME-1, -2, ... that is free, also of trainings that have not made theirs yet."""
        taken = {path.name for path in self.shelf.folder.glob(f"{name}-*")} | self._running.keys()
        numbers = [int(found[1]) for one in taken if (found := re.fullmatch(rf"{re.escape(name)}-(\d+)", one))]
        return self.shelf.folder / f"{name}-{max(numbers, default=0) + 1}"


def _arguments(asked: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The name of the recipe, and what follows it on the command line."""
    try:
        head = heads.head(str(asked.get("recipe")))
    except heads.UnknownRecipe as error:
        raise UsageError(str(error)) from None
    preset, data, steps = asked.get("preset", "default"), asked.get("data", ""), asked.get("steps")
    if preset not in head.presets:
        raise UsageError(f"{head.name} has the presets {', '.join(head.presets)}, not {preset!r}")
    if not isinstance(data, str) or "\0" in data:
        raise UsageError("data are a name or a path")
    if steps is not None and (type(steps) is not int or steps < 1):
        raise UsageError(f"steps {steps!r} are not a whole number from 1")
    found = [f"--preset={preset}"]
    found += [f"--data={data}"] if data else []
    return head.name, found + ([f"--steps={steps}"] if steps else [])


def _written(path: Path) -> int:
    """When a file was written last; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


async def _read(process: asyncio.subprocess.Process, said: deque[str]) -> None:
    if process.stdout:
        while line := await process.stdout.readline():
            if text := line.decode("utf-8", "replace").strip():
                said.append(text)
    await process.wait()
