"""The documents reader: many texts, with or without a class, as a list of strings for each split, or as word counts."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import published
from .archives import read_bytes, read_members
from .errors import DataError, Problem, Problems, one_line
from .folders import list_folder
from .splits import Dataset, Split, draw_splits, shares
from .text import decode

__all__ = ["ACCEPTS", "CountedSplit", "DocumentSplit", "fits", "inputs", "read", "read_named"]

ACCEPTS = (
    "documents: a folder CLASS/*.txt (or train/CLASS/*.txt with valid/ and test/, or .txt files alone: no classes), "
    'a .txt file with one document a line, a .tsv or .csv with a column "text" (and "label"), or a .jsonl of such keys'
)
LINES, TABLES, OBJECTS = (".txt", ".txt.gz"), (".tsv", ".csv"), (".jsonl",)
SPLITS = ("train", "valid", "test")
REMEDY = "give each document a text"

Rows = list[tuple[str, str | None]]  # (text, class)


class DocumentSplit(Split):
    """Documents `x` (strings) and their classes `y`."""

    def take(self, indices: Tensor) -> Split:
        x = [self.x[i] for i in indices.tolist()]
        return DocumentSplit(x, None if self.y is None else self.y.index_select(0, indices))

    def counted(self, bag: Any) -> "CountedSplit":
        """The same documents as counts of the words of a `BagOfWords`."""
        return CountedSplit(bag, bag.pack(self.x), self.y)


class CountedSplit(Split):
    """Documents of which only their known words are kept, by number; what is taken of them are rows of counts."""

    def __init__(self, bag: Any, packed: Any, y: Tensor | None = None) -> None:
        super().__init__(packed, y)
        self.bag = bag

    def __len__(self) -> int:
        return len(self.x.ends)

    def take(self, indices: Tensor) -> Split:
        return Split(self.bag.counts(self.x, indices), None if self.y is None else self.y.index_select(0, indices))


def fits(path: Path) -> bool:
    """Whether the path looks like documents."""
    if path.is_dir():
        return any(True for p in path.rglob("*") if p.name.lower().endswith(LINES))
    if path.name.lower().endswith(TABLES):
        return "text" in _header(path)
    return path.name.lower().endswith(LINES + OBJECTS)


def _header(path: Path) -> list[str]:
    """The names of a table's columns; none if it cannot be read: a reader will say why."""
    try:
        with open(path, "rb") as file:
            line = file.readline(100_000).decode("utf-8-sig", "replace")
        return [name.strip().lower() for name in next(csv.reader([line], delimiter=_delimiter(path)), [])]
    except (OSError, csv.Error):
        return []


def _delimiter(path: Path) -> str:
    return "\t" if path.name.lower().endswith(".tsv") else ","


def _text(path: Path, problems: Problems) -> str | None:
    try:
        data = read_bytes(path)
    except DataError as error:
        for p in error.problems:
            problems.add(p.file, p.place, p.what, p.remedy)
        return None
    return decode(data, path, problems)


def _files(folder: Path, label: str | None, problems: Problems) -> Rows:
    """One document for each .txt file of a folder."""
    folders, files = list_folder(folder)
    for inner in folders:
        problems.add(inner, "", "is a folder among documents", "keep only .txt files there")
    return [row for path in files if path.name.lower().endswith(LINES) for row in _one(path, label, problems)]


def _one(path: Path, label: str | None, problems: Problems) -> Rows:
    """A whole file as a document; none after a problem."""
    text = _text(path, problems)
    if text is not None and not text.strip():
        problems.add(path, "", "is empty", REMEDY)
        return []
    return [] if text is None else [(text, label)]


def _classes(folder: Path, problems: Problems) -> Rows:
    """CLASS/*.txt, or the .txt files of a folder without classes."""
    folders, files = list_folder(folder)
    folders = [inner for inner in folders if any(p.name.lower().endswith(LINES) for p in list_folder(inner)[1])]
    if not folders:
        return _files(folder, None, problems)
    for path in files:
        if path.name.lower().endswith(LINES):
            problems.add(path, "", "lies beside class folders", "move it into the folder of its class")
    return [row for inner in folders for row in _files(inner, inner.name, problems)]


