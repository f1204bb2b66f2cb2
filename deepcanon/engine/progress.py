"""How far a run is: a bar on a terminal, a plain line now and then elsewhere; always on stderr."""

import sys
import time
from typing import Any

__all__ = ["Progress", "duration"]

PLAIN_EVERY = 10.0  # seconds between plain lines


def duration(seconds: float) -> str:
    """4 s, 3 min 10 s, 2 h 5 min."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


class Progress:
    """Shows step, rate, time left and the newest metrics.

    Args:
        start, steps: where the run begins and ends.
        quiet: show nothing (other processes than the first; the Python verbs on request).
    """

    def __init__(self, start: int, steps: int, quiet: bool = False):
        self.start, self.steps, self.quiet = start, steps, quiet
        self.began = self.shown = time.monotonic()
        self.text = ""
        self.bar: Any = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[metrics]}"),
                console=Console(stderr=True),
                transient=False,
            )
            self.bar.start()
            self.task = self.bar.add_task("", total=steps, completed=start, rate="", metrics="")

    def metrics(self, values: dict[str, Any]) -> None:
        """The newest metrics, in words."""
        shown = [f"{name} {value:.4g}" for name, value in values.items() if isinstance(value, float)]
        self.text = ", ".join(shown[:5])

    def advance(self, done: int) -> None:
        now = time.monotonic()
        if self.quiet or now - self.shown < (0.1 if self.bar else PLAIN_EVERY):
            return
        self.shown = now
        rate = (done - self.start) / max(now - self.began, 1e-9)
        if self.bar:
            self.bar.update(self.task, completed=done, rate=f"{rate:.3g} steps/s", metrics=self.text)
        else:
            left = duration((self.steps - done) / max(rate, 1e-9))
            print(f"step {done}/{self.steps}, {rate:.3g} steps/s, {left} left, {self.text}", file=sys.stderr)

    def close(self, done: int) -> None:
        if self.bar:
            self.bar.update(self.task, completed=done, metrics=self.text)
            self.bar.stop()
        elif not self.quiet:
            took = duration(time.monotonic() - self.began)
            print(f"step {done}/{self.steps} after {took}, {self.text}", file=sys.stderr)
