"""Records in a file that its name calls plain text: they are read as the name says, and that is told."""

import csv
from pathlib import Path

from .errors import one_line
from .first_lines import first_lines
from .json_lines import first_object

__all__ = ["told_of_records"]

READ = 5  # lines that are looked at
COLUMNS = {"text", "label"}  # names that a header of texts has


def told_of_records(path: Path) -> list[str]:
    """A note if the lines of a .txt are JSON objects, or begin with the header of a table of texts; else nothing."""
    lines = first_lines(path, READ)
    if len(lines) > 1 and all(map(first_object, lines)):
        what, suffix = "its lines are JSON objects", ".jsonl"
    else:
        suffix = next((s for s, sign in ((".csv", ","), (".csv", ";"), (".tsv", "\t")) if _is_header(lines, sign)), "")
        what = "it begins like a table with columns text and label"
    if not suffix:
        return []
    name = path.name[: -len(".txt.gz" if path.name.lower().endswith(".gz") else ".txt")]
    said = f"{one_line(path.name, 60)}: {what}, but it is read as plain text, as .txt says"
    return [f"{said}; where its records are meant, call it {one_line(name, 60)}{suffix}"]


def _is_header(lines: list[str], sign: str) -> bool:
    try:
        names = [name.strip().lower() for name in next(csv.reader(lines[:1], delimiter=sign), [])]
    except csv.Error:
        return False
    return set(names) >= COLUMNS and len(names) < 10 and all(line.count(sign) >= len(names) - 1 for line in lines)