def _lines(path: Path, problems: Problems) -> Rows:
    """One document for each line that is not blank."""
    text = _text(path, problems)
    return [(line, None) for line in (text or "").split("\n") if line.strip()]


def _table(path: Path, problems: Problems) -> Rows:
    """Rows with the columns "text" and perhaps "label"."""
    text = _text(path, problems)
    if text is None:
        return []
    delimiter = _delimiter(path)
    if delimiter == "\t":  # where a quotation mark is a character as any other
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(io.StringIO(text, newline=""))
    rows: Rows = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if "text" not in header:
            found = ", ".join(header[:8]) or "nothing"
            raise problems.fail(
                path, "line 1", f'has no column "text" (it has {found})', "name the columns: text, label"
            )
        at, kind = header.index("text"), header.index("label") if "label" in header else None
        for cells in reader:
            place = f"line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                problems.add(
                    path,
                    place,
                    f"has {len(cells)} cell{'s' * (len(cells) != 1)}, the header {len(header)}",
                    "give every row as many",
                )
            elif not cells[at].strip():
                problems.add(path, place, "has no text", REMEDY)
            elif kind is not None and not cells[kind].strip():
                problems.add(path, place, "has no label", "give every document a label, or none")
            else:
                rows.append((cells[at], None if kind is None else cells[kind].strip()))
    except csv.Error as error:
        raise problems.fail(path, f"line {reader.line_num}", f"is no table ({error})", "save it again") from None
    return rows


def _objects(path: Path, problems: Problems) -> Rows:
    """Lines of JSON: {"text": ..., "label": ...}."""
    rows: Rows = []
    for number, line in enumerate((_text(path, problems) or "").split("\n"), 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            problems.add(path, place, "is no JSON object", 'give {"text": ..., "label": ...}')
            continue
        text = value.get("text") if isinstance(value, dict) else None
        label = value.get("label") if isinstance(value, dict) else None
        if not isinstance(text, str) or not text.strip() or "\0" in text:
            problems.add(path, place, 'has no "text"', REMEDY)
        elif label is not None and (not isinstance(label, str | int) or isinstance(label, bool) or label == ""):
            problems.add(path, place, 'has a "label" that is no name', "give a text or a whole number")
        else:
            rows.append((text, None if label is None else str(label)))
    return rows


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads documents in any of the accepted forms; missing splits are drawn by seed and class."""
    problems = problems or Problems()
    if path.is_dir():
        tree = {p.name.lower(): p for p in list_folder(path)[0] if p.name.lower() in SPLITS}
        named = {split: tree[split] for split in SPLITS if split in tree} if "train" in tree else {"train": path}
        found = {split: _classes(folder, problems) for split, folder in named.items()}
        unit = "files"
    else:
        name = path.name.lower()
        readers = ((LINES, _lines), (TABLES, _table), (OBJECTS, _objects))
        reader = next((reader for endings, reader in readers if name.endswith(endings)), None)
        if reader is None:
            raise problems.fail(path, "", "is no file of documents", f"accepted is {ACCEPTS}")
        found, unit = {"train": reader(path, problems)}, "lines"
    problems.settle()
    if not found["train"]:
        raise problems.fail(path, "", "holds no document", f"accepted is {ACCEPTS}")
    return _dataset(found, seed, options, problems, path, unit)


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`rt-polarity`: sentences of film reviews; `movie-reviews`: whole ones. Test and valid are drawn by class."""
    if name not in ("rt-polarity", "movie-reviews"):
        raise ValueError(f"no documents are called {name}")
    problems = Problems()
    rows: Rows = []
    if name == "movie-reviews":
        (path,) = published.get(name).values()
        for member, data in read_members(path, r"movie_reviews/(neg|pos)/.+\.txt").items():
            rows.append((data.decode("latin-1"), "positive" if "/pos/" in member else "negative"))
        return _dataset({"train": rows}, seed, options, problems, Path(name), "files")
    for file, path in published.get(name).items():
        # Published in Latin-1; a line may hold the control character NEL, which is no line end there.
        text = read_bytes(path).decode("latin-1")
        label = "positive" if file.endswith(".pos") else "negative"
        rows += [(line, label) for line in text.split("\n") if line.strip()]
    return _dataset({"train": rows}, seed, options, problems, Path(name), "lines")


def _dataset(
    found: dict[str, Rows], seed: int, options: dict[str, Any] | None, problems: Problems, path: Path, unit: str
) -> Dataset:
    labels = [label for rows in found.values() for _, label in rows]
    names = sorted({label for _, label in found["train"] if label is not None})
    if names and None in labels:
        raise problems.fail(path, "", "has documents with a class and others without", "give all of them one, or none")
    if any(label not in names for label in labels if label is not None):
        strange = next(label for label in labels if label is not None and label not in names)
        raise problems.fail(path, "", f"class {strange} is not in train", "add it to train or remove it")
    numbers = {label: number for number, label in enumerate(names)}
    splits: dict[str, Split] = {
        split: DocumentSplit(
            [text for text, _ in rows],
            torch.tensor([numbers[label] for _, label in rows if label is not None]) if names else None,
        )
        for split, rows in found.items()
        if rows
    }
    valid, test = shares(options)
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if s not in splits and share > 0]
    whole = splits["train"]
    if missing:
        drawn = draw_splits(len(whole), whole.y, missing, seed)
        splits |= {split: whole.take(rows) for split, rows in drawn.items()}
    splits = {split: splits[split] for split in SPLITS if split in splits}
    facts: dict[str, Any] = {"unit": unit}
    notes = [f"documents: {', '.join(f'{split} {len(part):,}' for split, part in splits.items())}"]
    if names:
        facts["classes"] = names
        notes.append(f"classes: {len(names)}" + ("" if len(names) > 1 else " (one class teaches nothing)"))
    if missing:
        notes.append("drawn by the seed: " + ", ".join(f"{share:.0%} {split}" for split, share in missing))
    skipped = problems.skipped()
    if skipped:
        notes.append(f"left out: {len(skipped)} ({one_line(skipped[0])}{', ...' if len(skipped) > 1 else ''})")
    record = {"path": path.name, "counts": {s: len(part) for s, part in splits.items()}, "skipped": skipped}
    examples = [one_line(text, 100) for text in splits["train"].x[:3]]
    return Dataset("documents", splits, facts, notes, record, examples)


