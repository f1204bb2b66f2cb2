"""The published files of a set of the catalogue: found, or downloaded, and compared with their checksums.

They are looked for in the folders of `$DEEPCANON_DATA`, then in the XDG cache, under `<name>/<published file>`.
"""

import os
import zlib
from pathlib import Path

from .catalogue import File, entry
from .checksums import digest
from .download import fetch
from .errors import DataError, Problem

__all__ = ["cache_folder", "get", "search_folders", "where"]


def cache_folder() -> Path:
    """Where downloads go: the XDG cache."""
    root = os.environ.get("XDG_CACHE_HOME") or ""
    # the XDG rules: a relative path there is to be ignored
    return (Path(root) if os.path.isabs(root) else Path.home() / ".cache") / "deepcanon"


def search_folders() -> list[Path]:
    """The folders that are searched, in order: those of DEEPCANON_DATA, then the cache."""
    named = [Path(os.path.expanduser(part)) for part in os.environ.get("DEEPCANON_DATA", "").split(os.pathsep) if part]
    return [*named, cache_folder()]


def where(name: str) -> dict[File, Path | None]:
    """For each file of the set where it is found, or None; reads nothing of it."""
    found: dict[File, Path | None] = {}
    inner = entry(name).folder or name
    for file in entry(name).files:
        places = (folder / inner / file.name for folder in search_folders())
        # a file that is published plain may be gzipped there
        candidates = (c for place in places for c in (place, place.with_name(place.name + ".gz")))
        found[file] = next((c for c in candidates if c.is_file()), None)
    return found


def get(name: str) -> dict[str, Path]:
    """The files of the set by published name: found and checked, or downloaded."""
    paths: dict[str, Path] = {}
    inner = entry(name).folder or name
    for file, path in where(name).items():
        if path is None:
            path = fetch(file.url, cache_folder() / inner / file.name, file.sha256, file.size)
        _check(file, path)
        paths[file.name] = path
    return paths


_checked: set[tuple[str, int, int, str]] = set()


def _check(file: File, path: Path) -> None:
    """Refuses a file with other bytes than the published one; checks each file once in a process."""
    unpack = path.name != file.name
    try:
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns, file.sha256)
        if key in _checked:
            return
        found = digest(path, unpack=unpack, limit=file.size)
    except (OSError, EOFError, zlib.error) as error:
        what, remedy = f"cannot be read ({error})", "remove it, so that it is downloaded again"
        raise DataError(Problem(str(path), "", what, remedy, skippable=False)) from None
    if found != file.sha256:
        what = f"is not the published file: SHA-256 {found[:12]}... instead of {file.sha256[:12]}..."
        raise DataError(Problem(str(path), "", what, f"remove it and get {file.url}", skippable=False))
    _checked.add(key)
