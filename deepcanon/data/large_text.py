"""Text that is too large for memory: its characters are checked and written once, and read from disk in pieces.

A file is read twice: the first pass checks its encoding, counts its characters and takes its SHA-256; the second writes
the characters as numbers of one, two or four bytes each (`vectors`), whichever the largest code point needs. What was
written is found again by the SHA-256 of the files, wherever they lie. The characters are those that `text.load` gives:
without a byte order mark, line ends made "\\n".
"""

import codecs
import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from . import cache
from .archives import bounded, is_gzip, opened
from .errors import DataError, Problem, Problems
from .progress import counted
from .vectors import Vector, kept_vector

__all__ = ["LARGE", "LargeText", "is_large", "large_text", "not_text"]

LARGE = 16 << 20
"""Bytes of text from which it is read from disk, where a recipe can."""
PACKED = 3
"""What a gzipped text is taken to unpack to, in times of its size."""
PIECE = 1 << 22
LONGEST = 1 << 16
"""Characters of a word that may be cut."""
JOINED = {"\r\n": r"line ends \r\n, read as \n", "\r": r"line ends \r, read as \n"}
MARKS = "byte order marks (U+FEFF) within a text, kept as characters"
ADDED = "files without a last line end, to which one is added"
UTF8 = "save it as UTF-8"


def is_large(paths: Sequence[Path]) -> bool:
    """Whether files are too large to be read into memory."""
    with contextlib.suppress(OSError):
        return sum(p.stat().st_size * (PACKED if is_gzip(p) else 1) for p in paths) > LARGE
    return False


def not_text(first: bytes) -> str:
    """The encoding that the first bytes of a file name, if it is not UTF-8."""
    if first[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "UTF-32"
    return "UTF-16" if first[:2] in (b"\xff\xfe", b"\xfe\xff") else ""


class LargeText:
    """A stretch of characters on disk; it is indexed, cut and measured as a `str` is.

    Args:
        characters: code points.
        start, stop: the stretch; all of them if not given.
    """

    def __init__(self, characters: Vector, start: int = 0, stop: int | None = None) -> None:
        self.characters, self.start = characters, start
        self.stop = len(characters) if stop is None else stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, key: int | slice) -> Any:
        """A character, or a stretch of the text, which is not read yet."""
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                raise ValueError("a large text is cut in stretches, without a step")
            return LargeText(self.characters, self.start + start, self.start + max(start, stop))
        place = range(len(self))[key]
        return chr(int(self.points(place, place + 1)[0]))

    def __str__(self) -> str:
        return _string(self.points(0, len(self)))

    @property
    def bytes(self) -> int:
        """At least so many as the text has in UTF-8."""
        return len(self) * (4 if self.characters.dtype == np.uint32 else 3 if self.characters.dtype == np.uint16 else 2)

    @property
    def key(self) -> str:
        """The same for the same stretch of the same text, on every machine."""
        return f"{self.characters.store.path.stem}:{self.start}:{self.stop}"

    def points(self, start: int, stop: int) -> np.ndarray:
        """The code points from `start` up to `stop`."""
        return self.characters.read(self.start + start, self.start + stop)

    def pieces(self) -> Iterator[np.ndarray]:
        """All code points in order."""
        return self.characters.pieces(self.start, self.stop, PIECE)

    def strings(self, words: str) -> Iterator[str]:
        """The text in pieces that end after a word, so that none is cut; where no word ends for long, anywhere.

        Args:
            words: what is done with them, for the line about progress.
        """
        rest, done = "", 0
        with counted(words, len(self)) as tell:
            for points in self.pieces():
                text, done = rest + _string(points), done + len(points)
                end, least = len(text) - 1, max(0, len(text) - LONGEST)
                while end > least and (text[end - 1].isspace() or not text[end].isspace()):
                    end -= 1
                if end == least:
                    end = len(text) if len(text) > LONGEST else 0
                rest = text[end:]
                yield text[:end]
                tell(done)
            if rest:
                yield rest

    def find(self, mark: str, low: int, high: int) -> int:
        """The first place of a character from `low` up to `high`, or -1."""
        for start in range(low, high, PIECE):
            found = np.flatnonzero(self.points(start, min(start + PIECE, high)) == ord(mark))
            if len(found):
                return start + int(found[0])
        return -1

    def rfind(self, mark: str, low: int, high: int) -> int:
        """The last place of a character from `low` up to `high`, or -1."""
        for stop in range(high, low, -PIECE):
            start = max(low, stop - PIECE)
            found = np.flatnonzero(self.points(start, stop) == ord(mark))
            if len(found):
                return start + int(found[-1])
        return -1

    def hash_into(self, digest: Any) -> None:
        """Adds the UTF-8 form to a digest, as of a text in memory."""
        for points in self.pieces():
            digest.update(_string(points).encode("utf-8", "surrogatepass"))


