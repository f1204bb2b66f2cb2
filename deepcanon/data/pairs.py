"""The reader of pairs: sentences and what they are to become, as two lists of strings for each split."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepcanon.parts.tokenization import tokenize

from . import published
from .errors import DataError, Problem, Problems, one_line
from .image_sets import list_folder
from .inputs import Inputs
from .named_splits import ORDER, Told, split_of
from .pair_files import (
    OBJECTS,
    TABLES,
    Pair,
    Sides,
    aligned_files,
    names_pairs,
    of_aligned,
    of_file,
    partner,
)  # fmt: skip
from .splits import SPLIT_NAMES, Dataset, Split, draw_splits, shares
from .text import add_lines, decode, load

__all__ = ["ACCEPTS", "PairSplit", "fits", "inputs", "read", "read_named"]

ACCEPTS = (
    "pairs: a .tsv with source and target in each line, a .jsonl of keys src and tgt, a folder with two files whose "
    "lines belong together (corpus.de and corpus.en, or train.de, train.en, test.de ...) or with a .tsv or .jsonl for "
    "each split, or one of two such files (corpus.de next to corpus.en)"
)
LONGEST = 100
MULTI30K = {"train": "train", "valid": "val", "test": "test_2016_flickr"}


class PairSplit(Split):
    """Sources `x` and their `targets`, both strings."""

    def __init__(self, x: list[str], targets: list[str]) -> None:
        super().__init__(x)
        self.targets = targets

    def take(self, indices: Tensor) -> "PairSplit":
        rows = indices.tolist()
        return PairSplit([self.x[i] for i in rows], [self.targets[i] for i in rows])

    def fingerprint(self) -> str:
        return Split([f"{source}\t{target}" for source, target in zip(self.x, self.targets, strict=True)]).fingerprint()


def fits(path: Path) -> bool:
    """Whether the path looks like pairs."""
    if path.is_dir():
        return bool(aligned_files(path)) or any(split_of(p) == "train" and names_pairs(p) for p in _tables(path))
    name = path.name.lower()
    return names_pairs(path) if name.endswith(TABLES + OBJECTS) else bool(partner(path))


def _tables(folder: Path) -> list[Path]:
    return [p for p in list_folder(folder)[1] if p.name.lower().endswith(TABLES + OBJECTS) and p.is_file()]


def _sides(options: dict[str, Any] | None) -> Sides:
    said = Sides(*(str((options or {}).get(name, "")).strip() for name in ("source", "target")))
    if said.source and said.source == said.target:
        raise DataError(f"--source and --target both say {one_line(said.source, 40)!r}: name two sides")
    return said


def _chosen(sides: dict[str, Path], said: Sides, where: Path, problems: Problems) -> tuple[str, str]:
    """Which two of the sides that a folder has are read.

    Raises:
        DataError: a side that was asked for is not there, or there are three and none was asked for.
    """
    there = ", ".join(sides)
    for name, option in said.named():
        if name.lower() not in sides:
            raise problems.fail(where, "", f"has no files in {one_line(name, 40)!r}, only in {there}", f"see {option}")
    source, target = said.source.lower(), said.target.lower()
    rest = [side for side in sides if side not in (source, target)]
    if len(rest) + bool(source) + bool(target) > 2 and not (source and target):
        what = f"has lines in {len(sides)} languages ({there})"
        raise problems.fail(where, "", what, "say which two with --source and --target")
    if not source:
        source = next((side for side in rest if side in ("src", "source")), "") or next(
            side for side in rest if side not in ("tgt", "trg", "target")
        )
    return source, target or next(side for side in rest if side != source)


def _split_in(name: str) -> str:
    """The split that the rest of a file's name has among its words: "train", "test_2016" ..., or ""."""
    words = [SPLIT_NAMES[w] for w in name.replace("_", ".").replace("-", ".").split(".") if w in SPLIT_NAMES]
    return words[0] if len(set(words)) == 1 else ""


