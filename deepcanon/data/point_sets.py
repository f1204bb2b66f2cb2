"""The reader of point sets: sets of points in the plane, each with the solution of a problem as a sequence of points.

`x` [N, P, 2] holds the coordinates, NaN beyond the points of a set; `y` [N, P] the numbers of the points that are the
solution, in their order, and `NONE` beyond its end. The solution is computed exactly, of the points as they are stored,
in 32 bits: the corners of the convex hull from the lowest number on, counter-clockwise; a shortest tour from point 0
on, towards the lower of its neighbours; or the triangles of the Delaunay triangulation, three numbers each
(`delaunay.py` has their order), in up to 3 (2 P - 5) columns.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepcanon.parts.plane import LONGEST_TOUR, convex_hull, shortest_tours

from .cells import from_bytes, load, suffix_of
from .columns import numbers_of
from .delaunay import most_triangles, triangulations
from .errors import DataError, Problem, Problems, one_line
from .first_lines import first_lines
from .image_sets import list_folder
from .inputs import Inputs
from .named_splits import Told, drawn_notes, splits_by_name
from .series import texts
from .splits import ORDER, Dataset, Split, draw_splits, shares
from .table_cells import Table

__all__ = [
    "ACCEPTS", "NONE", "facts_of", "fits", "inputs", "packed", "places_of", "read", "recognises", "solved",
]  # fmt: skip

NONE = -1
SUFFIXES = (".csv", ".tsv")
ACCEPTS = (
    'point sets: a .csv or .tsv file whose columns are two coordinates and, where it holds several sets, "set", or a '
    "folder with such a file for each split (train.csv, test.csv) or for each set"
)
SOLVED = {
    "hull": "the corners of the convex hull",
    "tour": "a shortest tour",
    "delaunay": "the triangles of the Delaunay triangulation",
}
COLUMNS = 'give two columns of coordinates, and a column "set" that says which set a point belongs to'


def fits(path: Path) -> bool:
    """Whether the path looks like sets of points: columns x and y, or "set" and two others."""
    return any(sorted(names) == ["x", "y"] or _is_set(names) for names in _headers(path))


def recognises(path: Path) -> bool:
    """Whether nothing but sets of points looks so: of columns x and y, one may be predicted from the other."""
    return any(map(_is_set, _headers(path)))


def _is_set(names: list[str]) -> bool:
    return len(names) == 3 and names.count("set") == 1


def _headers(path: Path) -> list[list[str]]:
    """The names of columns in lower case that the first tables of a path have, whatever lies between them."""
    files = [p for p in ([path] if not path.is_dir() else list_folder(path)[1]) if suffix_of(p) in SUFFIXES]
    lines = [first_lines(p, 2) for p in files[:20]]
    firsts = [some[-1] if some[0].lower().startswith("sep=") else some[0] for some in lines if some]
    return [[cell.strip(' "').lower() for cell in line.split(sign)] for line in firsts for sign in ",;\t|"]


def places_of(problem: str, points: int) -> int:
    """The columns of the solutions of sets of so many points; three for a triangle at least."""
    return 3 * max(1, most_triangles(points)) if problem == "delaunay" else points


def solved(points: np.ndarray, problem: str) -> np.ndarray:
    """The solutions of sets of P points each, `NONE` beyond their ends."""
    if problem == "tour":
        return shortest_tours(points)
    if problem == "delaunay":
        return triangulations(points)[0].reshape(len(points), -1)
    answers = np.full(points.shape[:2], NONE)
    for row, one in zip(answers, points, strict=True):
        hull = convex_hull(one)
        row[: len(hull)] = hull
    return answers


def packed(sets: list[np.ndarray], problem: str) -> Split:
    """Sets of any sizes as one split."""
    widest = max(map(len, sets))
    x = np.full((len(sets), widest, 2), np.nan, dtype=np.float32)
    y = np.full((len(sets), places_of(problem, widest)), NONE)
    for size in {len(one) for one in sets}:
        rows = [place for place, one in enumerate(sets) if len(one) == size]
        x[rows, :size] = np.stack([sets[place] for place in rows])
        y[rows, : places_of(problem, size)] = solved(x[rows, :size].astype(np.float64), problem)
    return Split(torch.from_numpy(x), torch.from_numpy(y))


def facts_of(problem: str, train: Split) -> dict[str, Any]:
    """The problem, and the fewest and the most points of a training set."""
    counts = (~train.x[:, :, 0].isnan()).sum(1)
    return {"problem": problem, "fewest": int(counts.min()), "most": int(counts.max())}


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads sets of points in any of the accepted forms; missing splits are drawn by the seed.

    Raises:
        DataError: a cell is not a coordinate, a set has too few or too many points, or no solution.
    """
    problems, told, problem = problems or Problems(), Told(), (options or {}).get("problem", "hull")
    groups = _files(path, problems, told)
    found = {
        split: [one for p in some for _, one in _sets(p, None, problem, problems, told)]
        for split, some in groups.items()
    }
    problems.settle()
    if not found["train"]:
        raise problems.fail(path, "", "holds no set of points", f"accepted are {ACCEPTS}")
    valid, test = shares(options)
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if not found.get(s) and share > 0]
    whole = found["train"]
    if missing:
        rows = draw_splits(len(whole), None, missing, seed)
        found |= {split: [whole[i] for i in some.tolist()] for split, some in rows.items()}
    splits = {split: packed(found[split], problem) for split in ORDER if found.get(split)}
    facts = facts_of(problem, splits["train"])
    counts = {split: len(part) for split, part in splits.items()}
    sizes = (
        f"{facts['fewest']} to {facts['most']} points" if facts["fewest"] < facts["most"] else f"{facts['most']} points"
    )
    notes = [
        f"sets of points: {', '.join(f'{split} {count:,}' for split, count in counts.items())}, of {sizes}",
        f"solved exactly: {SOLVED[problem]} (--problem)",
        "coordinates: each set is moved and scaled into the unit square, and rounded to 32 bits",
        *drawn_notes(missing, splits, "sets"),
        *told.lines(),
    ]
    record = {"path": path.name, "counts": counts, "skipped": problems.skipped()}
    return Dataset("point_sets", splits, facts, [*notes, *problems.left_out()], record, examples(splits["train"]))


