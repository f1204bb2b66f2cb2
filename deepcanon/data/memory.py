"""Arrays that the caller holds, instead of a name or path: rows [N, F] as a table, pictures [N, H, W] as images.

`data=X` or `data=(X, y)`, of NumPy, torch or pandas. Labels of whole numbers, truth values or text are classes;
floating point numbers are numbers. The run keeps of them only what a model must know.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import IN_MEMORY, Options, arrays, tables
from .errors import DataError, Problem, Problems, one_line
from .splits import Dataset, shares

__all__ = ["Held", "inputs"]


def _wrong(place: str, what: str, remedy: str) -> DataError:
    return DataError(Problem(IN_MEMORY, place, what, remedy, skippable=False))


def _array(values: Any, place: str) -> np.ndarray:
    if hasattr(values, "toarray"):
        raise _wrong(place, "is a sparse matrix", "make it dense with .toarray()")
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


def _rows(values: np.ndarray) -> np.ndarray:
    """float64 [N, F], the caller's own where they are that already; what is not a finite number is named by its place.

    Nothing writes into the rows of a split.
    """
    texts = values.dtype.kind in "SUT" or (values.dtype.kind == "O" and any(isinstance(v, str) for v in values.flat))
    if texts:
        raise _wrong("x", "holds what is not a number (text)", "give one number for each column")
    try:
        wide = np.require(values, np.float64, ["C", "W"])  # torch takes no array that may not be written
    except (TypeError, ValueError) as error:
        raise _wrong(
            "x", f"holds what is not a number ({one_line(error, 80)})", "give one number for each column"
        ) from None
    low, high = map(float, torch.aminmax(torch.from_numpy(wide))) if wide.size else (0.0, 0.0)
    if not -tables.LARGEST <= low <= high <= tables.LARGEST:  # NaN is in no range
        bad = np.argwhere(~(np.abs(wide) <= tables.LARGEST))
        row, column = bad[0]
        what = f"is {wide[row, column]:g}, not finite or too large"
        raise _wrong(f"x[{row}, {column}]", what + (f", and {len(bad) - 1} more" if len(bad) > 1 else ""), "correct it")
    return wide


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


class Held:
    """Arrays of the caller; the run's settings call them `arrays in memory`."""

    def __init__(self, data: Any) -> None:
        x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
        self.names = [str(name) for name in getattr(x, "columns", ())]
        self.x, self.y = _array(x, "x"), None if y is None else _array(y, "y")
        if self.y is not None and self.y.ndim == 2 and self.y.shape[1] == 1:
            self.y = self.y[:, 0]
        if self.x.ndim < 2 or self.x.size == 0:
            raise _wrong("x", f"has shape {self.x.shape}", "give rows [N, F], or pictures [N, H, W] or [N, C, H, W]")
        if self.y is not None and self.y.shape != (len(self.x),):
            raise _wrong("y", f"has shape {self.y.shape}", f"give one label for each of {len(self.x)} rows")

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
        columns = self.names or [f"x{number}" for number in range(self.x.shape[1])]
        how = (mine or {}).get("target_kind", "auto")
        y, classes = (None, None) if self.y is None else _targets(self.y, how)
        facts = {"columns": columns, "target": "" if y is None else "y", "classes": classes,
                 "sources": [{"name": column} for column in columns]}  # fmt: skip
        drawn, said = tables.drawn_splits(len(self.x), y if classes else None, mine, seed)
        told = "" if y is None else f"{len(classes)} classes" if classes else "a number"
        x = _rows(self.x)
        return tables.finish(
            {split: x if len(rows) == len(x) else x[rows] for split, rows in drawn.items()},
            None if y is None else {split: y[rows] for split, rows in drawn.items()},
            facts, problems, [IN_MEMORY], [], said=said, seed=seed, target_note=told,
        )  # fmt: skip


def inputs(describe: dict[str, Any], values: Any) -> Any:
    """Arrays as a tensor of raw values, checked against the training data; anything else stays as it is."""
    if isinstance(values, Tensor) or describe.get("kind") not in ("tables", "images", "boxes"):
        return values
    x = _array(values, "x")
    if describe["kind"] != "tables":  # of boxes, what is asked about is the pictures
        return torch.from_numpy(arrays.held(x, None, Path(IN_MEMORY))["train"][0].copy())
    count = len(describe["columns"])
    if x.ndim != 2 or x.shape[1] != count:
        raise _wrong("x", f"has shape {x.shape}", f"give rows [N, {count}] as in training")
    return torch.from_numpy(_rows(x))
