"""Which files hold pairs of sentences: of a folder those of each split, of a file such as corpus.de its partner."""

import re
from pathlib import Path
from typing import NamedTuple

from .errors import DataError, Problems, one_line
from .image_sets import list_folder
from .named_splits import ORDER, Told, splits_by_name
from .pair_columns import SOURCE, TARGET, Sides, wanted
from .pair_rows import OBJECTS, TABLES, names_pairs
from .splits import SPLIT_NAMES

__all__ = ["Chosen", "hold_pairs", "in_folder", "partner", "with_partner"]

LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z]{2,4})?")
OTHER = {
    "txt", "csv", "tsv", "jpg", "png", "gif", "bmp", "tif", "npy", "npz", "wav", "mp3", "py", "md", "xml", "zip", "tar",
    "gz", "tgz", "bz", "xz", "pdf", "htm", "log", "bin", "mat", "pkl", "doc", "raw", "old", "bak", "tmp", "cfg", "ini",
    "yml", "sh", "out", "err",
}  # fmt: skip
"""Endings of files that are not languages."""
Aligned = dict[str, list[Path]]  # side -> the files that have its name: one, if all is well


class Chosen(NamedTuple):
    """Of each split one file of pairs or the two of its sides, the training split first; what these sides are called,
    blank if there are none."""

    files: dict[str, tuple[Path, ...]]
    sides: Sides


def _parts(path: Path) -> tuple[str, str] | None:
    """(rest of the name, side) of a file such as train.de, corpus.en.gz or src.txt; None if it names no side."""
    words = path.name.lower().removesuffix(".gz").removesuffix(".txt").split(".")
    side = words[-1]
    known = side in (*SOURCE, *TARGET) or (len(words) > 1 and LANGUAGE.fullmatch(side) and side not in OTHER)
    return (".".join(words[:-1]), side) if known and side not in SPLIT_NAMES else None


def _aligned(folder: Path) -> dict[str, Aligned]:
    """The files of a folder by the rest of their names and by side, where at least two sides have that name."""
    groups: dict[str, Aligned] = {}
    for path in list_folder(folder)[1]:
        if path.is_file() and (parts := _parts(path)):
            groups.setdefault(parts[0], {}).setdefault(parts[1], []).append(path)
    return {rest: sides for rest, sides in groups.items() if len(sides) > 1}


def _tables(folder: Path) -> list[Path]:
    return [p for p in list_folder(folder)[1] if p.name.lower().endswith(TABLES + OBJECTS) and p.is_file()]


def hold_pairs(folder: Path, sure: bool = False) -> bool:
    """Whether a folder has files whose lines belong together, or one of pairs that has the name of a split."""
    tables = _tables(folder)
    try:
        named = list(splits_by_name(tables, Problems()).values())
    except DataError:  # two files of one split: the reader says so
        named = tables
    return bool(_aligned(folder)) or any(names_pairs(p, sure) for p in named)


def partner(path: Path) -> Aligned:
    """Of a file such as corpus.de the files of that name in other languages, with itself, by side."""
    parts = _parts(path)
    if parts is None or not path.parent.is_dir():
        return {}
    sides = _aligned(path.parent).get(parts[0], {})
    return {**sides, parts[1]: [path]} if sides else {}


def with_partner(path: Path, problems: Problems, told: Told, said: Sides, known: Sides) -> Chosen:
    """A file and the one whose lines belong to it; it is the source, unless something else is said or was learned."""
    sides = partner(path)
    own = next(side for side, files in sides.items() if path in files)
    if not said.source and not known.source and str(said.target).lower() != own:
        said = Sides(own, said.target)
    return _by_split({"train": sides}, path, problems, told, said, known)