def inputs(describe: dict[str, Any], paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """The documents of files and folders: of tables and .jsonl their rows, of .txt what it was in training, the whole
    file or each line."""
    problems, found = Problems(), []
    for given in paths:
        if given == "-":
            text = decode(sys.stdin.buffer.read(), "standard input", problems)
            found += _numbered("stdin", text or "")
        elif Path(given).is_dir():
            folders, files = list_folder(Path(given))
            files = [p for inner in folders for p in list_folder(inner)[1]] + files  # CLASS/*.txt, or .txt alone
            found += [pair for p in files if p.name.lower().endswith(LINES) for pair in _whole(p, problems)]
        elif given.lower().endswith(TABLES + OBJECTS):
            rows = (_table if given.lower().endswith(TABLES) else _objects)(Path(given), problems)
            found += [(f"{given}:{n}", text) for n, (text, _) in enumerate(rows, 1)]
        elif not given.lower().endswith(LINES):
            remedy = "give .txt, .csv, .tsv or .jsonl files, folders of .txt files, or - for stdin"
            raise problems.fail(given, "", "is no file of documents", remedy)
        elif describe.get("unit") == "files":
            found += _whole(Path(given), problems)
        else:
            found += _numbered(given, _text(Path(given), problems) or "")
    problems.settle()
    if not found:
        raise DataError(Problem(", ".join(paths), "", "holds no document", "give .txt files", skippable=False))
    return [name for name, _ in found], [text for _, text in found]


def _whole(path: Path, problems: Problems) -> list[tuple[str, str]]:
    return [(str(path), text) for text, _ in _one(path, None, problems)]


def _numbered(name: str, text: str) -> list[tuple[str, str]]:
    return [(f"{name}:{n}", line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
