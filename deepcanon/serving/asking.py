"""The processes that hold trained runs: started when a page asks, stopped when nobody waits for the answer.

Each gives one answer at a time; a second page that asks the same run waits, and is told so.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from deepcanon.serving.shelf import Row

__all__ = ["Workers"]

MOST = 3
"""Runs that are kept loaded."""
PATIENCE = 5.0
"""Seconds in which a process that is told to stop must do so; then it is killed."""
LINE = 64 << 20
"""Bytes of an answer's line."""


class Worker:
    """The process of a run."""

    def __init__(self, stamp: int) -> None:
        self.stamp, self.lock = stamp, asyncio.Lock()
        self.process: asyncio.subprocess.Process | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def pipes(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        """Where requests go, and where answers come from."""
        if self.process is None or self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the process has not been started")
        return self.process.stdin, self.process.stdout

    async def start(self, folder: Path) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "deepcanon.serving.worker", str(folder),  # -P: no module of the working folder
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE, start_new_session=True,
        )  # fmt: skip

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """What the process says until it has answered."""
        _, out = self.pipes
        while line := await out.readline():
            content = json.loads(line)
            yield content
            if content.keys() & {"done", "error", "stopped"}:
                return
        yield {"error": "the process that holds the run has ended (out of memory?)"}

    async def rest(self) -> None:
        """Stops an answer, and lets the next one begin."""
        try:
            async with asyncio.timeout(PATIENCE):
                self.signal(signal.SIGINT)
                async for _ in self.lines():
                    pass
        except TimeoutError:
            self.signal(signal.SIGKILL)
        finally:
            self.lock.release()

    def signal(self, number: int) -> None:
        if self.process and self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Workers:
    """The runs that are loaded, the one that was asked last at the end."""

    def __init__(self) -> None:
        self._held: dict[str, Worker] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    async def ask(self, row: Row, asked: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What is known of an answer as it comes: {stage}, {note}, {piece}, and at the end {done}, {error}, {stopped}.

        If the iterator is closed before, the answer is stopped.
        """
        worker = self._worker(row)
        if worker.lock.locked():
            yield {"stage": "waiting for another answer of this run"}
        await worker.lock.acquire()
        answered = False
        try:
            if not worker.alive:
                yield {"stage": "loading the run"}
                await worker.start(row.folder)
            into, _ = worker.pipes
            into.write(json.dumps(asked).encode() + b"\n")
            yield {"stage": "working"}
            async for content in worker.lines():
                answered = bool(content.keys() & {"done", "error", "stopped"})
                yield content
        finally:
            if answered or not worker.alive:
                worker.lock.release()
            else:
                task = asyncio.ensure_future(worker.rest())
                self._stopping.add(task)
                task.add_done_callback(self._stopping.discard)

    def _worker(self, row: Row) -> Worker:
        """The process of a run; another one if its weights have changed since it was loaded."""
        try:
            stamp = (row.folder / "checkpoints").stat().st_mtime_ns
        except OSError:
            stamp = 0
        worker = self._held.pop(row.id, None)
        if worker is None or (worker.stamp != stamp and not worker.lock.locked()):
            if worker:
                worker.signal(signal.SIGKILL)
            worker = Worker(stamp)
        self._held[row.id] = worker
        for name in [name for name, other in self._held.items() if not other.lock.locked()][: len(self._held) - MOST]:
            if name != row.id:
                self._held.pop(name).signal(signal.SIGKILL)
        return worker

    async def close(self) -> None:
        """Ends all processes."""
        for worker in self._held.values():
            worker.signal(signal.SIGKILL)
        for worker in self._held.values():
            if worker.process:
                await worker.process.wait()
