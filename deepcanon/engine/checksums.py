"""`checksums.json` of a run folder: the SHA-256 of the files that say what a run is. A changed bit is noticed."""

import hashlib
import json
from pathlib import Path

from deepcanon.engine.checkpoint import write_text

__all__ = ["FILE", "differences", "write_checked"]

FILE = "checksums.json"


def write_checked(path: Path, text: str) -> None:
    """Replaces a file and notes its checksum in the folder's `checksums.json`."""
    write_text(path, text)
    known = _read(path.parent) or {}
    known[path.name] = hashlib.sha256(text.encode()).hexdigest()
    write_text(path.parent / FILE, json.dumps(known, indent=1, sort_keys=True) + "\n")


def differences(folder: Path) -> list[str]:
    """What is wrong with the files of a folder, a line each; a folder of an older version has no checksums."""
    known = _read(folder)
    if known is None:
        return [f"{folder / FILE} is missing or damaged: whether config.json was changed cannot be told"]
    found = []
    for name, digest in sorted(known.items()):
        try:
            same = hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        except OSError as error:
            found.append(f"{folder / name} cannot be read ({error.strerror or error})")
            continue
        if not same:
            found.append(f"{folder / name} was changed since the run wrote it (its SHA-256 differs)")
    return found


def _read(folder: Path) -> dict[str, str] | None:
    try:
        known = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in known.items()}
    except (OSError, ValueError, AttributeError):
        return None
