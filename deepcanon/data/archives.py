"""Compressed files read in memory, within a limit: nothing is ever extracted to disk, links are refused."""

import gzip
import io
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import DataError, Problem

__all__ = [
    "MAX_BYTES",
    "MAX_MEMBERS",
    "bounded",
    "member_names",
    "opened",
    "pictures",
    "read_bytes",
    "read_member",
    "read_members",
    "tar_members",
]

MAX_BYTES = 8 << 30
"""No file or member is read beyond this many bytes."""
MAX_MEMBERS = 100_000
"""No archive with more members is searched."""
PIECE = 1 << 24
MAX_RATIO, FREE_BYTES = 200, 32 << 20
"""A member that is packed more tightly than this is refused if it unpacks to more than so many bytes."""

_BROKEN = (
    OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, ValueError, KeyError, IndexError,
    OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip


def _problem(path: Path, place: str, what: str, remedy: str) -> DataError:
    return DataError(Problem(str(path), place, what, remedy, skippable=False))


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes, so that a small file cannot unpack endlessly."""

    def __init__(self, stream: BinaryIO, limit: int, path: Path) -> None:
        self.stream, self.left, self.path = stream, limit, path

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:  # in pieces: to ask for all of the limit at once would ask for that much memory
            pieces = iter(lambda: self.read(PIECE), b"")
            return b"".join(pieces)
        data = self.stream.read(min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise _problem(self.path, "", "unpacks to more than the limit", "give a smaller file")
        return data


def is_gzip(path: Path) -> bool:
    """Whether the name says that the file is gzipped."""
    return path.suffix.lower() == ".gz"


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The whole file, unpacked if its name ends in .gz; DataError if it is broken or larger than the limit."""
    limit = MAX_BYTES if limit is None else limit
    with opened(path) as (file, raw):
        if file is not raw:
            return _Limited(file, limit, path).read()  # type: ignore[arg-type]
        first = raw.read(min(os.fstat(raw.fileno()).st_size, limit))  # in one piece, which is mostly everything
        return first + _Limited(raw, limit - len(first), path).read()


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """(the file, unpacked if its name ends in .gz; the file as it is), to be read in pieces.

    Raises:
        DataError: it is broken, also while it is read.
    """
    try:
        with open(path, "rb") as raw:
            if not is_gzip(path):
                yield raw, raw
            else:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield unpacked, raw  # type: ignore[misc]
    except DataError:
        raise
    except _BROKEN as error:
        what = (
            "is not a whole gzip file" if is_gzip(path) and not isinstance(error, PermissionError) else "cannot be read"
        )
        raise _problem(path, "", f"{what} ({_reason(error)})", "download or save it again") from None


def bounded(file: BinaryIO, path: Path) -> BinaryIO:
    """An unpacked file that ends in DataError where it is `MAX_RATIO` times its packed size, and not small."""
    return _Limited(file, max(FREE_BYTES, MAX_RATIO * path.stat().st_size), path)  # type: ignore[return-value]


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def _check_size(path: Path, member: zipfile.ZipInfo, limit: int) -> None:
    """Refuses what unpacks to more than the limit, or so far beyond its size that it must be a mistake or an attack."""
    size, packed = member.file_size, max(1, member.compress_size)
    if size > limit:
        raise _problem(path, member.filename, f"unpacks to {size} bytes", "give a smaller file")
    if size > FREE_BYTES and size > MAX_RATIO * packed:
        what = f"unpacks from {packed:,} to {size:,} bytes, {size // packed} times its size"
        raise _problem(path, member.filename, what, "save it without compression if it is yours")


def _zip_members(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise _problem(path, "", f"holds {len(members)} members, more than {MAX_MEMBERS}", "give a smaller archive")
    return members


def member_names(path: Path) -> list[str]:
    """The names in a zip archive (an .npz is one)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [member.filename for member in _zip_members(path, archive)]
    except DataError:
        raise
    except _BROKEN as error:
        raise _problem(path, "", f"is not a whole archive ({_reason(error)})", "download or save it again") from None


def read_member(path: Path, name: str, limit: int | None = None) -> bytes:
    """The bytes of the member with exactly this name of a .zip, .npz, .tgz or .tar.gz file."""
    limit = MAX_BYTES if limit is None else limit
    try:
        if path.name.lower().endswith((".tgz", ".tar.gz")):
            return _tar_member(path, name, limit)
        with zipfile.ZipFile(path) as archive:
            for member in _zip_members(path, archive):
                if member.filename == name:
                    _check_size(path, member, limit)
                    with archive.open(member) as stream:
                        return _Limited(stream, limit, path).read()  # type: ignore[arg-type]
    except DataError:
        raise
    except _BROKEN as error:
        raise _problem(path, name, f"cannot be read from the archive ({_reason(error)})", "download it again") from None
    raise _problem(path, "", f"has no member {name}", "download it again")


def read_members(path: Path, pattern: str, limit: int | None = None) -> dict[str, bytes]:
    """The members of a .zip whose whole names match a regular expression, sorted by name; the limit is of them all."""
    left = MAX_BYTES if limit is None else limit
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in sorted(_zip_members(path, archive), key=lambda m: m.filename):
                if re.fullmatch(pattern, member.filename):
                    _check_size(path, member, left)
                    with archive.open(member) as stream:
                        found[member.filename] = _Limited(stream, left, path).read()  # type: ignore[arg-type]
                    left -= len(found[member.filename])
    except DataError:
        raise
    except _BROKEN as error:
        raise _problem(path, "", f"is not a whole archive ({_reason(error)})", "download it again") from None
    if not found:
        raise _problem(path, "", f"has no member {pattern}", "download it again")
    return found


def tar_members(path: Path, pattern: str, limit: int | None = None) -> dict[str, bytes]:
    """The plain files of a .tar.gz whose whole names match a regular expression, sorted by name."""
    limit = MAX_BYTES if limit is None else limit
    found: dict[str, bytes] = {}
    try:
        with open(path, "rb") as raw, gzip.GzipFile(fileobj=raw) as unpacked:
            stream = _Limited(unpacked, limit, path)  # type: ignore[arg-type]
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for number, member in enumerate(archive):
                    if number >= MAX_MEMBERS:
                        raise _problem(path, "", f"holds more than {MAX_MEMBERS} members", "give a smaller archive")
                    inside = member.isreg() and re.fullmatch(pattern, member.name)
                    if inside and (content := archive.extractfile(member)) is not None:
                        found[member.name] = content.read()
    except DataError:
        raise
    except _BROKEN as error:
        raise _problem(path, "", f"is not a whole archive ({_reason(error)})", "download it again") from None
    if not found:
        raise _problem(path, "", f"has no member {pattern}", "download it again")
    return dict(sorted(found.items()))


def pictures(path: Path, folder: str, largest: int) -> list[tuple[str, bytes]]:
    """Names and bytes of the JPEG files in a folder of a tar archive (gzip, xz or plain), sorted by name.

    Args:
        largest: bytes of a file; a larger one is left out.
    """
    found = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    break
                inside = member.isreg() and member.name.startswith(folder) and member.name.endswith(".jpg")
                if inside and member.size <= largest and (stream := archive.extractfile(member)) is not None:
                    found[member.name] = stream.read()
    except (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError) as error:
        raise _problem(path, "", f"cannot be read ({error})", "download it again") from None
    return sorted(found.items())


def _tar_member(path: Path, name: str, limit: int) -> bytes:
    with open(path, "rb") as raw, gzip.GzipFile(fileobj=raw) as unpacked:
        # one pass forward, so that the limit counts every byte that is unpacked on the way
        stream = _Limited(unpacked, limit, path)  # type: ignore[arg-type]
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise _problem(path, "", f"holds more than {MAX_MEMBERS} members", "give a smaller archive")
                if member.name != name:
                    continue
                if not member.isreg():
                    raise _problem(path, name, "is a link or not a plain file", "give an archive of plain files")
                found = archive.extractfile(member)
                data = found.read() if found is not None else b""
                if len(data) != member.size:
                    raise _problem(path, name, "is cut short", "download the archive again")
                return data
    raise _problem(path, "", f"has no member {name}", "download it again")
