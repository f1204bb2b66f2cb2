"""Pairs of sentences in one file, lines with a tab between source and target, rows of a .csv or JSON lines, or their
sources alone; or in two files whose lines belong together."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import Problems, one_line
from .first_lines import first_lines
from .json_lines import first_object, objects
from .named_splits import Told
from .pair_columns import AS_TRAINED, OR_PLAIN, USUAL, Columns, Sides, both_of, columns_of, sign_of, wanted
from .quoted_rows import cells_of, is_quoted, quoted_rows, told_sign
from .splits import SPLIT_NAMES
from .text import load

__all__ = ["OBJECTS", "TABLES", "Pair", "names_pairs", "of_aligned", "of_file", "sources_of"]

TABLES, OBJECTS = (".tsv", ".tsv.gz", ".csv", ".csv.gz"), (".jsonl", ".jsonl.gz")
BOTH = "give each pair a source and a target, or leave the line out"
ALONE = "give each line a source, or leave the line out"
QUOTE = "give every row as many; a sentence with the sign between cells stands in quotes"
SHAPE = 'give {"src": ..., "tgt": ...}'
BLANKS = "sentences in which other or several blanks are read as one"
QUOTED = "sentences of a .tsv between quotation marks, which are kept"


class Pair(NamedTuple):
    """A source and its target, the split if one is named, and where they are: the file of each, and the line."""

    source: str
    target: str
    split: str | None
    files: tuple[Path, Path]
    place: str


def _wrong(side: str, text: Any) -> str:
    """What is wrong with a sentence, "" if nothing is."""
    if not isinstance(text, str):
        return f"has no {side}" if text is None else f"has a {side} that is not text ({one_line(text, 30)})"
    if not text.strip():
        return f"has an empty {side}"
    try:
        whole = "\0" not in text and bool(text.encode())
    except UnicodeEncodeError:
        whole = False
    return "" if whole else f"has a NUL or half a character (a lone surrogate) in its {side}"


def _joined(text: str, told: Told, file: Path) -> str:
    """A sentence as it is read: single blanks between words."""
    found = " ".join(text.split())
    told.counts[BLANKS] += found != text.strip()
    quotes = len(found) > 1 and found[0] == found[-1] == '"'
    told.counts[QUOTED] += quotes and file.name.lower().endswith(TABLES) and not is_quoted(file)
    return found


def _pair(
    files: tuple[Path, Path], place: str, both: Sequence[Any], split: Any, problems: Problems, told: Told
) -> Pair | None:
    """The pair of two cells, values or lines; None after a noted problem."""
    for side, text, file in zip(("source", "target"), both, files, strict=True):
        if what := _wrong(side, text):
            problems.add(file, place, what, BOTH)
            return None
    if split is not None and (not isinstance(split, str) or split.strip().lower() not in SPLIT_NAMES):
        what = f"gives {one_line(split, 40)!r} as its split, which is not one"
        problems.add(files[0], place, what, "write train, valid or test in each row, or rename the column")
        return None
    source, target = (_joined(text, told, file) for text, file in zip(both, files, strict=True))
    return Pair(source, target, None if split is None else SPLIT_NAMES[split.strip().lower()], files, place)


def of_file(path: Path, problems: Problems, told: Told, said: Sides, known: Sides) -> tuple[list[Pair], Sides]:
    """The pairs of a table or a .jsonl, and what their sides are called there.

    Args:
        known: what the sides are called in the training file, if this is another one.

    Raises:
        DataError: a column or key that was asked for is not there, or it is not clear which is meant.
    """
    text = load(path, problems, told)
    if text is None:
        return [], Sides()
    if path.name.lower().endswith(OBJECTS):
        return _objects(path, text, problems, told, said, known)
    return _table(path, text, problems, told, said, known)


def sources_of(path: Path, problems: Problems, told: Told, known: Sides) -> list[tuple[str, str]]:
    """(place, sentence) of the sources of a table or a .jsonl, whether or not targets are next to them.

    Raises:
        DataError: the column of the sources is not there, or it is not clear which it is.
    """
    text = load(path, problems, told) or ""
    read = _source_values if path.name.lower().endswith(OBJECTS) else _source_cells
    found = []
    for place, given in read(path, text, problems, told, known):
        if what := _wrong("source", given):
            problems.add(path, place, what, ALONE)
        else:
            found.append((place, _joined(given, told, path)))
    return found


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
        what = f"has {len(left):,} line{'s' * (len(left) != 1)}, but {one_line(target.name, 60)} has {len(right):,}"
        raise problems.fail(source, "", what, "give files whose lines belong together, one by one")
    pairs: list[Pair] = []
    for number, both in enumerate(zip(left, right, strict=True), 1):
        if not any(text.strip() for text in both):
            told.counts["lines that are blank in both files, which are no pairs"] += 1
            continue
        pair = _pair((source, target), f"line {number}", both, None, problems, told)
        pairs += [pair] * (pair is not None)  # type: ignore[list-item]
    return pairs


# Columns


def _rows(
    path: Path, text: str, problems: Problems, told: Told, names: Sequence[str]
) -> Iterator[tuple[int, Sequence[str]]]:
    """(number of its first line, cells) of each row; a blank line has no cells.

    Args:
        names: in lower case, by which the sign between the cells of a .csv is found.
    """
    if not is_quoted(path):
        for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], 1):
            yield number, line.split("\t") if line.strip() else []
        return
    sign = sign_of(next((line for line in text.split("\n") if line.strip()), ""), names)
    told.notes += told_sign(path, sign)
    for number, cells in quoted_rows(path, text, sign, problems):
        yield number, cells if any(cell.strip() for cell in cells) else []


def _table(
    path: Path, text: str, problems: Problems, told: Told, said: Sides, known: Sides
) -> tuple[list[Pair], Sides]:
    pairs: list[Pair] = []
    columns, sides = Columns((-1, -1), -1, False), Sides()
    places, width = (0, 1), 0
    names = [name for side in (0, 1) for name in wanted(side, said, known)[0]]
    for number, cells in _rows(path, text, problems, told, names):
        place = f"line {number}"
        if not cells:
            told.counts["blank lines, which are no pairs"] += 1
            continue
        if not width:
            width, columns = len(cells), columns_of(cells, path, place, problems, said, known)
            places, sides = both_of(columns, cells, path, place, problems)
            _tell(cells, columns, places, told)
            if columns.header:
                continue
        if len(cells) != width:
            what = f"has {len(cells)} cell{'s' * (len(cells) != 1)}, the first line {width}"
            problems.add(path, place, what, QUOTE if is_quoted(path) else "put one tab between source and target")
            continue
        named = cells[columns.split] if columns.split >= 0 else None
        pair = _pair((path, path), place, [cells[at] for at in places], named, problems, told)
        pairs += [pair] * (pair is not None)  # type: ignore[list-item]
    return pairs, sides


def _tell(cells: Sequence[str], columns: Columns, places: tuple[int, int], told: Told) -> None:
    """Notes which columns are read, and which are not."""
    names = [one_line(cell.strip(), 30) if columns.header else str(at) for at, cell in enumerate(cells, 1)]
    how = "" if columns.header else " (no header)"
    told.notes.append(
        f"columns: {names[places[0]]} is the source, {names[places[1]]} the target{how}; --source and --target say "
        "otherwise"
    )
    others = [name for at, name in enumerate(names) if at not in (*places, columns.split)]
    told.notes += [f"columns that are not read: {', '.join(others[:8])}{', ...' * bool(others[8:])}"] * bool(others)


def _source_cells(path: Path, text: str, problems: Problems, told: Told, known: Sides) -> list[tuple[str, Any]]:
    """(place, source) of each row: with all cells, or where the source is the first one with that alone."""
    every = list(_rows(path, text, problems, told, wanted(0, Sides(), known)[0]))
    rows = [(number, cells) for number, cells in every if cells]
    told.counts["blank lines, which are not sentences"] += len(every) - len(rows)
    if not rows:
        return []
    first, cells = rows[0]
    columns = columns_of(cells, path, f"line {first}", problems, Sides(), known, alone=True)
    at = max(columns.places[0], 0)
    most, widest = rows[0] if columns.header else max(rows, key=lambda row: len(row[1]))
    width = len(widest)
    strange = not columns.header and not known.source and width not in (1, known.width or width)
    if at >= width or strange:
        read = f"had {known.width}" if strange else f"read its sources from column {at + 1}"
        what = f"has {width} cell{'s' * (width != 1)}, and training {read}"
        raise problems.fail(path, f"line {most}", what, AS_TRAINED + OR_PLAIN)
    if width > 1 or columns.header:
        name = one_line(cells[at].strip(), 40) if columns.header else f"{at + 1} (no header)"
        told.notes.append(f"sources: column {name}")
    found = []
    for number, row in rows[columns.header :]:
        if len(row) == width or (len(row) == 1 and at == 0):
            found.append((f"line {number}", row[at]))
        else:
            what = f"has {len(row)} cell{'s' * (len(row) != 1)}, and line {most} has {width}"
            problems.add(path, f"line {number}", what, "give all lines as many")
    return found


# Keys


def _sides_of(value: dict[str, Any], names: Sequence[Sequence[str]]) -> list[list[str]]:
    """The keys of an object that each side may have, as they are written."""
    return [[key for key in value if key.strip().lower() in some] for some in names]


def _objects(
    path: Path, text: str, problems: Problems, told: Told, said: Sides, known: Sides
) -> tuple[list[Pair], Sides]:
    pairs: list[Pair] = []
    names = [wanted(side, said, known)[0] for side in (0, 1)]
    others: dict[str, None] = {}
    values = list(objects(path, text, problems, SHAPE))
    for side, option in enumerate(("--source", "--target")):
        if values and not any(_sides_of(value, names)[side] for _, value in values):
            keys_there = dict.fromkeys(key for _, value in values for key in value)
            shown = ", ".join(one_line(key, 30) for key in list(keys_there)[:6]) or "none"
            what = f"has no key {one_line(names[side][0], 40)!r} (its keys are {shown})"
            inner = next((key for key, one in values[0][1].items() if isinstance(one, dict)), "")
            remedy = f"name one of them with {option}"
            if inner.isidentifier():
                alone = f"write what is under {inner} alone in each line (jq -c .{inner} does)"
                remedy = f"{alone}, and name its keys with --source and --target"
            raise problems.fail(path, "", what, remedy)
    for place, value in values:
        keys = _sides_of(value, [*names, ("split",)])
        others |= dict.fromkeys(key for key in value if not any(key in some for some in keys))
        if twice := next((some for some in keys if some[1:]), None):
            what = f"has two keys for one side ({one_line(', '.join(twice), 60)})"
            problems.add(path, place, what, "keep one, or say which with --source or --target")
            continue
        source, target, split = (value[some[0]] if some else None for some in keys)
        pair = _pair((path, path), place, [source, target], split, problems, told)
        pairs += [pair] * (pair is not None)  # type: ignore[list-item]
    told.notes += [f"keys that are not read: {', '.join(one_line(key, 30) for key in list(others)[:8])}"] * bool(others)
    return pairs, Sides(str(said.source).lower(), str(said.target).lower(), "keys")


def _source_values(path: Path, text: str, problems: Problems, told: Told, known: Sides) -> list[tuple[str, Any]]:
    """(place, value) of the key of the sources in each line."""
    names, found = wanted(0, Sides(), known)[0], []
    for place, value in objects(path, text, problems, f'give {{"{one_line(names[0], 40)}": ...}}'):
        keys = _sides_of(value, [names])[0]
        if keys[1:]:
            problems.add(path, place, f"has two keys for the source ({one_line(', '.join(keys), 60)})", "keep one")
        elif not keys:
            there = ", ".join(one_line(key, 30) for key in list(value)[:6]) or "nothing"
            what = f"has no key {one_line(names[0], 40)!r} (it has {there})"
            problems.add(path, place, what, "give each line its source under that key")
        else:
            found.append((place, value[keys[0]]))
    return found


# What a file looks like


def names_pairs(path: Path, sure: bool = False) -> bool:
    """Whether the first lines of a table or of JSON lines look like pairs of sentences: named so, or two texts in most.

    Args:
        sure: whether nothing else may look so: the lines have two cells alone, if they name nothing.
    """
    lines = first_lines(path, 3)
    if not lines:
        return False
    if path.name.lower().endswith(OBJECTS):
        return any(all(any(name in keys for name in names) for names in USUAL) for keys in map(first_object, lines))
    try:
        sign = sign_of(lines[0], [name for names in USUAL for name in names]) if is_quoted(path) else "\t"
        rows = [cells_of(line, sign) if is_quoted(path) else line.split("\t") for line in lines]
    except csv.Error:
        return False
    first = [cell.strip().lower() for cell in rows[0]]
    if all(any(name in first for name in names) for names in USUAL):
        return True
    if {"text", "label"} & set(first) or (is_quoted(path) and (sure or first[2:])):
        return False
    return 2 * sum(_two_texts(cells, sure) for cells in rows) > len(rows)


def _two_texts(cells: list[str], alone: bool) -> bool:
    """Whether the first two cells are texts, one of several words."""
    first = cells[:2]
    if len(first) < 2 or (alone and cells[2:]):
        return False
    return all(any(c.isalpha() for c in cell) for cell in first) and any(" " in c.strip() for c in first)
