"""The dialogues reader: conversations as a tuple of turns each, in a list for each split."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import published
from .archives import read_members
from .errors import DataError, Problem, Problems, one_line
from .first_lines import first_lines
from .image_sets import list_folder
from .inputs import Inputs
from .json_lines import first_object, objects
from .named_splits import Told, drawn_notes, splits_by_name
from .near_copies import STRETCH, Stretches, numbered
from .splits import ORDER, Dataset, Split, draw_splits, shares
from .text import decode, filled, is_text, load

__all__ = ["ACCEPTS", "SEPARATOR", "DialogueSplit", "fits", "inputs", "read", "read_named", "recognises"]

SEPARATOR = "__eou__"
ACCEPTS = (
    f"dialogues: a .txt file with one dialogue a line, its turns separated by {SEPARATOR} (--separator names another "
    'sign), a .jsonl with a list of texts under "turns" in each line, or a folder with such a file for each split '
    "(train.txt, valid.txt, test.txt)"
)
OBJECTS = (".jsonl", ".jsonl.gz")
EMPTY = "give one dialogue a line"
EMPTY_LINES = "empty lines, which are not dialogues"
FIRST = 20  # lines, and files, by which dialogues are known
NEAR = 0.25  # share of a dialogue's stretches of words that train has too, from which it is nearly one of train
SHAPE = 'give {"turns": ["...", "..."]} in each line'


class DialogueSplit(Split):
    """Dialogues `x`, each a tuple of two turns or more.

    `leaked` [N] says which are in train too, whatever the case; `near` [N] of the others, which have a quarter or more
    of their stretches of eight words in common with train.
    """

    def __init__(self, x: list[tuple[str, ...]], leaked: Tensor | None = None, near: Tensor | None = None) -> None:
        super().__init__(x)
        self.leaked = torch.zeros(len(x), dtype=torch.bool) if leaked is None else leaked
        self.near = torch.zeros(len(x), dtype=torch.bool) if near is None else near

    def take(self, indices: Tensor) -> Split:
        return DialogueSplit([self.x[i] for i in indices.tolist()], self.leaked[indices], self.near[indices])

    def fingerprint(self) -> str:
        return Split(["\t".join(turns) for turns in self.x]).fingerprint()


def _separator(options: dict[str, Any] | None) -> str:
    asked = str((options or {}).get("separator") or SEPARATOR)
    if asked in ("tab", "\\t"):
        return "\t"
    if not asked.strip() or "\n" in asked:
        raise DataError("--separator is a sign between turns, such as __eou__, | or tab; not blanks or a line end")
    return asked


def fits(path: Path) -> bool:
    """Whether the path looks like dialogues: one of the first lines of its files says so."""
    files = [p for p in list_folder(path)[1] if _readable(p)] if path.is_dir() else [path] if _readable(path) else []
    return any(_looks(first_lines(file, FIRST), _is_objects(file)) for file in files[:FIRST])


recognises = fits  # nothing else looks so


def _looks(lines: list[str], are_objects: bool) -> bool:
    return any("turns" in first_object(line) if are_objects else SEPARATOR in line for line in lines)


def _is_objects(path: Path) -> bool:
    return path.name.lower().endswith(OBJECTS)


def _readable(path: Path) -> bool:
    return is_text(path) or (_is_objects(path) and path.is_file())


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads dialogues in any of the accepted forms; missing splits are drawn by the seed.

    Raises:
        DataError: a line is not in the form, or there is nothing to train on.
    """
    problems, told, separator = problems or Problems(), Told(), _separator(options)
    if path.is_dir():
        folders, files = list_folder(path)
        some = [p for p in files if _readable(p)]
        named = splits_by_name(some, problems) or ({"train": some[0]} if len(some) == 1 else {})
        if "train" not in named:
            what = "holds no file of dialogues for training"
            raise problems.fail(path, "", what, f"call one train.txt or train.jsonl; accepted are {ACCEPTS}")
        told.splits(named)
        told.unread = [p for p in [*folders, *files] if p not in named.values()]
    elif _readable(path):
        named = {"train": path}
    else:
        raise problems.fail(path, "", "is not a file of dialogues", f"accepted are {ACCEPTS}")
    found = {
        split: [turns for _, turns in _of_file(p, filled(p, problems, told, EMPTY), separator, problems, told)]
        for split, p in named.items()
    }
    problems.settle()
    if not found["train"]:
        raise problems.fail(named["train"], "", "holds no dialogue to train on", f"accepted are {ACCEPTS}")
    data = _dataset(found, seed, options, problems, path.name, told)
    if separator != SEPARATOR:
        data.facts["separator"] = separator  # later files are read by it too
    return data


