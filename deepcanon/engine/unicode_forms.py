"""Words and characters that a training text has in two forms of Unicode, as "é" of one code point and of two."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepcanon.data.errors import one_line

__all__ = ["two_forms"]


def two_forms(facts: Mapping[str, Any]) -> list[str]:
    """What is said of words, or characters, that a training text has in two forms of Unicode: they count as different.

    Args:
        facts: of a run; its "vocabulary" and "words" are looked at.
    """
    words = {word for name in ("vocabulary", "words") for word in _strings(facts.get(name)) if not word.isascii()}
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


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name in ("symbols", "source", "target"):
            yield from _strings(value.get(name))
    elif isinstance(value, Sequence):
        for one in value:
            yield from _strings(one)
