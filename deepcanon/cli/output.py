"""What a command prints, and the exit code of a wrong one."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["USAGE", "is_utf8", "print_json", "printer"]

USAGE = 2


def is_utf8(stream: Any) -> bool:
    """Whether a stream can show every character; one without an encoding holds text."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


def print_json(value: Any) -> int:
    print(json.dumps(value, indent=1, ensure_ascii=not is_utf8(sys.stdout)))
    return 0


def printer() -> Callable[[str], None]:
    """Prints lines on stdout in the first process only."""
    return (lambda line: print(line, flush=True)) if os.environ.get("RANK", "0") == "0" else (lambda line: None)
