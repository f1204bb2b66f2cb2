"""The order of classes that have names."""

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["class_order"]

DIGITS = re.compile("([0-9]+)")


def _key(name: str) -> tuple[list[str | int], str]:
    """Text and whole numbers in turn, so that the same places of two keys can be compared."""
    parts = DIGITS.split(name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def class_order(names: Iterable[str], options: dict[str, Any] | None = None) -> tuple[list[str], list[str]]:
    """Classes in natural order: numbers in their names count as numbers, so 10 comes after 9.

    Args:
        names: of all classes, each as often as it likes.
        options: of the reader; of a run that was trained, `learned` holds what it knows of its data. Its classes keep
            their order.

    Returns:
        the classes, and a note where their order is not that of plain text.
    """
    found = set(names)
    known = list(((options or {}).get("learned") or {}).get("classes") or ())
    if found and found.issubset(known):
        return known, []
    ordered = sorted(found, key=_key)
    differs = ordered != sorted(found)
    return ordered, ["classes: in the order of the numbers in their names, 2 before 10"] if differs else []
