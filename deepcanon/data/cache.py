"""A cache on disk of what is slow to compute and always the same: decoded pictures, heads of files.

    <key>.rows:  N rows of equal shape and type, end to end | footer | SHA-256 of the footer, its length, MAGIC    (1)

The footer is a line of JSON and arrays of N entries: the CRC-32 of every row, and what its maker adds (sums for
statistics). The key is a hash of everything that the rows depend on. So:

- A file is whole or not there: it is written under a temporary name, which its writer locks, and renamed. What a killed
  writer leaves is never used, and removed by the next one. A second process that wants the same rows waits.
- A file that was cut short, or whose footer is damaged, is made again when it is opened. A damaged row is noticed when
  it is first read (`Damaged`), so that opening takes no pass over the file; its owner makes that row again (`mend`).
- Rows are read by position, not mapped: a mapped file that another program cuts short kills the process (SIGBUS), and
  mapped pages count as the process's memory. 280,000 rows of 48 KiB a second (mapped: 490,000), where a decoder does
  2,000.
- All files together take no more than `limit()`; the ones not used for longest are removed for a new one. A
  `ROOM`th of the disk stays free. What does not fit is not kept, and the caller is told why.

$DEEPCANON_CACHE names the folder, or is `off`; $DEEPCANON_CACHE_GIB is the limit."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepcanon.writing import TEMPORARY

from .errors import DataError, Problem
from .published import cache_folder

__all__ = ["Damaged", "Kept", "NotKept", "Writer", "folder", "kept", "key_of", "limit", "said_size"]

MAGIC = b"dcrows01"
TAIL = 32 + 8 + len(MAGIC)
LIMIT, ROOM = 32.0, 20
"""GiB that all files take together at most; a 20th of the disk is left free."""
GIB = 1 << 30


class NotKept(Exception):
    """Nothing can be kept; the text says why."""


class Damaged(Exception):
    """A row is not what was written; `row` is its number."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} is damaged")
        self.row = row


def folder() -> Path | None:
    """Where the files lie, or None if $DEEPCANON_CACHE switches the cache off."""
    named = os.environ.get("DEEPCANON_CACHE", "")
    if named.lower() in ("off", "0"):
        return None
    return Path(os.path.expanduser(named)) if named else cache_folder() / "rows"


def limit() -> int:
    """Bytes that all files may take together.

    Raises:
        DataError: $DEEPCANON_CACHE_GIB is not a number above 0.
    """
    named = os.environ.get("DEEPCANON_CACHE_GIB", "") or LIMIT
    with contextlib.suppress(ValueError):
        if 0 < float(named) < 1e9:
            return int(float(named) * GIB)
    raise DataError(Problem("$DEEPCANON_CACHE_GIB", "", f"{named!r} is not a number above 0", "give GiB", False))


def key_of(*parts: Any) -> str:
    """A name for what depends on these JSON values and on nothing else."""
    return hashlib.sha256(json.dumps([MAGIC.decode(), *parts], default=str).encode()).hexdigest()[:32]


def said_size(count: int) -> str:
    """Bytes for people."""
    return f"{count / GIB:.3g} GiB" if count >= GIB / 10 else f"{count / (1 << 20):.3g} MiB"


