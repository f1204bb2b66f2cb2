"""Data: readers by the shape of the data, the catalogue of public sets, and the order of batches.

Importing this package imports neither torch nor numpy; the readers are loaded when they are first used.
"""

import difflib
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import catalogue
from .errors import DataError, Problem, Problems, one_line
from .foreign_files import Foreign, foreign
from .inputs import Inputs

if TYPE_CHECKING:
    from .splits import Dataset

__all__ = [
    "CATALOGUE", "IN_MEMORY", "KINDS", "NEED_NOT_BE",
    "DataError", "Foreign", "Inputs", "Problem", "Report", "as_inputs", "check", "foreign", "in_memory", "kinds_of",
    "meant_kinds", "open_data", "read_inputs",
]  # fmt: skip

KINDS = (
    "images", "boxes", "audio", "speech", "tables", "text", "documents", "pairs", "stories", "dialogues", "series",
    "trees", "sequences", "point_sets", "environment", "nothing",
)  # fmt: skip
PATHS = (
    "images",
    "boxes",
    "audio",
    "speech",
    "tables",
    "text",
    "documents",
    "pairs",
    "stories",
    "dialogues",
    "series",
    "trees",
    "point_sets",
)  # the kinds that are read from a path
SPECIFIC = ("boxes", "speech", "documents", "pairs", "stories", "dialogues", "trees", "point_sets")
"""Kinds whose reader knows a form that nothing else has (`recognises`); others take any file of an ending."""
NEED_NOT_BE = {"series": "a series", "speech": "speech", "point_sets": "sets of points", "pairs": "pairs"}
"""What tables and sounds need not be, though these readers take them, and how to say so."""
IN_MEMORY = "arrays in memory"
CATALOGUE = "catalogue:"  # before a name: the published set, whatever local path has that name
QUEUE = "is neither a file nor a folder"
Options = dict[str, dict[str, Any]]  # kind of reader -> its options


def _reader(kind: str) -> Any:
    if kind not in KINDS:
        raise ValueError(f"no reader for {kind!r}, only for {', '.join(KINDS)}")
    return importlib.import_module(f".{kind}", __name__)


def _accepted(kinds: Sequence[str]) -> str:
    names = [name for name, entry in catalogue.ENTRIES.items() if entry.kind in kinds]
    known = [f"a name of the catalogue ({', '.join(names)})"] if names else []
    return "accepted are " + "; or ".join([*known, *(_reader(kind).ACCEPTS for kind in kinds)])


def _open(kinds: Sequence[str], spec: str, seed: int, options: Options, problems: Problems) -> "Dataset":
    if "nothing" in kinds:
        return _reader("nothing").read(spec)
    if spec == IN_MEMORY:
        raise problems.fail(
            spec, "", "were given by the caller, and the run does not keep them", "give data=(x, y) again"
        )
    if names := _sets(kinds, spec):
        for name in names:
            kind = catalogue.ENTRIES[name].kind
            if kind not in kinds:
                what = f"is a set of {kind}, but {' or '.join(kinds)} is needed"
                raise problems.fail(name, "", what, _accepted(kinds))
        if not _joinable(names):
            twice = len(set(names)) < len(names)
            what, remedy = (
                ("names a set twice", "each once") if twice else ("joins sets that are not texts", "one of them")
            )
            raise problems.fail(spec, "", what, f"give {remedy}")
        kind = catalogue.ENTRIES[names[0]].kind
        drawn = catalogue.ENTRIES[names[0]].generated and kind != "text"  # whose reader joins it with others
        read = catalogue.tasks.read if drawn else _reader(kind).read_named
        return _chosen(read("+".join(names), seed, options.get(kind)), options.get(kind), seed)
    if not spec:
        made = [name for name, entry in catalogue.ENTRIES.items() if entry.generated and entry.kind in kinds]
        before = f"give a name or a path; what a recipe once drew itself is a set now: {', '.join(made)}"
        raise problems.fail("--data", "", "names nothing", before if made else _accepted(kinds))
    if "\0" in spec:
        raise problems.fail(spec, "", "is not a name or path", _accepted(kinds))
    path = _path(spec)
    if path is None:
        if "environment" in kinds:
            return _reader("environment").read(spec)
        near = difflib.get_close_matches(spec, [n for n, e in catalogue.ENTRIES.items() if e.kind in kinds], 1)
        remedy = f"did you mean {near[0]}?" if near else _accepted(kinds)
        raise problems.fail(spec, "", "is neither a data set's name nor a path that exists", remedy)
    if not _readable(path):
        raise problems.fail(path, "", QUEUE, "save its output as a file")
    paths = [kind for kind in kinds if kind in PATHS]
    fitting = [kind for kind in paths if _fits(kind, path, options)]
    if not fitting and (known := foreign(path)):
        meant = set(known.kinds) & set(paths)
        raise problems.fail(path, "", known.what, known.remedy if meant else _accepted(kinds))
    if not fitting and len(paths) != 1:
        other = "an environment" if "environment" in kinds else f"a generated set of {kinds[0]}"
        raise problems.fail(path, "", f"is not {' or '.join(paths) or other}", _accepted(kinds))
    kind = (fitting or paths)[0]
    data = _reader(kind).read(path, seed, options.get(kind), problems)
    if spec in catalogue.ENTRIES:
        said = f"read from {path.absolute()}; for the published set of that name write {CATALOGUE}{spec}"
        data.notes.insert(0, said)
    return _chosen(data, options.get(kind), seed)