def _files(path: Path, problems: Problems, told: Told) -> dict[str, list[Path]]:
    """The files of each split; without names of splits all are files for training."""
    if not path.is_dir():
        return {"train": [path]}
    folders, others = list_folder(path)
    files = [p for p in others if suffix_of(p) in SUFFIXES and p.is_file()]
    if not files:
        raise problems.fail(path, "", "holds no .csv file", f"accepted are {ACCEPTS}")
    named = splits_by_name(files, problems)
    if named and "train" not in named:
        raise problems.fail(path, "", "has no train split", "add train.csv, or give the file itself")
    if named:
        told.splits(named)
    read = [*named.values()] or files
    told.unread = [p for p in [*folders, *others] if p not in read]
    return {split: [p] for split, p in named.items()} or {"train": files}


def examples(train: Split) -> list[str]:
    """Three sets in words."""
    said = []
    for points, answer in zip(train.x[:3], train.y[:3] if train.y is not None else [], strict=True):
        rows = [f"({a:.2f}, {b:.2f})" for a, b in points.tolist() if a == a]
        said.append(one_line(f"{' '.join(rows)} -> {' '.join(str(n) for n in answer.tolist() if n != NONE)}", 200))
    return said


def _sets(
    path: Path, content: bytes | None, problem: str, problems: Problems, told: Told
) -> list[tuple[str, np.ndarray]]:
    """The sets of a file by name, each scaled into the unit square and rounded as it will be stored."""
    if content is None and suffix_of(path) not in SUFFIXES:
        raise problems.fail(path, "", "is not a file of points", f"accepted are {ACCEPTS}")
    table = load(path, problems) if content is None else from_bytes(content, "stdin", ".csv", problems)
    told.notes += table.notes
    names = list(table.columns)
    group = next((name for name in names if name.strip().lower() == "set"), "")
    axes = [name for name in names if name != group]
    if len(axes) > 2 and (labels := [name for name in axes if _names_points(table, name)]):
        axes = [name for name in axes if name not in labels]
        told.notes.append(f"columns that are not read: {one_line(', '.join(labels), 100)} (names of points)")
    if len(axes) != 2:
        shown = one_line(", ".join(names), 100)
        raise problems.fail(table.file, "header", f"has {len(axes)} columns of coordinates ({shown}), not 2", COLUMNS)
    if [name.strip().lower() for name in axes] != ["x", "y"]:
        shown = " and ".join(one_line(name, 40) for name in axes)
        told.notes.append(f"columns: {shown} are the coordinates, in this order")
    values = _coordinates(table, axes, problems, told)
    cells = texts(table, group) if group else np.full(len(table), "")
    rows: dict[str, list[int]] = {}
    for row, cell in enumerate(cells.tolist()):
        if group and not str(cell).strip():
            problems.add(table.file, table.place(row), "belongs to no set", 'fill its cell in the column "set"')
        rows.setdefault(str(cell).strip(), []).append(row)
    found = []
    apart = sum(mine[-1] - mine[0] >= len(mine) for mine in rows.values())
    told.counts["sets with rows of others between theirs, each read as one"] += apart
    for name, mine in rows.items():
        said = f"set {one_line(name, 40)!r}" if group else "its set"
        points = values[mine]
        if np.isnan(points).any():
            continue  # already a problem
        places = [table.place(row) for row in mine]
        wrong = _wrong(points, problem, places)
        if not wrong:
            low = points.min(0)
            points = ((points - low) / (points - low).max()).astype(np.float32).astype(np.float64)
            wrong = _rounded_wrong(points, problem, places)
        if wrong:
            place, what, remedy = wrong
            problems.add(table.file, place, f"{said} {what}", remedy)
        else:
            found.append((name, points))
    return found


