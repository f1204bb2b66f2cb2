"""Cells of a table by column, from CSV, TSV, JSON lines and Parquet files."""

import csv
import io
import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .archives import MAX_BYTES, read_bytes
from .errors import DataError, Problems, one_line
from .text import decode

__all__ = ["ACCEPTS", "SUFFIXES", "Cell", "Table", "from_bytes", "is_missing", "load", "name_of", "number", "suffix_of"]

ACCEPTS = (
    "tables: a .csv or .tsv with a header line, .jsonl (an object on each line), .parquet; "
    "--target names the column to predict"
)
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
MISSING = ("", "nan", "na", "n/a", "null", "none", "?")

MOST_COLUMNS = 100_000

Cell = str | float | None


@dataclass
class Table:
    """Cells by column, and for each row where it stands in the file."""

    file: str
    columns: dict[str, list[Cell]]
    places: list[str]
    left_out: int = 0


def suffix_of(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def load(path: Path, problems: Problems) -> Table:
    suffix = suffix_of(path)
    if path.is_dir() or suffix not in SUFFIXES:
        raise problems.fail(path, "", "is no table", f"accepted are {ACCEPTS}")
    if suffix == ".parquet":
        return _parquet(path, problems)
    return from_bytes(read_bytes(path), str(path), suffix, problems)


def from_bytes(data: bytes, file: str, suffix: str, problems: Problems) -> Table:
    text = decode(data, file, problems)
    if text is None:
        raise DataError(problems.found)
    if not text.strip():
        raise problems.fail(file, "", "is empty", "give a header line and rows")
    return _json_lines(text, file, problems) if suffix == ".jsonl" else _csv(text, file, suffix, problems)


def _delimiter(text: str, suffix: str) -> str:
    """The one of comma, semicolon and tab that the header holds most of, outside quotes."""
    if suffix == ".tsv":
        return "\t"
    header = next(line for line in io.StringIO(text) if line.strip())
    bare = "".join(header.split('"')[::2])
    return max((",", ";", "\t"), key=bare.count)


def _csv(text: str, file: str, suffix: str, problems: Problems) -> Table:
    delimiter = _delimiter(text, suffix)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    places: list[str] = []
    try:
        for cells in reader:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue  # a blank line
            if not header:
                header = [cell.strip() for cell in cells]
                _check_header(header, file, problems)
            elif len(cells) != len(header):
                what = f"has {len(cells)} cells, the header {len(header)} (separated by {delimiter!r})"
                problems.add(file, f"line {reader.line_num}", what, "give each row one cell for each column")
            else:
                rows.append(cells)
                places.append(f"line {reader.line_num}")
    except csv.Error as error:
        raise problems.fail(file, f"line {reader.line_num}", f"is no valid row ({error})", "check its quotes") from None
    columns: dict[str, list[Cell]] = {}
    for place, name in enumerate(header):
        columns[name] = [row[place].strip() for row in rows]
    return Table(file, columns, places)


def _check_header(header: list[str], file: str, problems: Problems) -> None:
    if len(header) > MOST_COLUMNS:
        raise problems.fail(file, "header", f"has {len(header)} columns", f"give a table of at most {MOST_COLUMNS}")
    for place, name in enumerate(header, 1):
        if not name:
            raise problems.fail(file, f"header, column {place}", "has no name", "name every column in the first line")
    double = [name for name, count in Counter(header).items() if count > 1]
    if double:
        what = f"column name {one_line(double[0], 60)!r} comes twice"
        raise problems.fail(file, "header", what, "give each column its own name")
    if all(number(name) is not None for name in header):
        what = f"looks like values ({one_line(', '.join(header[:3]), 60)}), not names"
        raise problems.fail(file, "first line", what, "put a line with the column names first")


def _json_lines(text: str, file: str, problems: Problems) -> Table:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = Counter(name for name, _ in pairs)
        for name, count in names.items():
            if count > 1:
                raise ValueError(f"key {name!r} comes twice")
        return dict(pairs)

    rows: list[dict[str, Any]] = []
    places: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = json.loads(line, object_pairs_hook=once)
            if not isinstance(row, dict) or not row:
                raise ValueError("is no object with columns")
            for name, value in row.items():
                if isinstance(value, (dict, list)):
                    raise ValueError(f"column {name!r} is nested")
        except (ValueError, RecursionError) as error:
            problems.add(file, place, f"is no row ({one_line(error, 100)})", 'write one flat object such as {"a": 1}')
            continue
        rows.append(row)
        places.append(place)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MOST_COLUMNS or len(names) * len(rows) > 100_000_000:
        what = f"its {len(rows)} rows have {len(names)} different keys"
        raise problems.fail(file, "", what, "give all rows the same keys")
    columns = {name: [_json_cell(row.get(name)) for row in rows] for name in names}
    if rows and "" in columns:
        raise problems.fail(file, "", "has a column without a name", "name every column")
    return Table(file, columns, places)


def _json_cell(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value.strip() if isinstance(value, str) else None
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf


def _parquet(path: Path, problems: Problems) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise problems.fail(path, "", "needs pyarrow", "pip install 'deepcanon[tables]'") from None
    of = pyarrow.types
    plain_types = (
        of.is_integer, of.is_floating, of.is_boolean, of.is_decimal, of.is_string, of.is_large_string, of.is_null,
    )  # fmt: skip
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            meta = file.metadata
            if meta.num_rows * max(meta.num_columns, 1) * 8 > MAX_BYTES:
                raise problems.fail(path, "", f"has {meta.num_rows} rows", "give a smaller table")
            schema = file.schema_arrow
            _check_header([name.strip() for name in schema.names], str(path), problems)
            for name, kind in zip(schema.names, schema.types, strict=True):
                plain = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
                if not any(test(plain) for test in plain_types):
                    place = f"column {one_line(name, 60)}"
                    raise problems.fail(
                        path,
                        place,
                        f"holds {one_line(plain, 60)}",
                        "save it as numbers or text, or leave it out",
                    )
            content = file.read()
        columns = {
            name.strip(): [_json_cell(value) for value in content.column(place).to_pylist()]
            for place, name in enumerate(schema.names)
        }
    except DataError:
        raise
    except Exception as error:  # damaged bytes may raise anything in the decoder
        raise problems.fail(
            path, "", f"is no readable Parquet file ({one_line(error, 100)})", "save it again"
        ) from None
    return Table(str(path), columns, [f"row {n}" for n in range(1, content.num_rows + 1)])


def number(cell: Cell) -> float | None:
    """The cell as a number (possibly infinite), or None. Python's 1_000 is none."""
    if isinstance(cell, float):
        return cell
    if cell is None or "_" in cell or not cell.isascii():
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def is_missing(cell: Cell) -> bool:
    return cell is None or (cell.lower() in MISSING if isinstance(cell, str) else math.isnan(cell))


def name_of(cell: Cell) -> str:
    """The cell as a class or category: 3.0 is "3"."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return str(cell)