def _sets(kinds: Sequence[str], spec: str) -> list[str]:
    """The sets of the catalogue that are meant, several joined by +; [] if it is something else."""
    names = spec.removeprefix(CATALOGUE).split("+")
    known = all(name in catalogue.ENTRIES for name in names)
    return names if known and not (spec in catalogue.ENTRIES and _is_own(kinds, spec)) else []


def _joinable(names: list[str]) -> bool:
    texts = all(catalogue.ENTRIES[name].kind == "text" for name in names)
    return len(names) == 1 or (texts and len(set(names)) == len(names))


def _path(spec: str) -> Path | None:
    """The path, if there is something."""
    try:
        path = Path(os.path.expanduser(spec))  # unlike Path's, it keeps an unknown ~user as it is
        return path if "\0" not in spec and spec and path.exists() else None
    except OSError:  # a name that is too long for the file system
        return None


def _fits(kind: str, path: Path, options: Options) -> bool:
    """Whether a reader takes the path; documents are recognised by the column that is asked for."""
    more = (options.get(kind),) if kind == "documents" else ()
    return _reader(kind).fits(path, *more)


def _readable(path: Path) -> bool:
    """Whether a path is a file or a folder; opening a named pipe would block until somebody writes into it."""
    return path.is_file() or path.is_dir()


def _is_own(kinds: Sequence[str], name: str) -> bool:
    """Whether a local path with the name of a set is the caller's own: one that a reader takes, not the set's files."""
    path = Path(name)
    if not _readable(path) or any(path.resolve() == (f / name).resolve() for f in _published().search_folders()):
        return False
    return any(_reader(kind).fits(path) for kind in kinds if kind in PATHS)


def _published() -> Any:
    return importlib.import_module(".published", __name__)


def kinds_of(spec: str) -> tuple[str, ...]:
    """The kinds of readers that take this path or this name."""
    if names := _sets(PATHS, spec):
        kind = catalogue.ENTRIES[names[0]].kind
        return (kind,) if kind in KINDS and _joinable(names) else ()
    path = _path(spec)
    if path is None:
        return ("environment",) if _reader("environment").knows(spec) else ()
    return tuple(kind for kind in PATHS if _readable(path) and _reader(kind).fits(path))


def meant_kinds(spec: str) -> tuple[str, ...]:
    """Of the kinds that take a path those that it was made for: what their readers find wrong with it is wrong."""
    path = _path(spec)
    if path is None or _sets(PATHS, spec):
        return kinds_of(spec)
    kinds = kinds_of(spec)
    found = tuple(kind for kind in kinds if kind in SPECIFIC and _reader(kind).recognises(path))
    general = tuple(kind for kind in kinds if kind not in NEED_NOT_BE)
    return found or general or kinds


def _chosen(data: "Dataset", options: dict[str, Any] | None, seed: int) -> "Dataset":
    return importlib.import_module(".examples", __name__).choose_examples(data, options or {}, seed)


def in_memory(data: Any) -> Any:
    """The caller's arrays, X or (X, y), as `open_data` takes them; a name or a path as text.

    Raises:
        DataError: the shapes do not fit.
    """
    if isinstance(data, str | os.PathLike):
        return str(data)
    held = importlib.import_module(".memory", __name__).Held
    return data if isinstance(data, held) else held(data)


