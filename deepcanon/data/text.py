"""The text reader: one .txt file or a folder of them, UTF-8, gzipped or not, as one string for each split."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import published
from .archives import read_bytes, read_members
from .errors import DataError, Problem, Problems, one_line
from .splits import Dataset, Split, shares

__all__ = ["ACCEPTS", "decode", "fits", "inputs", "read", "read_named"]

ACCEPTS = (
    "text: a UTF-8 .txt file or a folder of .txt files (with train.txt, valid.txt, test.txt: the splits); .gz works too"
)
NAMES = (".txt", ".txt.gz")
SPLITS = ("train", "valid", "test")


def fits(path: Path) -> bool:
    """Whether the path looks like text."""
    return bool(_texts(path)) if path.is_dir() else path.name.lower().endswith(NAMES)


def _texts(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name.lower().endswith(NAMES) and p.name[0] != "." and p.is_file())


def decode(data: bytes, file: str | Path, problems: Problems) -> str | None:
    """The text, with a byte order mark taken off and line ends made "\\n"; None after a noted problem."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        problems.add(file, "byte 0", "is UTF-16, not UTF-8", "save it as UTF-8")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the codec counts from behind a byte order mark
        at = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        line = data.count(b"\n", 0, at) + 1
        problems.add(file, f"byte {at} (line {line})", f"byte 0x{data[at]:02x} is not UTF-8", "save it as UTF-8")
        return None
    if "\0" in text:
        at = data.index(b"\0")
        line = data.count(b"\n", 0, at) + 1
        problems.add(file, f"byte {at} (line {line})", "holds a NUL byte, so it is no text", "give a text file")
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _load(path: Path, problems: Problems) -> str | None:
    try:
        data = read_bytes(path)
    except DataError as error:
        for p in error.problems:
            problems.add(p.file, p.place, p.what, p.remedy)
        return None
    text = decode(data, path, problems)
    if text is not None and not text.strip():
        problems.add(path, "", "is empty", "give a file with text")
        return None
    return text


def _cut(text: str, named: list[tuple[str, float]], exact: bool = False) -> dict[str, str]:
    """Cuts the text into contiguous pieces: the end in the given shares, the rest in front is "train".

    Pieces end at line ends, or at blanks where lines are long, so that no word is cut in two; `exact` ones do not,
    as a published cut may not.
    """
    pieces, start, left = {}, 0, 1.0 - sum(share for _, share in named)
    for name, share in [("train", 0.0), *named]:
        left += share
        place = int(len(text) * left)
        last = name == named[-1][0] if named else True
        end = len(text) if last else place if exact else _border(text, start, place)
        pieces[name], start = text[start:end], end
    return {name: piece for name, piece in pieces.items() if piece}


def _border(text: str, start: int, place: int) -> int:
    """The nearest place behind a line end, or behind a blank if the next line end is far; `place` if there is none.

    It lies behind `start` and before the end of the text, so that no piece is lost.
    """
    near = max(80, len(text) // 200)
    low, high = max(start, place - near), min(len(text) - 1, place + near)
    for mark in ("\n", " "):
        after, before = text.find(mark, max(place - 1, low), high), text.rfind(mark, low, place)
        found = [at + 1 for at in (before, after) if at >= 0]
        if found:
            return min(found, key=lambda at: abs(at - place))
    return place


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Problems | None = None) -> Dataset:
    """Reads a file or folder of text; the seed has no say, since text is cut into contiguous pieces."""
    problems = problems or Problems()
    valid, test = shares(options)
    if not path.is_dir() and not path.name.lower().endswith(NAMES):
        raise problems.fail(path, "", "is not a .txt file", f"accepted is {ACCEPTS}")
    paths = _texts(path) if path.is_dir() else [path]
    if not paths:
        raise problems.fail(path, "", "holds no .txt file", f"accepted is {ACCEPTS}")
    named = {split: p for p in paths for split in SPLITS if p.name.lower() in (f"{split}.txt", f"{split}.txt.gz")}
    use = list(named.values()) if "train" in named else paths
    if len(use) < len(paths):
        other = next(p for p in paths if p not in use)
        problems.add(
            other,
            "",
            "lies beside train.txt but is no split",
            "keep only train.txt, valid.txt and test.txt there",
        )
    texts = {p: text for p in use if (text := _load(p, problems)) is not None}
    problems.settle()
    if not texts or ("train" in named and named["train"] not in texts):
        raise DataError(problems.found)
    given = {split: texts[p] for split, p in named.items() if p in texts} if "train" in named else {}
    whole = given.get("train") or "".join(t if t.endswith("\n") or n == len(texts) else t + "\n"
                                          for n, t in enumerate(texts.values(), 1))  # fmt: skip
    missing = [
        (split, share) for split, share in (("valid", valid), ("test", test)) if split not in given and share > 0
    ]
    return _dataset(_cut(whole, missing) | {k: v for k, v in given.items() if k != "train"}, missing, texts, problems)


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
    return replace(data, notes=notes + data.notes)


