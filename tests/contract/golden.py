"""The golden files, one for each stem, so that two new systems never edit the same one; and how they are written.

tests/golden/traces/<stem>.json     the first losses of a recipe
tests/golden/keys/<case file>.json  names, shapes and types in the state dicts of its cases
tests/golden/cli/<stem>.json        the options of a recipe; commands.json has those of the command line itself
"""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "golden"
WIDTH = 110


def regenerate(what: str, *stems: str) -> str:
    """The command that a failing test prints."""
    words = " ".join((what, *stems))
    return f"regenerate by: .venv/bin/python tests/golden/regenerate.py {words} (then look at the difference)"


def read(what: str, stem: str) -> Any:
    """The content of a golden file; None if there is none."""
    path = FOLDER / what / f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write(what: str, stem: str, content: Any) -> None:
    path = FOLDER / what / f"{stem}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(laid_out(content) + "\n", encoding="utf-8")


def laid_out(content: Any, depth: int = 0) -> str:
    """JSON with short values on a line each, so that a difference shows what changed and no more."""
    line = json.dumps(content)
    if not isinstance(content, dict | list) or (depth and len(line) + depth <= WIDTH):
        return line
    rows = [laid_out(item, depth + 1) for item in (content.values() if isinstance(content, dict) else content)]
    if isinstance(content, dict):
        rows = [f"{json.dumps(key)}: {row}" for key, row in zip(content, rows, strict=True)]
    opened, closed = "{}" if isinstance(content, dict) else "[]"
    inside = ",\n".join(" " * (depth + 1) + row for row in rows)
    return f"{opened}\n{inside}\n{' ' * depth}{closed}"
