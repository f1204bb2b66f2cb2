"""Pairs of sentences in files: tab-separated lines, two files whose lines belong together, JSON lines."""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import Problems, one_line
from .image_sets import list_folder
from .named_splits import Told
from .splits import SPLIT_NAMES
from .text import load

__all__ = ["OBJECTS", "TABLES", "Pair", "Sides", "aligned_files", "names_pairs", "of_aligned", "of_file", "partner"]

TABLES, OBJECTS = (".tsv", ".tsv.gz"), (".jsonl", ".jsonl.gz")
SOURCE, TARGET = ("src", "source"), ("tgt", "trg", "target")
BOTH = "give each pair a source and a target, or leave the line out"
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z]{2,4})?")
OTHER = {
    "txt", "csv", "tsv", "jpg", "png", "gif", "bmp", "tif", "npy", "npz", "wav", "mp3", "py", "md", "xml", "zip", "tar",
    "gz", "tgz", "bz", "xz", "pdf", "htm", "log", "bin", "mat", "pkl", "doc", "raw", "old", "bak", "tmp", "cfg", "ini",
    "yml", "sh", "out", "err",
}  # fmt: skip
"""Endings of files that are not languages."""


class Pair(NamedTuple):
    """A source and its target, the split if one is named, and where they are."""

    source: str
    target: str
    split: str | None
    file: Path
    place: str


class Sides(NamedTuple):
    """What is read as the source and as the target: a column or its number, a key, or a language; "" if not said."""

    source: str = ""
    target: str = ""

    def named(self) -> list[tuple[str, str]]:
        """What was said, with the option that said it."""
        return [(name, f"--{option}") for option, name in self._asdict().items() if name]


def _whole(text: str) -> bool:
    """Whether all of a text are characters that can be read: JSON can write half of one, and NUL."""
    try:
        return "\0" not in text and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _pair(path: Path, place: str, both: Sequence[Any], split: Any, problems: Problems) -> Pair | None:
    """The pair of two cells or values; None after a noted problem."""
    for side, text in zip(("source", "target"), both, strict=True):
        if not isinstance(text, str):
            what = f"has no {side}" if text is None else f"has a {side} that is not text ({one_line(text, 30)})"
        elif not text.strip():
            what = f"has an empty {side}"
        elif not _whole(text):
            what = f"has a NUL or half a character (a lone surrogate) in its {side}"
        else:
            continue
        problems.add(path, place, what, BOTH)
        return None
    if split is not None and (not isinstance(split, str) or split.strip().lower() not in SPLIT_NAMES):
        what = f"gives {one_line(split, 40)!r} as its split, which is not one"
        problems.add(path, place, what, "write train, valid or test in each row, or rename the column")
        return None
    source, target = (" ".join(text.split()) for text in both)
    return Pair(source, target, None if split is None else SPLIT_NAMES[split.strip().lower()], path, place)


def of_file(path: Path, problems: Problems, told: Told, sides: Sides) -> list[Pair]:
    """The pairs of a .tsv or a .jsonl.

    Raises:
        DataError: a column or key that was asked for is not there.
    """
    text = load(path, problems, told)
    if text is None:
        return []
    if path.name.lower().endswith(OBJECTS):
        return _objects(path, text, problems, told, sides)
    return _table(path, text, problems, told, sides)


def _columns(names: list[str], sides: Sides, path: Path, problems: Problems) -> tuple[list[int], bool]:
    """The places of source and target among the cells of the first line, and whether that line is a header."""
    lower = [name.strip().lower() for name in names]
    places: list[int] = []
    header = any(name in lower for name in SOURCE) and any(name in lower for name in TARGET)
    header = header or any(name.lower() in lower for name, _ in sides.named() if not name.isdigit())
    for number, (asked, usual, option) in enumerate(
        ((sides.source, SOURCE, "--source"), (sides.target, TARGET, "--target"))
    ):
        shown = ", ".join(one_line(name, 30) for name in names[:6])
        if asked.isdigit() and 1 <= int(asked) <= len(names):
            places.append(int(asked) - 1)
        elif asked:
            if asked.lower() not in lower:
                what = f"has no column {one_line(asked, 40)!r} (the first line has {shown})"
                raise problems.fail(path, "line 1", what, f"name one of them, or its number, with {option}")
            places.append(lower.index(asked.lower()))
        else:
            found = [lower.index(name) for name in usual if name in lower] if header else []
            places.append(found[0] if found else -1 - number)
    taken = [place for place in places if place >= 0]
    free = [place for place in range(len(names)) if place not in taken]
    places = [place if place >= 0 else free.pop(0) if free else 0 for place in places]
    if len(set(places)) < 2:
        what = f"has {len(names)} cell{'s' * (len(names) != 1)} in its first line"
        remedy = "put a tab between source and target; --source and --target must differ"
        raise problems.fail(path, "line 1", what, remedy)
    return places, header


