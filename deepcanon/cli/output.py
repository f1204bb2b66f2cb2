"""What a command prints, and the exit code of a wrong one."""

import json
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import Any

__all__ = ["USAGE", "fold", "is_utf8", "print_json", "printer", "width"]

USAGE = 2


def is_utf8(stream: Any) -> bool:
    """Whether a stream can show every character; one without an encoding holds text."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


def width() -> int | None:
    """Columns of the terminal that stdout is; None where it is a file or a pipe, in which lines stay whole."""
    return max(40, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def fold(text: str, hanging: str = "") -> str:
    """A text whose lines fit the terminal: paragraphs are filled again, and indented lines keep their indentation.

    Args:
        hanging: what a line begins with that continues another.
    """
    columns = width()
    if columns is None:
        return text
    folded: list[str] = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        if not any(line.startswith(" ") for line in lines):
            lines = [" ".join(lines)]
        for line in lines:
            inner = line[: len(line) - len(line.lstrip())]
            wrapper = textwrap.TextWrapper(columns, subsequent_indent=inner + hanging)
            wrapper.break_long_words = wrapper.break_on_hyphens = False
            folded += wrapper.wrap(line) or [""]
        folded.append("")
    return "\n".join(folded[:-1])


def _strict(value: Any) -> Any:
    """The same without numbers that JSON lacks: they are the strings nan, inf and -inf, as in the metrics of a run."""
    if isinstance(value, dict):
        return {key: _strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(part) for part in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Any) -> int:
    print(json.dumps(_strict(value), indent=1, ensure_ascii=not is_utf8(sys.stdout)))
    return 0


def printer() -> Callable[[str], None]:
    """Prints lines on stdout in the first process only."""
    return (lambda line: print(line, flush=True)) if os.environ.get("RANK", "0") == "0" else (lambda line: None)