def _of_file(
    path: Path | str, text: str, separator: str, problems: Problems, told: Told
) -> list[tuple[str, tuple[str, ...]]]:
    """(place, turns) of the dialogues of a file."""
    if _is_objects(Path(path)):
        given = _objects(path, text, problems, told)
    else:
        given = _lines(path, text, separator, problems, told)
    return [(place, turns) for place, turns in given if _whole(path, place, turns, problems)]


def _lines(
    path: Path | str, text: str, separator: str, problems: Problems, told: Told
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(place, turns) of each line that is not blank; a separator at its end closes the last turn."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip() and separator not in line:  # a tab that separates turns is not a blank
            told.counts[EMPTY_LINES] += number < len(lines)
            continue
        if separator not in line:
            what = f"has no {one_line(repr(separator), 20)} between turns"
            tab = " ('\\t' is the tab)" * ("\t" in line.strip())
            remedy = f"separate turns by it, or name another sign with --separator{tab}"
            problems.add(path, f"line {number}", what, remedy)
            continue
        turns = [turn.strip() for turn in line.split(separator)]
        yield f"line {number}", tuple(turns[:-1] if not turns[-1] else turns)


def _objects(path: Path | str, text: str, problems: Problems, told: Told) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(place, turns) of each line of JSON."""
    told.counts[EMPTY_LINES] += sum(not line.strip() for line in text.split("\n")[:-1])
    for place, value in objects(path, text, problems, SHAPE):
        turns = next((one for name, one in value.items() if name.strip().lower() == "turns"), None)
        if not isinstance(turns, list):
            problems.add(path, place, 'has no list under "turns"', _of_messages(value) or SHAPE)
        elif not all(isinstance(turn, str) for turn in turns):
            problems.add(path, place, "has a turn that is not a text", _of_messages(value) or SHAPE)
        else:
            for name in (name for name in value if name.strip().lower() != "turns"):
                told.keys.setdefault(name)
            yield place, tuple(" ".join(turn.split()) for turn in turns)


def _of_messages(value: dict[str, Any]) -> str:
    """How to make turns of a list of messages, as chats are kept: each an object with a role and a text."""
    for name, one in value.items():
        if isinstance(one, list) and one and all(isinstance(turn, dict) for turn in one) and name.isidentifier():
            for key in ("content", "value", "text"):
                if all(isinstance(turn.get(key), str) for turn in one):
                    return f"{SHAPE}; of such messages jq -c '{{turns: [.{name}[].{key}]}}' makes that"
    return ""


def _whole(path: Path | str, place: str, turns: tuple[str, ...], problems: Problems) -> bool:
    """Whether turns are a dialogue; else the problem is noted."""
    what = remedy = ""
    if len(turns) < 2:
        what, remedy = f"has {len(turns)} turn{'s' * (len(turns) != 1)}", "a dialogue has two or more"
    elif not all(turns):
        number = 1 + next(i for i, turn in enumerate(turns) if not turn)
        what, remedy = f"has nothing in turn {number}", "fill it, or remove one separator"
    elif any("\0" in turn for turn in turns):
        what, remedy = "has a NUL character", "remove it"
    elif any("\ud800" <= sign <= "\udfff" for turn in turns for sign in turn):
        what, remedy = "has half a character (a lone surrogate)", "save it as UTF-8"
    if what:
        problems.add(path, place, what, remedy)
    return not what


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`dailydialog`: 13,118 everyday conversations, with the published splits."""
    problems, told, found = Problems(), Told(), {}
    for split, file in (("train", "train"), ("valid", "validation"), ("test", "test")):
        path = published.get(name)[f"{file}.zip"]
        (content,) = read_members(path, rf"{file}/dialogues_{file}\.txt").values()
        text = decode(content, f"{name}: {file}", problems) or ""
        found[split] = [turns for _, turns in _of_file(f"{name}: {file}", text, SEPARATOR, problems, told)]
    problems.settle()
    return _dataset(found, seed, options, problems, name, told)


def _key(turns: tuple[str, ...]) -> str:
    """The words, whatever their case and however they are cut into turns."""
    return " ".join(" ".join(turns).lower().split())


def _dataset(
    found: dict[str, list[tuple[str, ...]]],
    seed: int,
    options: dict[str, Any] | None,
    problems: Problems,
    name: str,
    told: Told,
) -> Dataset:
    valid, test = shares(options)
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if not found.get(s) and share > 0]
    whole = found["train"]
    if missing:
        drawn = draw_splits(len(whole), None, missing, seed)
        found = found | {split: [whole[i] for i in rows.tolist()] for split, rows in drawn.items()}
    seen, known = {_key(turns) for turns in found["train"]}, dict[str, int]()
    words = {split: numbered(["\n".join(turns) for turns in rows], known) for split, rows in found.items()}
    stretches = Stretches(words["train"])
    splits: dict[str, Split] = {}
    notes = []
    for split in ORDER:
        rows = found.get(split)
        if rows and split == "train":
            splits[split] = DialogueSplit(rows)
        elif rows:
            leaked = torch.tensor([_key(turns) in seen for turns in rows])
            near = ~leaked & torch.from_numpy(stretches.shares(words[split]) >= NEAR)
            splits[split] = DialogueSplit(rows, leaked, near)
            count = int(leaked.sum())
            notes += [f"dialogues of {split} that are in train too (whatever the case): {count:,}"] * bool(count)
            if many := int(near.sum()):
                shared = f"a quarter or more of their stretches of {STRETCH} words in common with train"
                notes.append(f"dialogues of {split} that have {shared}: {many:,}")
    told_of = ", ".join(f"{s} {len(p):,} ({sum(map(len, p.x)):,} turns)" for s, p in splits.items())
    notes.insert(0, f"dialogues: {told_of}")
    notes += drawn_notes(missing, splits, "dialogues")
    notes += [*told.lines(), *problems.left_out()]
    facts = {"turns": max(map(len, found["train"]))}
    record = {"path": name, "counts": {s: len(p) for s, p in splits.items()}, "skipped": problems.skipped()}
    examples = [one_line(" / ".join(turns), 140) for turns in found["train"][:3]]
    return Dataset("dialogues", splits, facts, notes, record, examples)


