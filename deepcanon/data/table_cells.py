"""A table by column: typed numbers, or the file's text, of a large table held by pyarrow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import PLAIN, SAMPLE, Numbers, name_of_number, text_array

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ArrowCells", "Cells", "Table", "held_by_arrow", "is_large", "joined", "may_be_number", "names_in", "number"]

LARGE = 1 << 20  # bytes from which importing pyarrow pays
ARROW_LIMIT = (1 << 31) - 1  # bytes of text in one array with offsets of 32 bits


class ArrowCells:
    """A column of text that pyarrow holds, so that no cell is an object of its own.

    Blanks around a cell are still there in `cells`; text that is returned is without them.
    """

    def __init__(self, cells: "pyarrow.ChunkedArray | pyarrow.Array") -> None:
        import pyarrow

        if cells.null_count:
            cells = cells.fill_null("")
        if cells.nbytes > ARROW_LIMIT:
            cells = cells.cast(pyarrow.large_string())
        self.cells: Any = cells

    def whole(self) -> "ArrowCells":
        """The column in one piece of memory, as most methods need it; of a table that is kept, a column is in many."""
        import pyarrow

        return ArrowCells(self.cells.combine_chunks()) if isinstance(self.cells, pyarrow.ChunkedArray) else self

    def longest(self, least: int) -> int:
        """The bytes of the longest cell, if it has more than so many."""
        large = [ArrowCells(part) for part in self.cells.chunks if part.nbytes > least]
        return max((int(part.starts()[2].max(initial=0)) for part in large), default=0)

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), SAMPLE):
            yield from text_array(self.cells.slice(start, SAMPLE).to_pylist()).tolist()

    def cell(self, row: int) -> str:
        return str(text_array([self.cells[row].as_py()])[0])

    def text(self) -> np.ndarray:
        """Each cell as text."""
        return text_array(self.cells.to_pylist())

    def words(self) -> tuple[np.ndarray, np.ndarray]:
        """The different cells in the order in which they come, and the place among them of each row's."""
        encoded = self.cells.dictionary_encode()
        return text_array(encoded.dictionary.to_pylist()), encoded.indices.to_numpy()

    def take(self, rows: np.ndarray) -> "ArrowCells":
        import pyarrow

        return ArrowCells(self.cells.take(pyarrow.array(rows, pyarrow.int64())))

    def starts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The bytes of all cells in a row, where each cell begins, and how many bytes it has."""
        import pyarrow

        _, places, content = self.cells.buffers()
        wide = np.int64 if pyarrow.types.is_large_string(self.cells.type) else np.int32
        offsets = np.frombuffer(places, wide)[self.cells.offset : self.cells.offset + len(self) + 1]
        held = np.frombuffer(content, np.uint8) if content is not None else np.zeros(0, dtype=np.uint8)
        return held, offsets[:-1], np.diff(offsets)

    def has_point(self) -> bool:
        """Whether a cell holds a point."""
        held, starts, sizes = self.starts()
        return bool(len(self)) and bool((held[starts[0] : starts[-1] + sizes[-1]] == ord(".")).any())

    def plain(self, words: Sequence[str]) -> Numbers | None:
        """The cells as numbers, if all are plain ones or one of the words for a missing cell; else None.

        pyarrow reads what `PLAIN` describes, and NaN; blanks around a number and digits of other alphabets it refuses.
        """
        import pyarrow
        import pyarrow.compute as compute

        cells = self.cells
        try:
            found = cells.cast(pyarrow.float64())
        except pyarrow.ArrowInvalid:
            try:
                gaps = self.among([word for word in words if not may_be_number(word)])
                found = compute.if_else(pyarrow.array(gaps), None, cells).cast(pyarrow.float64())
            except pyarrow.ArrowInvalid:
                return None
        values = found.to_numpy(zero_copy_only=False)
        return Numbers(values, ~np.isnan(values))

    def among(self, words: Sequence[str]) -> np.ndarray:
        """Which cells are one of the words, in any case: right for cells of ASCII without blanks around them."""
        import pyarrow
        import pyarrow.compute as compute

        wanted = sorted({word.lower() for word in words if word.isascii() and word == word.strip()})
        known = pyarrow.array(wanted, self.cells.type)
        return compute.is_in(compute.ascii_lower(self.cells), known).to_numpy(zero_copy_only=False)


Cells = np.ndarray | ArrowCells


@dataclass
class Table:
    """Cells by column, and where each row is in the file.

    A column is text without blanks around it ("" for an empty cell), or an array of float64 if the file's own type is
    that (NaN for an empty cell).
    """

    file: str
    columns: dict[str, Cells]
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
        cells = self.columns[column]
        if isinstance(cells, ArrowCells):
            return cells.cell(row)
        return _float_name(float(cells[row])) if cells.dtype.kind == "f" else str(cells[row])

    def take(self, rows: np.ndarray) -> "Table":
        """These rows of the table."""
        columns = {name: _part(cells, rows) for name, cells in self.columns.items()}
        left = self.left_out + len(self) - len(rows)
        return Table(self.file, columns, self.rows[rows], self.unit, self.delimiter, left, self.notes)


def _part(cells: Cells, rows: np.ndarray) -> Cells:
    return cells.take(rows) if isinstance(cells, ArrowCells) else cells[rows]


def joined(columns: list[Cells]) -> Cells:
    """Concatenated columns: as text, unless all hold typed numbers."""
    if all(isinstance(column, ArrowCells) for column in columns):
        import pyarrow

        held = [column.cells for column in columns if isinstance(column, ArrowCells)]
        wide = any(pyarrow.types.is_large_string(cells.type) for cells in held)
        kind = pyarrow.large_string() if wide else pyarrow.string()
        parts = [part for cells in held for part in cells.cast(kind).chunks]
        return ArrowCells(pyarrow.chunked_array(parts, kind))
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    same = len(arrays) == len(columns) and len({array.dtype.kind for array in arrays}) == 1
    return np.concatenate(arrays if same else [names_in(column) for column in columns])


def may_be_number(word: str) -> bool:
    """Whether a word for a missing cell may be a number too, such as -999 or inf."""
    return any(c.isdigit() for c in word) or "inf" in word.lower()


def _float_name(value: float) -> str:
    return "" if np.isnan(value) else name_of_number(value)


def is_large(content: bytes | str) -> bool:
    """Whether a file is so large that pyarrow is to hold its cells, if it is here."""
    return len(content) >= LARGE


def held_by_arrow(cells: list[str]) -> Cells:
    """Cells as pyarrow holds them; as NumPy does, if pyarrow is not here or does not take them."""
    try:
        import pyarrow
    except ImportError:
        return text_array(cells)
    try:
        return ArrowCells(pyarrow.chunked_array([pyarrow.array(cells, pyarrow.string())]))
    except (pyarrow.ArrowException, UnicodeError):
        return text_array(cells)


def names_in(cells: Cells) -> np.ndarray:
    """The cells of a column as text, typed numbers too."""
    if isinstance(cells, ArrowCells):
        return cells.text()
    return text_array([_float_name(v) for v in cells.tolist()]) if cells.dtype.kind == "f" else cells


def number(cell: str) -> float | None:
    """The cell as a number as programs write it (possibly infinite), or None; Python's 1_000 is none."""
    return float(cell) if cell.isascii() and PLAIN.fullmatch(cell) else None
