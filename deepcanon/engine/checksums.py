"""`checksums.json` of a run folder: the SHA-256 of the files that say what a run is. A changed bit is detected."""

import hashlib
import json
from pathlib import Path
from typing import Any

from deepcanon.engine import checkpoint

__all__ = ["FILE", "differences", "write_checked", "write_first"]

FILE = "checksums.json"
ABSENT = "absent"  # in place of a checksum: the file may not be there yet


def write_checked(path: Path, text: str) -> None:
    """Replaces a file and notes its checksum in the folder's `checksums.json`.

    The new checksum is written before the file, next to the old one: a kill at any moment leaves a file that is
    known.
    """
    known, digest = _read(path.parent) or {}, _digest(text.encode())
    before = (known.get(path.name) or [_digest(path.read_bytes())]) if path.exists() else [ABSENT]
    _write(path.parent, {**known, path.name: [*before, digest]})
    checkpoint.write_text(path, text)
    _write(path.parent, {**known, path.name: [digest]})


def write_first(folder: Path, texts: dict[str, str]) -> None:
    """Writes checksums and files of a folder that is not valid until the last of them is there."""
    _write(folder, {name: [_digest(text.encode())] for name, text in texts.items()})
    for name, text in texts.items():
        checkpoint.write_text(folder / name, text)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(folder: Path, known: dict[str, list[str]]) -> None:
    plain = {name: digests[0] if len(digests) == 1 else digests for name, digests in known.items()}
    checkpoint.write_text(folder / FILE, json.dumps(plain, indent=1, sort_keys=True) + "\n")


def _digests(noted: Any) -> list[str]:
    return [str(one) for one in noted] if isinstance(noted, list) else [str(noted)]


def differences(folder: Path) -> dict[str, str]:
    """What is wrong with the files of a folder, by name; FILE if there are no checksums, as in an older folder."""
    known = _read(folder)
    if known is None:
        return {FILE: f"{folder / FILE} is missing or damaged: cannot tell whether config.json was changed"}
    found = {}
    for name, digests in sorted(known.items()):
        try:
            same = _digest((folder / name).read_bytes()) in digests
        except OSError as error:
            if isinstance(error, FileNotFoundError) and ABSENT in digests:
                continue
            found[name] = f"{folder / name} cannot be read ({error.strerror or error})"
            continue
        if not same:
            found[name] = f"{folder / name} was changed since the run wrote it (its SHA-256 differs)"
    return found


def _read(folder: Path) -> dict[str, list[str]] | None:
    try:
        known = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return {str(name): _digests(noted) for name, noted in known.items()}
    except (OSError, ValueError, AttributeError):
        return None
