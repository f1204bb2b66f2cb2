"""Pictures that their EXIF turns: boxes of a program that does not turn them lie elsewhere, in silence if they fit."""

from collections.abc import Sequence
from pathlib import Path

from .errors import BadImage, one_line
from .pixels import is_turned

__all__ = ["SOME", "note_of_turned"]

SOME = 64
"""Pictures that are looked at: a camera writes all of its pictures alike."""


def note_of_turned(files: Sequence[Path]) -> list[str]:
    """A line if one of the first JPEG files is turned."""
    for file in files[:SOME]:
        try:
            turned = file.suffix.lower() in (".jpg", ".jpeg") and is_turned(file)
        except BadImage:  # named where its pixels are read
            turned = False
        if turned:
            name = one_line(file.name, 60)
            return [f"pictures that their EXIF turns (first: {name}): boxes are understood in the turned picture"]
    return []
