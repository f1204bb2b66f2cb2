"""A text as a figure: every token on a colour that says a number, such as how much it surprised a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Passage"]


@dataclass(frozen=True)
class Passage:
    """Tokens of a text in their order, each on a colour.

    Attributes:
        tokens: texts; one that ends in a line end ends the line.
        values: [N], a number for each: 0 has no colour.
        unit: what the numbers are.
        apart: whether a blank stands between tokens, as between words.
        diverging: whether negative numbers have a colour of their own.
        most: the number of the strongest colour; the largest of `values` if it is 0.
    """

    tokens: Sequence[str]
    values: Any
    unit: str = ""
    apart: bool = False
    diverging: bool = False
    most: float = 0.0
    title: str = ""
    caption: str = ""