def inputs(describe: dict[str, Any], paths: Sequence[str]) -> Inputs:
    """The dialogues of files, of folders' files, or of standard input: one a line, as in training."""
    problems, found = Problems(), Inputs([], [])
    separator = describe.get("separator", SEPARATOR)
    for given in paths:
        told, start, path = Told(), len(found.names), Path(given)
        files = [path]
        if path.is_dir():
            folders, some = list_folder(path)
            files = [p for p in some if _readable(p)]
            told.unread = [p for p in [*folders, *some] if p not in files]
            if not files:
                problems.add(given, "", "holds no file of dialogues", f"accepted are {ACCEPTS}")
        elif given != "-" and not _readable(path):
            remedy = "give .txt or .jsonl files, folders of them, or - for stdin"
            raise problems.fail(given, "", "is not a file of dialogues", remedy)
        for p in files:
            name = "stdin" if given == "-" else str(p)
            text = decode(sys.stdin.buffer.read(), name, problems) if given == "-" else load(p, problems)
            for place, turns in _of_file(name, text or "", separator, problems, told):
                found.names.append(f"{name}:{place.removeprefix('line ')}")
                found.values.append(turns)
        found.tell(start, told.lines())
    problems.settle()
    if not found.names:
        raise DataError(Problem(", ".join(paths), "", "holds no dialogue", EMPTY, skippable=False))
    return found
