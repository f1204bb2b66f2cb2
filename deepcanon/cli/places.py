"""Where the run lies that a command means, and where its file may go."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepcanon.cli.arguments import Usage, import_environment

__all__ = ["folder_of", "load_run", "place_of", "replacing"]


def folder_of(name: str) -> Path:
    """The folder of the run that was named; `last` is the newest."""
    from deepcanon.resolving import last_folder

    return last_folder() if name == "last" and not Path("last").exists() else Path(name)


def place_of(name: str) -> Path:
    """Where a file is to be written; its folder must be there before anything is computed."""
    path = Path(name)
    if not path.parent.is_dir():
        raise Usage(f"cannot write {path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise Usage(f"cannot write {path}: it is a folder; name a file")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write a file that takes the place of `path` when it is whole; if writing fails, nothing changes."""
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_run(given: argparse.Namespace, data: str | None = None) -> Any:
    from deepcanon.verbs import load

    import_environment(given)

    say = lambda line: print(f"deepcanon: {line}", file=sys.stderr)  # noqa: E731
    return load(folder_of(given.dir), given.checkpoint, given.device, data, say)
