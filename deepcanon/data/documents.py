"""The documents reader: many texts, with or without a class, as a list of strings for each split, or as word counts."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import published
from .archives import read_bytes, read_members
from .class_names import alike, as_learned
from .document_folders import EMPTY, has_text_column, holds_texts, read_folder, read_rows
from .document_rows import LINES, ROWS, Columns, Row, columns_of, paragraphs, rows_of
from .errors import DataError, Problem, Problems, one_line
from .image_sets import list_folder
from .inputs import Inputs
from .named_splits import Told, drawn_notes, split_of
from .rated_phrases import CLASSES as RATED
from .rated_phrases import labelled
from .splits import ORDER, Dataset, Split, draw_splits, shares
from .text import add_lines, decode, filled, is_text, load

__all__ = [
    "ACCEPTS", "CountedSplit", "DocumentSplit", "fits", "inputs", "read", "read_named", "recognises",
    "refuse_columns",
]  # fmt: skip

ACCEPTS = (
    "documents: a folder CLASS/*.txt (or train/CLASS/*.txt with valid/ and test/, or .txt files alone: no classes), "
    "a .txt file with one document a line (--each paragraph: a paragraph), "
    'a .tsv or .csv with a column "text" (and "label", "split"), a .jsonl of '
    "such keys, or a folder with such a file for each split (train.csv, test.csv)"
)
OPTIONS = {"text": "text_column", "label": "target", "split": "split"}  # by what the column is read as


class DocumentSplit(Split):
    """Documents `x` (strings) and their classes `y`."""

    def take(self, indices: Tensor) -> Split:
        x = [self.x[i] for i in indices.tolist()]
        return DocumentSplit(x, None if self.y is None else self.y.index_select(0, indices))

    def counted(self, bag: Any) -> "CountedSplit":
        """The same documents as counts of the words of a `BagOfWords`."""
        return CountedSplit(bag, bag.pack(self.x), self.y)


class CountedSplit(Split):
    """Documents of which only their known words are kept, by number; `take` gives rows of counts."""

    def __init__(self, bag: Any, packed: Any, y: Tensor | None = None) -> None:
        super().__init__(packed, y)
        self.bag = bag

    def __len__(self) -> int:
        return len(self.x.ends)

    def take(self, indices: Tensor) -> Split:
        return Split(self.bag.counts(self.x, indices), None if self.y is None else self.y.index_select(0, indices))

    def sparse(self, indices: Tensor) -> Split:
        """As `take`, with the counts as a sparse CSR tensor."""
        x = self.bag.sparse_counts(self.x, indices)
        return Split(x, None if self.y is None else self.y.index_select(0, indices))


def fits(path: Path, options: dict[str, Any] | None = None) -> bool:
    """Whether the path looks like documents."""
    wanted = _name(options, "text_column") or "text"
    if path.is_dir():
        return holds_texts(path) or has_text_column(path, wanted)
    name = path.name.lower()
    return name.endswith(LINES) or (name.endswith(ROWS) and wanted in columns_of(path, wanted))


def recognises(path: Path) -> bool:
    """Whether nothing but documents looks so: rows of a text and its label; plain texts are other things too."""
    files = [p for p in list_folder(path)[1] if split_of(p) == "train"] if path.is_dir() else [path]
    return any(p.name.lower().endswith(ROWS) and {"text", "label"} <= {*columns_of(p)} for p in files)


def _name(options: dict[str, Any] | None, option: str) -> str:
    return str((options or {}).get(option, "")).strip().lower()


def _columns(options: dict[str, Any] | None) -> Columns:
    """The columns that the options ask for; a column that is asked for as one thing is not another by its name.

    Raises:
        DataError: a column is asked for as two things.
    """
    given = {role: _name(options, option) for role, option in OPTIONS.items()}
    taken = [name for name in given.values() if name]
    columns = {role: given[role] or (role if role not in taken else "") for role in OPTIONS}
    twice = next((name for name in taken if taken.count(name) > 1), "" if columns["text"] else "text")
    if twice:
        words = "--text-column, --target and --split"
        raise DataError(f"column {one_line(twice, 40)!r} would be used twice; name others with {words}")
    asked = tuple((name, f"--{OPTIONS[role].replace('_', '-')}") for role, name in given.items() if name)
    return Columns(**columns, asked=asked, each=(options or {}).get("each", "line"))


def refuse_columns(options: dict[str, Any] | None, name: str | Path) -> None:
    """Refuses options that name columns, for documents without any.

    Raises:
        DataError: such an option was given.
    """
    columns = _columns(options)
    if columns.asked:
        option = columns.asked[0][1]
        raise DataError(
            Problem(str(name), "", "has no columns", f"leave {option} out, or give a table", skippable=False)
        )


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads documents in any of the accepted forms; missing splits are drawn by seed and class."""
    problems, told, columns = problems or Problems(), Told(), _columns(options)
    if path.is_dir():
        found, unit = read_folder(path, problems, told, columns)
    elif path.name.lower().endswith(LINES + ROWS):
        found, unit = {"train": read_rows(path, problems, told, columns)}, "lines"
    else:
        raise problems.fail(path, "", "is not a file of documents", f"accepted is {ACCEPTS}")
    problems.settle()
    if not any(row.file.name.lower().endswith(ROWS) for rows in found.values() for row in rows[:1]):
        refuse_columns(options, path)
    told.notes += [f"columns: {', '.join(f'{one_line(name, 40)} by {o}' for name, o in columns.asked)}"] * bool(
        columns.asked
    )
    if unit == "lines" and columns.each == "paragraph" and found["train"][:1] and is_text(found["train"][0].file):
        unit = "paragraphs"
    found = _by_column(found, path, problems, told, columns.split)
    if not found.get("train"):
        if problems.found:
            raise DataError(problems.found)
        others = ", ".join(told.not_read())
        what = f"holds no document{' to train on' if any(found.values()) else ''}{others and f' ({others})'}"
        raise problems.fail(path, "", what, f"accepted is {ACCEPTS}")
    told.notes += _repeated(found)
    data = _dataset(found, seed, options, problems, path, unit, told)
    if columns.text != "text":
        data.facts["text_column"] = columns.text  # later tables are read by it too
    return data


