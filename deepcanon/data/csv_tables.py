"""CSV as a table: read by Python's csv module, or a large file by pyarrow where both would find the same cells."""

import csv
import io
import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from .columns import is_written_number, text_array
from .errors import DataError, Problems, one_line
from .header_names import best_separator, check_header, plain_name, remedy_for_wider_rows
from .looks import Look
from .table_cells import ArrowCells, Cells, Table, is_large, number

__all__ = ["read_csv", "read_large_csv"]

CHUNK = 1_000_000  # cells that are held as Python objects at a time
BLOCK = 1 << 24  # bytes that pyarrow cuts into cells at a time
PIECE = 1 << 24  # bytes that are searched at a time
UNNAMED = "\0"  # begins what a column without a name is called: no cell can hold it


def _delimiter(line: str, suffix: str) -> str:
    """Comma, semicolon, tab or bar: the one that is most frequent in the first line, outside quotes."""
    if suffix == ".tsv":
        return "\t"
    return best_separator(line)


def _dialect(line: str, suffix: str) -> tuple[str, list[str]]:
    """The delimiter; and what the first line says of it, if it is a spreadsheet's own first line."""
    if found := re.fullmatch(r"\ufeff?sep=(.)\s*", line):
        said = f"the first line, {line.strip()!r}, says that cells are separated by {found[1]!r}"
        return found[1], [said]
    return _delimiter(line, suffix), []


