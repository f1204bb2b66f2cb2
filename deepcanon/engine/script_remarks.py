"""What must be told of the words of a training text before a network learns them: its script decides what they are."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepcanon.data.errors import one_line
from deepcanon.parts.word_expressions import UNSPACED

__all__ = ["script_remarks"]

CLAUSE = 6
"""Letters of a script without blanks that few words have, and most clauses."""


def script_remarks(facts: Mapping[str, Any]) -> list[str]:
    """Lines about the "vocabulary", the "words" and the "symbols" of a run's facts; most texts have none."""
    return [*_two_forms(facts), *_unbroken(facts)]


def _two_forms(facts: Mapping[str, Any]) -> list[str]:
    """Of words, or characters, that are there in two forms of Unicode, as "é" of one code point and of two."""
    listed = (word for name in ("vocabulary", "words", "symbols") for word in _strings(facts.get(name)))
    words = {word for word in listed if not word.isascii()}
    seen: dict[str, str] = {}
    pairs = []
    for word in sorted(words):
        parts = unicodedata.normalize("NFD", word)
        other = seen.setdefault(unicodedata.normalize("NFC", word), word)
        if other != word:
            pairs.append((other, word))
        elif len(word) == 1 < len(parts) and words >= {part for part in parts if not part.isascii()}:
            pairs.append((word, parts))
    if not pairs:
        return []
    some = ", ".join(one_line(f"{one!a} and {other!a}", 60) for one, other in pairs[:3])
    more = ", ..." * (len(pairs) > 3)
    what = f"{len(pairs):,} symbols of the text are" if len(pairs) > 1 else "a symbol of the text is"
    remedy = "unicodedata.normalize('NFC', text) makes them one"
    return [f"{what} there in two forms of Unicode, which count as different: {some}{more} ({remedy})"]


def _unbroken(facts: Mapping[str, Any]) -> list[str]:
    """Of words between blanks that are clauses, since the script has no blanks."""
    found = facts.get("vocabulary")
    if not isinstance(found, Mapping) or found.get("unit") != "words":
        return []
    letter = re.compile(f"[{UNSPACED}]")
    clauses = [word for word in found["symbols"] if not word.isascii() and len(letter.findall(word)) >= CLAUSE]
    if 2 * len(clauses) < len(found["symbols"]):
        return []
    what = f"words are what blanks separate, and this script has none: {one_line(clauses[0], 40)} counts as one"
    return [f"{what}; put blanks between the words, or take --unit characters or pieces where the recipe has them"]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name in ("symbols", "source", "target"):
            yield from _strings(value.get(name))
    elif isinstance(value, Sequence):
        for one in value:
            yield from _strings(one)