def in_folder(path: Path, accepts: str, problems: Problems, told: Told, said: Sides, known: Sides) -> Chosen:
    """The files of a folder.

    Raises:
        DataError: there are none for training, or two of one split.
    """
    groups, tables = _aligned(path), splits_by_name(_tables(path), problems)
    files, sides = _by_split(groups, path, problems, told, said, known) if groups else Chosen({}, Sides())
    for split, table in tables.items():
        if split in files:
            what = f"is a second {split} split next to {one_line(files[split][0].name, 60)}"
            raise problems.fail(table, "", what, "keep one of them")
        files[split] = (table,)
    if "train" not in files:
        split, some = next(iter(files.items()), ("", (path,)))
        if split:
            what = f"has the name of the {split} split, but there is no train"
            raise problems.fail(some[0], "", what, "add it, rename this one, or give the file itself")
        others = [one_line(p.name, 40) for p in _tables(path)]
        there = f"has no train.tsv, train.csv or train.jsonl (it has {', '.join(others[:4])})"
        what = there if others else "holds no pairs"
        raise problems.fail(path, "", what, f"accepted is {accepts}")
    files = {split: files[split] for split in ORDER if split in files}
    told.notes.append(
        "splits: "
        + ", ".join(f"{s} from {' and '.join(one_line(p.name, 60) for p in some)}" for s, some in files.items())
    )
    used = [p for some in files.values() for p in some]
    told.unread = [p for some in list_folder(path) for p in some if p not in used]
    return Chosen(files, sides)


def _by_split(
    groups: dict[str, Aligned], where: Path, problems: Problems, told: Told, said: Sides, known: Sides
) -> Chosen:
    """The two files of each split whose lines belong together; a second file of a side is a problem.

    Raises:
        DataError: it is not clear which files or sides are meant, or one of a side is missing.
    """
    named = {rest: _split_in(rest) for rest in groups}
    if "train" not in named.values() and "" in named.values():
        if len(groups) > 1:
            shown = ", ".join(one_line(rest or "(no name)", 30) for rest in list(groups)[:4])
            what = f"has several sets of files ({shown}) and none that is called train"
            raise problems.fail(where, "", what, "name one train, or give one of its files")
        named = dict.fromkeys(groups, "train")
    found: dict[str, tuple[Path, ...]] = {}
    sides: tuple[str, str] | None = None
    for rest, split in sorted(named.items(), key=lambda item: ORDER.index(item[1]) if item[1] else len(ORDER)):
        if not split:
            continue
        if split in found:
            what = f"has two sets of files for {split} ({one_line(rest, 40)} is the second)"
            raise problems.fail(where, "", what, "keep one of them")
        sides = sides or _chosen(list(groups[rest]), said, known, where, problems)
        for side in sides:
            there = groups[rest].get(side, [])
            if not there:
                what = f"has no {one_line(f'{rest}.{side}', 60)} next to its other files"
                raise problems.fail(where, "", what, "add it")
            for other in there[1:]:
                what = f"is a second file of {side} next to {one_line(there[0].name, 60)}"
                problems.add(other, "", what, "keep one of them")
        found[split] = tuple(groups[rest][side][0] for side in sides)
    source, target = sides or ("", "")
    told.notes.append(f"sides: {source} is the source, {target} the target; --source and --target say otherwise")
    return Chosen(found, Sides(source, target, "files"))


def _split_in(name: str) -> str:
    """The split that the rest of a file's name has among its words: "train", "test_2016" ..., or ""."""
    words = [SPLIT_NAMES[w] for w in name.replace("_", ".").replace("-", ".").split(".") if w in SPLIT_NAMES]
    return words[0] if len(set(words)) == 1 else ""


def _chosen(sides: list[str], said: Sides, known: Sides, where: Path, problems: Problems) -> tuple[str, str]:
    """Which two of the sides that there are files of are read.

    Raises:
        DataError: one that was asked for or learned is not there, two have a name of one side, or there are three and
            none was asked for.
    """
    there, picked = ", ".join(sides), []
    for k, option in enumerate(("--source", "--target")):
        names = wanted(k, said, known)[0]
        fitting = [name for name in names if name in sides]
        if not fitting and (said[k] or known.form == "files"):
            what = f"has no files in {one_line(said[k] or known[k], 40)!r}, only in {there}"
            raise problems.fail(where, "", what, f"see {option}" if said[k] else "name them as in training")
        if fitting[1:] and not known[k]:
            what = f"has two sides that could be the {option[2:]} ({fitting[0]}, {fitting[1]})"
            raise problems.fail(where, "", what, f"keep one, or say which with {option}")
        picked.append(fitting[0] if fitting else "")
    source, target = picked
    rest = [side for side in sides if side not in picked]
    if (not source or not target) and len(rest) > 2 - bool(source) - bool(target):
        what = f"has lines in {len(sides)} languages ({there})"
        raise problems.fail(where, "", what, "say which two with --source and --target")
    source = source or rest.pop(0)
    return source, target or rest[0]
