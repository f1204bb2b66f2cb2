"""Sentences as lists of words and punctuation, and back.

A word is a run of letters, digits and the apostrophes or hyphens within it; any other sign that is not blank is a token
of its own, and so is each letter of a script that is written without blanks (Chinese, Thai). Marks belong to the letter
before them (`word_expressions`).

>>> tokenize("Ein Hund läuft, schnell.")
['Ein', 'Hund', 'läuft', ',', 'schnell', '.']
>>> detokenize(["Ein", "Hund", "läuft", ",", "schnell", "."]), detokenize(["你", "好", "。"])
('Ein Hund läuft, schnell.', '你好。')

Departures: the published tokenisers have rules for each language; these few suit all alike, and quotation marks keep a
blank on either side.
"""

import functools
import re
from collections.abc import Sequence

from deepcanon.parts.word_expressions import UNSPACED, marks, sign_pattern, word_pattern

__all__ = ["detokenize", "token_pattern", "tokenize"]

ASCII_TOKEN = re.compile(r"<unk>|[A-Za-z0-9_]+(?:['-][A-Za-z0-9_]+)*|[^A-Za-z0-9_\s]")
CLOSING, OPENING = re.compile(r"[,.;:!?%)\]}…]"), re.compile(r"[(\[{¿¡]")


@functools.cache
def _token() -> re.Pattern[str]:
    words = word_pattern(r"\W", "'’-", more=True)
    return re.compile(rf"<unk>|{words}|{sign_pattern()}")


def token_pattern() -> str:
    """The expression by which `tokenize` finds words and signs, for programs that read an exported model."""
    return _token().pattern


@functools.cache
def _tight() -> re.Pattern[str]:
    return re.compile(rf"[{UNSPACED}][{marks()}]*")


def tokenize(text: str, lower: bool = False) -> list[str]:
    """The words and signs of a text, in lower case if that is asked."""
    return (ASCII_TOKEN if text.isascii() else _token()).findall(text.lower() if lower else text)


def detokenize(tokens: Sequence[str]) -> str:
    """A text of some tokens, with blanks where most languages have them."""
    pieces: list[str] = []
    for before, token in zip(["", *tokens], tokens, strict=False):
        joined = (
            not before
            or CLOSING.fullmatch(token)
            or OPENING.fullmatch(before)
            or (not (token + before).isascii() and _tight().fullmatch(token) and _tight().fullmatch(before))
        )
        pieces.append(token if joined else f" {token}")
    return "".join(pieces)