def open_data(
    kinds: tuple[str, ...],
    spec: Any,
    *,
    seed: int = 0,
    options: Options | None = None,
    skip_bad: bool = False,
) -> "Dataset":
    """Opens a data set by its name in the catalogue or by its path, with the reader among `kinds` that it fits.

    `spec` may be arrays too (see `in_memory`).

    `options` are the reading options of each kind (see `deepcanon.options.reading_options`). `skip_bad` leaves out bad
    files and rows, and records their names.
    """
    given, problems = in_memory(spec), Problems(skip_bad=skip_bad)
    if not isinstance(given, str):
        return _chosen(given.read(kinds, seed, options or {}, problems), (options or {}).get(given.kind), seed)
    return _open(kinds, given, seed, options or {}, problems)


def read_inputs(kind: str, describe: dict[str, Any], paths: list[str]) -> Inputs:
    """What is read from the INPUT arguments of `predict` and `encode`: files, folders, or "-" (standard input)."""
    if kind not in PATHS:
        raise DataError(
            f"this run learned from {kind} and takes no files; in Python, run.predict(tensor) takes its values"
        )
    missing = [p for p in paths if p != "-" and (_path(p) is None or not Path(p).exists())]
    if missing:
        raise DataError(
            [Problem(p, "", "does not exist", "give a file, a folder or -", skippable=False) for p in missing]
        )
    queues = [p for p in paths if p != "-" and p not in missing and not _readable(Path(p))]
    if queues:
        raise DataError(
            [Problem(p, "", QUEUE, "pass - and pipe it to standard input", skippable=False) for p in queues]
        )
    if not paths:
        raise DataError("no input: give a file, a folder or -")
    if paths.count("-") > 1:
        raise DataError("standard input (-) is given twice, but can be read only once: leave out one -")
    try:
        found = _reader(kind).inputs(describe, paths)
    except DataError as error:
        raise DataError([_foreign(problem, kind) for problem in error.problems]) from None
    return found if isinstance(found, Inputs) else Inputs(*found)


def _foreign(problem: Problem, kind: str) -> Problem:
    """The problem of a whole file of another program, said as that; what the reader takes has problems of its own."""
    path = Path(problem.file)
    known = None if problem.place else foreign(path)
    if known is None or kind not in known.kinds or _reader(kind).fits(path):
        return problem
    return replace(problem, what=known.what, remedy=known.remedy)


def as_inputs(describe: dict[str, Any], values: Any, takes: Sequence[str] = ()) -> Any:
    """Raw values for `predict` and `encode`: a tensor as it is, arrays checked against the training data.

    Args:
        takes: which forms of rows stay as they are (see `Recipe.takes`).
    """
    return importlib.import_module(".memory", __name__).inputs(describe, values, takes)


@dataclass
class Report:
    """What a reader understood of a path, and every problem it met."""

    kind: str
    path: str
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    known: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def lines(self) -> list[str]:
        """The report for people, line by line."""
        classes = self.facts.get("classes")
        names = [one_line(name, 100) for name in (classes or [])[:20]]
        shown = [f"classes: {', '.join(names)}{', ...' if len(classes) > 20 else ''}"] if classes else []
        return [
            f"{self.path}: {self.kind}",
            *self.notes,
            *shown,
            *(f"example: {example}" for example in self.examples),
            f"{len(self.problems) or 'no'} problem{'s' * (len(self.problems) != 1)}",
            *(f"problem: {problem}" for problem in self.problems),
        ]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "path": self.path, "kind": self.kind, "counts": self.counts, "facts": self.facts, "notes": self.notes,
            "examples": self.examples, "record": self.record, "known": self.known,
            "problems": [str(p) for p in self.problems],
        }  # fmt: skip


def check(
    kinds: tuple[str, ...],
    path: str,
    options: Options | None = None,
    lacks: "Callable[[Dataset], str] | None" = None,
) -> Report:
    """Reads all of a path (or a named set), trains nothing, and reports what was understood and every problem.

    Args:
        lacks: what a recipe lacks in data that can be read, in a line; "" if nothing.
    """
    problems = Problems(keep_going=True)
    try:
        data = _open(kinds, str(path), 0, options or {}, problems)
    except DataError as error:
        return Report(" or ".join(kinds), str(path), problems=list(dict.fromkeys([*problems.found, *error.problems])))
    if lacks and (said := lacks(data)):
        problems.found.append(Problem(str(path), "", said, "", skippable=False))
    return Report(
        data.kind,
        str(path),
        data.counts(),
        data.describe(),
        data.notes,
        data.examples,
        data.record,
        problems.found,
        [vars(known) for known in data.known],
    )
