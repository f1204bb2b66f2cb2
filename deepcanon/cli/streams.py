"""Standard output and error of a command, which may lie on a full disk or in a closed pipe."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["Output", "complain", "mute"]


class Output:
    """Standard output that remembers why it could not be written: the system's error does not say which file it was."""

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.refusal: OSError | None = None

    def write(self, text: str) -> int:
        with self._remembering():
            return self.stream.write(text)

    def flush(self) -> None:
        with self._remembering():
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.refusal = self.refusal or error
            raise


def complain(message: str, code: int) -> int:
    """Prints one line on standard error; returns the exit code."""
    try:
        print(f"deepcanon: {' '.join(message.split())}", file=sys.stderr, flush=True)
    except OSError:
        mute(sys.stderr)
    return code


def mute(stream: TextIO) -> None:
    """Discards what was printed to a stream and is not written yet: Python would fail on it at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
