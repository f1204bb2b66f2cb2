"""Documents as rows of a file: lines of text, tables with a column "text", JSON lines with a key "text"."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import Problems, one_line
from .first_lines import first_lines
from .json_lines import first_object, objects
from .named_splits import Told
from .quoted_rows import SIGNS, cells_of, is_quoted, quoted_rows, told_sign
from .splits import SPLIT_NAMES
from .text import load

__all__ = [
    "LINES", "OBJECTS", "ROWS", "TABLES", "Columns", "Row", "columns_of", "of_lines", "of_paragraphs", "paragraphs",
    "rows_of",
]  # fmt: skip

LINES, TABLES, OBJECTS = (".txt", ".txt.gz"), (".tsv", ".csv", ".tsv.gz", ".csv.gz"), (".jsonl", ".jsonl.gz")
ROWS = TABLES + OBJECTS
REMEDY = "give each document a text"
SHAPE = 'give {"text": ..., "label": ...}'


class Columns(NamedTuple):
    """The names of the columns that are read, in lower case ("" if none is), and the options that said so.

    `each` is what a document of a .txt is: a line, or a paragraph.
    """

    text: str = "text"
    label: str = "label"
    split: str = "split"
    asked: tuple[tuple[str, str], ...] = ()
    each: str = "line"

    def roles(self) -> dict[str, str]:
        """What a column is read as, by its name."""
        named = {self.text: "text", self.label: "label", self.split: "split"}
        return {name: role for name, role in named.items() if name}

    def missing(self, names: Sequence[str], keys: bool = False) -> tuple[str, str]:
        """What is wrong with columns (or keys) of these names in lower case, and the remedy; blank if nothing is."""
        shown = ", ".join(one_line(name, 40) for name in names[:8]) or "nothing"
        for name, option in self.asked:
            if name not in names:
                return f"has no column {one_line(name, 40)!r} (it has {shown})", f"name one of them with {option}"
        if self.text in names:
            return "", ""
        if keys:
            return f"has no key 'text' (its keys are {shown})", "name the one of the texts with --text-column"
        remedy = "name the columns in the first line: text, label; or say which is the text with --text-column"
        return f'has no column "text" (it has {shown})', remedy


class Row(NamedTuple):
    """A document, its class and split as far as they are given, and where it is."""

    text: str
    label: str | None
    split: str | None
    file: Path
    place: str = ""


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def columns_of(path: Path, wanted: str = "text") -> list[str]:
    """The names of a table's columns, or of the keys of the first JSON line, in lower case; none if it has none.

    A file that cannot be read has none: its reader reports why.
    """
    line = "".join(first_lines(path))
    if _suffix(path) == ".jsonl":
        return list(first_object(line))
    try:
        return [name.lower() for name in cells_of(line, _delimiter(path, line, wanted))]
    except csv.Error:
        return []


def _delimiter(path: Path, line: str, wanted: str) -> str:
    """A tab in a .tsv; in a .csv a comma, unless the header has the column of texts between other signs only."""
    if _suffix(path) == ".tsv":
        return "\t"
    split = {sign: [name.lower() for name in cells_of(line, sign)] for sign in SIGNS}
    return next((sign for sign, names in split.items() if wanted in names), ",")


def of_lines(path: Path, problems: Problems, told: Told) -> list[Row]:
    """One document for each line that is not blank."""
    rows = []
    lines = (load(path, problems, told) or "").split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(Row(line, None, None, path, f"line {number}"))
        else:
            told.counts["blank lines, which are not documents"] += number < len(lines)
    return rows


def paragraphs(text: str) -> list[tuple[int, str]]:
    """The runs of lines between blank ones, without the line end of the last, and the number of the first line."""
    found: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            if not found or found[-1][0] + len(found[-1][1]) != number:
                found.append((number, []))
            found[-1][1].append(line)
    return [(number, "\n".join(lines)) for number, lines in found]


def of_paragraphs(path: Path, problems: Problems, told: Told) -> list[Row]:
    """One document for each paragraph: lines with a blank one, or the file's end, after them."""
    found = paragraphs(load(path, problems, told) or "")
    return [Row(text, None, None, path, f"line {number}") for number, text in found]


def rows_of(path: Path, problems: Problems, told: Told, columns: Columns, learning: bool = True) -> list[Row]:
    """The documents of a table or of JSON lines; with `learning` their labels and splits too."""
    text = load(path, problems, told)
    if text is None:
        return []
    records: Iterable[tuple[str, dict[str, Any]]]
    if _suffix(path) == ".jsonl":
        records = _objects(path, text, problems, columns, learning)
    else:
        records = _table(path, text, problems, told, columns)
    roles, rows = columns.roles(), []
    for place, record in records:
        given: dict[str, Any] = {}
        for name, cell in record.items():
            if (role := roles.get(name.strip().lower())) is not None:
                given[role] = cell
            else:
                told.column(name, cell)
        row = _row(path, place, given, problems, told, learning)
        if row is not None:
            rows.append(row)
    return rows


