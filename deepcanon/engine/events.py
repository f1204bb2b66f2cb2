"""TensorBoard events beside `metrics.jsonl`, where the package tensorboard is installed."""

from pathlib import Path
from typing import Any

__all__ = ["Events"]


class Events:
    """Writes scalars; does nothing without tensorboard (torch's own writer would load half of it at each start)."""

    def __init__(self, folder: Path, purge_from: int | None = None):
        self.writer: Any = None
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            return
        self.event, self.summary = Event, Summary
        self.writer = EventFileWriter(str(folder))
        if purge_from is not None:  # a resumed run writes these steps again
            log = SessionLog(status=SessionLog.START)
            self.writer.add_event(Event(step=purge_from, session_log=log))

    def scalars(self, step: int, row: dict[str, Any], wall_time: float) -> None:
        if self.writer is None:
            return
        values = [
            self.summary.Value(tag=name, simple_value=float(value)) for name, value in row.items() if name != "step"
        ]
        self.writer.add_event(self.event(step=step, wall_time=wall_time, summary=self.summary(value=values)))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
