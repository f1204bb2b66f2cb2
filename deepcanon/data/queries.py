"""Questions to word vectors: pairs of words with a score of their similarity, and analogies by section.

Pairs: a .csv (or .tsv) of word, word, score; a first line without a number is the header. Analogies: a .txt of four
words a line, `a b c d`, under lines `: section`; those before the first section belong to `questions`; lines that begin
with // are comments. Either may be gzipped.
"""

import csv
import io
import math
import os
from pathlib import Path

from . import catalogue, published, tasks
from .archives import read_bytes
from .cells import number, suffix_of
from .errors import DataError, Problems
from .text import decode

__all__ = ["Analogies", "Pairs", "read_analogies", "read_pairs"]

Pairs = list[tuple[str, str, float]]
Analogies = dict[str, list[tuple[str, str, str, str]]]

TABLES, TEXTS = (".csv", ".tsv"), (".txt",)
PLANTED = "planted-analogies"
FOUR = "give four words: a b c d"


def _content(spec: str, wanted: str, endings: tuple[str, ...], problems: Problems) -> tuple[str, Path]:
    """(text, path) of a set of the catalogue or of a file with one of the endings."""
    entry = catalogue.ENTRIES.get(spec)
    named = [name for name, e in catalogue.ENTRIES.items() if e.kind == "queries" and _fits(name, endings)]
    remedy = f"give a {' or '.join(endings)} file, or {', '.join(named)}"
    if entry is not None and (entry.kind != "queries" or not _fits(spec, endings)):
        raise problems.fail(spec, "", f"is not a set of {wanted}", remedy)
    path = next(iter(published.get(spec).values())) if entry else Path(os.path.expanduser(spec))
    if "\0" in spec or not path.is_file():
        raise problems.fail(spec, "", "is neither a data set's name nor a file", remedy)
    if suffix_of(path) not in endings:
        raise problems.fail(path, "", f"is not a file of {wanted}", remedy)
    text = decode(read_bytes(path), path, problems)
    if text is None:
        raise DataError(problems.found)
    return text, path


def _fits(name: str, endings: tuple[str, ...]) -> bool:
    files = catalogue.ENTRIES[name].files
    return any(file.name.endswith(endings) for file in files) or (not files and endings == TEXTS)


def read_pairs(spec: str) -> Pairs:
    """(word, word, score) of each row of a set of the catalogue or a file.

    Raises:
        DataError: names the first bad row and how many more there are.
    """
    problems = Problems()
    text, path = _content(spec, "pairs", TABLES, problems)
    delimiter = "\t" if suffix_of(path) == ".tsv" else ","
    rows: Pairs = []
    for line, cells in enumerate(_rows(text, delimiter, path, problems), 1):
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        score = number(cells[2]) if len(cells) == 3 else None
        if score is not None and math.isfinite(score) and all(cells):
            rows.append((cells[0], cells[1], score))
        elif len(cells) != 3:
            problems.add(
                path, f"line {line}", f"has {len(cells)} cell{'s' * (len(cells) != 1)}, not 3", "give word, word, score"
            )
        elif line > 1 or not all(cells):
            problems.add(path, f"line {line}", f"{cells[2]!r} is not a score of two words", "give word, word, score")
    problems.settle()
    if len(rows) < 2:
        raise problems.fail(
            path, "", f"holds {len(rows)} pair{'s' * (len(rows) != 1)}", "give at least two, to have ranks"
        )
    return rows


def _rows(text: str, delimiter: str, path: Path, problems: Problems) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise problems.fail(path, "", f"is not a table ({error})", "give word, word, score on each line") from None


def read_analogies(spec: str) -> Analogies:
    """The questions (a, b, c, d) of each section of a set of the catalogue or a file.

    Raises:
        DataError: names the first bad line and how many more there are.
    """
    if spec == PLANTED:
        return {"planted": tasks.module("planted-grammar").questions()}
    problems = Problems()
    text, path = _content(spec, "analogies", TEXTS, problems)
    found: Analogies = {}
    section = "questions"
    for place, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("//"):
            continue
        if words[0].startswith(":"):
            section = line.strip().removeprefix(":").strip()
            if not section:
                problems.add(path, f"line {place}", "names no section", "write `: name`")
        elif len(words) != 4:
            problems.add(path, f"line {place}", f"has {len(words)} word{'s' * (len(words) != 1)}", FOUR)
        else:
            found.setdefault(section, []).append((words[0], words[1], words[2], words[3]))
    problems.settle()
    if not found:
        raise problems.fail(path, "", "holds no question", FOUR)
    return found
