"""A tree over the words of a sentence as a figure: every node with a short text on a colour that says a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Branches"]


@dataclass(frozen=True)
class Branches:
    """A binary tree; its leaves are words, from the left.

    Attributes:
        words: of the sentence.
        children: [N, 2], numbers of the nodes below each node; -1 of a leaf. Leaves come first, in the order of the
            words; children come before their parent.
        texts: [N], a short text in each node.
        values: [N], a number for each from -1 to 1, which is its colour; 0 has none.
        expected: texts that nodes should have had, by number: shown in red next to them.
        unit: what the numbers are.
    """

    words: Sequence[str]
    children: Any
    texts: Sequence[str]
    values: Any
    expected: Mapping[int, str] = field(default_factory=dict)
    unit: str = ""
    title: str = ""
    caption: str = ""
