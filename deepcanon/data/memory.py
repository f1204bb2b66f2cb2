"""Arrays that the caller holds, instead of a name or path: rows [N, F] as a table, pictures [N, H, W] as images.

`data=X` or `data=(X, y)`, of NumPy, torch or pandas. Labels of whole numbers, truth values or text are classes;
floating point numbers are numbers. The run keeps of them only what a model must know. A recipe may take float32 or
sparse rows as they are (`Recipe.takes`); otherwise float32 becomes float64, and a sparse matrix is refused.
"""

import functools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepcanon.collecting import without_collection
from deepcanon.parts.sparse_rows import csr_rows, is_csr, is_sparse, rows_at

from . import IN_MEMORY, Options, arrays, tables
from .errors import DataError, Problem, Problems, one_line
from .splits import Dataset, shares

__all__ = ["Held", "inputs"]


def _wrong(place: str, what: str, remedy: str) -> DataError:
    return DataError(Problem(IN_MEMORY, place, what, remedy, skippable=False))


def _array(values: Any, place: str) -> np.ndarray:
    if is_sparse(values) or hasattr(values, "toarray"):
        raise _wrong(place, "is a sparse matrix", f"make it dense with {_dense(values)}")
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise _wrong(place, "has masked values", "fill them with .filled(), or leave such rows out")
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        found = (values.float() if values.dtype == torch.bfloat16 else values).numpy()  # NumPy has no bfloat16
    else:
        try:
            found = np.asarray(values)
        except ValueError:  # NumPy makes no array of rows that differ in length
            raise _wrong(
                place, "has rows of different lengths", "make them equal; labels go into a tuple (X, y)"
            ) from None
    if found.dtype.kind in "mM":
        raise _wrong(place, "holds times", "give numbers, such as .astype('datetime64[s]').astype(float)")
    if found.dtype.kind == "c":
        raise _wrong(place, "holds complex numbers", "give real ones")
    return found


def _dense(values: Any) -> str:
    return ".to_dense()" if isinstance(values, Tensor) else ".toarray()"


def _rows(values: Any, takes: Collection[str] = ()) -> Tensor:
    """Rows [N, F], the caller's own where they need no change; what is not a finite number is named by its place.

    They are float64, and float32 or sparse (CSR) if that is taken and given. Nothing writes into the rows of a split.
    """
    if is_sparse(values) and "sparse" in takes:
        if (isinstance(values, Tensor) and values.is_complex()) or values.dtype in (np.complex64, np.complex128):
            raise _wrong("x", "holds complex numbers", "give real ones")
        found = csr_rows(values)
        return _in_range(found, found.values())
    array = _array(values, "x")
    texts = array.dtype.kind in "SUT" or (array.dtype.kind == "O" and any(isinstance(v, str) for v in array.flat))
    if texts:
        raise _wrong("x", "holds what is not a number (text)", "give one number for each column")
    wide = np.float32 if "float32" in takes and array.dtype == np.float32 else np.float64
    try:
        found = torch.from_numpy(np.require(array, wide, ["C", "W"]))  # torch takes no array that may not be written
    except (TypeError, ValueError) as error:
        raise _wrong(
            "x", f"holds what is not a number ({one_line(error, 80)})", "give one number for each column"
        ) from None
    return _in_range(found, found)


def _in_range(rows: Tensor, values: Tensor) -> Tensor:
    """The rows, whose values (of sparse rows those that are stored) were looked at."""
    low, high = map(float, torch.aminmax(values)) if values.numel() else (0.0, 0.0)
    if -tables.LARGEST <= low <= high <= tables.LARGEST:  # NaN is in no range
        return rows
    bad = (~(values.double().abs() <= tables.LARGEST)).nonzero()
    first, count = bad[0].tolist(), len(bad)
    value = f"{float(values[tuple(first)]):g}".replace("nan", "NaN")
    if is_csr(rows):
        row = int(torch.searchsorted(rows.crow_indices(), first[0], right=True)) - 1
        first = [row, int(rows.col_indices()[first[0]])]
    what = f"is {value}, not finite or too large" + (f", and {count - 1} more" if count > 1 else "")
    raise _wrong(f"x[{first[0]}, {first[1]}]", what, "correct it")


