"""The file that a table may mean by a name which no file has: names differ in ways that people do not see."""

import os
import unicodedata
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from .errors import one_line

__all__ = ["meant"]


def meant(folder: Path, name: str, endings: tuple[str, ...] = ()) -> str:
    """A remedy that names the file, if there is one whose name is the same but for its folder, its case, its form of
    Unicode, %20 for a blank, or one of the endings; "" if there is none, or several.
    """
    try:
        found = _by_key(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return ""
    for other in (name, *(begin + ending for ending in endings for begin in (name, str(Path(name).with_suffix(""))))):
        if places := found.get(_key(other), []):
            if len(places) > 1:
                return ""
            shown = one_line(places[0], 100)
            same = unicodedata.normalize("NFC", places[0]) == unicodedata.normalize("NFC", name)
            return f"write {ascii(shown) if same else repr(shown)}, as the file is called"
    return ""


def _key(name: str) -> str:
    last = unquote(name).replace("\\", "/").rsplit("/", 1)[-1]
    return unicodedata.normalize("NFC", last).casefold()


@lru_cache(maxsize=1)
def _by_key(folder: Path, changed: int) -> dict[str, list[str]]:
    """The files below a folder by the key of their names; `changed` is when the folder was."""
    found: dict[str, list[str]] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            if name[0] != ".":
                found.setdefault(_key(name.replace("%", "%25")), []).append(
                    str((Path(place) / name).relative_to(folder).as_posix())
                )
    return found
