"""Texts whose tokens are coloured by how much they surprised a language model."""

import os
import sys
from typing import Any

__all__ = ["LEVELS", "coloured", "shown"]

LEVELS = ((1.0, 0), (3.0, 230), (6.0, 222), (9.0, 215), (float("inf"), 203))
"""Bits below which a token has a background colour of the 256 of a terminal, from none to red."""


def coloured(tokens: list[dict[str, Any]], apart: str) -> str:
    """The tokens of a text on coloured backgrounds, `apart` between them."""
    pieces = []
    for token in tokens:
        colour = next(colour for limit, colour in LEVELS if token["bits"] < limit or limit == LEVELS[-1][0])
        pieces.append(f"\x1b[30;48;5;{colour}m{token['token']}\x1b[0m" if colour else token["token"])
    return apart.join(pieces)


def shown(record: dict[str, Any], apart: str) -> list[str]:
    """The lines of one text: coloured on a terminal, else one for each token with its probability and bits."""
    bits = [token["bits"] for token in record["tokens"]]
    head = f"{record['input']}: {len(bits)} tokens, {sum(bits) / len(bits):.3f} bits a token"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return [head, coloured(record["tokens"], apart)]
    rows = [f"  {token['token']}\t{token['probability']:.6f}\t{token['bits']:.2f} bits" for token in record["tokens"]]
    return [head, *rows]
