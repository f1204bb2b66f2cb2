"""The reader of recipes that need no data: they calculate, simulate, or draw networks from the seed of the run."""

from pathlib import Path
from typing import Any

from .errors import DataError, Problem, Problems
from .splits import Dataset

__all__ = ["ACCEPTS", "fits", "read"]

ACCEPTS = "nothing: the recipe needs no data"


def fits(path: Path) -> bool:
    """No path is nothing."""
    return False


def read(
    spec: str | Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None
) -> Dataset:
    """A data set without examples.

    Raises:
        DataError: data were given.
    """
    if str(spec):
        remedy = "leave --data out"
        raise DataError(Problem(str(spec), "", "is not used: this recipe needs no data", remedy, skippable=False))
    return Dataset("nothing", {}, {})
