"""Files that are whole or not there, and one line that names the path where the disk is full."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from deepcanon.errors import DeepcanonError

__all__ = ["TEMPORARY", "replacing", "writing"]

TEMPORARY = ".tmp-"
"""The beginning of the name of an incomplete file."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes `path`.

    Raises:
        DeepcanonError: the system refuses, and its own message need not say where.
    """
    try:
        yield
    except OSError as error:
        raise DeepcanonError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path whose file replaces `path` when it is complete; if that fails, `path` is unchanged.

    A device or a pipe is written directly: nothing may replace it.

    Raises:
        DeepcanonError: as `writing`.
    """
    itself = path.exists() and not path.is_file()
    temporary = path if itself else path.with_name(TEMPORARY + path.name)
    with writing(path):
        try:
            yield temporary
            if not itself:
                os.replace(temporary, path)
        finally:
            if not itself:
                with contextlib.suppress(OSError):
                    temporary.unlink()