def _string(points: np.ndarray) -> str:
    if points.dtype == np.uint8:
        return points.tobytes().decode("latin-1")
    return points.astype(np.uint32, copy=False).tobytes().decode("utf-32-le", "surrogatepass")


def _points(text: str, dtype: Any) -> np.ndarray:
    if dtype == np.uint8:
        return np.frombuffer(text.encode("latin-1"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(dtype)


Seen = dict[str, Any]


def _seen() -> Seen:
    """What the first pass finds of a file: characters, the largest code point, the last one, what is told of it."""
    return {"length": 0, "largest": 0, "last": "", "blank": True, "counts": {}}


def _count(seen: Seen | None, what: str, count: int) -> None:
    if seen is not None and count:
        seen["counts"][what] = seen["counts"].get(what, 0) + count


def _decoded(file: BinaryIO, path: Path, seen: Seen | None) -> Iterator[str]:
    """The characters of a file, its line ends not changed yet.

    Raises:
        DataError: it is not UTF-8, or holds a NUL byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, lines = 0, 0  # bytes and line ends of earlier pieces
    while True:
        data = file.read(PIECE)
        if not before and (kind := not_text(data)):
            raise DataError(Problem(str(path), "byte 0", f"is {kind}, not UTF-8", UTF8))
        mark = len(codecs.BOM_UTF8) if not before and data.startswith(codecs.BOM_UTF8) else 0
        at, what = data.find(0), "holds a NUL byte, so it is not UTF-8 text"
        pending, text = len(decoder.getstate()[0]), ""
        try:
            text = decoder.decode(data[mark:], final=not data)
        except UnicodeDecodeError as error:
            wrong = error.start - pending + mark
            at, what = wrong, f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        if at >= 0 or not what.startswith("holds"):
            line = lines + data.count(b"\n", 0, max(at, 0)) + 1
            raise DataError(Problem(str(path), f"byte {before + at} (line {line})", what, UTF8))
        if text:
            yield text
        if not data:
            return
        before, lines = before + len(data), lines + data.count(b"\n")
        _count(seen, MARKS, text.count("\ufeff"))


def _lines_made(texts: Iterator[str], seen: Seen | None) -> Iterator[str]:
    r"""The same text with every line end made "\n"; one may be cut by the pieces."""
    held = ""
    for text in texts:
        text = held + text
        held = "\r" if text.endswith("\r") else ""
        text = text[: len(text) - len(held)]
        if "\r" in text:
            both = text.count("\r\n")
            _count(seen, JOINED["\r\n"], both)
            _count(seen, JOINED["\r"], text.count("\r") - both)
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if text:
            yield text
    if held:
        _count(seen, JOINED["\r"], 1)
        yield "\n"


def _characters(path: Path, tell: Callable[[int], None], seen: Seen | None = None) -> Iterator[str]:
    """The characters of a file, unpacked if it is gzipped; `tell` takes how many of its bytes were read."""
    with opened(path) as (file, raw):
        for text in _lines_made(_decoded(file if file is raw else bounded(file, path), path, seen), seen):
            yield text
            tell(raw.tell())


def _look(path: Path, tell: Callable[[int], None]) -> Seen:
    """The first pass over a file."""
    seen = _seen()
    for text in _characters(path, tell, seen):
        seen["length"] += len(text)
        seen["last"] = text[-1]
        seen["largest"] = max(seen["largest"], int(_points(text, np.uint32).max()) if not text.isascii() else 0)
        seen["blank"] = seen["blank"] and text.isspace()
    return seen


def _digest(path: Path, tell: Callable[[int], None]) -> str:
    """The SHA-256 of a file as it is."""
    digest = hashlib.sha256()
    with opened(path) as (_, raw):
        while data := raw.read(PIECE):
            digest.update(data)
            tell(raw.tell())
    return digest.hexdigest()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _each(paths: Sequence[Path], words: str, function: Callable[[Path, Callable[[int], None]], Any]) -> list[Any]:
    """A function of every file, with progress; what cannot be read is the DataError instead."""
    sizes = [path.stat().st_size for path in paths]
    found: list[Any] = []
    with counted(words, sum(sizes)) as tell:
        for number, path in enumerate(paths):
            done = sum(sizes[:number])
            try:
                found.append(function(path, lambda at, done=done: tell(done + at)))  # type: ignore[misc]
            except DataError as error:
                found.append(error)
    return found


def large_text(paths: Sequence[Path], problems: Problems) -> tuple[LargeText, dict[str, int], list[str]] | None:
    """The text of files, one after the other, on disk; a line end is added where a file before another lacks it.

    Args:
        problems: takes what cannot be read; None is returned if nothing is left.

    Returns:
        the text; how often something was found in the files, by its description; notes.

    Raises:
        DataError: a file cannot be read, and is not to be left out.
        cache.NotKept: there is no place for it on disk.
    """
    if cache.folder() is None:
        raise cache.NotKept("$DEEPCANON_CACHE is off")
    digests = _each(paths, "bytes of text looked at", _digest)
    looked: list[Any] = []

    def look(writer: cache.Writer) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        looked.extend(_each(paths, "bytes of text checked", _look))
        if any(isinstance(seen, DataError) for seen in looked):
            raise _Unsound
        return {}, {"files": looked}

    with contextlib.suppress(_Unsound):
        looked = cache.kept(cache.key_of("text files", *map(str, digests)), 1, (1,), np.uint8, look, _say)[0].about[
            "files"
        ]
    for path, seen in zip(paths, looked, strict=True):
        if isinstance(seen, DataError):
            for p in seen.problems:
                problems.add(p.file, p.place, p.what, p.remedy)
        elif seen["blank"]:
            problems.add(path, "", "is empty", "give a file with text")
    problems.settle()
    sound = [
        (p, seen, d)
        for p, seen, d in zip(paths, looked, digests, strict=True)
        if isinstance(seen, dict) and not seen["blank"]
    ]
    if not sound:
        return None
    return _kept([p for p, _, _ in sound], [seen for _, seen, _ in sound], [d for _, _, d in sound])


class _Unsound(Exception):
    """A file cannot be read."""


def _kept(paths: list[Path], seen: list[Seen], digests: list[str]) -> tuple[LargeText, dict[str, int], list[str]]:
    added = [s["last"] != "\n" for s in seen[:-1]] + [False]
    length = sum(s["length"] for s in seen) + sum(added)
    largest = max(s["largest"] for s in seen)
    dtype = np.uint8 if largest < 1 << 8 else np.uint16 if largest < 1 << 16 else np.uint32

    def pieces() -> Iterator[np.ndarray]:
        done = 0
        with counted("characters of text written", length) as tell:
            for path, lacks in zip(paths, added, strict=True):
                for text in _characters(path, lambda at: None):
                    yield _points(text, dtype)
                    done += len(text)
                    tell(done)
                if lacks:
                    yield _points("\n", dtype)

    characters, made = kept_vector(cache.key_of("text", *digests), length, dtype, pieces, _say)
    counts = {ADDED: sum(added)}
    for s in seen:
        for what, count in s["counts"].items():
            counts[what] = counts.get(what, 0) + count
    store = characters.store
    note = (
        f"characters: {'kept in' if made else 'read from'} {store.path} ({cache.said_size(store.nbytes)} of at most "
        f"{cache.said_size(cache.limit())} for all), a large text; made again if a file changes; --cache off reads all "
        "into memory"
    )
    return LargeText(characters), counts, [note]
