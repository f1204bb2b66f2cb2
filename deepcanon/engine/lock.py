"""One process tree at a time works in a run folder."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from deepcanon.engine import checksums
from deepcanon.errors import UsageError
from deepcanon.glance import LOCK
from deepcanon.writing import TEMPORARY, writing

__all__ = ["hold", "is_left_over"]

MADE_FIRST = {LOCK, "facts", "checkpoints", "figures", "samples", "data.json", checksums.FILE}
"""What a run folder holds before its `config.json`."""


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds the lock of a run folder.

    Raises:
        UsageError: another process holds it.
    """
    with writing(folder / LOCK):
        file = open(folder / LOCK, "w")  # noqa: SIM115
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another process is training in {folder}") from None
        yield


def is_left_over(folder: Path) -> bool:
    """Whether a folder holds nothing, or only what a training wrote that was killed before its `config.json`."""
    return folder.is_dir() and all(
        path.name in MADE_FIRST or path.name.startswith(TEMPORARY) for path in folder.iterdir()
    )
