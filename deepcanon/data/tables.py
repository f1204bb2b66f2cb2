"""The table reader: named columns as float64 features, and one of them as the target."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepcanon.options import Tables

from . import published
from .archives import read_member
from .cells import ACCEPTS, SUFFIXES, Table, from_bytes, load, names_in, suffix_of
from .class_names import LABEL_NAMES
from .errors import DataError, Problem, Problems, one_line
from .header_names import plain_name
from .inputs import Inputs
from .splits import SPLIT_NAMES, Dataset, Split, shares
from .table_cells import joined
from .table_columns import LARGEST as LARGEST
from .table_columns import Feature, Reading, as_trained, feature_of, kinds_note, target_of
from .table_remarks import remarks_on_classes, remarks_on_columns, sums_of_the_rows, twin_rows
from .table_splits import drawn_splits, splits_of

TOGETHER, AT_ONCE = 32, 8192  # columns and rows that are copied at a time: a piece that the processor keeps at hand

__all__ = ["ACCEPTS", "finish", "fits", "inputs", "read", "read_named"]


def fits(path: Path) -> bool:
    """Whether the path looks like a table, or a folder with one for each split."""
    if path.is_dir():
        return "train" in _split_files(path)
    return suffix_of(path) in SUFFIXES


def chosen_of(options: dict[str, Any] | None) -> Tables:
    """The options of this reader, among those of examples."""
    known = {field.name for field in fields(Tables)}
    found = Tables(**{name: value for name, value in (options or {}).items() if name in known})
    return replace(
        found, ignore=tuple(map(plain_name, found.ignore)), categories=tuple(map(plain_name, found.categories)),
        target=plain_name(found.target), split=plain_name(found.split), group=plain_name(found.group),
        time=plain_name(found.time),
    )  # fmt: skip


def _split_files(folder: Path) -> dict[str, list[Path]]:
    """The tables of a folder by their split: train.csv, test.csv ..."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = Path(path.name.lower().removesuffix(".gz")).stem
        if path.is_file() and suffix_of(path) in SUFFIXES and name in SPLIT_NAMES:
            found.setdefault(SPLIT_NAMES[name], []).append(path)
    return found


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads a table; missing splits are drawn by seed and, if the target has classes, by class."""
    problems, chosen = problems or Problems(), chosen_of(options)
    shares(options)
    if not path.is_dir():
        return _dataset(load(path, problems, chosen.header), None, seed, chosen, problems, [path.name])
    files: dict[str, Path] = {}
    for split, (one, *others) in _split_files(path).items():
        if others:
            raise problems.fail(path, "", f"has two files for {split}: {one.name} and {others[0].name}", "keep one")
        files[split] = one
    if "train" not in files:
        split, file = next(iter(files.items()), ("", path))
        what = f"has the name of the {split} split, and there is no train.csv" if split else "has no train.csv"
        raise problems.fail(file, "", what, "add it, or give the file itself")
    tables = {split: load(file, problems, chosen.header) for split, file in files.items()}
    names = list(tables["train"].columns)
    for table in tables.values():
        if set(table.columns) != set(names):
            odd = sorted(set(table.columns) ^ set(names))[0]
            what = f"does not have the columns of {files['train'].name} ({one_line(odd, 60)!r} is in only one of them)"
            raise problems.fail(table.file, "header", what, "give every split the same columns")
    sizes = [len(table) for table in tables.values()]
    unread = sorted(p.name for p in path.iterdir() if p.name[0] != "." and p not in files.values())
    notes = list(dict.fromkeys(note for table in tables.values() for note in table.notes))
    if unread:
        notes.append(f"not read: {one_line(', '.join(unread), 150)}")
    delimiters = {table.delimiter for table in tables.values()}
    whole = Table(
        str(path),
        {name: joined([table.columns[name] for table in tables.values()]) for name in names},
        np.concatenate([table.rows for table in tables.values()]),
        tables["train"].unit,
        delimiters.pop() if len(delimiters) == 1 else "",
        notes=notes,
        parts=[files[split].name for split, table in tables.items() for _ in range(len(table))],
    )
    for table in tables.values():
        table.columns.clear()
    given = np.repeat(list(tables), sizes)
    return _dataset(whole, given, seed, chosen, problems, [file.name for file in files.values()])


def _dataset(
    table: Table, given: np.ndarray | None, seed: int, options: Tables, problems: Problems, files: list[str]
) -> Dataset:
    """Reads every column, draws the splits, fills what is missing and puts the data set together."""
    names = list(table.columns)
    if len(names) < 2:
        what, remedy = f"has {len(names)} column{'s' * (len(names) != 1)}", "give features and a target"
        if table.delimiter:
            what += f" (separated by {table.delimiter!r})"
            remedy += "; a first line such as sep=; names another separator"
        raise problems.fail(table.file, "", what, remedy)
    if not len(table):
        if problems.found:
            raise DataError(problems.found)
        raise problems.fail(table.file, "", "has no rows", "give rows below the header")
    reading = Reading(table, options, problems, notes=list(table.notes))
    taken = {*options.ignore, *roles(options)}
    free = [n for n in names if n not in taken]
    if not free:
        raise reading.fail("", "has no column left to predict", "leave fewer out")
    target = options.target or free[-1]
    reading.column(target, "target")
    if target not in free:
        raise reading.fail(target, "is the target, and another option takes it too", "name it once")
    for option in ("ignore", "categories"):
        for name in getattr(options, option):
            reading.column(name, option)
    named = [name for name in free if name.lower() in LABEL_NAMES and name != target]
    if not options.target and target.lower() not in LABEL_NAMES and len(named) == 1:
        reading.notes.append(
            f"column {one_line(named[0], 60)} is a feature; --target {one_line(named[0], 60)} predicts it"
        )
    y, classes, how = target_of(reading, target)
    features = [n for n in free if n != target]
    if not features:
        raise reading.fail("", "has no column left for the features", "leave fewer out with --ignore")
    columns = [feature_of(reading, name) for name in features]
    reading.check_points()
    for option, name in (("group", options.group), ("time", options.time)):
        if name:
            empty = reading.column(name, option).are(("",))
            reading.mark(name, empty, f"has no {option}", "fill it in, or leave such rows out with --skip-bad")
    if options.ignore:
        reading.notes.append(f"left out: {one_line(', '.join(options.ignore), 150)}")
    problems.settle()
    rows = np.flatnonzero(~reading.bad)
    if not len(rows):
        raise DataError(problems.found)
    drawn, said = splits_of(reading, given, rows, y if classes else None, seed)
    numbers = {c.source.name: c.values[rows[~c.missing[rows]]] for c in columns if c.values is not None}
    remarks = sums_of_the_rows(columns, rows, table.place)
    remarks += remarks_on_columns(numbers, {} if classes else {target: y[rows]})
    remarks += remarks_on_classes(classes, {split: y[some] for split, some in drawn.items()}) if classes else []
    for column in columns:
        column.fill_from(drawn["train"], options.impute)
    sources = [column.source for column in columns]
    facts = {
        "columns": [name for source in sources for name in source.names()], "target": target, "classes": classes,
        "sources": [source.facts() for source in sources],
    }  # fmt: skip
    if options.header != "auto":
        facts["header"] = options.header
    if options.missing or options.decimal != "auto":
        facts |= {"missing": list(options.missing), "decimal": options.decimal}
    told = [f"{table.place(int(row))}: {_shown(table, int(row))}" for row in rows[:3]]
    notes = [kinds_note(columns), *reading.notes, *(note for column in columns for note in column.notes), *remarks]
    table.columns.clear()  # all is understood: the text of a large table goes before its numbers are copied
    x, wanted = _features(columns, drawn), {split: y[some] for split, some in drawn.items()}
    notes += twin_rows(x, wanted)
    return finish(
        x, wanted, facts, problems, files, told, said=said, seed=seed,
        left_out=table.left_out, target_note=how, notes=[note for note in notes if note],
    )  # fmt: skip


def _features(columns: list[Feature], drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The features [N, F] of each split. The list of columns is emptied on the way: memory holds them once."""
    width = sum(len(column.source.names()) for column in columns)
    found = {split: np.empty((len(rows), width)) for split, rows in drawn.items()}
    start = 0
    columns.reverse()
    while columns:
        some = [columns.pop() for _ in columns[:TOGETHER]]
        end = start + sum(len(column.source.names()) for column in some)
        for split, rows in drawn.items():
            for at in range(0, len(rows), AT_ONCE):
                few = rows[at : at + AT_ONCE]
                blocks = [block for column in some for block in column.blocks(few)]
                np.concatenate(blocks, 1, out=found[split][at : at + AT_ONCE, start:end])
        start = end
    return found


