"""The run folder that a command means, and where its file is written."""

import argparse
import sys
from pathlib import Path
from typing import Any

from deepcanon.cli.arguments import Usage, import_environment
from deepcanon.collecting import heavy_imports

__all__ = ["folder_of", "load_run", "place_of"]


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


def load_run(given: argparse.Namespace, data: str | None = None) -> Any:
    say = lambda line: print(f"deepcanon: {line}", file=sys.stderr)  # noqa: E731
    with heavy_imports():
        from deepcanon.verbs import load

        import_environment(given)
        return load(folder_of(given.dir), given.checkpoint, given.device, data, say)
