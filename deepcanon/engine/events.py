"""TensorBoard events next to `metrics.jsonl`, where the package tensorboard is installed."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Events"]


class Events:
    """Writes scalars; does nothing without tensorboard (torch's own writer would import much of it at each start).

    Written as they come: tensorboard's own writer has a thread, which ends in a traceback where the disk is full.

    Args:
        say: is told once what went wrong; nothing is written after that, and the training continues.
    """

    def __init__(self, folder: Path, purge_from: int | None, say: Callable[[str], None]):
        self.folder, self.say = folder, say
        self.file: Any = None
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return
        self.event, self.summary = Event, Summary
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        try:
            folder.mkdir(exist_ok=True)
            # A second life of the run may begin in the same second as the first.
            self.file = open(folder / f"{name}.{purge_from or 0}", "wb")  # noqa: SIM115
        except OSError as error:
            self._give_up(error)
            return
        self.writer = RecordWriter(self.file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if purge_from is not None:  # a resumed run writes these steps again
            log = SessionLog(status=SessionLog.START)
            self._write(Event(step=purge_from, session_log=log))

    def scalars(self, step: int, row: dict[str, Any], wall_time: float) -> None:
        if self.file is None:
            return
        values = [
            self.summary.Value(tag=name, simple_value=float(value)) for name, value in row.items() if name != "step"
        ]
        self._write(self.event(step=step, wall_time=wall_time, summary=self.summary(value=values)))

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def _write(self, event: Any) -> None:
        if self.file is None:
            return
        try:
            self.writer.write(event.SerializeToString())
            self.file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.file = None
        self.say(f"cannot write {self.folder}: {error.strerror or error}; the training is not affected")