def roles(options: Tables) -> set[str]:
    """Columns that say something about the rows and are not features."""
    return {name for name in (options.split, options.group, options.time) if name}


def _shown(table: Table, row: int) -> str:
    cells = [f"{name}={table.name(name, row)}" for name in list(table.columns)[:8]]
    return one_line(", ".join(cells) + (", ..." if len(table.columns) > 8 else ""), 160)


def finish(
    x: Mapping[str, np.ndarray | Tensor], y: dict[str, np.ndarray] | None, facts: dict[str, Any], problems: Problems,
    files: list[str], examples: list[str], *, said: str, seed: int, left_out: int = 0, target_note: str = "",
    notes: Sequence[str] = (),
) -> Dataset:  # fmt: skip
    """Puts the data set together, of features [N, F] of each split; without y, nothing is predicted.

    Args:
        x: arrays, which become float64, or tensors, which stay as they are.
    """
    splits = {
        split: Split(
            values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64)),
            None if y is None else torch.from_numpy(np.ascontiguousarray(y[split])),
        )
        for split, values in x.items()
    }
    counts = {split: len(values) for split, values in x.items()}
    listed = ", ".join(f"{split} {n:,}" for split, n in counts.items())
    about = "no target" if y is None else f"target {one_line(facts['target'], 60)} as {target_note}"
    told = [
        f"table: {next(iter(x.values())).shape[1]} features, {about}",
        f"rows: {listed}{f' ({said})' if said else ''}",
        *notes,
    ]
    if left_out:
        told.append(f"{left_out} rows with missing cells left out")
    told += problems.left_out()
    record = {
        "files": files, "counts": counts, "split": said, "seed": seed, "skipped": problems.skipped(),
        "left_out": left_out,
    }  # fmt: skip
    return Dataset("tables", splits, facts, told, record, examples)


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """A table of the catalogue; of California housing the 207 rows without total_bedrooms are left out."""
    chosen = chosen_of(options)
    shares(options)
    if name != "california-housing":
        refuse_unused(chosen, name, "is a published table of fixed columns", ("target",))
        from .embedded import table as embedded

        columns, x, y, classes = embedded(name)
        target = "class" if classes else "progression"
        if chosen.target and chosen.target != target:
            what = f"has the target {target}, not {one_line(chosen.target, 60)}"
            raise DataError(Problem(name, "", what, "leave --target out, or give a CSV file", skippable=False))
        facts = {"columns": columns, "target": target, "classes": classes,
                 "sources": [{"name": column} for column in columns]}  # fmt: skip
        y = y.astype(np.int64 if classes else np.float64)
        told = [f"row {r + 1}: {columns[0]}={x[r, 0]:g}, ..., {classes[y[r]] if classes else y[r]}" for r in range(3)]
        drawn, said = drawn_splits(len(x), y if classes else None, options, seed)
        how = f"{len(classes)} classes" if classes else "a number"
        xs, ys = ({split: values[rows] for split, rows in drawn.items()} for values in (x, y))
        return finish(xs, ys, facts, Problems(), [name], told, said=said, seed=seed, target_note=how)
    path = published.get(name)["housing.tgz"]
    problems = Problems()
    table = from_bytes(read_member(path, "housing/housing.csv"), f"{path}: housing/housing.csv", ".csv", problems)
    problems.settle()
    table = table.take(np.flatnonzero(names_in(table.columns["total_bedrooms"]) != ""))
    chosen = replace(chosen, target=chosen.target or "median_house_value")
    return _dataset(table, None, seed, chosen, problems, [path.name])


