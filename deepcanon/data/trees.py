"""The reader of trees: binary trees in brackets, one a line, with a label at every node, as flat tensors.

Labels are the classes: whole numbers in their order, or names. The words are all different ones of all splits, in the
order in which they occur; which of them a model knows is the model's.
"""

import hashlib
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from deepcanon.options import Trees as Options
from deepcanon.parts.trees import NOTHING, Trees

from . import published
from .archives import read_bytes
from .class_names import alike, as_learned
from .errors import DataError, Problem, Problems, one_line
from .first_lines import first_lines
from .image_sets import list_folder
from .inputs import Inputs
from .named_splits import Told, drawn_notes, splits_by_name
from .splits import ORDER, Dataset, Split, draw_splits, shares
from .text import decode, load
from .tree_lines import Tree, Unreadable, grown, in_brackets, looks_like_tree, of_words

__all__ = ["ACCEPTS", "SENTIMENT", "TreeSplit", "fits", "inputs", "packed", "read", "read_named", "recognises"]

SUFFIXES = (".txt", ".tree", ".trees", ".ptb", ".mrg")
ACCEPTS = (
    f"trees: a file ({', '.join(SUFFIXES)}) with a tree in brackets on each line, such as (3 (2 a) (4 film)), or a "
    "folder with such a file for each split (train.txt, dev.txt, test.txt)"
)
SENTIMENT = ("very negative", "negative", "neutral", "positive", "very positive")
FILES = {"train": "train.txt", "valid": "dev.txt", "test": "test.txt"}
EMPTY_LINES = "empty lines, which are not trees"
ESCAPED = "words with escaped characters, read as these"
CHANGED = "nodes made or joined by --binarise"


class Row(NamedTuple):
    """A tree and where it is."""

    tree: Tree
    file: Path
    place: str