def _targets(values: np.ndarray, kind: str) -> tuple[np.ndarray, list[str] | None]:
    """Numbers as float64, or places in the sorted classes and their names.

    Args:
        kind: "number", "classes", "numbers" (if they are), or "auto": whole numbers, truth values and text are classes.
    """
    if kind == "labels":
        kind = "auto"
    if kind == "numbers":
        kind = "number" if values.dtype.kind in "fiub" else "classes"
    if kind == "number" and values.dtype.kind not in "fiub":
        raise _wrong("y", "holds text, and the recipe predicts numbers", "give numbers")
    if kind == "number" or (kind == "auto" and values.dtype.kind == "f"):
        if not np.isfinite(values.astype(np.float64)).all():
            raise _wrong("y", "holds NaN or infinity", "correct it")
        return values.astype(np.float64), None
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _wrong("y", "holds NaN or infinity", "correct it")
    try:
        classes, places = np.unique(values, return_inverse=True)
    except TypeError:
        raise _wrong("y", "mixes labels of different kinds", "give whole numbers, or text") from None
    return places.astype(np.int64), [str(c) for c in classes.tolist()]


def _named(columns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
    """Names of columns, and where each is read from: from the column of its name."""
    return columns, tuple({"name": column} for column in columns)


@functools.lru_cache(maxsize=2)
def _numbered(count: int) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
    """The same of columns without names."""
    return _named(tuple(f"x{number}" for number in range(count)))


class Held:
    """Arrays of the caller; the run's settings call them `arrays in memory`."""

    def __init__(self, data: Any) -> None:
        x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
        self.names = [str(name) for name in getattr(x, "columns", ())]
        self.x: Any = x if is_sparse(x) else _array(x, "x")
        self.y = None if y is None else _array(y, "y")
        if self.y is not None and self.y.ndim == 2 and self.y.shape[1] == 1:
            self.y = self.y[:, 0]
        if self.x.ndim < 2 or 0 in self.x.shape:
            raise _wrong(
                "x", f"has shape {tuple(self.x.shape)}", "give rows [N, F], or pictures [N, H, W] or [N, C, H, W]"
            )
        count = self.x.shape[0]  # a sparse matrix has no len
        if self.y is not None and self.y.shape != (count,):
            raise _wrong("y", f"has shape {self.y.shape}", f"give one label for each of {count} rows")

    def __str__(self) -> str:
        return IN_MEMORY

    @property
    def kind(self) -> str:
        """Of the reader whose data these arrays are."""
        return "tables" if self.x.ndim == 2 else "images"

    def read(self, kinds: tuple[str, ...], seed: int, options: Options, problems: Problems) -> Dataset:
        """The data set, for a recipe that reads these kinds; splits are drawn as from a file.

        Raises:
            DataError: the arrays do not fit.
        """
        kind = self.kind
        if kind not in kinds:
            what = f"has shape {self.x.shape}, which is a set of {kind}, but the recipe reads {' or '.join(kinds)}"
            raise _wrong("x", what, "give other data, or train another recipe")
        mine = options.get(kind)
        wanted = shares(mine)
        if kind == "images":
            held = arrays.held(self.x, self.y, Path(IN_MEMORY))
            return arrays.from_arrays(held, [Path(IN_MEMORY)], None, seed, mine, wanted, problems)
        chosen = tables.chosen_of(mine)
        tables.refuse_unused(chosen, IN_MEMORY, "have no named columns", ("target_kind",))
        how = (mine or {}).get("target_kind", "auto")
        y, classes = (None, None) if self.y is None else _targets(self.y, how)
        with without_collection():  # counts of words have ten thousands of columns
            columns, sources = map(list, _named(tuple(self.names)) if self.names else _numbered(self.x.shape[1]))
        facts = {"columns": columns, "target": "" if y is None else "y", "classes": classes, "sources": sources}
        drawn, said = tables.drawn_splits(self.x.shape[0], y if classes else None, mine, seed)
        told = "" if y is None else f"{len(classes)} classes" if classes else "a number"
        x = _rows(self.x, (mine or {}).get("takes", ()))
        return tables.finish(
            {split: x if len(rows) == len(x) else rows_at(x, torch.from_numpy(rows)) for split, rows in drawn.items()},
            None if y is None else {split: y[rows] for split, rows in drawn.items()},
            facts, problems, [IN_MEMORY], [], said=said, seed=seed, target_note=told,
        )  # fmt: skip


def inputs(describe: dict[str, Any], values: Any, takes: Collection[str] = ()) -> Any:
    """Arrays and sparse rows as a tensor of raw values, checked against the training data; others stay as they are.

    Args:
        takes: see `Recipe.takes`.
    """
    dense = isinstance(values, Tensor) and not is_sparse(values)
    if dense or describe.get("kind") not in ("tables", "images", "boxes"):
        return values
    x = values if is_sparse(values) and describe["kind"] == "tables" else _array(values, "x")
    if describe["kind"] != "tables":  # of boxes, what is asked about is the pictures
        return torch.from_numpy(arrays.held(x, None, Path(IN_MEMORY))["train"][0].copy())
    count = len(describe["columns"])
    if x.ndim != 2 or x.shape[1] != count:
        raise _wrong("x", f"has shape {tuple(x.shape)}", f"give rows [N, {count}] as in training")
    return _rows(x, takes)
