"""The text reader: one .txt file or a folder of them, UTF-8, gzipped or not, as one string for each split."""

import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import published, tasks
from .archives import read_bytes, read_members
from .cache import NotKept
from .errors import DataError, Problem, Problems, one_line
from .image_sets import list_folder
from .inputs import Inputs
from .large_text import ADDED, JOINED, MARKS, is_large, large_text, not_text
from .named_splits import Told, splits_by_name
from .near_copies import lines_again
from .records_in_text import told_of_records
from .splits import ORDER, Dataset, Split, shares

__all__ = ["ACCEPTS", "add_lines", "decode", "filled", "fits", "inputs", "is_text", "load", "read", "read_named"]

ACCEPTS = (
    "text: a UTF-8 .txt file or a folder of .txt files (with train.txt, valid.txt, test.txt: the splits); .gz works too"
)
NAMES = (".txt", ".txt.gz")
Characters = Any  # a text in memory (str), or a LargeText


def is_text(path: Path) -> bool:
    """Whether the name says that a file is plain text; a queue or a socket is not."""
    return path.name.lower().endswith(NAMES) and (path.is_file() or path.is_symlink())


def fits(path: Path) -> bool:
    """Whether the path looks like text."""
    return any(map(is_text, list_folder(path)[1])) if path.is_dir() else path.name.lower().endswith(NAMES)


def decode(data: bytes, file: str | Path, problems: Problems) -> str | None:
    """The text, without a byte order mark and with line ends made "\\n"; None after a noted problem."""
    if kind := not_text(data):
        problems.add(file, "byte 0", f"is {kind}, not UTF-8", "save it as UTF-8")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the codec counts from after a byte order mark
        at = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line = data.count(b"\n", 0, at) + 1
        problems.add(file, f"byte {at} (line {line})", f"byte 0x{data[at]:02x} is not UTF-8", "save it as UTF-8")
        return None
    if "\0" in text:
        at = data.index(b"\0")
        line = data.count(b"\n", 0, at) + 1
        problems.add(file, f"byte {at} (line {line})", "holds a NUL byte, so it is not UTF-8 text", "save it as UTF-8")
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def load(path: Path, problems: Problems, told: Told | None = None) -> str | None:
    """The text of a file, unpacked if it is gzipped; None after a noted problem.

    Args:
        told: takes what was understood: line ends that became "\\n", byte order marks that stayed.
    """
    try:
        data = read_bytes(path)
    except DataError as error:
        for p in error.problems:
            problems.add(p.file, p.place, p.what, p.remedy)
        return None
    text = decode(data, path, problems)
    if text is not None and told is not None:
        both = data.count(b"\r\n")
        told.counts[JOINED["\r\n"]] += both
        told.counts[JOINED["\r"]] += data.count(b"\r") - both
        told.counts[MARKS] += text.count("\ufeff")
    return text


def filled(path: Path, problems: Problems, told: Told | None = None, remedy: str = "give a file with text") -> str:
    """The text of a file; "" after a noted problem, and a text of nothing but blanks is one."""
    text = load(path, problems, told)
    if text is not None and not text.strip():
        problems.add(path, "", "is empty", remedy)
    return text if text and text.strip() else ""


def _cut(text: Characters, named: list[tuple[str, float]], exact: bool = False) -> dict[str, Characters]:
    """Cuts the text into contiguous pieces: the end in the given shares, the rest before it is "train".

    Pieces end at line ends, or at blanks where lines are long, so that no word is cut in two; `exact` ones do not,
    as a published cut may not.
    """
    left = 1.0 - sum(share for _, share in named)
    names, places = ["train", *(name for name, _ in named)], []
    for _, share in [*named, ("", 0.0)]:
        places.append(int(len(text) * left) if share else len(text))
        left += share
    pieces, start = {}, 0
    for at, (name, place) in enumerate(zip(names, places, strict=True)):
        last = at == len(named)
        end = len(text) if last else place if exact else _border(text, start, place, places[at + 1])
        pieces[name], start = text[start:end], end
    return pieces


