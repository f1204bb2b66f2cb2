"""JSON lines: an object on each line, whose keys come once."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import Problems, one_line

__all__ = ["first_object", "objects"]


def objects(path: Path | str, text: str, problems: Problems, shape: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, values by key) of each line that is not blank; a line that is not an object is a problem.

    Args:
        shape: what to write instead, as a remedy.
    """
    twice = ""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice  # of the object that is complete last, which is the outermost
        names = Counter(name.strip().lower() for name, _ in pairs)
        twice = next((f"the key {one_line(name, 40)!r}" for name, count in names.items() if count > 1), "")
        return dict(pairs)

    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place, twice = f"line {number}", ""
        try:
            value = json.loads(line, object_pairs_hook=once)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            problems.add(path, place, "is not a JSON object", shape)
        elif twice:
            problems.add(path, place, f"has {twice} twice", "give each its own name")
        else:
            yield place, value


def first_object(line: str) -> dict[str, Any]:
    """The object of a line by its keys in lower case, or nothing if it is not one."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return {name.strip().lower(): one for name, one in value.items()} if isinstance(value, dict) else {}