def refuse_unused(options: Tables, name: str, what: str, used: tuple[str, ...]) -> None:
    """Options of files, where no file is read.

    Raises:
        DataError: one was given that is not among those used.
    """
    for option in fields(options):
        meant = option.name == "target_kind" and options.target_kind in ("numbers", "labels")  # by the recipe
        free = option.name in ("valid_share", "test_share", *used) or meant
        if not free and getattr(options, option.name) != option.default:
            word = f"--{option.name.replace('_', '-')}"
            raise DataError(Problem(name, "", what, f"leave {word} out, or give a file", skippable=False))


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """Rows of tables (or of CSV on standard input) encoded as in training: columns are matched by name.

    A row that cannot be read is refused alone; a category that training did not know gives zeros, with a note.
    """
    found = Inputs([], [])
    blocks: list[np.ndarray] = []
    words, header = tuple(describe.get("missing", ())), describe.get("header", "")
    options = Tables(missing=words, decimal=describe.get("decimal", "auto"))
    for given in paths:
        problems = Problems()
        if given == "-":
            table = from_bytes(sys.stdin.buffer.read(), "stdin", ".csv", problems, header)
        else:
            named = suffix_of(Path(given)) in (".parquet", ".jsonl")
            table = load(Path(given), problems, "" if named else header)
        found.refused += problems.found
        for source in describe["sources"]:
            source["name"] = plain_name(source["name"])
        lacking = [s["name"] for s in describe["sources"] if s["name"] not in table.columns]
        if lacking:
            what = f"has no column {one_line(lacking[0], 60)!r}" + (
                f" and lacks {len(lacking) - 1} more" if lacking[1:] else ""
            )
            raise problems.fail(table.file, "header", what, "name the columns as in training")
        mine = Problems(keep_going=True)
        reading = Reading(table, options, mine, later=True)
        notes: dict[int, list[str]] = {}
        columns = [block for source in describe["sources"] for block in as_trained(reading, source, notes)]
        start = len(found.names)
        rows = np.flatnonzero(~reading.bad)
        blocks.append(np.concatenate(columns, 1)[rows])
        found.names += [f"{table.file}: {table.place(row)}" for row in rows.tolist()]
        cells = {name: names_in(cells)[rows].tolist() for name, cells in table.columns.items()}
        found.rows += [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
        place = {row: start + i for i, row in enumerate(rows.tolist())}
        found.notes |= {place[row]: "; ".join(words) for row, words in notes.items() if row in place}
        found.refused += mine.found
    if not found.names:
        if found.refused:
            raise DataError(found.refused)
        raise DataError(Problem(", ".join(paths), "", "holds no rows", "give rows below the header", skippable=False))
    found.values = torch.from_numpy(np.concatenate(blocks))
    return found