def _row(path: Path, place: str, given: dict[str, Any], problems: Problems, told: Told, learning: bool) -> Row | None:
    """The document whose text, label and split were given; None after a noted problem."""
    label, split = given.get("label"), given.get("split")
    text: Any = given.get("text")
    if isinstance(text, str):
        told.counts["texts with line breaks within quotes"] += "\n" in text and _suffix(path) != ".jsonl"
        if _suffix(path) == ".tsv" and len(text) > 1 and text[0] == text[-1] == '"':
            told.counts["texts of a .tsv between quotation marks, which are kept"] += 1
    if not isinstance(text, str):
        what = 'has no "text"' if text is None else f'has a "text" that is {_kind(text)}'
        problems.add(path, place, what, REMEDY)
        return None
    if not text.strip() or "\0" in text:
        what = "has a NUL character in its text" if "\0" in text else "has no text"
        problems.add(path, place, what, REMEDY)
        return None
    if not _whole(text):
        problems.add(path, place, "has half a character (a lone surrogate) in its text", "save it as UTF-8")
        return None
    if not learning:
        return Row(text, None, None, path, place)
    if label is not None and (not isinstance(label, str | int) or isinstance(label, bool)):
        problems.add(path, place, f'has a "label" that is {_kind(label)}', "give a text or a whole number")
        return None
    name = None if label is None else str(label).strip()
    if name == "":
        problems.add(path, place, "has no label", "give every document a label, or none")
        return None
    if name is not None and ("\0" in name or not _whole(name)):
        problems.add(path, place, "has a NUL or half a character (a lone surrogate) in its label", "save it as UTF-8")
        return None
    if split is not None and (not isinstance(split, str) or split.strip().lower() not in SPLIT_NAMES):
        what = f"gives {one_line(split, 40)!r} as its split, which is not one"
        problems.add(path, place, what, "write train, valid or test in each row, or rename the column")
        return None
    told.counts["blanks around labels, removed"] += isinstance(label, str) and name != label
    told.counts["labels that are numbers, read as text (7 is the class 7)"] += isinstance(label, int)
    return Row(text, name, None if split is None else SPLIT_NAMES[split.strip().lower()], path, place)


def _whole(text: str) -> bool:
    """Whether all of a text are characters: JSON can write half of one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    """What a JSON value is that should be a text."""
    kinds = {bool: "a truth value", int: "a number", float: "a number that is not whole", list: "a list"}
    return kinds.get(type(value), "an object")


def _table(
    path: Path, text: str, problems: Problems, told: Told, columns: Columns
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, cells by column) of each row of a table."""
    line = next((line for line in text.split("\n") if line.strip()), "")
    sign = _delimiter(path, line, columns.text)
    told.notes += told_sign(path, sign)
    names: list[str] = []
    for number, cells in quoted_rows(path, text, sign, problems):
        place = f"line {number}"
        if not names:
            names = [name.strip() for name in cells]
            _check(names, columns, path, place, problems)
        elif not cells or (len(cells) == 1 and not cells[0].strip() and (cells[0] or names[1:])):
            told.counts["blank lines, which are not documents"] += 1
        elif len(cells) != len(names):
            what = f"has {len(cells)} cell{'s' * (len(cells) != 1)}, the header {len(names)}"
            problems.add(path, place, what, "give every row as many" + _hint(is_quoted(path)))
        else:
            yield place, dict(zip(names, cells, strict=True))
    if not names:
        _check([], columns, path, "line 1", problems)


def _hint(quoted: bool) -> str:
    return "; a text with the sign between cells stands in quotes" if quoted else "; a text of a .tsv has no tab"


def _check(names: list[str], columns: Columns, path: Path, place: str, problems: Problems) -> None:
    """Checks the names of the columns.

    Raises:
        DataError: the column of texts is missing, or a column comes twice.
    """
    lower = [name.lower() for name in names]
    wrong, remedy = columns.missing(lower)
    if wrong:
        raise problems.fail(path, place, wrong, remedy)
    twice = next((name for name, count in Counter(lower).items() if count > 1), None)
    if twice is not None:
        raise problems.fail(path, place, f"has the column {one_line(twice, 40)!r} twice", "give each its own name")


def _objects(
    path: Path, text: str, problems: Problems, columns: Columns, learning: bool
) -> list[tuple[str, dict[str, Any]]]:
    """(place, values by key) of each line of JSON.

    Raises:
        DataError: no line has the key that an option asks for, or with `learning` that of the texts.
    """
    found = list(objects(path, text, problems, SHAPE))
    keys = dict.fromkeys(name.strip().lower() for _, value in found for name in value)
    wrong, remedy = columns.missing(list(keys), keys=True) if found and (columns.asked or learning) else ("", "")
    if wrong:
        raise problems.fail(path, "", wrong, remedy)
    return found
