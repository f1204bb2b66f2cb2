"""The reader of point sets: sets of points in the plane, each with the solution of a problem as a sequence of points.

`x` [N, P, 2] holds the coordinates, NaN beyond the points of a set; `y` [N, P] the numbers of the points that are the
solution, in their order, and `NONE` beyond its end. The solution is computed exactly: the corners of the convex hull
from the lowest number on, counter-clockwise, or a shortest tour from point 0 on, towards the lower of its neighbours.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepcanon.parts.plane import LONGEST_TOUR, convex_hull, shortest_tours

from .cells import from_bytes, load, suffix_of
from .columns import numbers_of
from .errors import DataError, Problem, Problems, one_line
from .first_lines import first_lines
from .image_sets import list_folder
from .inputs import Inputs
from .named_splits import ORDER, Told, splits_by_name
from .series import texts
from .splits import Dataset, Split, draw_splits, shares
from .table_cells import Table

__all__ = ["ACCEPTS", "NONE", "facts_of", "fits", "inputs", "packed", "read", "recognises", "solved"]

NONE = -1
SUFFIXES = (".csv", ".tsv")
ACCEPTS = (
    'point sets: a .csv or .tsv file whose columns are two coordinates and, where it holds several sets, "set", or a '
    "folder with such a file for each split (train.csv, test.csv) or for each set"
)
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
    files = [path] if not path.is_dir() else list_folder(path)[1]
    lines = [first_lines(p, 2) for p in files[:20] if suffix_of(p) in SUFFIXES]
    firsts = [some[-1] if some[0].lower().startswith("sep=") else some[0] for some in lines if some]
    return [[cell.strip(' "').lower() for cell in line.split(sign)] for line in firsts for sign in ",;\t|"]


def solved(points: np.ndarray, problem: str) -> np.ndarray:
    """The solutions [N, P] of sets of P points each, `NONE` beyond their ends."""
    if problem == "tour":
        return shortest_tours(points)
    answers = np.full(points.shape[:2], NONE)
    for row, one in zip(answers, points, strict=True):
        hull = convex_hull(one)
        row[: len(hull)] = hull
    return answers


def packed(sets: list[np.ndarray], problem: str) -> Split:
    """Sets of any sizes as one split."""
    widest = max(map(len, sets))
    x, y = np.full((len(sets), widest, 2), np.nan), np.full((len(sets), widest), NONE)
    for size in {len(one) for one in sets}:
        rows = [place for place, one in enumerate(sets) if len(one) == size]
        some = np.stack([sets[place] for place in rows])
        x[rows, :size], y[rows, :size] = some, solved(some, problem)
    return Split(torch.from_numpy(x).float(), torch.from_numpy(y))


def facts_of(problem: str, train: Split) -> dict[str, Any]:
    """The problem, and the fewest and the most points of a training set."""
    counts = (~train.x[:, :, 0].isnan()).sum(1)
    return {"problem": problem, "fewest": int(counts.min()), "most": int(counts.max())}


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads sets of points in any of the accepted forms; missing splits are drawn by the seed.

    Raises:
        DataError: a cell is not a coordinate, a set has too few or too many points, or no solution.
    """
    problems, problem = problems or Problems(), (options or {}).get("problem", "hull")
    told = Told()
    folders, others = list_folder(path) if path.is_dir() else ([], [path])
    files = [p for p in others if (suffix_of(p) in SUFFIXES and p.is_file()) or not path.is_dir()]
    if not files:
        raise problems.fail(path, "", "holds no .csv file", f"accepted are {ACCEPTS}")
    named = splits_by_name(files, problems) if path.is_dir() else {}
    if named and "train" not in named:
        raise problems.fail(path, "", "has no train split", "add train.csv, or give the file itself")
    groups = {split: [p] for split, p in named.items()} or {"train": files}
    told.unread = [p for p in [*folders, *others] if not any(p in some for some in groups.values())]
    found = {
        split: [one for p in some for _, one in _sets(p, None, problem, problems)] for split, some in groups.items()
    }
    problems.settle()
    if not found["train"]:
        raise problems.fail(path, "", "holds no set of points", f"accepted are {ACCEPTS}")
    valid, test = shares(options)
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if not found.get(s) and share > 0]
    rows, whole = {}, found["train"]
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
        f"solved exactly: {'the corners of the convex hull' if problem == 'hull' else 'a shortest tour'} (--problem)",
        "coordinates: each set is moved and scaled into the unit square",
    ]
    notes += ["drawn by the seed: " + ", ".join(f"{share:.0%} {s}" for s, share in missing if s in splits)] * bool(rows)
    record = {"path": path.name, "counts": counts, "skipped": problems.skipped()}
    return Dataset(
        "point_sets", splits, facts, [*notes, *told.lines(), *problems.left_out()], record, examples(splits["train"])
    )


