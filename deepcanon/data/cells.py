"""Cells of a table by column, from CSV, TSV, JSON lines and Parquet files: text as it is in the file."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from .archives import MAX_BYTES, read_bytes
from .columns import text_array
from .csv_tables import read_csv, read_large_csv
from .errors import DataError, Problems, one_line
from .header_names import MOST_COLUMNS, check_header, plain_name
from .table_cells import ArrowCells, Cells, Table, held_by_arrow, is_large, names_in, number
from .text import decode

__all__ = ["ACCEPTS", "SUFFIXES", "Table", "from_bytes", "load", "names_in", "number", "suffix_of"]

ACCEPTS = (
    "tables: a .csv or .tsv with a header line, .jsonl (an object on each line), .parquet, or a folder with train.csv, "
    "test.csv (and valid.csv); --target names the column to predict"
)
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def suffix_of(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def load(path: Path, problems: Problems, header: str = "") -> Table:
    """The table in a file.

    Args:
        header: whether the first line holds the names of the columns: "yes", "no", or "auto"; "" is as "auto", where
            nobody can say otherwise by an option.
    """
    suffix = suffix_of(path)
    if path.is_dir() or suffix not in SUFFIXES:
        raise problems.fail(path, "", "is not a table", f"accepted are {ACCEPTS}")
    if header in ("yes", "no") and suffix in (".parquet", ".jsonl"):
        raise problems.fail(path, "", "names its columns itself", "leave --header out")
    if suffix == ".parquet":
        return _parquet(path, problems)
    return from_bytes(read_bytes(path), str(path), suffix, problems, header)


def from_bytes(data: bytes, file: str, suffix: str, problems: Problems, header: str = "") -> Table:
    """The table in the bytes of a CSV, TSV or JSON lines file."""
    if suffix != ".jsonl" and (table := read_large_csv(data, file, suffix, problems, header)) is not None:
        return table
    text = decode(data, file, problems)
    if text is None:
        raise DataError(problems.found)
    if not text.strip():
        raise problems.fail(file, "", "is empty", "give a header line and rows")
    return _json_lines(text, file, problems) if suffix == ".jsonl" else read_csv(text, file, suffix, problems, header)


def _json_lines(text: str, file: str, problems: Problems) -> Table:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            double = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            raise ValueError(f"key {double!r} occurs twice")
        return found

    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for count, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            # Numbers stay text as it is in the file: 007 is not a number, and as a class 1.0 is not 1.
            row = json.loads(line, object_pairs_hook=once, parse_int=str, parse_float=str, parse_constant=str)
            if not isinstance(row, dict) or not row:
                raise ValueError("is not an object with columns")
            row = once([(plain_name(name), value) for name, value in row.items()])
            for name, value in row.items():
                if isinstance(value, (dict, list)):
                    raise ValueError(f"column {name!r} is nested")
            if "\\u" in line:
                "".join([*row, *map(str, row.values())]).encode()  # half a pair of surrogates is not text
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
    hold = held_by_arrow if is_large(text) else text_array
    columns: dict[str, Cells] = {name: hold([_json_cell(row.get(name)) for row in rows]) for name in names}
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
            check_header([plain_name(name) for name in schema.names], str(path), problems)
            for name, kind in zip(schema.names, schema.types, strict=True):
                binary = pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)
                if binary or pyarrow.types.is_nested(kind):
                    place, what = f"column {one_line(name, 60)}", f"holds {one_line(kind, 60)}"
                    raise problems.fail(path, place, what, "save it as numbers or text, or leave it out")
            content = file.read()
        index = _index_of(schema.pandas_metadata)
        places = sorted(range(len(schema.names)), key=lambda place: schema.names[place] not in index)
        left = [name for name in schema.names if index.get(name) is None and name in index]
        places = [place for place in places if schema.names[place] not in left]
        columns = {plain_name(schema.names[place]): _arrow_column(content.column(place)) for place in places}
    except DataError:
        raise
    except Exception as error:  # damaged bytes may raise anything in the decoder
        what = f"is not a readable Parquet file ({one_line(error, 100)})"
        raise problems.fail(path, "", what, "save it again") from None
    notes = [f"{one_line(name, 60)} is an index of pandas without a name: left out" for name in left]
    return Table(str(path), columns, np.arange(1, content.num_rows + 1), "row", notes=notes)


def _index_of(metadata: dict[str, Any] | None) -> dict[str, str | None]:
    """Of a frame of pandas, the columns of its index with their names; pandas writes them last, and reads them first.

    One that has no name numbers the rows, or what was left of them.
    """
    known = {one.get("field_name"): one.get("name") for one in (metadata or {}).get("columns", ())}
    return {name: known.get(name) for name in (metadata or {}).get("index_columns", ()) if isinstance(name, str)}


def _arrow_column(column: Any) -> Cells:
    """Floating point numbers as they are, everything else as text (whole numbers keep all their digits)."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pyarrow.types.is_floating(column.type):
        return column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    if pyarrow.types.is_null(column.type):
        return text_array([""] * len(column))
    if not pyarrow.types.is_string(column.type):
        column = column.cast(pyarrow.string())
    try:
        column.validate(full=True)
    except pyarrow.ArrowInvalid:
        column.to_pylist()  # damaged text: this says where
        raise
    return ArrowCells(column)