def _named(
    name: str, seed: int, options: dict[str, Any] | None, problems: Problems
) -> tuple[dict[str, str], list[tuple[str, float]], dict[Path, str]]:
    """(text of each split, the splits that were cut off and their shares, text of each file) of one set."""
    valid, test = shares(options, test=0.0) if name == "tinyshakespeare" else shares(options)
    missing = [(split, share) for split, share in (("valid", valid), ("test", test)) if share > 0]
    if name == "pydoc":
        from pydoc_data.topics import topics

        texts = {Path("pydoc_data.topics"): "\n\n".join(topics[key].strip() for key in sorted(topics)) + "\n"}
    elif name == "planted-grammar":
        from .grammar import draw

        texts = {Path(name): draw(seed)}
    elif name == "brown":
        (path,) = published.get(name).values()
        texts = {path: _without_tags(path)}
    else:
        texts = {path: _load(path, problems) or "" for path in published.get(name).values()}
        problems.settle()
        if name == "ptb":
            return dict(zip(SPLITS, texts.values(), strict=True)), [], texts
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


def _sizes(pieces: dict[str, str]) -> str:
    return ", ".join(f"{split} {len(pieces[split]):,}" for split in SPLITS if split in pieces)


def _drawn(missing: list[tuple[str, float]]) -> str:
    """How the splits that were not given came about."""
    if len(missing) == 2:
        return f" (the end is cut off: {missing[0][1]:.0%} valid, then {missing[1][1]:.0%} test)"
    return "".join(f" ({split} is the last {share:.0%})" for split, share in missing)


def _dataset(
    pieces: dict[str, str], missing: list[tuple[str, float]], texts: dict[Path, str], problems: Problems
) -> Dataset:
    pieces = {split: pieces[split] for split in SPLITS if split in pieces}
    if "train" not in pieces:
        raise problems.fail(next(iter(texts)), "", "is too short to be split", "give a longer text")
    notes = [f"text: {len(texts)} file{'s' * (len(texts) != 1)}, characters: {_sizes(pieces)}{_drawn(missing)}"]
    skipped = problems.skipped()
    if skipped:
        notes.append(f"left out: {len(skipped)} ({one_line(skipped[0])}{', ...' if len(skipped) > 1 else ''})")
    record = {
        "files": [p.name for p in texts], "counts": {k: len(v) for k, v in pieces.items()},
        "split": dict(missing), "skipped": skipped,
    }  # fmt: skip
    lines = [line for line in pieces["train"][:2000].split("\n") if line.strip()]
    return Dataset(
        "text",
        {k: Split(v) for k, v in pieces.items()},
        {},
        notes,
        record,
        [one_line(s, 100) for s in lines[:3]],
    )


def inputs(describe: dict[str, Any], paths: list[str]) -> tuple[list[str], list[str]]:
    """One input for each line that is not blank, of text files, folders of them, or standard input ("-")."""
    problems = Problems()
    names, lines = [], []
    for given in paths:
        files = _texts(Path(given)) if given != "-" and Path(given).is_dir() else [Path(given)]
        for file in files:
            if given == "-":
                text = decode(sys.stdin.buffer.read(), "standard input", problems)
            elif not file.name.lower().endswith(NAMES):
                raise problems.fail(file, "", "is not a .txt file", "give .txt files, a folder of them, or - for stdin")
            else:
                text = _load(file, problems)
            for number, line in enumerate((text or "").split("\n"), 1):
                if line.strip():
                    names.append(f"{'stdin' if given == '-' else file}:{number}")
                    lines.append(line)
    problems.settle()
    if not lines:
        raise DataError(
            Problem(", ".join(paths), "", "holds no line of text", "give one input on each line", skippable=False)
        )
    return names, lines