def _by_column(
    found: dict[str, list[Row]], path: Path, problems: Problems, told: Told, column: str
) -> dict[str, list[Row]]:
    """The documents by split, as the column of splits says."""
    rows = [(given, row) for given, some in found.items() for row in some]
    if all(row.split is None for _, row in rows):
        return found
    for given, row in rows:
        if row.split is None:
            raise problems.fail(row.file, row.place, "has no split, and other rows have one", "give each row one")
        if len(found) > 1 and row.split != given:
            what = f"is marked as {row.split} in the file of {given}"
            raise problems.fail(row.file, row.place, what, f"move it, or leave the column {column} out")
    if len(found) == 1:
        told.notes.append(f"splits: as the column {one_line(column, 40)} says")
        found = {split: [row for _, row in rows if row.split == split] for split in ORDER}
        found = {split: some for split, some in found.items() if some}
        if "train" not in found:
            raise problems.fail(path, "", "has no row to train on", "mark some rows as train")
    return found


def _repeated(found: dict[str, list[Row]]) -> list[str]:
    """What is reported of repeated texts."""
    notes, seen = [], Counter(row.text for row in found["train"])
    again = sum(seen.values()) - len(seen)
    if again:
        notes.append(
            f"texts of train that occur more than once: {again:,} (a split drawn from it may contain them too)"
        )
        classes: dict[str, set[str | None]] = {}
        for row in found["train"]:
            classes.setdefault(row.text, set()).add(row.label)
        several = sum(len(labels) > 1 for labels in classes.values())
        notes += [f"texts of train with several classes: {several:,}"] * bool(several)
    for split, rows in found.items():
        both = sum(row.text in seen for row in rows) if split != "train" else 0
        notes += [f"texts of {split} that are in train too: {both:,}"] * bool(both)
    return notes


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`rt-polarity`: sentences of film reviews; `movie-reviews`: whole ones; `tang5` and `tang7`: poems. `sst-5`,
    `sst-3`, `sst-2`: rated sentences; with `-phrases` all rated phrases of the sentences to train on.

    Test and valid are drawn by class, but those of the last ones are the published ones.
    """
    base = name.removesuffix("-phrases")
    if base in RATED:
        refuse_columns(options, name)
        files = {"train": "train.txt", "valid": "dev.txt", "test": "test.txt"}
        paths = published.get(name)
        found = {
            split: [
                Row(words, label, None, paths[file])
                for words, label in labelled(base, read_bytes(paths[file]).decode(), split == "train" and name != base)
            ]
            for split, file in files.items()
        }
        unit = "lines" if name == base else "phrases"
        return _dataset(found, seed, options, Problems(), Path(name), unit, Told())
    if name not in ("rt-polarity", "movie-reviews", "tang5", "tang7"):
        raise ValueError(f"no documents are called {name}")
    refuse_columns(options, name)
    rows: list[Row] = []
    if name.startswith("tang"):
        (path,) = published.get(name).values()
        rows = [Row("".join(poem["paragraphs"]), None, None, path) for poem in json.loads(read_bytes(path))]
        return _dataset({"train": rows}, seed, options, Problems(), Path(name), "poems", Told())
    if name == "movie-reviews":
        (path,) = published.get(name).values()
        for member, data in read_members(path, r"movie_reviews/(neg|pos)/.+\.txt").items():
            label = "positive" if "/pos/" in member else "negative"
            rows.append(Row(data.decode("latin-1"), label, None, path))
        return _dataset({"train": rows}, seed, options, Problems(), Path(name), "files", Told())
    for file, path in published.get(name).items():
        # Published in Latin-1; a line may hold the control character NEL, which does not end a line there.
        text = read_bytes(path).decode("latin-1")
        label = "positive" if file.endswith(".pos") else "negative"
        rows += [Row(line, label, None, path) for line in text.split("\n") if line.strip()]
    return _dataset({"train": rows}, seed, options, Problems(), Path(name), "lines", Told())


def _names(found: dict[str, list[Row]], problems: Problems, options: dict[str, Any] | None) -> list[str]:
    """The classes, in order; those of a run if it knows all of them.

    Raises:
        DataError: some documents have one and others none, or train lacks one.
    """
    names = as_learned(sorted({row.label for row in found["train"] if row.label is not None}), options)
    for split, rows in found.items():
        for row in rows:
            if row.label is None and (names or any(r.label is not None for some in found.values() for r in some)):
                what = f"has no class{'' if split == 'train' else f' in {split}'}, but other documents have one"
                raise problems.fail(row.file, row.place, what, "give all of them one, or none")
            if row.label is not None and row.label not in names:
                what = f"class {one_line(row.label, 60)} of {split} is not in train"
                raise problems.fail(row.file, row.place, what, "add it to train or remove it")
    return names


def _dataset(
    found: dict[str, list[Row]],
    seed: int,
    options: dict[str, Any] | None,
    problems: Problems,
    path: Path,
    unit: str,
    told: Told,
) -> Dataset:
    names = _names(found, problems, options)
    numbers = {label: number for number, label in enumerate(names)}
    splits: dict[str, Split] = {
        split: DocumentSplit(
            [row.text for row in rows],
            torch.tensor([numbers[row.label] for row in rows if row.label is not None]) if names else None,
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
    splits = {split: splits[split] for split in ORDER if split in splits}
    facts: dict[str, Any] = {"unit": unit}
    one = {"files": "file", "paragraphs": "paragraph", "poems": "poem", "phrases": "phrase"}.get(unit, "line or row")
    notes = [f"documents (a {one} each): {', '.join(f'{split} {len(part):,}' for split, part in splits.items())}"]
    if names:
        facts["classes"] = names
        notes.append(f"classes: {len(names)}" + ("" if len(names) > 1 else " (nothing can be learned from one class)"))
        notes += alike(names)
    notes += drawn_notes(missing, splits, "documents")
    notes += [*told.lines(), *problems.left_out()]
    counts = {split: len(part) for split, part in splits.items()}
    record = {"path": path.name, "counts": counts, "skipped": problems.skipped()}
    examples = [one_line(text, 100) for text in splits["train"].x[:3]]
    return Dataset("documents", splits, facts, notes, record, examples)


def inputs(describe: dict[str, Any], paths: Sequence[str]) -> Inputs:
    """The documents of files and folders: of tables and .jsonl their rows, of .txt (and of standard input) what it was
    in training, the whole file, each paragraph or each line."""
    problems, found, column = Problems(), Inputs([], []), describe.get("text_column", "")
    columns = Columns(column or "text", "", "", ((column, "the name that it had in training"),) if column else ())
    unit = {"poems": "paragraphs", "phrases": "lines"}.get(describe.get("unit", ""), describe.get("unit", "lines"))
    whole = unit == "files"
    for given in paths:
        told, start, path = Told(), len(found.names), Path(given)
        if given == "-":
            text = decode(sys.stdin.buffer.read(), "standard input", problems) or ""
            _add(found, "stdin", text, unit)
        elif path.is_dir():
            folders, files = list_folder(path)
            below = [list_folder(inner) for inner in folders]
            files = [p for _, some in below for p in some] + files  # CLASS/*.txt, or .txt alone
            told.unread = [p for some, _ in below for p in some] + [p for p in files if not is_text(p)]
            for p in files:
                if is_text(p) and (text := filled(p, problems, None, EMPTY)):
                    _add(found, str(p), text, unit)
        elif given.lower().endswith(ROWS):
            rows = rows_of(path, problems, told, columns, learning=False)
            found.names += [f"{given}:{number}" for number in range(1, len(rows) + 1)]
            found.values += [row.text for row in rows]
        elif not given.lower().endswith(LINES):
            remedy = "give .txt, .csv, .tsv or .jsonl files, folders of .txt files, or - for stdin"
            raise problems.fail(given, "", "is not a file of documents", remedy)
        else:
            _add(found, given, (filled(path, problems, None, EMPTY) if whole else load(path, problems)) or "", unit)
        found.tell(start, told.not_read())
    problems.settle()
    if not found.names:
        raise DataError(Problem(", ".join(paths), "", "holds no document", "give .txt files", skippable=False))
    return found


def _add(found: Inputs, name: str, text: str, unit: str) -> None:
    """One input of the whole text, or one of each line or paragraph; none of blanks."""
    if unit == "paragraphs":
        for number, paragraph in paragraphs(text):
            found.names.append(f"{name}:{number}")
            found.values.append(paragraph)
    elif unit != "files":
        add_lines(found, name, text)
    elif text.strip():
        found.names.append(name)
        found.values.append(text)
