"""Generated sets, one file each: the listing of this folder is the catalogue of them.

`bars_and_stripes.py` is the set `bars-and-stripes`. The first line of its docstring says what it is, and `KIND` is the
kind of data that it gives, both read as text, without torch. Its function

    def draw(seed: int, options: dict[str, Any]) -> Task

gives splits of that kind's raw examples: pixels as uint8, rows of a table as numbers, documents as strings; of a text
the whole as one split, which its reader cuts. Examples are a pure function of (seed, step), as a `DrawnSplit`, or a
finite set from the seed.
"""

import functools
import importlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..known import Known

if TYPE_CHECKING:
    from ..splits import Dataset, Split

__all__ = ["Task", "drawn", "knowing", "listed", "module", "placing", "read"]

FOLDER = Path(__file__).parent


@dataclass
class Task:
    """What a generated set gives.

    Attributes:
        splits: raw examples.
        known: scores that are known without training.
        facts: what readers say of their data ("classes", "columns"), if there is something to say.
        truth: by name, what only the source knows: arrays, and functions of examples. An evaluation may use them; they
            are never given to a model and never written into a run.
        told: lines for the notes of the data set, as of a test that is harder than what is learned from.
    """

    splits: dict[str, "Split"]
    known: tuple[Known, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    truth: dict[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()


@functools.cache
def listed() -> dict[str, tuple[str, str]]:
    """(kind, one line) of each generated set, by name."""
    found = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8")
        kind = re.search(r'^KIND = "([a-z_]+)"$', text, re.M)
        summary = re.match(r'r?"""(.+)', text)
        if not kind or not summary:
            raise ValueError(f'{path.name} lacks a docstring, or a line KIND = "..."')
        found[path.stem.replace("_", "-")] = kind[1], summary[1].rstrip(".")
    return found


@functools.cache
def placing() -> tuple[str, ...]:
    """The sets that place pictures of a base set (`--base`): those whose file uses `_placed`."""
    files = {name: FOLDER / f"{name.replace('-', '_')}.py" for name in listed()}
    return tuple(name for name, file in files.items() if "from ._placed import" in file.read_text(encoding="utf-8"))


def module(name: str) -> Any:
    """The file of a generated set."""
    return importlib.import_module(f".{name.replace('-', '_')}", __name__)


@functools.lru_cache(maxsize=2)
def drawn(name: str, seed: int) -> Task:
    """A generated text, which several parts of its reader look at."""
    return module(name).draw(seed, {})


def knowing(data: "Dataset", task: Task) -> "Dataset":
    """The data set with what is known of the task, which its notes tell."""
    notes = [*data.notes, *task.told, *(known.line() for known in task.known)]
    return replace(data, notes=notes, known=task.known, truth=task.truth)


def read(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> "Dataset":
    """A generated set as its kind's reader would give it.

    Raises:
        DataError: an option does not fit.
    """
    kind, _ = listed()[name]
    task = module(name).draw(seed, options or {})
    return knowing(importlib.import_module("._forms", __name__).FORMS[kind](name, task, seed, options or {}), task)
