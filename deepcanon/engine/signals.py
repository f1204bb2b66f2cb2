"""Signals that end a run at the next step border."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["handled"]


@contextlib.contextmanager
def handled(hear: Callable[[int, Any], None]) -> Iterator[None]:
    """Within it SIGINT and SIGTERM go to `hear`; in another thread than the main one they stay the caller's affair."""
    try:
        before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
