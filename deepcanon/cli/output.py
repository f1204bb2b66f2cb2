"""What a command prints, and the exit code of a wrong one."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["USAGE", "print_json", "printer"]

USAGE = 2


def print_json(value: Any) -> int:
    narrow = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    print(json.dumps(value, indent=1, ensure_ascii=narrow))
    return 0


def printer() -> Callable[[str], None]:
    """Prints lines on stdout in the first process only."""
    return (lambda line: print(line, flush=True)) if os.environ.get("RANK", "0") == "0" else (lambda line: None)