class TreeSplit(Split):
    """Trees `x` and the labels of their roots `y`, `NOTHING` where a root has none.

    Args:
        symbols: the words that the trees' numbers mean.
    """

    def __init__(self, x: Trees, symbols: Sequence[str]) -> None:
        super().__init__(x, x.labels.index_select(0, x.starts[1:] - 1))
        self.symbols = symbols

    def take(self, indices: Tensor) -> "TreeSplit":
        return TreeSplit(self.x.take(indices), self.symbols)

    def fingerprint(self) -> str:
        """The SHA-256 of shapes, words and labels."""
        digest = hashlib.sha256()
        for part in self.x.parts:
            digest.update(part.contiguous().numpy().tobytes())  # type: ignore[arg-type]
        digest.update("\0".join(self.symbols).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def _is_tree_file(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(SUFFIXES) and path.is_file()


def fits(path: Path) -> bool:
    """Whether most of the first lines of the path, or of a file in it, begin as a tree does."""
    files = filter(_is_tree_file, list_folder(path)[1] if path.is_dir() else [path])
    return any(_looks(first_lines(file, 10)) for file in islice(files, 20))


recognises = fits  # nothing else looks so


def _looks(lines: list[str]) -> bool:
    return 2 * sum(map(looks_like_tree, lines)) > len(lines)


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads a file or a folder; missing splits are drawn by the seed and the labels of the roots.

    Raises:
        DataError: a line that is not a binary tree, or a label that is not one of the classes.
    """
    problems, told = problems or Problems(), Told()
    chosen = Options(**{k: v for k, v in (options or {}).items() if k in Options.__dataclass_fields__})
    files = _files(path, problems, told)
    rows = {split: _rows(file, chosen, problems, told) for split, file in files.items()}
    problems.settle()
    for split, some in rows.items():
        if not some:
            if problems.found:
                raise DataError(problems.found)
            raise problems.fail(files[split], "", "holds no tree", f"accepted are {ACCEPTS}")
    return _dataset(rows, seed, options, problems, path, told, chosen)


def _files(path: Path, problems: Problems, told: Told) -> dict[str, Path]:
    """The file of each split."""
    if not path.is_dir():
        return {"train": path}
    folders, files = list_folder(path)
    mine = [file for file in files if _is_tree_file(file)]
    named = splits_by_name(mine, problems)
    if not named and len(mine) == 1:
        named = {"train": mine[0]}
    if "train" not in named:
        what = "has no file of trees for training" if mine else "holds no file of trees"
        raise problems.fail(path, "", what, f"accepted are {ACCEPTS}")
    if len(named) > 1:
        told.splits(named)
    told.unread += [file for file in [*folders, *files] if file not in named.values()]
    return named


def _rows(path: Path, chosen: Options, problems: Problems, told: Told) -> list[Row]:
    """The trees of a file; every line that is none is a problem."""
    rows, lines = list[Row](), (load(path, problems, told) or "").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            told.counts[EMPTY_LINES] += number < len(lines)
            continue
        try:
            tree = grown(line, chosen.binarise)
        except Unreadable as error:
            problems.add(path, _place(number, error), error.what, error.remedy)
            continue
        told.counts[ESCAPED] += tree.escapes
        told.counts[CHANGED] += tree.changed
        rows.append(Row(tree, path, f"line {number}"))
    return rows


def _place(line: int, error: Unreadable) -> str:
    return f"line {line}" + (f", character {error.place}" if error.place else "")


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdigit() and (label == "0" or label[0] != "0") and len(label) < 10


def _classes(
    rows: dict[str, list[Row]], count: int, problems: Problems, path: Path, options: dict[str, Any] | None
) -> list[str]:
    """The classes in their order; a tree with a label that is none of them is a problem, and left out."""
    seen = {label for row in rows["train"] for label in row.tree.labels if label is not None}
    if not seen:
        raise problems.fail(path, "", "has no label at any node of the training trees", "label at least the roots")
    if count:
        names, wanted = [str(k) for k in range(count)], f"is not one of 0 to {count - 1}"
        remedy = "correct it, or give another number with --labels"
    else:
        numbers = all(map(_is_number, seen))
        names, wanted = sorted(seen, key=int if numbers else None), "is not in train"  # type: ignore[arg-type]
        names = as_learned(names, options, "labels")
        remedy = "correct it, or add such a tree to train"
    known = {*names, None}
    for split, some in rows.items():
        strange = [row for row in some if not known.issuperset(row.tree.labels)]
        for row in strange:
            label = next(label for label in row.tree.labels if label not in known)
            problems.add(row.file, row.place, f"has the label {one_line(label, 40)!r}, which {wanted}", remedy)
        if strange:
            rows[split] = [row for row in some if known.issuperset(row.tree.labels)]
    problems.settle()
    if not rows["train"]:
        raise problems.fail(path, "", "has no tree whose labels are allowed", remedy)
    return names


def packed(trees: Iterable[Tree], words: dict[str, int], labels: dict[str, int]) -> Trees:
    """Trees as flat tensors.

    Args:
        words: number by word; new words are added.
        labels: number by label; a label that has none becomes `NOTHING`.
    """
    starts, numbers, children, heights, named = [0], list[int](), list[tuple[int, int]](), list[int](), list[int]()
    for tree in trees:
        numbers += [-1 if word is None else words.setdefault(word, len(words)) for word in tree.words]
        children += tree.children
        heights += tree.heights
        named += [NOTHING if label is None else labels.get(label, NOTHING) for label in tree.labels]
        starts.append(len(numbers))
    pairs = torch.tensor(children, dtype=torch.long).view(-1, 2)
    return Trees(torch.tensor(starts), torch.tensor(numbers), pairs, torch.tensor(heights), torch.tensor(named))


def _dataset(
    rows: dict[str, list[Row]], seed: int, options: dict[str, Any] | None, problems: Problems, path: Path, told: Told,
    chosen: Options, shown: Sequence[str] = (),
) -> Dataset:  # fmt: skip
    """The data set of trees by split; `shown` are the names of the classes, if not their labels."""
    names = _classes(rows, chosen.labels, problems, path, options)
    rows = {split: some for split, some in rows.items() if some}
    numbers, words = {label: number for number, label in enumerate(names)}, dict[str, int]()
    whole = {split: packed((row.tree for row in some), words, numbers) for split, some in rows.items()}
    symbols = tuple(words)
    splits: dict[str, Split] = {split: TreeSplit(trees, symbols) for split, trees in whole.items()}
    valid, test = shares(options)
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if s not in splits and share > 0]
    if missing:
        train = splits["train"]
        drawn = draw_splits(len(train), train.y, missing, seed)
        splits |= {split: train.take(indices) for split, indices in drawn.items()}
    splits = {split: splits[split] for split in ORDER if split in splits}
    ordered = all(map(_is_number, names))
    facts: dict[str, Any] = {
        "classes": list(shown) or names, "labels": names, "ordered": ordered, "binarise": chosen.binarise,
        "sentences": chosen.sentences,
    }  # fmt: skip
    counts = {split: len(part) for split, part in splits.items()}
    notes = ["trees: " + ", ".join(f"{split} {count:,}" for split, count in counts.items())]
    notes += [*_sizes(splits["train"].x, len(symbols)), *_labels(names, ordered, rows["train"])]
    notes += drawn_notes(missing, splits, "trees", "drawn by the seed and the labels of the roots")
    notes += [*_repeated(rows), *told.lines(), *problems.left_out()]
    record = {"path": path.name, "counts": counts, "skipped": problems.skipped()}
    said = dict(zip(names, facts["classes"], strict=True))
    examples = [_example(row.tree, said) for row in rows["train"][:3]]
    return Dataset("trees", splits, facts, notes, record, examples)


def _example(tree: Tree, said: dict[str, str]) -> str:
    root = tree.labels[-1]
    return one_line(f"{one_line(tree.sentence, 100)} -> {'no label' if root is None else said[root]}", 160)


def _sizes(train: Trees, words: int) -> list[str]:
    leaves = int((train.words >= 0).sum())
    longest = int(train.starts.diff().max() + 1) // 2
    return [
        f"nodes of train: {len(train.words):,}, of which words: {leaves:,}; words of the longest sentence: {longest}; "
        f"height of the highest tree: {int(train.heights.max())}; different words in all splits: {words:,}"
    ]


def _labels(names: list[str], ordered: bool, train: list[Row]) -> list[str]:
    roots = sum(row.tree.labels[-1] is None for row in train)
    nodes = sum(row.tree.labels.count(None) for row in train)
    found = [f"labels: {len(names)} ({one_line(', '.join(names[:12]), 100)}{', ...' if names[12:] else ''})"]
    found += alike(names)
    if ordered and [int(name) for name in names] != list(range(len(names))):
        found.append("some numbers between the labels do not occur (--labels refuses what is out of range)")
    if nodes:
        found.append(f"nodes of train without a label: {nodes:,}, of which roots: {roots:,}")
    return found


def _repeated(rows: dict[str, list[Row]]) -> list[str]:
    """How many sentences of other splits are in train too."""
    seen = {row.tree.sentence for row in rows["train"]}
    both = {split: sum(row.tree.sentence in seen for row in some) for split, some in rows.items() if split != "train"}
    again = len(rows["train"]) - len(seen)
    found = [f"sentences of train that occur more than once: {again:,}"] * bool(again)
    return found + [f"sentences of {split} that are in train too: {count:,}" for split, count in both.items() if count]


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`sst`: the Stanford Sentiment Treebank with its published splits.

    Raises:
        DataError: --labels is given, and is not 5.
    """
    if name != "sst":
        raise ValueError(f"no trees are called {name}")
    chosen = Options(**{k: v for k, v in (options or {}).items() if k in Options.__dataclass_fields__})
    if chosen.labels not in (0, len(SENTIMENT)):
        raise DataError(
            Problem(name, "", f"has labels 0 to {len(SENTIMENT) - 1}", "leave --labels out", skippable=False)
        )
    paths, problems, told = published.get(name), Problems(), Told()
    rows: dict[str, list[Row]] = {}
    for split, file in FILES.items():
        lines = read_bytes(paths[file]).decode("utf-8").split("\n")
        rows[split] = [Row(grown(line), paths[file], f"line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    return _dataset(rows, seed, options, problems, Path(name), told, chosen, SENTIMENT)


# What is asked about


def inputs(describe: dict[str, Any], paths: Sequence[str]) -> Inputs:
    """The lines of files and folders that are trees, whatever their labels; or sentences, if training said what
    becomes of them. A line that is neither is refused."""
    found, problems = Inputs([], []), Problems()
    for given in paths:
        path = Path(given)
        if given == "-":
            _add(found, "stdin", decode(sys.stdin.buffer.read(), "standard input", problems), describe)
        elif path.is_dir():
            folders, files = list_folder(path)
            told, start, mine = Told(), len(found), [file for file in files if _is_tree_file(file)]
            told.unread = [p for p in [*folders, *files] if p not in mine]
            if not mine:
                problems.add(given, "", "holds no file of trees", f"give {ACCEPTS}")
            for file in mine:
                _add(found, str(file), load(file, problems), describe)
            found.tell(start, told.not_read())
        else:
            _add(found, given, load(path, problems), describe)
    found.refused += problems.found
    if not found.names and not found.refused:
        raise DataError(Problem(", ".join(paths), "", "holds no tree", f"give {ACCEPTS}", skippable=False))
    return found


def _add(found: Inputs, name: str, text: str | None, describe: dict[str, Any]) -> None:
    for number, line in enumerate((text or "").split("\n"), 1):
        if not line.strip():
            continue
        try:
            tree = _tree(line, describe)
        except Unreadable as error:
            found.refused.append(Problem(name, _place(number, error), error.what, error.remedy))
            continue
        found.names.append(f"{name}:{number}")
        found.values.append(tree)
        if not in_brackets(line):
            found.notes[len(found.names) - 1] = f"a tree that branches to the {describe['sentences']}"


def _tree(line: str, describe: dict[str, Any]) -> Tree:
    """The tree of a line, or of a sentence."""
    sentences = describe.get("sentences", "refuse")
    if in_brackets(line):
        return grown(line, describe.get("binarise", "no"))
    if sentences == "refuse":
        remedy = (
            "write its tree in brackets, such as (_ (_ a) (_ film)), or train with --sentences right, which lets "
            "sentences branch to the right"
        )
        raise Unreadable(0, "is a sentence without a tree", remedy)
    return of_words(line.split(), sentences)
