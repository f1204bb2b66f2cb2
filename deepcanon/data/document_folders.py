"""Folders of documents: which file belongs to which split and class."""

from pathlib import Path

from .document_rows import LINES, ROWS, Columns, Row, columns_of, of_lines, of_paragraphs, rows_of
from .errors import Problems, one_line
from .image_sets import list_folder
from .named_splits import Told, refuse_nearly_splits, split_of, splits_by_name
from .records_in_text import told_of_records
from .text import filled, is_text

__all__ = ["EMPTY", "has_text_column", "holds_texts", "read_folder", "read_rows"]

EMPTY = "give each document a text"


def holds_texts(folder: Path, depth: int = 8) -> bool:
    """Whether a folder or one directly below it has .txt files; no deeper, since links may form a cycle."""
    folders, files = list_folder(folder)
    return any(map(is_text, files)) or (depth > 1 and any(holds_texts(inner, depth - 1) for inner in folders))


def has_text_column(folder: Path, wanted: str = "text") -> bool:
    """Whether a folder has a file of documents for training."""
    return any(split_of(p) == "train" and wanted in columns_of(p, wanted) for p in _row_files(list_folder(folder)[1]))


def _row_files(files: list[Path]) -> list[Path]:
    return [p for p in files if p.name.lower().endswith(ROWS) and p.is_file()]


def _files(folder: Path, label: str | None, problems: Problems, told: Told) -> list[Row]:
    """One document for each .txt file of a folder."""
    folders, files = list_folder(folder)
    for inner in folders:
        problems.add(inner, "", "is a folder among documents", "keep only .txt files there")
    told.unread += [path for path in files if not is_text(path)]
    texts = [(path, filled(path, problems, told, EMPTY)) for path in files if is_text(path)]
    return [Row(text, label, None, path) for path, text in texts if text]


def _classes(folder: Path, problems: Problems, told: Told) -> list[Row]:
    """CLASS/*.txt, or the .txt files of a folder without classes."""
    folders, files = list_folder(folder)
    if not any(holds_texts(inner, 1) for inner in folders):
        return _files(folder, None, problems, told)
    for path in files:
        if is_text(path):
            problems.add(path, "", "is next to class folders", "move it into the folder of its class")
        else:
            told.unread.append(path)
    for inner in folders:
        if not holds_texts(inner, 1):
            problems.add(inner, "", "is a class folder without .txt files", "remove it or put texts in it")
    folders = [inner for inner in folders if holds_texts(inner, 1)]
    return [row for inner in folders for row in _files(inner, inner.name, problems, told)]


def _inner(path: Path, told: Told, wanted: str) -> Path:
    """The folder itself, or the one inside it if there is nothing but that, and classes or splits are in there."""
    outer = path
    while True:
        folders, files = list_folder(path)
        if len(folders) != 1 or split_of(folders[0]) or any(is_text(p) or p in _row_files(files) for p in files):
            break
        inner = list_folder(folders[0])[0]
        if not any(holds_texts(below) for below in inner) and not has_text_column(folders[0], wanted):
            break
        told.unread += files
        path = folders[0]
    if path != outer:
        told.notes.append(f"read from {one_line(path.relative_to(outer), 100)}, the only folder in {outer.name}")
    return path


def _split_folders(folders: list[Path], problems: Problems) -> dict[str, Path]:
    """The folders of the splits, if these are splits; else {}.

    Raises:
        DataError: it is not clear what the folders are, or there is no train.
    """
    known = [p for p in folders if split_of(p) and holds_texts(p)]
    others = [p for p in folders if p not in known and holds_texts(p)]
    deep = [p for p in known if any(holds_texts(inner, 1) for inner in list_folder(p)[0])]
    splits = {split_of(p) for p in known}
    if "train" not in splits:
        if known and (deep or not others):
            what = f"has the name of the {split_of(known[0])} split, but there is no train/ with texts"
            raise problems.fail(known[0], "", what, "add train/, rename it, or give the folder itself")
        refuse_nearly_splits(folders, problems)
        return {}
    if others and not deep:
        if len(splits) > 1:
            what = f"is next to {known[0].name}/ and {known[1].name}/, which could be splits or classes"
            raise problems.fail(others[0], "", what, "remove it, or sort the texts into train/CLASS/ and test/CLASS/")
        return {}  # a class that is called train, among other classes
    for p in others:
        problems.add(p, "", "is next to train/ but is not a split", "keep only train/, valid/ and test/ there")
    return splits_by_name(known, problems)


def read_folder(path: Path, problems: Problems, told: Told, columns: Columns) -> tuple[dict[str, list[Row]], str]:
    """The documents of a folder by split, and what one of them is: "files", or "lines" of files."""
    path = _inner(path, told, columns.text)
    folders, files = list_folder(path)
    tree = _split_folders(folders, problems)
    if tree:
        for p in files:
            if is_text(p):
                problems.add(p, "", "is next to train/", "move it into the folder of its split and class")
        told.unread += [p for p in files if not is_text(p)]
        told.unread += [p for p in folders if p not in tree.values() and not holds_texts(p)]
        told.splits(tree)
        return {split: _classes(folder, problems, told) for split, folder in tree.items()}, "files"
    texts = [p for p in files if is_text(p)]
    if any(holds_texts(inner, 1) for inner in folders):
        return {"train": _classes(path, problems, told)}, "files"
    named = splits_by_name(_row_files(files) + texts, problems)
    if "train" in named:
        told.splits(named)
        told.unread += [p for p in [*folders, *files] if p not in named.values() and p not in texts]
        for p in texts:
            if p not in named.values():
                what = f"is next to {named['train'].name} but is not a split"
                problems.add(p, "", what, f"remove it, or rename {named['train'].name}")
        return {split: read_rows(p, problems, told, columns) for split, p in named.items()}, "lines"
    if named and set(named.values()) >= set(texts):
        (split, p), *_ = named.items()
        what = f"has the name of the {split} split, but there is no train{p.suffix}"
        raise problems.fail(p, "", what, "add it, rename this one, or give the file itself")
    return {"train": _classes(path, problems, told)}, "files"


def read_rows(path: Path, problems: Problems, told: Told, columns: Columns) -> list[Row]:
    """The documents of a file."""
    if path.name.lower().endswith(LINES):
        told.notes += told_of_records(path)
        return (of_paragraphs if columns.each == "paragraph" else of_lines)(path, problems, told)
    return rows_of(path, problems, told, columns)
