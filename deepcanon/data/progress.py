"""The progress of a long reading: a bar on a terminal, otherwise a line every ten seconds; nothing for short ones."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["counted"]

SILENT, EVERY = 2.0, 10.0
"""Seconds before anything is shown, and between lines."""


@contextmanager
def counted(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that takes how many of `total` are done; always on stderr.

    Args:
        words: what is done, such as "pictures decoded".
    """
    began = told = time.monotonic()
    terminal, shown = sys.stderr.isatty(), 0

    def tell(done: int) -> None:
        nonlocal told, shown
        now = time.monotonic()
        if now - began < SILENT or now - told < (0.2 if terminal else EVERY if shown else SILENT):
            return
        left = (now - began) * (total - done) / max(done, 1)
        line = f"{words}: {done:,} of {total:,}, {left:.0f} s left"
        if terminal:
            print(f"\r{line:{shown}}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)
        told, shown = now, max(shown, len(line))

    try:
        yield tell
    finally:
        if terminal and shown:
            print(f"\r{'':{shown}}\r", end="", file=sys.stderr, flush=True)
