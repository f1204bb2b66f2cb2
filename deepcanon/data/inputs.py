"""The inputs of `predict` and `encode`: named inputs, notes about some of them, and what could not be read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import Problem

__all__ = ["Inputs"]


@dataclass
class Inputs:
    """Inputs in their order.

    Attributes:
        names: of each input that could be read.
        values: what the recipe takes: a tensor of them, or a list of texts.
        notes: what was understood of an input in a way that must be reported, by its place.
        refused: why others could not be read; they have no name and no value.
        rows: the cells of each row of a table, by column.
        pictures: of each picture, its file (or its bytes) with its width and height as it is seen.
        restore: makes of the answer to the input at a place, which is in terms of `values`, one in terms of what was
            given.
    """

    names: list[str]
    values: Any
    notes: dict[int, str] = field(default_factory=dict)
    refused: list[Problem] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)
    pictures: list[tuple[Path | bytes, int, int]] = field(default_factory=list)
    restore: Callable[[int, dict[str, Any]], dict[str, Any]] = field(default=lambda place, answer: answer)

    def __len__(self) -> int:
        return len(self.names)

    def tell(self, place: int, lines: list[str]) -> None:
        """Adds to the notes of the input at a place; nothing if it has no such input."""
        if lines and place < len(self.names):
            self.notes[place] = "; ".join(filter(None, [self.notes.get(place, ""), *lines]))