def _aligned(
    groups: dict[str, dict[str, Path]], path: Path, problems: Problems, told: Told, said: Sides
) -> dict[str, list[Pair]]:
    """The pairs of aligned files by split."""
    named = {rest: _split_in(rest) for rest in groups}
    if "train" not in named.values():
        if len(groups) > 1:
            shown = ", ".join(one_line(rest or "(no name)", 30) for rest in list(groups)[:4])
            what = f"has several sets of files ({shown}) and none that is called train"
            raise problems.fail(path, "", what, "name one train, or give one of its files")
        named = dict.fromkeys(groups, "train")
    found: dict[str, list[Pair]] = {}
    chosen: tuple[str, str] | None = None
    for rest, split in sorted(named.items(), key=lambda item: ORDER.index(item[1]) if item[1] else 9):
        if not split:
            told.unread += list(groups[rest].values())
            continue
        if split in found:
            what = f"has two sets of files for {split} ({one_line(rest, 40)} is the second)"
            raise problems.fail(path, "", what, "keep one of them")
        chosen = chosen or _chosen(groups[rest], said, path, problems)
        for side in chosen:
            if side not in groups[rest]:
                raise problems.fail(path, "", f"has no {rest}.{side} next to its other files", "add it")
        found[split] = of_aligned(groups[rest][chosen[0]], groups[rest][chosen[1]], problems, told)
        told.unread += [p for side, p in groups[rest].items() if side not in chosen]
    assert chosen is not None  # noqa: S101
    told.notes.append(f"sides: {chosen[0]} is the source, {chosen[1]} the target; --source and --target say otherwise")
    return found


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads pairs in any of the accepted forms; missing splits are drawn by the seed."""
    problems, told, said = problems or Problems(), Told(), _sides(options)
    if path.is_dir():
        tables = {split_of(p): p for p in _tables(path) if split_of(p)}
        if groups := aligned_files(path):
            found = _aligned(groups, path, problems, told, said)
        elif "train" in tables:
            told.splits(tables)
            found = {split: of_file(p, problems, told, said) for split, p in tables.items()}
        else:
            raise problems.fail(path, "", "holds no pairs", f"accepted is {ACCEPTS}")
    elif path.name.lower().endswith(TABLES + OBJECTS):
        found = {"train": of_file(path, problems, told, said)}
    elif sides := partner(path):
        own = next(side for side, file in sides.items() if file == path)
        source = said.source or (own if said.target.lower() != own else "")
        found = _aligned({"train": sides}, path, problems, told, Sides(source, said.target))
    else:
        raise problems.fail(path, "", "is not a file of pairs", f"accepted is {ACCEPTS}")
    found = _by_column(found, path, problems, told)
    _limit(found, options, problems)
    problems.settle()
    if not found.get("train"):
        if problems.found:
            raise DataError(problems.found)
        raise problems.fail(path, "", "holds no pair to train on", f"accepted is {ACCEPTS}")
    return _dataset(found, path.name, seed, options, problems, told)


def _by_column(
    found: dict[str, list[Pair]], path: Path, problems: Problems, told: Told
) -> dict[str, list[Pair]]:  # fmt: skip
    """The pairs by split, as a column of splits says."""
    rows = [pair for some in found.values() for pair in some]
    if all(pair.split is None for pair in rows):
        return found
    for given, some in found.items():
        for pair in some:
            if pair.split is None or (len(found) > 1 and pair.split != given):
                said = "has no split, and others have one" if pair.split is None else f"is marked as {pair.split}"
                raise problems.fail(pair.file, pair.place, said, "give each pair one, or leave the column out")
    if len(found) > 1:
        return found
    told.notes.append("splits: as the column split says")
    found = {split: [pair for pair in rows if pair.split == split] for split in ORDER}
    return {split: some for split, some in found.items() if some}


def _limit(found: dict[str, list[Pair]], options: dict[str, Any] | None, problems: Problems) -> None:
    """Notes the pairs that are longer than `longest` words, and takes them out."""
    longest = int((options or {}).get("longest", LONGEST))
    for split, pairs in found.items():
        kept = []
        for pair in pairs:
            for side, text in (("source", pair.source), ("target", pair.target)):
                # A word has a character at least: most texts need not be cut to see that they are short.
                if len(text) > longest and (count := len(tokenize(text))) > longest:
                    what = f"has a {side} of {count} words and signs, more than the model's limit of {longest}"
                    problems.add(pair.file, pair.place, what, f"split it, or raise --longest to {count}")
                    break
            else:
                kept.append(pair)
        found[split] = kept


def _dataset(
    found: dict[str, list[Pair]], name: str, seed: int, options: dict[str, Any] | None, problems: Problems, told: Told
) -> Dataset:
    splits: dict[str, Split] = {
        split: PairSplit([pair.source for pair in pairs], [pair.target for pair in pairs])
        for split, pairs in found.items()
        if pairs
    }
    valid, test = shares(options)
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if s not in splits and share > 0]
    if missing:
        whole = splits["train"]
        drawn = draw_splits(len(whole), None, missing, seed)
        splits |= {split: whole.take(rows) for split, rows in drawn.items()}
    splits = {split: splits[split] for split in ORDER if split in splits}
    counts = {split: len(part) for split, part in splits.items()}
    notes = [f"pairs: {', '.join(f'{split} {count:,}' for split, count in counts.items())}", _lengths(splits["train"])]
    if missing:
        notes.append("drawn by the seed: " + ", ".join(f"{share:.0%} {split}" for split, share in missing))
    lost = [split for split, _ in missing if split not in splits]
    notes += [f"too few pairs for a split: {' and '.join(lost)}"] * bool(lost)
    seen = set(splits["train"].x)
    for split, part in splits.items():
        again = sum(source in seen for source in part.x) if split != "train" else 0
        notes += [f"sources of {split} that are in train too: {again:,}"] * bool(again)
    notes += [*told.lines(), *problems.left_out()]
    record = {"path": name, "counts": counts, "skipped": problems.skipped()}
    facts = {"longest": int((options or {}).get("longest", LONGEST))}
    return Dataset("pairs", splits, facts, notes, record, shown(splits["train"]))


def shown(split: Any) -> list[str]:
    """The first three pairs in words."""
    return [f"{one_line(s, 70)} -> {one_line(t, 70)}" for s, t in zip(split.x[:3], split.targets[:3], strict=True)]


def _lengths(split: Any) -> str:
    """How long the sides are: of a large set, of its first thousands."""
    means = []
    for texts in (split.x[:5000], split.targets[:5000]):
        counts = torch.tensor([len(tokenize(text)) for text in texts])
        means.append(f"{counts.double().mean():.1f} ({counts.max()} at most)")
    few = " (of the first 5,000)" * (len(split) > 5000)
    return f"words and signs of a source: {means[0]}, of a target: {means[1]}{few}"


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`multi30k`: captions of pictures in English, German and French; German to English unless options say otherwise.

    Raises:
        DataError: there is no such language.
    """
    if name != "multi30k":
        raise ValueError(f"no pairs are called {name}")
    said, problems, told = _sides(options), Problems(), Told()
    source, target = said.source.lower(), said.target.lower()
    source = source or ("de" if target != "de" else "en")
    target = target or ("en" if source != "en" else "de")
    for side, option in ((source, "--source"), (target, "--target")):
        if side not in ("de", "en", "fr"):
            raise problems.fail(name, "", f"has no language {one_line(side, 20)!r}", f"say de, en or fr with {option}")
    paths = published.get(name)
    found = {
        split: of_aligned(paths[f"{file}.{source}.gz"], paths[f"{file}.{target}.gz"], problems, told)
        for split, file in MULTI30K.items()
    }
    told.notes.append(f"sides: {source} is the source, {target} the target; --source and --target say otherwise")
    _limit(found, options, problems)
    problems.settle()
    return _dataset(found, name, seed, options, problems, told)