def read_csv(text: str, file: str, suffix: str, problems: Problems, header: str) -> Table:
    """The table in a text that is not empty; rows of another width are noted as problems and left out."""
    start, line = 0, next(line for line in io.StringIO(text) if line.strip())
    delimiter, notes = _dialect(line, suffix)
    if notes:
        start = text.index(line) + len(line)
        if not text[start:].strip():
            raise problems.fail(file, "", "is empty", "give a header line and rows")
    skipped = text[:start].count("\n")
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    blocks: list[list[np.ndarray]] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    odd: dict[int, list[str]] = {}
    again: list[int] = []
    swallowed: list[int] = []
    most, before = CHUNK, 0

    def flush() -> None:
        if rows:
            blocks.append([text_array(column) for column in zip(*rows, strict=True)])
            rows.clear()

    try:
        for cells in reader:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue  # a blank line
            if not names:
                names = _names(cells, header)
                check_header(names, file, problems, header)
                most = max(1, CHUNK // len(names))
                if header != "no":
                    continue
            if len(cells) != len(names):
                odd[reader.line_num + skipped] = cells
                continue
            if header != "no" and cells[-1].strip() == names[-1] and _names(cells, header) == names and names[1:]:
                again.append(reader.line_num + skipped)
                continue
            if reader.line_num - before > 1 and delimiter != "," and any(delimiter in c and "\n" in c for c in cells):
                swallowed.append(reader.line_num + skipped)
            before = reader.line_num
            rows.append(cells)
            lines.append(reader.line_num + skipped)
            if len(rows) >= most:
                flush()
    except csv.Error as error:
        place = f"line {reader.line_num + skipped}"
        raise problems.fail(file, place, f"is not a valid row ({error})", "check its quotes") from None
    flush()
    if not lines and len(odd) > 1 and len({len(cells) for cells in odd.values()}) == 1:
        cells = next(iter(odd.values()))
        what = f"has {_cells(names)}, all lines below it {len(cells)} (separated by {delimiter!r})"
        raise problems.fail(file, "header", what, remedy_for_wider_rows(len(names), list(odd.values())))
    for number_of_line, cells in odd.items():
        problems.add(file, f"line {number_of_line}", *_of_another_length(cells, names, delimiter))
    if not names:  # nothing but lines such as ""
        raise problems.fail(file, "", "is empty", "give a header line and rows")
    columns: dict[str, Cells] = {
        name: np.concatenate([block[place] for block in blocks]) if blocks else text_array([])
        for place, name in enumerate(names)
    }
    if swallowed:
        what = (
            f"rows that hold other lines in quotes: {len(swallowed)} (first: the one that ends in line {swallowed[0]})"
        )
        notes.append(f"{what}; if no quote was meant, write it twice and the cell in quotes")
    found = _table(file, columns, np.array(lines, dtype=np.int64), delimiter, problems, header, notes)
    for line_again in again:
        what, remedy = "repeats the names of the columns", "remove it, as files are joined without it"
        problems.add(file, f"line {line_again}", what, remedy)
    return found


def _names(cells: list[str], header: str) -> list[str]:
    """The names of the columns; one that has none is called by its place until its cells are seen."""
    if header == "no":
        return [f"x{i}" for i in range(1, len(cells) + 1)]
    return [plain_name(cell) or f"{UNNAMED}{place}" for place, cell in enumerate(cells, 1)]


def _of_another_length(cells: list[str], names: list[str], delimiter: str) -> tuple[str, str]:
    what = f"has {_cells(cells)}, the header {len(names)} (separated by {delimiter!r})"
    return what, "give each row one cell for each column"


def _cells(cells: list[str]) -> str:
    return "1 cell" if len(cells) == 1 else f"{len(cells)} cells"


def _table(
    file: str, columns: dict[str, Cells], lines: np.ndarray, delimiter: str, problems: Problems, header: str,
    notes: list[str],
) -> Table:  # fmt: skip
    columns = _without_unnamed(columns, file, problems, notes)
    names = list(columns)
    if header in ("auto", ""):
        _check_that_names_are_names(names, columns, file, problems, header)
    if header == "no":
        notes.append(f"no header: the columns are called {names[0]} to {names[-1]}")
    return Table(file, columns, lines, "line", delimiter, 0, notes)


def _without_unnamed(columns: dict[str, Cells], file: str, problems: Problems, notes: list[str]) -> dict[str, Cells]:
    """Leaves out columns without a name that say nothing: the row numbers that pandas writes first, and empty ones."""
    for name in [name for name in columns if name.startswith(UNNAMED)]:
        place = name.removeprefix(UNNAMED)
        look = Look(columns[name])
        values = look.numbers(".", "").values
        if look.are(("",)).all():
            notes.append(f"column {place} has neither a name nor cells: left out")
        elif len(values) > 1 and (np.diff(values) == 1).all() and values[0] in (0, 1):
            notes.append(f"column {place} has no name and numbers the rows: left out")
        else:
            raise problems.fail(file, f"header, column {place}", "has no name", "name every column in the first line")
        columns = {other: cells for other, cells in columns.items() if other != name}
    if not columns:
        raise problems.fail(file, "header", "names no column", "name every column in the first line")
    return columns


def _check_that_names_are_names(
    names: list[str], columns: dict[str, Cells], file: str, problems: Problems, header: str
) -> None:
    """Refuses a first line that is the first row: numbers above columns of numbers, or words of the columns below."""
    of_numbers = (name for name, cells in columns.items() if len(cells) and _mostly_numbers(cells))
    some = next(of_numbers, None)
    if some is not None:  # the first name that is none settles it, before all columns are examined
        values = _is_number(some) and all(_is_number(name) for name in of_numbers)
    else:
        values = all(_is_number(name) for name in names) or (
            len(columns[names[0]]) > 1 and all(name in _texts(cells) for name, cells in columns.items())
        )
    if values:
        what = f"looks like values ({one_line(', '.join(names[:3]), 60)}), not names"
        otherwise = ", or use --header no (--header yes if these are names)" if header else ""
        raise problems.fail(file, "first line", what, f"put a line with the column names first{otherwise}")


def _texts(cells: Cells) -> Iterable[str]:
    return cells if isinstance(cells, ArrowCells) else cells.tolist()


def _mostly_numbers(cells: Cells) -> bool:
    there = [cell for cell in islice(_texts(cells[:200] if isinstance(cells, np.ndarray) else cells), 200) if cell]
    return 2 * sum(_is_number(cell) for cell in there) > len(there)


def _is_number(cell: str) -> bool:
    return number(cell) is not None or is_written_number(cell)


def read_large_csv(data: bytes, file: str, suffix: str, problems: Problems, header: str) -> Table | None:
    """The table that `read_csv` would give, its cells held by pyarrow.

    None if the file is small, if pyarrow is not here, or if anything about the file is unusual (quotes in the middle of
    cells, line ends in them, bytes that are no text, an unusable header): then `read_csv` must read it.
    """
    found = _head(data, suffix) if is_large(data) else None
    if found is None:
        return None
    delimiter, notes, first, end = found
    try:
        cells = next(csv.reader([data[first:end].decode()], delimiter=delimiter, strict=True))
        names = _names(cells, header)
        check_header(names, file, Problems(), header)
    except (csv.Error, DataError, UnicodeDecodeError):
        return None
    start = first if header == "no" else end
    if len(names) < 2 or not _well_quoted(data, start, delimiter):
        return None
    read = _by_arrow(data, start, len(names), delimiter)
    if read is None:
        return None
    columns, odd = read
    if header != "no" and _repeats(columns, names):
        return None
    if odd and not len(columns[0]):
        return None
    filled = _filled_lines(data, start, len(columns[0]) + len(odd))
    if filled is None:
        return None
    for place, row in odd.items():
        if len(row) > 1 or row[0].strip():  # else a blank line
            problems.add(file, f"line {filled[place]}", *_of_another_length(row, names, delimiter))
    lines = np.delete(filled, list(odd)) if odd else filled
    return _table(file, dict(zip(names, columns, strict=True)), lines, delimiter, problems, header, notes)


def _repeats(columns: list[ArrowCells], names: list[str]) -> bool:
    """Whether a row may repeat the names of the columns."""
    import pyarrow.compute as compute

    last, other = (compute.equal(columns[place].cells, names[place]) for place in (-1, -2))
    return bool(compute.any(compute.and_(last, other)).as_py())


def _head(data: bytes, suffix: str) -> tuple[str, list[str], int, int] | None:
    """The delimiter, what is said of it, and where the first line with cells begins and ends."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        return None
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    delimiter, notes = "", list[str]()
    while start < len(data):
        end = (data.find(b"\n", start) + 1) or len(data)
        try:
            line = data[start:end].decode()
        except UnicodeDecodeError:
            return None
        if line.strip():
            if delimiter:  # the line below sep=
                return delimiter, notes, start, end
            delimiter, notes = _dialect(line, suffix)
            if delimiter not in ",;\t|:":
                return None
            if not notes:
                return delimiter, notes, start, end
        elif line.strip("\r\n"):
            return None  # blanks alone
        start = end
    return None


def _well_quoted(data: bytes, start: int, delimiter: str) -> bool:
    """Whether each quote opens or closes a cell or is doubled within one, and no cell holds a line end."""
    if data.find(b'"', start) < 0:
        return True
    before, after = [ord(c) for c in f'\n"{delimiter}'], [ord(c) for c in f'\r\n"{delimiter}']
    while start < len(data):
        end = len(data) if start + PIECE >= len(data) else data.find(b"\n", start + PIECE) + 1 or len(data)
        held = np.frombuffer(b"\n" + data[start:end] + b"\n", np.uint8)
        quotes = np.flatnonzero(held == ord('"'))
        opening, closing = quotes[::2], quotes[1::2]
        if len(opening) != len(closing):
            return False
        if not (np.isin(held[opening - 1], before).all() and np.isin(held[closing + 1], after).all()):
            return False
        ends = np.flatnonzero(held == ord("\n"))
        if (np.searchsorted(ends, opening) != np.searchsorted(ends, closing)).any():
            return False
        start = end
    return True


def _by_arrow(
    data: bytes, start: int, width: int, delimiter: str
) -> tuple[list[ArrowCells], dict[int, list[str]]] | None:
    """Columns of text; and the rows of another width, by their places among the lines that are not empty."""
    try:
        import pyarrow
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    found: dict[int, str] = {}

    def keep(row: Any) -> str:
        found[row.number - 1] = row.text
        return "skip"

    names = [str(place) for place in range(width)]
    quote = '"' if data.find(b'"', start) >= 0 else False
    handler = keep if data.isascii() else None  # pyarrow does not check whether rows of another width are text
    try:
        content = arrow_csv.read_csv(
            pyarrow.py_buffer(memoryview(data)[start:]),
            arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=BLOCK),
            arrow_csv.ParseOptions(delimiter=delimiter, quote_char=quote, invalid_row_handler=handler),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.string()), null_values=[], strings_can_be_null=False
            ),
        )
        odd = {place: next(csv.reader([row], delimiter=delimiter, strict=True)) for place, row in found.items()}
    except (pyarrow.ArrowInvalid, csv.Error):
        return None
    columns, limit = [ArrowCells(column) for column in content.columns], csv.field_size_limit()
    return None if any(column.longest(limit) > limit for column in columns) else (columns, odd)


def _filled_lines(data: bytes, start: int, count: int) -> np.ndarray | None:
    """The numbers of the lines from `start` that are not empty, if they are as many as the rows."""
    number = data.count(b"\n", 0, start) + 1
    lines = data.count(b"\n", start) + (not data.endswith(b"\n"))
    if lines == count:
        return np.arange(number, number + count)
    filled = []
    while start < len(data):
        end = len(data) if start + PIECE >= len(data) else data.find(b"\n", start + PIECE) + 1 or len(data)
        held = np.frombuffer(data[start:end], np.uint8)
        ends = np.flatnonzero(held == ord("\n"))
        if not len(ends) or ends[-1] != len(held) - 1:
            ends = np.append(ends, len(held))
        sizes = np.diff(ends, prepend=-1) - 1
        empty = (sizes == 0) | ((sizes == 1) & (held[ends - 1] == ord("\r")))
        filled.append(number + np.flatnonzero(~empty))
        number, start = number + len(ends), end
    found = np.concatenate(filled) if filled else np.zeros(0, dtype=np.int64)
    return found if len(found) == count else None