def examples(train: Split) -> list[str]:
    """Three sets in words."""
    said = []
    for points, answer in zip(train.x[:3], train.y[:3] if train.y is not None else [], strict=True):
        rows = [f"({a:.2f}, {b:.2f})" for a, b in points.tolist() if a == a]
        said.append(one_line(f"{' '.join(rows)} -> {' '.join(str(n) for n in answer.tolist() if n != NONE)}", 200))
    return said


def _sets(path: Path, content: bytes | None, problem: str, problems: Problems) -> list[tuple[str, np.ndarray]]:
    """The sets of a file by name, each scaled into the unit square."""
    table = load(path, problems) if content is None else from_bytes(content, "stdin", ".csv", problems)
    names = list(table.columns)
    group = next((name for name in names if name.strip().lower() == "set"), "")
    axes = [name for name in names if name != group]
    if len(axes) != 2:
        shown = one_line(", ".join(names), 100)
        raise problems.fail(table.file, "header", f"has {len(axes)} columns of coordinates ({shown}), not 2", COLUMNS)
    values = np.stack([_numbers(table, name, problems) for name in axes], 1)
    cells = texts(table, group) if group else np.full(len(table), "")
    rows: dict[str, list[int]] = {}
    for row, cell in enumerate(cells.tolist()):
        if group and not str(cell).strip():
            problems.add(table.file, table.place(row), "belongs to no set", 'fill its cell in the column "set"')
        rows.setdefault(str(cell).strip(), []).append(row)
    found = []
    for name, mine in rows.items():
        said = f"set {one_line(name, 40)!r}" if group else "its set"
        points = values[mine]
        if np.isnan(points).any():
            continue  # already a problem
        if wrong := _wrong(points, problem, [table.place(row) for row in mine]):
            place, what, remedy = wrong
            problems.add(table.file, place, f"{said} {what}", remedy)
        else:
            low = points.min(0)
            found.append((name, (points - low) / (points - low).max()))
    return found


def _numbers(table: Table, name: str, problems: Problems) -> np.ndarray:
    """The cells of a column as coordinates, NaN where one is none."""
    cells = texts(table, name)
    numbers = numbers_of(cells, "auto", table.delimiter)
    good = numbers.ok & np.isfinite(numbers.values) & (np.abs(numbers.values) < 1e15)
    for row in np.flatnonzero(~good).tolist():
        cell = one_line(cells[row], 40)
        what = f"is {cell!r}, not a coordinate" if cell else "is empty"
        problems.add(table.file, f"{table.place(row)}, column {one_line(name, 60)!r}", what, "give a finite number")
    return np.where(good, numbers.values, np.nan)


def _wrong(points: np.ndarray, problem: str, places: list[str]) -> tuple[str, str, str] | None:
    """(place, what, remedy) if a set has no solution that could be learned."""
    if len(points) < 3:
        of = "a tour" if problem == "tour" else "a hull"
        what = f"has {len(points)} point{'s' * (len(points) != 1)}, and {of} needs 3"
        return places[0], what, "add points, or leave the set out"
    if problem == "tour" and len(points) > LONGEST_TOUR:
        what = f"has {len(points)} points; tours are solved exactly up to {LONGEST_TOUR}"
        return places[0], what, "give smaller sets, or --problem hull"
    seen: dict[tuple[float, float], str] = {}
    for place, point in zip(places, map(tuple, points.tolist()), strict=True):
        if point in seen:
            return place, f"has the point of {seen[point]} again", "give each point once"
        seen[point] = place
    if problem == "hull" and len(convex_hull(points)) < 3:
        return places[0], "lies on one line, and has no hull", "leave the set out"
    return None


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """Sets of points [P, 2], scaled as those of training, from files."""
    found, problems = Inputs([], []), Problems()
    for given in paths:
        path = Path(given)
        if given != "-" and (path.is_dir() or suffix_of(path) not in SUFFIXES):
            raise problems.fail(given, "", "is not a file of points", "give .csv or .tsv files, or - for stdin")
        content = sys.stdin.buffer.read() if given == "-" else None
        for name, points in _sets(path, content, "any", problems):
            found.names.append(f"{'stdin' if given == '-' else given}{f': set {name}' if name else ''}")
            found.values.append(torch.from_numpy(points).float())
    problems.settle()
    if not found.names:
        raise DataError(Problem(", ".join(paths), "", "holds no points", COLUMNS, skippable=False))
    return found
