"""The text reader: one .txt file or a folder of them, UTF-8, gzipped or not, as one string for each split."""

import sys
from pathlib import Path
from typing import Any

from . import catalogue
from .archives import read_bytes
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


def _cut(text: str, named: list[tuple[str, float]]) -> dict[str, str]:
    """Cuts the text into contiguous pieces: the end in the given shares, the rest in front is "train"."""
    pieces, left = {}, 1.0
    start = int(len(text) * (1.0 - sum(share for _, share in named)))
    pieces["train"] = text[:start]
    left = 1.0 - sum(share for _, share in named)
    for name, share in named:
        left += share
        end = len(text) if name == named[-1][0] else int(len(text) * left)
        pieces[name], start = text[start:end], end
    return {name: piece for name, piece in pieces.items() if piece}


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
    """A text of the catalogue."""
    problems = Problems()
    valid, test = shares(options, test=0.0) if name == "tinyshakespeare" else shares(options)
    if name == "pydoc":
        from pydoc_data.topics import topics

        text = "\n\n".join(topics[key].strip() for key in sorted(topics)) + "\n"
        missing = [(s, share) for s, share in (("valid", valid), ("test", test)) if share > 0]
        return _dataset(_cut(text, missing), missing, {Path("pydoc_data.topics"): text}, problems)
    texts = {path: _load(path, problems) or "" for path in catalogue.get(name).values()}
    problems.settle()
    if name == "ptb":
        return _dataset(dict(zip(SPLITS, texts.values(), strict=True)), [], texts, problems)
    missing = [("valid", valid)] if valid > 0 else []
    return _dataset(_cut("".join(texts.values()), missing), missing, texts, problems)


def _dataset(
    pieces: dict[str, str], missing: list[tuple[str, float]], texts: dict[Path, str], problems: Problems
) -> Dataset:
    pieces = {split: pieces[split] for split in SPLITS if split in pieces}
    if "train" not in pieces:
        raise problems.fail(next(iter(texts)), "", "is too short to be split", "give a longer text")
    sizes = ", ".join(f"{split} {len(text):,}" for split, text in pieces.items())
    drawn = "; ".join(f"{split} is the last {share:.0%}" for split, share in missing[-1:])
    if len(missing) == 2:
        drawn = f"the end is cut off: {missing[0][1]:.0%} valid, then {missing[1][1]:.0%} test"
    notes = [
        f"text: {len(texts)} file{'s' * (len(texts) != 1)}, characters: {sizes}" + (f" ({drawn})" if drawn else "")
    ]
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