def inputs(describe: dict[str, Any], paths: Sequence[str]) -> Inputs:
    """The sources of files: of .tsv their first column (or "src"), of .jsonl the key src, of other texts each line."""
    problems, found = Problems(), Inputs([], [])
    for given in paths:
        path, start, told = Path(given), len(found.names), Told()
        if given == "-":
            add_lines(found, "stdin", decode(sys.stdin.buffer.read(), "standard input", problems) or "")
        elif path.is_dir():
            raise problems.fail(given, "", "is a folder", "give files with a source in each line, or - for stdin")
        elif given.lower().endswith(OBJECTS) or (given.lower().endswith(TABLES) and names_pairs(path)):
            for pair in of_file(path, problems, told, Sides()):
                found.names.append(f"{given}:{pair.place.removeprefix('line ')}")
                found.values.append(pair.source)
            found.tell(start, told.not_read())
        else:
            add_lines(found, given, load(path, problems) or "")
    longest = describe.get("longest", LONGEST)
    for name, text in zip(found.names, found.values, strict=True):
        if (count := len(tokenize(text))) > longest:
            what = f"has {count} words and signs, more than the model's limit of {longest}"
            problems.add(name, "", what, "split it into sentences")
    problems.settle()
    if not found.names:
        raise DataError(Problem(", ".join(paths), "", "holds no source", "give a source in each line", skippable=False))
    return found
