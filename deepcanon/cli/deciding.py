"""Texts whose words are marked by how much they spoke for or against the class that a text was given."""

import os
import sys
from typing import Any

__all__ = ["named", "told"]

FOR, AGAINST = (28, 22), (88, 52)
"""Background colours of a terminal with 256 of them: of a word of half the largest effect or more, and of a fifth."""
STRONG, WEAK, NAMED = 0.5, 0.2, 5


def named(words: list[dict[str, Any]]) -> str:
    """The words of the largest effects, for (+) and against (-) the class, each once."""
    order = sorted(words, key=lambda word: -abs(word["effect"]))
    found: dict[str, float] = {}
    for word in order:
        if word["effect"]:
            found.setdefault(word["word"], word["effect"])
    return ", ".join(f"{word} {effect:+.2f}" for word, effect in list(found.items())[:NAMED])


def told(words: list[dict[str, Any]]) -> str:
    """A line about a text: on a terminal all its words, on colours; else the words of the largest effects."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return f"decided by: {named(words) or 'no word'}"
    most = max((abs(word["effect"]) for word in words), default=0.0)
    return " ".join(_coloured(word["word"], word["effect"] / most if most else 0.0) for word in words)


def _coloured(word: str, share: float) -> str:
    if abs(share) < WEAK:
        return word
    colour = (FOR if share > 0 else AGAINST)[abs(share) < STRONG]
    return f"\x1b[97;48;5;{colour}m{word}\x1b[0m"
