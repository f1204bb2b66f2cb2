"""One process tree at a time works in a run folder."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from deepcanon.engine import checksums
from deepcanon.errors import UsageError
from deepcanon.writing import TEMPORARY, writing

__all__ = ["FILE", "hold", "is_held", "is_left_over"]

FILE = ".lock"
MADE_FIRST = {FILE, "facts", "checkpoints", "figures", "samples", "data.json", checksums.FILE}
"""What a run folder holds before its `config.json`."""


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds the lock of a run folder.

    Raises:
        UsageError: another process holds it.
    """
    with writing(folder / FILE):
        file = open(folder / FILE, "w")  # noqa: SIM115
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another process is training in {folder}") from None
        yield


def is_held(folder: Path) -> bool:
    """Whether a process works in a run folder; nothing is written to find out."""
    try:
        with open(folder / FILE, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_left_over(folder: Path) -> bool:
    """Whether a folder holds nothing, or only what a training wrote that was killed before its `config.json`."""
    return folder.is_dir() and all(
        path.name in MADE_FIRST or path.name.startswith(TEMPORARY) for path in folder.iterdir()
    )
