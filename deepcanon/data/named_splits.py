"""Files and folders whose names say which split they are, and notes about what of a folder is not read."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from .errors import Problems, one_line
from .splits import ORDER, SPLIT_NAMES

__all__ = ["ORDER", "Told", "alike_inside", "drawn_notes", "refuse_nearly_splits", "split_of", "splits_by_name"]

NEARLY = re.compile(rf"[\W\d_]*({'|'.join(SPLIT_NAMES)})[\W_]*(set|data|dataset|images?|imgs|pictures|files)?[\W\d_]*")
LAST_WORD = re.compile(r"(?:(?P<before>.+)[._-])?(?P<word>[^._-]+)", re.S)


def _stem(path: Path) -> str:
    """The name in lower case, without the endings that say what a file is."""
    name = path.name.lower()
    return name if path.is_dir() else Path(name.removesuffix(".gz")).stem


def split_of(path: Path) -> str:
    """The split that a file or folder is called (train.txt, testing/ ...), or ""."""
    return SPLIT_NAMES.get(_stem(path), "")


def refuse_nearly_splits(folders: Sequence[Path], problems: Problems) -> None:
    """Refuses folders such as train_set/ and test_set/, which would become classes.

    Raises:
        DataError: there are two or more of them, and one is of the training.
    """
    found = {path: SPLIT_NAMES[match[1]] for path in folders if (match := NEARLY.fullmatch(path.name.lower()))}
    odd = [path for path, split in found.items() if path.name.lower() != split]
    if odd and len(found) > 1 and "train" in found.values():
        split = found[odd[0]]
        what = f"looks like the {split} split, and would be a class"
        raise problems.fail(odd[0], "", what, f"call it {split}, and the others likewise (train, valid, test)")


def alike_inside(inside: Mapping[str, Iterable[str]]) -> list[str]:
    """A note where folders that would be classes hold the same folders, as those of splits do in every language.

    Args:
        inside: the names of the folders in each.
    """
    held = {frozenset(names) for names in inside.values()}
    if len(inside) < 2 or len(held) > 1 or len(names := sorted(*held)) < 2:
        return []
    outer, inner = (one_line(", ".join(some), 60) for some in (sorted(inside), names))
    return [f"the folders {outer} hold the same folders ({inner}): if they are splits, call them train, valid, test"]


def splits_by_name(paths: Sequence[Path], problems: Problems) -> dict[str, Path]:
    """The files or folders whose names are splits: train, val.txt ..., or ptb.train.txt next to ptb.test.txt.

    There may be no train among them: ptb.test.txt alone is the test split.

    Raises:
        DataError: two of them are the same split.
    """
    named = [(split, path) for path in paths if (split := split_of(path))]
    if not named:
        groups: dict[str, list[tuple[str, Path]]] = {}
        for path in paths:
            found = LAST_WORD.fullmatch(_stem(path))
            if found and found["before"] and found["word"] in SPLIT_NAMES:
                groups.setdefault(found["before"], []).append((SPLIT_NAMES[found["word"]], path))
        whole = [group for group in groups.values() if {"train"} < {split for split, _ in group}]
        if whole[1:]:
            first, second = (_train_of(group)[0] for group in whole[:2])
            what = f"is the train split of one text and {second.name} that of another"
            raise problems.fail(first, "", what, "give each a folder of its own")
        (lone, *more) = groups.values() or [[]]
        # A set for testing alone is not one for training.
        named = whole[0] if whole else lone if not more and len(lone) == len(paths) and not _train_of(lone) else []
    tree: dict[str, Path] = {}
    for split, path in named:
        if split in tree:
            raise problems.fail(path, "", f"is a second {split} split next to {tree[split].name}", "keep one of them")
        tree[split] = path
    return {split: tree[split] for split in ORDER if split in tree}


def _train_of(group: list[tuple[str, Path]]) -> list[Path]:
    return [path for split, path in group if split == "train"]


def drawn_notes(
    missing: Sequence[tuple[str, float]], found: Collection[str], of: str, how: str = "drawn by the seed"
) -> list[str]:
    """What is reported of splits that were to be drawn: those that were, with their shares, and those that got nothing.

    Args:
        missing: names and shares of the splits that no file gave.
        found: the names of the splits that there are now.
        of: what they hold, in the plural.
    """
    drawn = [f"{share:.0%} {split}" for split, share in missing if split in found]
    lost = [split for split, _ in missing if split not in found]
    notes = [f"{how}: {', '.join(drawn)}"] * bool(drawn)
    return notes + [f"too few {of} for a split: {' and '.join(lost)}"] * bool(lost)


class Told:
    """What a reader of texts found and must report, gathered over all of its files.

    Attributes:
        counts: how often something was found, by its description.
        unread: files and folders that are not read.
        columns: of each column that is not read, its cells, and those of several words.
        keys: of JSON objects that are not read.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.unread: list[Path] = []
        self.columns: dict[str, list[int]] = {}
        self.keys: dict[str, None] = {}
        self.notes: list[str] = []

    def splits(self, named: dict[str, Path]) -> None:
        """Files or folders that are taken as splits."""
        self.notes.append("splits: " + ", ".join(f"{split} from {_shown(path)}" for split, path in named.items()))

    def column(self, name: str, cell: object) -> None:
        """A cell of a column that is not read."""
        seen = self.columns.setdefault(name, [0, 0])
        seen[0] += 1
        seen[1] += isinstance(cell, str) and len(cell.split(maxsplit=2)) > 2

    def lines(self) -> list[str]:
        """The notes."""
        found = list(dict.fromkeys(self.notes))
        found += [f"{what}: {count:,}" for what, count in self.counts.items() if count]
        if self.columns:
            names = [
                (one_line(name, 40) or "one without a name") + (" (texts too)" if 2 * several > cells else "")
                for name, (cells, several) in self.columns.items()
            ]
            found.append(f"columns that are not read: {_some(names, 8)} (--text-column and --target take others)")
        found += [f"keys that are not read: {_some((one_line(key, 40) for key in self.keys), 8)}"] * bool(self.keys)
        return found + self.not_read()

    def not_read(self) -> list[str]:
        """The line about files and folders that are not read."""
        if not self.unread:
            return []
        if len(self.unread) < 4:
            return [f"not read: {', '.join(map(_shown, self.unread))}"]
        folders = [p for p in self.unread if p.is_dir()]
        kinds = Counter(one_line(p.suffix, 40) or "without an ending" for p in self.unread if p not in folders)
        words = [f"{count} {kind}" for kind, count in kinds.most_common()]
        words += [f"{len(folders)} folder{'s' * (len(folders) > 1)}"] * bool(folders)
        return [f"not read: {_some(words, 5)}"]


def _shown(path: Path) -> str:
    return one_line(path.name, 60) + "/" * path.is_dir()


def _some(names: Iterable[str], most: int) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