def _border(text: Characters, start: int, place: int, stop: int) -> int:
    """The nearest place after a line end, or after a blank if the next line end is far; `place` if there is none.

    It lies after `start`, and before `stop`, where the next piece begins, so that no piece is lost.
    """
    near = max(80, len(text) // 200)
    low, high = max(start, place - near), min(stop - 1, place + near)
    for mark in ("\n", " "):
        after, before = text.find(mark, max(place - 1, low), high), text.rfind(mark, low, place)
        found = [at + 1 for at in (before, after) if at >= 0]
        if found:
            return min(found, key=lambda at: abs(at - place))
    while place > start + 1 and _joins(text, place):
        place -= 1
    return place


def _joins(text: Characters, place: int) -> bool:
    """Whether the characters on both sides of a place are shown as one: accents, flags, families of emoji."""
    after, before = text[place], text[place - 1]
    if "\U0001f1e6" <= after <= "\U0001f1ff":  # two of these letters are a flag
        first = place
        while first and "\U0001f1e6" <= text[first - 1] <= "\U0001f1ff":
            first -= 1
        return (place - first) % 2 == 1
    joiner, skins = "\u200d", "\U0001f3fb" <= after <= "\U0001f3ff"
    return joiner in (after, before) or skins or unicodedata.category(after) in ("Mn", "Me", "Mc")


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads a file or folder of text; the seed has no effect, since text is cut into contiguous pieces."""
    problems, told = problems or Problems(), Told()
    valid, test = shares(options)
    if not path.is_dir() and not path.name.lower().endswith(NAMES):
        raise problems.fail(path, "", "is not a .txt file", f"accepted is {ACCEPTS}")
    named, use = _listed(path, problems, told) if path.is_dir() else ({}, [path])
    told.notes += told_of_records(use[0])
    if (options or {}).get("cache") == "auto" and is_large(use):
        try:
            return _from_disk(named, use, valid, test, problems, told)
        except NotKept as error:
            told.notes.append(f"the text is read into memory as a whole: it cannot be kept on disk ({error})")
    texts = {p: text for p in use if (text := filled(p, problems, told))}
    problems.settle()
    if not texts or (named and named["train"] not in texts):
        raise DataError(problems.found)
    given: dict[str, Characters] = {split: texts[p] for split, p in named.items() if p in texts}
    if not named:
        parts = list(texts.values())
        told.counts[ADDED] = sum(t[-1] != "\n" for t in parts[:-1])
        given["train"] = "".join(t if t[-1] == "\n" else t + "\n" for t in parts[:-1]) + parts[-1]
    return _split(given, texts, valid, test, problems, told)


def _from_disk(
    named: dict[str, Path], use: list[Path], valid: float, test: float, problems: Problems, told: Told
) -> Dataset:
    """The data set of files whose characters are kept on disk; NotKept if they cannot be."""
    given: dict[str, Characters] = {}
    for split, paths in ({s: [p] for s, p in named.items()} if named else {"train": use}).items():
        found = large_text(paths, problems)
        if found is not None:
            given[split], counts, notes = found
            told.counts.update(counts)
            told.notes += notes
    if "train" not in given:
        raise DataError(problems.found)
    bad = {p.file for p in problems.found}
    return _split(given, [p for p in use if str(p) not in bad], valid, test, problems, told)


def _split(
    given: dict[str, Characters], files: Iterable[Path], valid: float, test: float, problems: Problems, told: Told
) -> Dataset:
    """The data set of the texts of some splits; those that are missing are the end of the training text."""
    missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if s not in given and share > 0]
    pieces = _cut(given.pop("train"), missing) | given
    told.notes += lines_again(pieces)
    return _dataset(pieces, missing, files, problems, told)


def _listed(folder: Path, problems: Problems, told: Told) -> tuple[dict[str, Path], list[Path]]:
    """The files of the splits of a folder, if their names say so, and the files to read."""
    folders, files = list_folder(folder)
    paths = [p for p in files if is_text(p)]
    told.unread = [*folders, *(p for p in files if p not in paths)]
    if not paths:
        others = ", ".join(told.not_read())
        raise problems.fail(folder, "", f"holds no .txt file{others and f' ({others})'}", f"accepted is {ACCEPTS}")
    twice = next((p for p in paths if p.name.lower().endswith(".gz") and p.with_name(p.name[:-3]) in paths), None)
    if twice is not None:
        raise problems.fail(twice, "", f"is there twice, as {twice.name[:-3]} too", "keep one of them")
    named = splits_by_name(paths, problems)
    if named and "train" not in named:
        (split, path), *_ = named.items()
        what = f"has the name of the {split} split, but there is no train.txt"
        raise problems.fail(path, "", what, "add a train.txt, rename this one, or give the file itself")
    for path in paths if named else []:
        if path not in named.values():
            remedy = "keep only train.txt, valid.txt and test.txt there"
            problems.add(path, "", f"is next to {named['train'].name} but is not a split", remedy)
    if named:
        told.splits(named)
    elif paths[1:]:
        names = [one_line(p.name, 60) for p in paths]
        middle = ["..."] if names[4:] else names[3:-1]
        told.notes.append(f"joined in the order of their names: {', '.join([*names[:3], *middle, *names[3:][-1:]])}")
    return named, list(named.values()) or paths


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """A text of the catalogue, or several with a + between their names: joined split by split."""
    problems = Problems()
    names = name.split("+")
    pieces: dict[str, str] = {}
    texts: dict[Path, str] = {}
    cut: list[tuple[str, float]] = []
    notes: list[str] = []
    for one in names:
        more, cut, found = _named(one, seed, options, problems)
        for split, text in more.items():
            before = pieces.get(split, "")
            pieces[split] = before + "\n" * (before[-1:] not in ("", "\n")) + text
        texts |= found
        if len(names) > 1:
            notes.append(f"text: {one}, characters: {_sizes(more)}{_drawn(cut)}")
    data = _dataset(pieces, cut if len(names) == 1 else [], texts, problems)
    if len(names) == 1 and name in tasks.listed():
        return tasks.knowing(data, tasks.drawn(name, seed))
    return replace(data, notes=notes + data.notes)


def _named(
    name: str, seed: int, options: dict[str, Any] | None, problems: Problems
) -> tuple[dict[str, str], list[tuple[str, float]], dict[Path, str]]:
    """(text of each split, the splits that were cut off and their shares, text of each file) of one set."""
    valid, test = shares(options, test=0.0) if name == "tinyshakespeare" else shares(options)
    missing = [(split, share) for split, share in (("valid", valid), ("test", test)) if share > 0]
    if name in ("pydoc", "pydoc-words"):
        from .embedded import pydoc

        texts = {Path("pydoc_data.topics"): pydoc(words=name == "pydoc-words")}
    elif name in tasks.listed():
        texts = {Path(name): tasks.drawn(name, seed).splits["train"].x}
    elif name == "brown":
        (path,) = published.get(name).values()
        texts = {path: _without_tags(path)}
    else:
        texts = {path: filled(path, problems) for path in published.get(name).values()}
        problems.settle()
        if name == "ptb":
            return dict(zip(ORDER, texts.values(), strict=True)), [], texts
        missing = missing[:1] if valid > 0 else []
    return _cut("".join(texts.values()), missing, exact=name == "tinyshakespeare"), missing, texts


def _without_tags(path: Path) -> str:
    """The words of the Brown corpus, a sentence a line; the files hold word/tag."""
    lines = (line.split() for data in read_members(path, r"brown/c[a-r]\d\d").values() for line in _lines(data, path))
    return "".join(" ".join(token.rpartition("/")[0] for token in tokens) + "\n" for tokens in lines if tokens)


def _lines(data: bytes, path: Path) -> list[str]:
    problems = Problems()
    text = decode(data, path, problems)
    problems.settle()
    return (text or "").split("\n")


def _sizes(pieces: dict[str, Characters]) -> str:
    return ", ".join(f"{split} {len(pieces[split]):,}" for split in ORDER if split in pieces)


def _drawn(missing: list[tuple[str, float]]) -> str:
    """How the splits that were not given were made."""
    if len(missing) == 2:
        return f" (the end is cut off: {missing[0][1]:.0%} valid, then {missing[1][1]:.0%} test)"
    return "".join(f" ({split} is the last {share:.0%})" for split, share in missing)


def _dataset(
    pieces: dict[str, Characters],
    missing: list[tuple[str, float]],
    files: Iterable[Path],
    problems: Problems,
    told: Told | None = None,
) -> Dataset:
    pieces = {split: pieces[split] for split in ORDER if split in pieces}
    lost = next((split for split, piece in pieces.items() if not piece), "")
    if lost:
        what = f"is too short to be split: nothing is left for {lost}"
        raise problems.fail(next(iter(files)), "", what, "give a longer text, or ask for smaller shares or none")
    names = [p.name for p in files]
    notes = [f"text: {len(names)} file{'s' * (len(names) != 1)}, characters: {_sizes(pieces)}{_drawn(missing)}"]
    notes += [*(told.lines() if told else []), *problems.left_out()]
    record = {
        "files": names, "counts": {k: len(v) for k, v in pieces.items()},
        "split": dict(missing), "skipped": problems.skipped(),
    }  # fmt: skip
    lines = [line for line in str(pieces["train"][:2000]).split("\n") if line.strip()]
    splits = {split: Split(piece) for split, piece in pieces.items()}
    return Dataset("text", splits, {}, notes, record, [one_line(line, 100) for line in lines[:3]])


def inputs(describe: dict[str, Any], paths: list[str]) -> Inputs:
    """One input for each line that is not blank, of text files, folders of them, or standard input ("-")."""
    problems, found = Problems(), Inputs([], [])
    for given in paths:
        told, start = Told(), len(found.names)
        if given == "-":
            add_lines(found, "stdin", decode(sys.stdin.buffer.read(), "standard input", problems) or "")
            continue
        if Path(given).is_dir():
            folders, files = list_folder(Path(given))
            told.unread = [*folders, *(p for p in files if not is_text(p))]
            files = [p for p in files if is_text(p)]
        elif not given.lower().endswith(NAMES):
            raise problems.fail(given, "", "is not a .txt file", "give .txt files, a folder of them, or - for stdin")
        else:
            files = [Path(given)]
        for file in files:
            add_lines(found, str(file), load(file, problems) or "")
        found.tell(start, told.not_read())
    problems.settle()
    if not found.names:
        remedy = "give one input on each line"
        raise DataError(Problem(", ".join(paths), "", "holds no line of text", remedy, skippable=False))
    return found


def add_lines(found: Inputs, name: str, text: str) -> None:
    """One input for each line that is not blank, named by its number."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            found.names.append(f"{name}:{number}")
            found.values.append(line)