def _table(path: Path, text: str, problems: Problems, told: Told, sides: Sides) -> list[Pair]:
    pairs: list[Pair] = []
    places: list[int] = []
    width = split = -1
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            told.counts["blank lines, which are no pairs"] += number < len(lines)
            continue
        cells = line.split("\t")
        if not places:
            width = len(cells)
            places, header = _columns(cells, sides, path, problems)
            lower = [cell.strip().lower() for cell in cells]
            split = lower.index("split") if header and "split" in lower else -1
            names = [one_line(cell.strip(), 30) for cell in cells] if header else [str(k + 1) for k in range(width)]
            told.notes.append(
                f"columns: {names[places[0]]} is the source, {names[places[1]]} the target"
                + ("" if header else " (no header)")
                + "; --source and --target say otherwise"
            )
            others = [name for place, name in enumerate(names) if place not in (*places, split)]
            told.notes += [f"columns that are not read: {', '.join(others[:8])}"] * bool(others)
            if header:
                continue
        if len(cells) != width:
            what = f"has {len(cells)} cell{'s' * (len(cells) != 1)}, the first line {width}"
            problems.add(path, f"line {number}", what, "put one tab between source and target")
            continue
        named = cells[split] if split >= 0 else None
        pair = _pair(path, f"line {number}", [cells[place] for place in places], named, problems)
        pairs += [pair] * (pair is not None)  # type: ignore[list-item]
    return pairs


def _objects(path: Path, text: str, problems: Problems, told: Told, sides: Sides) -> list[Pair]:
    pairs: list[Pair] = []
    keys = [(name,) if name else usual for name, usual in zip(sides, (SOURCE, TARGET), strict=True)]
    others: dict[str, None] = {}
    found = [False, False]
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            problems.add(path, f"line {number}", "is not a JSON object", 'give {"src": ..., "tgt": ...}')
            continue
        both = [next((value[name] for name in names if name in value), None) for names in keys]
        found = [before or any(name in value for name in names) for before, names in zip(found, keys, strict=True)]
        others |= dict.fromkeys(name for name in value if name not in (*keys[0], *keys[1], "split"))
        pair = _pair(path, f"line {number}", both, value.get("split"), problems)
        pairs += [pair] * (pair is not None)  # type: ignore[list-item]
    for there, (name, option) in zip(found, ((sides.source, "--source"), (sides.target, "--target")), strict=True):
        if name and not there:
            what = f"has no key {one_line(name, 40)!r} (it has {', '.join(one_line(k, 30) for k in list(others)[:6])})"
            raise problems.fail(path, "", what, f"name one of them with {option}")
    told.notes += [f"keys that are not read: {', '.join(one_line(k, 30) for k in list(others)[:8])}"] * bool(others)
    return pairs


def of_aligned(source: Path, target: Path, problems: Problems, told: Told) -> list[Pair]:
    """The pairs of two files, line by line.

    Raises:
        DataError: the files have not as many lines.
    """
    texts = [load(path, problems, told) for path in (source, target)]
    if texts[0] is None or texts[1] is None:
        return []
    left, right = (text.removesuffix("\n").split("\n") for text in texts if text is not None)
    if len(left) != len(right):
        what = f"has {len(left):,} line{'s' * (len(left) != 1)}, but {target.name} has {len(right):,}"
        raise problems.fail(source, "", what, "give files whose lines belong together, one by one")
    pairs: list[Pair] = []
    for number, both in enumerate(zip(left, right, strict=True), 1):
        if not any(text.strip() for text in both):
            told.counts["lines that are blank in both files, which are no pairs"] += 1
            continue
        pair = _pair(source if not both[0].strip() else target, f"line {number}", both, None, problems)
        pairs += [pair] * (pair is not None)  # type: ignore[list-item]
    return pairs


# Which files belong together


def _parts(path: Path) -> tuple[str, str] | None:
    """(rest of the name, side) of a file such as train.de, corpus.en.gz or src.txt; None if it names no side."""
    words = path.name.lower().removesuffix(".gz").removesuffix(".txt").split(".")
    side = words[-1]
    known = side in (*SOURCE, *TARGET) or (len(words) > 1 and LANGUAGE.fullmatch(side) and side not in OTHER)
    return (".".join(words[:-1]), side) if known and side not in SPLIT_NAMES else None


def aligned_files(folder: Path) -> dict[str, dict[str, Path]]:
    """The files of a folder by the rest of their names and by side, where at least two sides have that name."""
    groups: dict[str, dict[str, Path]] = {}
    for path in list_folder(folder)[1]:
        if path.is_file() and (parts := _parts(path)):
            groups.setdefault(parts[0], {}).setdefault(parts[1], path)
    return {rest: sides for rest, sides in groups.items() if len(sides) > 1}


def partner(path: Path) -> dict[str, Path]:
    """Of a file such as corpus.de the files of that name in other languages, with itself, by side."""
    parts = _parts(path)
    if parts is None or not path.parent.is_dir():
        return {}
    return aligned_files(path.parent).get(parts[0], {})


def names_pairs(path: Path) -> bool:
    """Whether the first lines of a .tsv or .jsonl look like pairs of sentences: named so, or two texts in most."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb") as file:
            lines = [file.readline(100_000) for _ in range(3)]
        found = [line.decode("utf-8-sig", "replace").strip("\r\n") for line in lines if line.strip()]
        if not found:
            return False
        if path.name.lower().endswith(OBJECTS):
            value = json.loads(found[0])
            return isinstance(value, dict) and all(any(name in value for name in names) for names in (SOURCE, TARGET))
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return False
    first = [cell.strip().lower() for cell in found[0].split("\t")]
    if any(name in first for name in SOURCE) and any(name in first for name in TARGET):
        return True
    if {"text", "label"} & set(first):
        return False
    return 2 * sum(_two_texts(line.split("\t")) for line in found) > len(found)


def _two_texts(cells: Iterable[str]) -> bool:
    first = list(cells)[:2]
    return len(first) == 2 and all(any(c.isalpha() for c in cell) for cell in first) and any(" " in c for c in first)
