"""Sentences as lists of words and punctuation, and back.

A word is a run of letters, digits and the apostrophes or hyphens within it; any other character that is not blank is a
token of its own, and so is each character of a script that is written without blanks (Chinese, Japanese).

>>> tokenize("Ein Hund läuft, schnell.")
['Ein', 'Hund', 'läuft', ',', 'schnell', '.']
>>> detokenize(["Ein", "Hund", "läuft", ",", "schnell", "."]), detokenize(["你", "好", "。"])
('Ein Hund läuft, schnell.', '你好。')

Departures: the published tokenisers have rules for each language; these few suit all alike, and quotation marks keep a
blank on either side.
"""

import re
from collections.abc import Sequence

__all__ = ["detokenize", "tokenize"]

UNSPACED = "\u3000-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uff0f"
TOKEN = re.compile(rf"[{UNSPACED}]|<unk>|[^\W{UNSPACED}]+(?:['’-][^\W{UNSPACED}]+)*|[^\w\s]")
CLOSING, OPENING = re.compile(r"[,.;:!?%)\]}…]"), re.compile(r"[(\[{¿¡]")
TIGHT = re.compile(rf"[{UNSPACED}]")


def tokenize(text: str, lower: bool = False) -> list[str]:
    """The words and signs of a text, in lower case if that is asked."""
    return TOKEN.findall(text.lower() if lower else text)


def detokenize(tokens: Sequence[str]) -> str:
    """A text of some tokens, with blanks where most languages have them."""
    pieces: list[str] = []
    for before, token in zip(["", *tokens], tokens, strict=False):
        joined = (
            not before
            or CLOSING.fullmatch(token)
            or OPENING.fullmatch(before)
            or (TIGHT.fullmatch(token) and TIGHT.fullmatch(before))
        )
        pieces.append(token if joined else f" {token}")
    return "".join(pieces)
