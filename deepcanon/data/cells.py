"""Cells of a table by column, from CSV, TSV, JSON lines and Parquet files: text as it stands in the file."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .archives import MAX_BYTES, read_bytes
from .columns import PLAIN, name_of_number, text_array
from .errors import DataError, Problems, one_line
from .text import decode

__all__ = ["ACCEPTS", "SUFFIXES", "Table", "from_bytes", "load", "names_in", "number", "suffix_of"]

ACCEPTS = (
    "tables: a .csv or .tsv with a header line, .jsonl (an object on each line), .parquet, or a folder with train.csv, "
    "test.csv (and valid.csv); --target names the column to predict"
)
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

MOST_COLUMNS = 100_000
CHUNK = 1_000_000  # cells that are held as Python objects at a time


@dataclass
class Table:
    """Cells by column, and where each row stands in the file.

    A column is an array of text without blanks around it ("" for an empty cell), or of float64 if the file's own type
    is that (NaN for an empty cell).
    """

    file: str
    columns: dict[str, np.ndarray]
    rows: np.ndarray
    """Number of each row in the file, from 1."""
    unit: str = "line"
    delimiter: str = ""
    left_out: int = 0
    notes: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    """Of a table of several files, the name of the file of each row."""

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, row: int) -> str:
        """Where a row stands."""
        place = f"{self.unit} {self.rows[row]}"
        return f"{self.parts[row]}, {place}" if self.parts else place

    def name(self, column: str, row: int) -> str:
        """A cell as text."""
        cell = self.columns[column][row]
        return str(cell) if self.columns[column].dtype.kind != "f" else _float_name(float(cell))

    def take(self, rows: np.ndarray) -> "Table":
        """These rows of the table."""
        columns = {name: cells[rows] for name, cells in self.columns.items()}
        left = self.left_out + len(self) - len(rows)
        return Table(self.file, columns, self.rows[rows], self.unit, self.delimiter, left, self.notes)


def _float_name(value: float) -> str:
    return "" if np.isnan(value) else name_of_number(value)


def names_in(cells: np.ndarray) -> np.ndarray:
    """The cells of a column as text, typed numbers too."""
    return text_array([_float_name(v) for v in cells.tolist()]) if cells.dtype.kind == "f" else cells


def suffix_of(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def load(path: Path, problems: Problems, header: str = "auto") -> Table:
    """The table in a file.

    Args:
        header: whether the first line holds the names of the columns: "yes", "no", or "auto".
    """
    suffix = suffix_of(path)
    if path.is_dir() or suffix not in SUFFIXES:
        raise problems.fail(path, "", "is not a table", f"accepted are {ACCEPTS}")
    if header != "auto" and suffix in (".parquet", ".jsonl"):
        raise problems.fail(path, "", "names its columns itself", "leave --header out")
    if suffix == ".parquet":
        return _parquet(path, problems)
    return from_bytes(read_bytes(path), str(path), suffix, problems, header)


def from_bytes(data: bytes, file: str, suffix: str, problems: Problems, header: str = "auto") -> Table:
    """The table in the bytes of a CSV, TSV or JSON lines file."""
    text = decode(data, file, problems)
    if text is None:
        raise DataError(problems.found)
    if not text.strip():
        raise problems.fail(file, "", "is empty", "give a header line and rows")
    return _json_lines(text, file, problems) if suffix == ".jsonl" else _csv(text, file, suffix, problems, header)


def _delimiter(line: str, suffix: str) -> str:
    """The one of comma, semicolon, tab and bar that the first line holds most of, outside quotes."""
    if suffix == ".tsv":
        return "\t"
    bare = "".join(line.split('"')[::2])
    return max((",", ";", "\t", "|"), key=bare.count)


def _csv(text: str, file: str, suffix: str, problems: Problems, header: str) -> Table:
    start, notes = 0, []
    line = next(line for line in io.StringIO(text) if line.strip())
    if found := re.fullmatch(r"\ufeff?sep=(.)\s*", line):  # a spreadsheet's own first line
        start, delimiter = text.index(line) + len(line), found[1]
        notes.append(f"the first line, {line.strip()!r}, says that cells are separated by {delimiter!r}")
        if not text[start:].strip():
            raise problems.fail(file, "", "is empty", "give a header line and rows")
    else:
        delimiter = _delimiter(line, suffix)
    skipped = text[:start].count("\n")
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    blocks: list[list[np.ndarray]] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    most = CHUNK

    def flush() -> None:
        if rows:
            blocks.append([text_array(column) for column in zip(*rows, strict=True)])
            rows.clear()

    try:
        for cells in reader:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue  # a blank line
            if not names:
                stripped = [cell.strip() for cell in cells]
                names = [f"x{i}" for i in range(1, len(cells) + 1)] if header == "no" else stripped
                _check_header(names, file, problems)
                most = max(1, CHUNK // len(names))
                if header != "no":
                    continue
            if len(cells) != len(names):
                some = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
                what = f"has {some}, the header {len(names)} (separated by {delimiter!r})"
                place = f"line {reader.line_num + skipped}"
                problems.add(file, place, what, "give each row one cell for each column")
                continue
            rows.append(cells)
            lines.append(reader.line_num + skipped)
            if len(rows) >= most:
                flush()
    except csv.Error as error:
        place = f"line {reader.line_num + skipped}"
        raise problems.fail(file, place, f"is not a valid row ({error})", "check its quotes") from None
    flush()
    columns = {
        name: np.concatenate([block[place] for block in blocks]) if blocks else text_array([])
        for place, name in enumerate(names)
    }
    if header == "auto":
        _check_that_names_are_names(names, columns, file, problems)
    if header == "no":
        notes.append(f"no header: the columns are called {names[0]} to {names[-1]}")
    return Table(file, columns, np.array(lines, dtype=np.int64), "line", delimiter, 0, notes)


def _check_header(names: list[str], file: str, problems: Problems) -> None:
    if len(names) > MOST_COLUMNS:
        raise problems.fail(file, "header", f"has {len(names)} columns", f"give a table of at most {MOST_COLUMNS}")
    for place, name in enumerate(names, 1):
        if not name:
            raise problems.fail(file, f"header, column {place}", "has no name", "name every column in the first line")
    double = [name for name, count in Counter(names).items() if count > 1]
    if double:
        what = f"column name {one_line(double[0], 60)!r} comes twice"
        raise problems.fail(file, "header", what, "give each column its own name, or say --header no")


def _check_that_names_are_names(
    names: list[str], columns: dict[str, np.ndarray], file: str, problems: Problems
) -> None:
    """Refuses a first line that is the first row: numbers above columns of numbers, or words of the columns below."""
    of_numbers = [name for name, cells in columns.items() if len(cells) and _mostly_numbers(cells[:200].tolist())]
    if of_numbers:
        values = all(number(name) is not None for name in of_numbers)
    else:
        values = all(number(name) is not None for name in names) or (
            len(next(iter(columns.values()))) > 1 and all(name in cells.tolist() for name, cells in columns.items())
        )
    if values:
        what = f"looks like values ({one_line(', '.join(names[:3]), 60)}), not names"
        remedy = "put a line with the column names first, or say --header no (--header yes if these are names)"
        raise problems.fail(file, "first line", what, remedy)


def _mostly_numbers(cells: Iterable[str]) -> bool:
    there = [cell for cell in cells if cell]
    return 2 * sum(number(cell) is not None for cell in there) > len(there)


def _json_lines(text: str, file: str, problems: Problems) -> Table:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, count in Counter(name for name, _ in pairs).items():
            if count > 1:
                raise ValueError(f"key {name!r} comes twice")
        return dict(pairs)

    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for count, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            # Numbers stay the text that stands there: 007 is none, and 1.0 is not 1 as a class.
            row = json.loads(line, object_pairs_hook=once, parse_int=str, parse_float=str, parse_constant=str)
            if not isinstance(row, dict) or not row:
                raise ValueError("is not an object with columns")
            row = once([(name.strip(), value) for name, value in row.items()])
            for name, value in row.items():
                if isinstance(value, (dict, list)):
                    raise ValueError(f"column {name!r} is nested")
        except (ValueError, RecursionError) as error:
            what = f"is not a row ({one_line(error, 100)})"
            problems.add(file, f"line {count}", what, 'write one flat object such as {"a": 1}')
            continue
        rows.append(row)
        lines.append(count)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MOST_COLUMNS or len(names) * len(rows) > 100_000_000:
        what = f"its {len(rows)} rows have {len(names)} different keys"
        raise problems.fail(file, "", what, "give all rows the same keys")
    if rows and "" in names:
        raise problems.fail(file, "", "has a column without a name", "name every column")
    columns = {name: text_array([_json_cell(row.get(name)) for row in rows]) for name in names}
    return Table(file, columns, np.array(lines, dtype=np.int64))


def _json_cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def _parquet(path: Path, problems: Problems) -> Table:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise problems.fail(path, "", "needs pyarrow", "pip install 'deepcanon[tables]'") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            meta = file.metadata
            if meta.num_rows * max(meta.num_columns, 1) * 8 > MAX_BYTES:
                raise problems.fail(path, "", f"has {meta.num_rows} rows", "give a smaller table")
            schema = file.schema_arrow
            _check_header([name.strip() for name in schema.names], str(path), problems)
            for name, kind in zip(schema.names, schema.types, strict=True):
                binary = pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)
                if binary or pyarrow.types.is_nested(kind):
                    place, what = f"column {one_line(name, 60)}", f"holds {one_line(kind, 60)}"
                    raise problems.fail(path, place, what, "save it as numbers or text, or leave it out")
            content = file.read()
        columns = {name.strip(): _arrow_column(content.column(place)) for place, name in enumerate(schema.names)}
    except DataError:
        raise
    except Exception as error:  # damaged bytes may raise anything in the decoder
        what = f"is not a readable Parquet file ({one_line(error, 100)})"
        raise problems.fail(path, "", what, "save it again") from None
    return Table(str(path), columns, np.arange(1, content.num_rows + 1), "row")


def _arrow_column(column: Any) -> np.ndarray:
    """Floating point numbers as they are, everything else as text (whole numbers keep all their digits)."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pyarrow.types.is_floating(column.type):
        return column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    if pyarrow.types.is_null(column.type):
        return text_array([""] * len(column))
    if not pyarrow.types.is_string(column.type):
        column = column.cast(pyarrow.string())
    return text_array(["" if cell is None else cell for cell in column.to_pylist()])


def number(cell: str) -> float | None:
    """The cell as a number as programs write it (possibly infinite), or None; Python's 1_000 is none."""
    return float(cell) if cell.isascii() and PLAIN.fullmatch(cell) else None
