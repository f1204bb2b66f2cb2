"""The reader of pairs: sentences and what they are to become, as two lists of strings for each split."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepcanon.parts.tokenization import tokenize

from . import published
from .errors import DataError, Problems, one_line
from .headlines import pairs_of
from .inputs import Inputs
from .named_splits import ORDER, Told
from .pair_columns import Sides
from .pair_files import Chosen, hold_pairs, in_folder, partner, with_partner
from .pair_rows import OBJECTS, TABLES, Pair, names_pairs, of_aligned, of_file, sources_of
from .splits import Dataset, Split, draw_splits, shares
from .text import decode, load

__all__ = ["ACCEPTS", "PairSplit", "fits", "inputs", "read", "read_named", "recognises"]

ACCEPTS = (
    "pairs: a .tsv with source and target in each line, a .csv whose first line names them, a .jsonl of keys src and "
    "tgt, a folder with two files whose lines belong together (corpus.de and corpus.en, or train.de, train.en, test.de "
    "...) or with a table or .jsonl for each split, or one of two such files (corpus.de next to corpus.en)"
)
LONGEST = 100
OTHERS = (".json", ".json.gz", ".parquet", ".xml", ".html", ".htm")
"""Endings of files that are not sentences line by line."""
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
    return _looks(path, sure=False)


def recognises(path: Path) -> bool:
    """Whether nothing but pairs looks so: a table may have two columns of texts among others."""
    return _looks(path, sure=True)


def _looks(path: Path, sure: bool) -> bool:
    if path.is_dir():
        return hold_pairs(path, sure)
    return names_pairs(path, sure) if path.name.lower().endswith(TABLES + OBJECTS) else bool(partner(path))


def _said(options: dict[str, Any] | None) -> Sides:
    """What options say of the sides."""
    source, target = (str((options or {}).get(name, "")).strip() for name in ("source", "target"))
    said = Sides(source, target)
    if said.source and str(said.source).lower() == str(said.target).lower():
        raise DataError(f"--source and --target both say {one_line(said.source, 40)!r}: name two sides")
    return said


def _learned(facts: dict[str, Any] | None) -> Sides:
    """What the sides were called in the data of a run, by its facts."""
    return Sides(**(facts or {}).get("sides", {}))


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads pairs in any of the accepted forms; missing splits are drawn by the seed.

    The columns of valid and test are those of train, and all of them those that a run has learned, where it reads again
    or is evaluated on other data (the option `learned`: its facts).
    """
    problems, told, said = problems or Problems(), Told(), _said(options)
    known = _learned((options or {}).get("learned"))
    if path.is_dir():
        chosen = in_folder(path, ACCEPTS, problems, told, said, known)
    elif path.name.lower().endswith(TABLES + OBJECTS):
        chosen = Chosen({"train": (path,)}, Sides())
    elif partner(path):
        chosen = with_partner(path, problems, told, said, known)
    else:
        raise problems.fail(path, "", "is not a file of pairs", f"accepted is {ACCEPTS}")
    found: dict[str, list[Pair]] = {}
    sides = known
    for split, files in chosen.files.items():
        if files[1:]:
            found[split], called = of_aligned(files[0], files[1], problems, told), chosen.sides
        else:
            asked = Sides() if chosen.sides.form else said  # what is said is a language then, not a column
            found[split], called = of_file(files[0], problems, told, asked, sides)
        sides = called if split == "train" else sides
    found = _by_column(found, path, problems, told)
    _limit(found, options, problems)
    problems.settle()
    if not found.get("train"):
        if problems.found:
            raise DataError(problems.found)
        raise problems.fail(path, "", "holds no pair to train on", f"accepted is {ACCEPTS}")
    return _dataset(found, path.name, seed, options, problems, told, sides)


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
                raise problems.fail(pair.files[0], pair.place, said, "give each pair one, or leave the column out")
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
            for side, text, file in zip(("source", "target"), pair[:2], pair.files, strict=True):
                # A word has a character at least: most texts need not be cut to see that they are short.
                if len(text) > longest and (count := len(tokenize(text))) > longest:
                    what = f"has a {side} of {count} words and signs, more than the model's limit of {longest}"
                    problems.add(file, pair.place, what, f"split it, or raise --longest to {count}")
                    break
            else:
                kept.append(pair)
        found[split] = kept


def _dataset(
    found: dict[str, list[Pair]], name: str, seed: int, options: dict[str, Any] | None, problems: Problems, told: Told,
    sides: Sides,
) -> Dataset:  # fmt: skip
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
    facts = {"longest": int((options or {}).get("longest", LONGEST)), "sides": sides._asdict()}
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
    `ag-news-headlines`: descriptions of articles, and their titles.

    Raises:
        DataError: there is no such language, or the set has sides of its own.
    """
    if name not in ("multi30k", "ag-news-headlines"):
        raise ValueError(f"no pairs are called {name}")
    said, problems, told = _said(options), Problems(), Told()
    if name == "ag-news-headlines":
        for side, option in said.named():
            raise problems.fail(name, "", f"has no side {one_line(side, 20)!r}", f"leave {option} out")
        found = pairs_of(published.get(name)["test.csv"], problems, told)
        _limit(found, options, problems)
        problems.settle()
        return _dataset(found, name, seed, options, problems, told, Sides())
    source, target = str(said.source).lower(), str(said.target).lower()
    known = _learned((options or {}).get("learned"))
    if not source and not target and {known.source, known.target} <= {"de", "en", "fr"}:
        source, target = str(known.source), str(known.target)
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
    return _dataset(found, name, seed, options, problems, told, Sides(source, target, "files"))


def inputs(describe: dict[str, Any], paths: Sequence[str]) -> Inputs:
    """The sources of files: of tables and .jsonl the column or key that training read, of other texts (and of standard
    input) each line."""
    problems, found, known = Problems(), Inputs([], []), _learned(describe)
    longest = describe.get("longest", LONGEST)
    for given in paths:
        path, start, told, before = Path(given), len(found.names), Told(), len(problems.found)
        name = "stdin" if given == "-" else given
        if given != "-" and path.is_dir():
            raise problems.fail(given, "", "is a folder", "give files with a source in each line, or - for stdin")
        if given.lower().endswith(OTHERS):
            remedy = "give a .txt with a source in each line, a .tsv, a .csv or a .jsonl"
            raise problems.fail(given, "", "is not a file of sentences", remedy)
        if given.lower().endswith(TABLES + OBJECTS):
            rows = sources_of(path, problems, told, known)
        else:
            text = decode(sys.stdin.buffer.read(), name, problems) if given == "-" else load(path, problems, told)
            rows = _lines(text or "", told)
        for place, source in rows:
            found.names.append(f"{name}:{place.removeprefix('line ')}")
            found.values.append(source)
            if (count := len(tokenize(source))) > longest:
                what = f"has {count} words and signs, more than the model's limit of {longest}"
                problems.add(found.names[-1], "", what, "split it into sentences")
        if not rows and len(problems.found) == before:
            problems.add(name, "", "holds no source", "give a source in each line")
        found.tell(start, told.lines())
    problems.settle()
    return found


def _lines(text: str, told: Told) -> list[tuple[str, str]]:
    """(place, sentence) of each line with a word or a sign."""
    lines, rows = text.split("\n"), []
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append((f"line {number}", " ".join(line.split())))
            told.counts["lines with a tab, read as a blank (a .tsv has columns)"] += "\t" in line.strip()
        else:
            told.counts["blank lines, which are not sentences"] += number < len(lines)
    return rows
