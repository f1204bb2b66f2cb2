"""The progress of a run: a bar on a terminal, otherwise a plain line from time to time; always on stderr."""

import html
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["Progress", "duration"]

PLAIN_EVERY = 10.0  # seconds between plain lines
BAR = (8, 40)  # characters, on narrow and wide terminals
GAPS = 4  # spaces between the five columns


def fitting(parts: list[str], room: int) -> str:
    """As many of the parts as fit into a number of characters, joined by commas."""
    text = ""
    for part in parts:
        longer = f"{text}, {part}" if text else part
        if len(longer) > room:
            break
        text = longer
    return text


def duration(seconds: float) -> str:
    """4 s, 3 min 10 s, 2 h 5 min."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def in_notebook() -> bool:
    """Whether the output of this process appears in the cell of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class NotebookBar:
    """A bar below a cell: one line that is written over."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._shown = display(HTML(""), display_id=True)

    def update(self, done: int, steps: int, words: str) -> None:
        share = f'<progress value="{done}" max="{steps}" style="width:12em"></progress>'
        self._shown.update(self._html(f"{share} {done}/{steps} {html.escape(words)}"))


class Progress:
    """Shows step, rate, time left and the newest metrics.

    Args:
        start, steps: where the run begins and ends.
        quiet: show nothing (other processes than the first; the Python verbs on request).
        units: of metrics, by name without the split, that are shown behind their values.
    """

    def __init__(self, start: int, steps: int, quiet: bool = False, units: Mapping[str, str] = MappingProxyType({})):
        self.start, self.steps, self.quiet, self.units = start, steps, quiet, units
        self.began = self.shown = time.monotonic()
        self.parts: list[str] = []
        self.bar: Any = None
        self.cell = NotebookBar() if not quiet and in_notebook() else None
        if not quiet and not self.cell and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self.console = Console(stderr=True)
            # Bar, step, rate and time left are shown on a narrow terminal too; metrics take the remaining space.
            self.width = min(max(self.console.width // 5, BAR[0]), BAR[1])
            self.bar = Bar(
                BarColumn(bar_width=self.width),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[metrics]}"),
                console=self.console,
                transient=False,
            )
            self.bar.start()
            self.task = self.bar.add_task("", total=steps, completed=start, rate="", metrics="")

    def metrics(self, values: dict[str, Any]) -> None:
        """The newest metrics, in words."""
        numbers = [(name, value) for name, value in values.items() if isinstance(value, float)][:5]
        # What stands in parentheses is said once, at the end: lines are read at 80 columns.
        behind = [self.units.get(name.split("/", 1)[-1], "").partition(" (")[0] for name, _ in numbers]
        self.parts = [
            f"{name} {value:.4g} {unit}".rstrip() for (name, value), unit in zip(numbers, behind, strict=True)
        ]

    def _show(self, done: int, rate: float) -> None:
        words = f"{rate:.3g} steps/s"
        taken = self.width + len(f"{self.steps}/{self.steps}") + len(words) + len("-:--:--") + GAPS
        metrics = fitting(self.parts, self.console.width - taken)
        self.bar.update(self.task, completed=done, rate=words, metrics=metrics)

    def advance(self, done: int) -> None:
        now = time.monotonic()
        if self.quiet or now - self.shown < (0.1 if self.bar or self.cell else PLAIN_EVERY):
            return
        self.shown = now
        rate = (done - self.start) / max(now - self.began, 1e-9)
        if self.bar:
            self._show(done, rate)
            return
        left = duration((self.steps - done) / max(rate, 1e-9))
        words = f"{rate:.3g} steps/s, {left} left, {', '.join(self.parts)}"
        if self.cell:
            self.cell.update(done, self.steps, words)
        else:
            print(f"step {done}/{self.steps}, {words}", file=sys.stderr)

    def close(self, done: int) -> None:
        if self.bar:
            self._show(done, (done - self.start) / max(time.monotonic() - self.began, 1e-9))
            self.bar.stop()
        elif not self.quiet:
            words = f"after {duration(time.monotonic() - self.began)}, {', '.join(self.parts)}"
            if self.cell:
                self.cell.update(done, self.steps, words)
            else:
                print(f"step {done}/{self.steps} {words}", file=sys.stderr)