def _names_points(table: Table, name: str) -> bool:
    """Whether a column says what its points are called: it has another word in each row, and no number."""
    cells = [str(cell).strip() for cell in texts(table, name).tolist()]
    return len({*cells}) == len(cells) > 0 and all(any(c.isalpha() for c in cell) for cell in cells)


def _coordinates(table: Table, axes: list[str], problems: Problems, told: Told) -> np.ndarray:
    """The cells of both columns as coordinates [rows, 2], in one notation; NaN where one is none.

    Raises:
        DataError: they can be read in two notations.
    """
    cells = np.stack([texts(table, name) for name in axes], 1)
    numbers = numbers_of(cells.ravel(), "auto", table.delimiter)
    if numbers.unsure:
        raise problems.fail(table.file, "", numbers.unsure, "write coordinates without commas, decimals with a point")
    told.notes += [f"coordinates: {note}" for note in numbers.notes]
    good = numbers.ok & np.isfinite(numbers.values) & (np.abs(numbers.values) < 1e15)
    for place in np.flatnonzero(~good).tolist():
        row, axis = divmod(place, len(axes))
        cell = one_line(cells[row, axis], 40)
        what = f"is {cell!r}, not a coordinate" if cell else "is empty"
        where = f"{table.place(row)}, column {one_line(axes[axis], 60)!r}"
        problems.add(table.file, where, what, "give a finite number")
    return np.where(good, numbers.values, np.nan).reshape(-1, len(axes))


Wrong = tuple[str, str, str] | None
"""Place, what is wrong, and the remedy."""


def _wrong(points: np.ndarray, problem: str, places: list[str]) -> Wrong:
    """What is wrong with a set as it is given."""
    if len(points) < 3:
        of = {"tour": "a tour", "delaunay": "a triangulation"}.get(problem, "a hull")
        what = f"has {len(points)} point{'s' * (len(points) != 1)}, and {of} needs 3"
        return places[0], what, "add points, or leave the set out"
    if problem == "tour" and len(points) > LONGEST_TOUR:
        what = f"has {len(points)} points; tours are solved exactly up to {LONGEST_TOUR}"
        return places[0], what, "give smaller sets, or --problem hull"
    if again := _again(points):
        return places[again[1]], f"has the point of {places[again[0]]} again", "give each point once"
    return None


def _rounded_wrong(points: np.ndarray, problem: str, places: list[str]) -> Wrong:
    """What keeps a set from having one solution when it is stored."""
    if again := _again(points):
        what = f"has the point of {places[again[0]]} again, once both are scaled and rounded to 32 bits"
        return places[again[1]], what, "leave one out, or leave out the points far away from them"
    if problem in ("hull", "delaunay") and len(convex_hull(points)) < 3:
        of = "hull" if problem == "hull" else "triangulation"
        return places[0], f"lies on one line, and has no {of}", "leave the set out"
    if problem == "delaunay" and not triangulations(points[None])[1].all():
        what = "has four points on one circle, so that its triangulation is not the only one"
        return places[0], what, "move one of them a little, or leave the set out"
    return None


def _again(points: np.ndarray) -> tuple[int, int] | None:
    """The numbers of the first point that is there twice."""
    seen: dict[tuple[float, float], int] = {}
    for number, point in enumerate(map(tuple, points.tolist())):
        if point in seen:
            return seen[point], number
        seen[point] = number
    return None


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """Sets of points [P, 2], scaled as those of training, from files."""
    found, problems = Inputs([], []), Problems()
    for given in paths:
        path = Path(given)
        if given != "-" and (path.is_dir() or suffix_of(path) not in SUFFIXES):
            raise problems.fail(given, "", "is not a file of points", "give .csv or .tsv files, or - for stdin")
        content = sys.stdin.buffer.read() if given == "-" else None
        told, start = Told(), len(found)
        for name, points in _sets(path, content, "any", problems, told):
            found.names.append(f"{'stdin' if given == '-' else given}{f': set {name}' if name else ''}")
            found.values.append(torch.from_numpy(points).float())
        found.tell(start, told.lines())
    problems.settle()
    if not found.names:
        raise DataError(Problem(", ".join(paths), "", "holds no points", COLUMNS, skippable=False))
    return found
