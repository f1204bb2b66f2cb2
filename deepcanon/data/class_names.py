"""The order of classes that have names, and names that are nearly the same."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .columns import PLAIN
from .errors import one_line

__all__ = ["LABEL_NAMES", "absent", "alike", "as_learned", "class_order"]

LABEL_NAMES = ("label", "labels", "class", "category", "target")
"""What a column of classes is called, in lower case."""

DIGITS = re.compile("([0-9]+)")
BETWEEN = re.compile(r"(?<=[^\W\d])[\s_-]+(?=[^\W\d])")  # letters


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
        the classes, and notes: where their order is not that of plain text, and where two are nearly the same.
    """
    found = set(names)
    known = list(((options or {}).get("learned") or {}).get("classes") or ())
    if found and found.issubset(known):
        return known, []
    ordered = sorted(found, key=_key)
    differs = ordered != sorted(found)
    said = ["classes: in the order of the numbers in their names, 2 before 10"] if differs else []
    return ordered, said + alike(ordered)


def as_learned(names: list[str], options: Mapping[str, Any] | None, fact: str = "classes") -> list[str]:
    """The classes of a run that is measured on these data, in its order, if it knows all of them; else the names.

    Args:
        fact: of the run's reader (the option `learned`) that holds them.
    """
    known = list(((options or {}).get("learned") or {}).get(fact) or ())
    return known if names and set(names).issubset(known) else names


def alike(names: Iterable[str]) -> list[str]:
    """A note where classes may be one, written twice: they differ in case, blanks, hyphens or underscores alone, in how
    Unicode composes the same letters, in signs that nobody sees, or in how the same number is written."""
    groups: dict[str | float, list[str]] = {}
    for name in names:
        seen = (sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
        plain = BETWEEN.sub("", "".join(seen).strip().casefold())
        number = PLAIN.fullmatch(plain) and plain.isascii()
        groups.setdefault(float(plain) if number else plain, []).append(name)
    pair = next((group for group in groups.values() if len(group) > 1), None)
    if pair is None:
        return []
    shown = one_line(" and ".join(repr(n) if unicodedata.is_normalized("NFC", n) else ascii(n) for n in pair), 100)
    return [f"classes that are nearly the same, {shown}, stay apart; write them alike if they are one"]


def absent(names: Sequence[str], labels: Mapping[str, Any], what: str) -> list[str]:
    """Notes on classes that a split has no example of.

    Args:
        labels: of each split, the places [N] of its classes among the names.
        what: an example is called, such as "row".
    """
    found = []
    for split, places in labels.items():
        there = set(places.tolist())
        gone = [name for place, name in enumerate(names) if place not in there]
        if gone:
            cost = "cannot be learned" if split == "train" else f"is not judged by {split}"
            found.append(f"no {what} of {split} is {one_line(', '.join(gone), 100)}: such a class {cost}")
    return found
