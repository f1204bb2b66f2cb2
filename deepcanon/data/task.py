"""The door of recipes that need no data: they draw their own task from the seed of the run."""

from pathlib import Path
from typing import Any

from .errors import DataError, Problem, Problems
from .splits import Dataset

__all__ = ["ACCEPTS", "fits", "read"]

ACCEPTS = "nothing: the recipe draws its own task"


def fits(path: Path) -> bool:
    """No path is a task."""
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
        raise DataError(Problem(str(spec), "", "is not used: this recipe draws its own task", remedy, skippable=False))
    return Dataset("task", {}, {})