class Kept:
    """Rows on disk.

    Attributes:
        path: of the file.
        shape, dtype: of one row.
        extras: arrays of one entry for each row, as their maker gave them.
        about: JSON values of the maker.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        header, arrays = _footer(self._file, key)
        self.count, self.shape, self.dtype = header["count"], tuple(header["shape"]), np.dtype(header["dtype"])
        self.row_bytes = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        self.about: dict[str, Any] = header["about"]
        self._sums, self.extras = arrays.pop("crc"), arrays
        self._seen = np.zeros(self.count, bool)
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: not the next one to be removed

    def __len__(self) -> int:
        return self.count

    @property
    def nbytes(self) -> int:
        """Of the rows."""
        return self.count * self.row_bytes

    def read(self, rows: Sequence[int], out: np.ndarray | None = None) -> np.ndarray:
        """These rows [n, *shape]; each is compared with its checksum when this process first reads it.

        Args:
            out: takes them.

        Raises:
            Damaged: a row differs from its checksum, or is not there.
        """
        out = np.empty((len(rows), *self.shape), self.dtype) if out is None else out
        flat = out.view(np.uint8).reshape(len(rows), self.row_bytes)
        for place, row in enumerate(rows):
            if not self._fill(flat[place], row * self.row_bytes):
                raise Damaged(row)
            if not self._seen[row]:
                if zlib.crc32(flat[place].data) != self._sums[row]:
                    raise Damaged(row)
                self._seen[row] = True
        return out

    def _fill(self, into: np.ndarray, start: int) -> bool:
        """Whether all bytes could be read."""
        done = 0
        try:
            while done < len(into):
                got = os.preadv(self._file, [into[done:].data], start + done)
                if not got:
                    return False
                done += got
        except OSError:  # a bad block of the disk
            return False
        return True

    def mend(self, row: int, values: np.ndarray) -> bool:
        """Writes a row again; whether its values are those of before."""
        content = np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8).data
        if len(content) != self.row_bytes or zlib.crc32(content) != self._sums[row]:
            return False
        with contextlib.suppress(OSError), open(self.path, "r+b", buffering=0) as file:
            if os.path.samestat(os.fstat(file.fileno()), os.fstat(self._file)):
                os.pwrite(file.fileno(), content, row * self.row_bytes)
        return True


def _footer(file: int, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a whole file; ValueError if it is damaged, or another one."""
    size = os.fstat(file).st_size
    tail = os.pread(file, TAIL, max(0, size - TAIL))
    if len(tail) != TAIL or not tail.endswith(MAGIC):
        raise ValueError("has no end")
    length = int.from_bytes(tail[32:40], "little")
    if length > size - TAIL:
        raise ValueError("is too short")
    footer = os.pread(file, length, size - TAIL - length)
    if hashlib.sha256(footer).digest() != tail[:32]:
        raise ValueError("has a damaged footer")
    line, _, content = footer.partition(b"\n")
    header = json.loads(line)
    row_bytes = int(np.prod(header["shape"], dtype=np.int64)) * np.dtype(header["dtype"]).itemsize
    if header["key"] != key or size != header["count"] * row_bytes + length + TAIL:
        raise ValueError("is another file")
    arrays, start = {}, 0
    for name, dtype, shape in header["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(content, dtype, count, start).reshape(shape)
        start += arrays[name].nbytes
    return header, arrays


class Writer:
    """Takes the rows of a new file, in any order and from any thread."""

    def __init__(self, file: int, count: int, shape: Sequence[int], dtype: Any) -> None:
        self._file, self.count, self.shape, self.dtype = file, count, tuple(shape), np.dtype(dtype)
        self.row_bytes = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        self._sums = np.full(count, zlib.crc32(bytes(self.row_bytes)), np.uint32)  # of a row that nobody writes

    def write(self, row: int, values: np.ndarray) -> None:
        """Row number `row`."""
        content = np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8).data
        if len(content) != self.row_bytes:
            raise ValueError(f"a row of {values.shape} {values.dtype}, not {self.shape} {self.dtype}")
        self._put(content, row * self.row_bytes)
        self._sums[row] = zlib.crc32(content)

    def shorten(self, count: int) -> None:
        """The file gets these first rows only: its maker could not know how many there are."""
        self.count, self._sums = count, self._sums[:count]

    def finish(self, key: str, extras: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
        """Writes the footer."""
        arrays = {"crc": self._sums, **extras}
        header = {
            "key": key, "count": self.count, "shape": self.shape, "dtype": self.dtype.str, "about": about,
            "arrays": [(name, values.dtype.str, values.shape) for name, values in arrays.items()],
        }  # fmt: skip
        content = json.dumps(header).encode() + b"\n"
        content += b"".join(np.ascontiguousarray(values).tobytes() for values in arrays.values())
        end = hashlib.sha256(content).digest() + len(content).to_bytes(8, "little") + MAGIC
        start = self.count * self.row_bytes
        os.ftruncate(self._file, start)
        self._put(content + end, start)

    def _put(self, content: bytes | memoryview, start: int) -> None:
        done = 0
        while done < len(content):
            done += os.pwrite(self._file, content[done:], start + done)


Make = Callable[[Writer], tuple[Mapping[str, np.ndarray], Mapping[str, Any]]]


def kept(
    key: str, count: int, shape: Sequence[int], dtype: Any, make: Make, say: Callable[[str], None]
) -> tuple[Kept, bool]:
    """The rows of a key, made now if they are not on disk.

    Args:
        make: writes every row, and returns `extras` and `about`; it is not called if the rows are there.
        say: takes a line about what was found damaged, or is waited for.

    Returns:
        the rows, and whether they were made now.

    Raises:
        NotKept: the cache is off, there is no room, or the system refuses; nothing is left behind.
    """
    place = folder()
    if place is None:
        raise NotKept("$DEEPCANON_CACHE is off")
    path = place / f"{key}.rows"
    if (found := _opened(path, key, say)) is not None:
        return found, False
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _locked(place / f"{TEMPORARY}{key}", say) as (file, temporary):
            if (found := _opened(path, key, lambda line: None)) is not None:  # made by another process
                return found, False
            writer = Writer(file, count, shape, dtype)
            _make_room(place, count * writer.row_bytes, temporary, path)
            os.ftruncate(file, 0)
            if hasattr(os, "posix_fallocate"):  # a full disk is noticed before the work
                os.posix_fallocate(file, 0, max(1, count * writer.row_bytes))
            writer.finish(key, *make(writer))
            os.replace(temporary, path)
        return Kept(path, key), True
    except OSError as error:
        raise NotKept(f"{place} cannot be written ({error.strerror or error})") from None


def _opened(path: Path, key: str, say: Callable[[str], None]) -> Kept | None:
    try:
        return Kept(path, key)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        say(f"{path} {reason or 'cannot be read'}: it is made again")
        return None


@contextlib.contextmanager
def _locked(temporary: Path, say: Callable[[str], None]) -> Iterator[tuple[int, Path]]:
    """A temporary file that no other process writes, removed at the end unless it was renamed."""
    while True:
        file = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another process that writes {temporary.parent}")
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is(temporary, file):
                break
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # the other process has renamed or removed it
    try:
        yield file, temporary
    finally:
        if _is(temporary, file):
            with contextlib.suppress(OSError):
                temporary.unlink()
        os.close(file)


def _is(path: Path, file: int) -> bool:
    """Whether the open file is the one at the path."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except OSError:
        return False


def _make_room(place: Path, needed: int, mine: Path, wanted: Path) -> None:
    """Removes what killed writers left, and the files that were not used for longest, until there is room.

    Raises:
        NotKept: there is not enough.
    """
    for left in place.glob(f"{TEMPORARY}*"):
        if left != mine:
            _remove_unless_locked(left)
    most = limit()
    if needed > most:
        raise NotKept(f"{said_size(needed)} are more than the limit of {said_size(most)} ($DEEPCANON_CACHE_GIB)")
    files = sorted((p for p in place.glob("*.rows") if p != wanted), key=lambda p: p.stat().st_mtime_ns)
    sizes = {p: p.stat().st_size for p in files}
    disk = shutil.disk_usage(place)
    free = disk.free - disk.total // ROOM
    if needed > free + sum(sizes.values()):
        raise NotKept(
            f"the disk of {place} has no room: {said_size(needed)} are needed, {said_size(max(0, free))} free"
        )
    while files and (sum(sizes.values()) + needed > most or needed > free):
        oldest = files.pop(0)
        oldest.unlink(missing_ok=True)  # a process that reads it keeps it until it ends
        free += sizes.pop(oldest)


def _remove_unless_locked(path: Path) -> None:
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(file)
