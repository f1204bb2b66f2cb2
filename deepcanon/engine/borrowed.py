"""A finished run, or a file of weights, inside a run: what inference needs is copied, and its checksums are kept."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from deepcanon.engine.checkpoint import Checkpoints, taking_shape, write_text
from deepcanon.engine.checksums import write_checked
from deepcanon.errors import UsageError

__all__ = ["WEIGHTS", "check", "copy"]

SUMS, WEIGHTS = "borrowed.json", "weights.safetensors"


def copy(source: Path, to: Path) -> None:
    """Puts the weights, facts and options of the run `source` into the new folder `to`, with their SHA-256.

    A file of weights is put there as `weights.safetensors`.

    Raises:
        UsageError: `source` is neither a file nor a run with a sound checkpoint.
    """
    if source.is_file():
        with taking_shape(to) as temporary:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            shutil.copyfile(source, temporary / WEIGHTS)
            _note(source, temporary)
            os.replace(temporary, to)
        return
    checkpoints = Checkpoints(source / "checkpoints")
    kind, found = next(((k, f) for k in ("best", "step") if (f := checkpoints.newest(k))), ("", None))
    if found is None or not (source / "config.json").is_file():
        raise UsageError(f"{source} is not a run with a sound checkpoint: give the folder of one")
    newest = checkpoints.path(kind, found[0])
    with taking_shape(to) as temporary:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write_checked(temporary / "config.json", (source / "config.json").read_text(encoding="utf-8"))
        shutil.copytree(source / "facts", temporary / "facts")
        shutil.copytree(newest, temporary / "checkpoints" / newest.name)
        _note(source, temporary)
        os.replace(temporary, to)


def _note(source: Path, folder: Path) -> None:
    write_text(folder / SUMS, json.dumps({"from": str(source), "files": _sums(folder)}, indent=1) + "\n")


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check(folder: Path) -> None:
    """Raises UsageError unless a copy is what was copied."""
    try:
        kept = json.loads((folder / SUMS).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder} is damaged: it has no {SUMS}") from None
    found = _sums(folder)
    wrong = sorted(name for name in kept.keys() | found.keys() if kept.get(name) != found.get(name))
    if wrong:
        raise UsageError(f"{folder / wrong[0]} is not what was copied: borrow the run again in a new folder")
