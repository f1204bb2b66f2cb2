"""Downloads one published file: resumed after a break, checked by SHA-256, and put in place in one move."""

import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .checksums import digest
from .errors import DataError, Problem

__all__ = ["fetch", "locked"]

ATTEMPTS = 4
"""Attempts in a row without a single byte after which the download is given up."""
PAUSE = 0.5
"""Seconds before the second attempt, doubled for each further one."""
TIMEOUT = 30.0
BLOCK = 1 << 16

_BREAKS = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


class _Refused(Exception):
    """An answer that another attempt will not change."""


def fetch(url: str, target: Path, sha256: str, size: int) -> Path:
    """Downloads `url` to `target`; the final name never holds anything but the whole, checked file.

    What a broken download has received stays next to the target as `.part` and is resumed by an HTTP range.
    """
    name = f"{target.parent.name}/{target.name}"
    remedy = f"get {url} and put it at {target}, or set DEEPCANON_DATA to a folder that holds {name}"
    if os.environ.get("DEEPCANON_OFFLINE", "") not in ("", "0"):
        raise DataError(
            Problem(name, "", "is not here and DEEPCANON_OFFLINE forbids downloads", remedy, skippable=False)
        )
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"only http and https addresses are downloaded, not {url}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with locked(target.parent):
            if not target.is_file():  # another process may have downloaded it meanwhile
                _download(url, part, sha256, size)
                os.replace(part, target)
                _sync(target.parent)
    except _Refused as error:
        raise DataError(Problem(name, "", f"cannot be downloaded ({error})", remedy, skippable=False)) from None
    except OSError as error:
        what = f"cannot be written ({error.strerror or error})"
        raise DataError(Problem(str(target), "", what, remedy, skippable=False)) from None
    finally:
        with suppress(OSError):  # leaves no empty folder behind; one with something in it stays
            target.parent.rmdir()
    return target


def _download(url: str, part: Path, sha256: str, size: int) -> None:
    """Downloads the whole, checked file to `part`."""
    resumed = part.is_file() and part.stat().st_size > 0
    for fresh in (not resumed, True):
        if fresh:
            part.unlink(missing_ok=True)
        with _progress(part.name.removesuffix(".part"), size) as advance:
            _bring(url, part, size, advance)
        found = digest(part)
        if found == sha256:
            return
        part.unlink()
        if fresh:
            raise _Refused(f"{url} delivers a file with SHA-256 {found[:12]}..., published is {sha256[:12]}...")


def _bring(url: str, part: Path, size: int, advance: Callable[[int], None]) -> None:
    """Attempts until the server has no more to give; each that makes progress resets the count of failures."""
    failed, have = 0, -1
    while True:
        before = max(have, part.stat().st_size if part.is_file() else 0)
        try:
            _attempt(url, part, size, advance)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and before:  # there is nothing after what we have: the checksum decides
                return
            if error.code < 500 and error.code not in (408, 429):
                raise _Refused(f"{url} answers {error.code} {error.reason}") from None
            reason = f"{url} answers {error.code} {error.reason}"
        except _BREAKS as error:
            reason = f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}"
        have = part.stat().st_size if part.is_file() else 0
        failed = 0 if have > before else failed + 1
        if failed >= ATTEMPTS:
            raise _Refused(reason)
        time.sleep(PAUSE * 2 ** max(failed - 1, 0) if failed else 0)


def _attempt(url: str, part: Path, size: int, advance: Callable[[int], None]) -> None:
    start = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "deepcanon", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (scheme checked in fetch)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        ranged = answer.status == 206 and str(answer.headers.get("Content-Range", "")).startswith(f"bytes {start}-")
        if answer.status == 206 and not ranged:
            raise http.client.HTTPException("the server sent another range than was requested")
        start = start if ranged else 0  # a server without ranges starts over
        promised = answer.headers.get("Content-Length", "")
        end = start + int(promised) if promised.isdecimal() else None
        advance(start)
        with open(part, "ab" if ranged else "wb") as out:
            try:
                while block := answer.read(BLOCK):
                    out.write(block)
                    start += len(block)
                    advance(start)
                    if start > size:
                        raise _Refused(f"{url} gives more than the published {size} bytes")
            finally:
                out.flush()
                os.fsync(out.fileno())
        if start < (size if end is None else end):
            raise http.client.HTTPException(f"the connection ended after {start} bytes")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer into a folder at a time, where the system has locks for folders."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else a line for each quarter; always on stderr."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns: tuple[Any, ...] = (
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress("{task.description}", *columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=size)
            yield lambda done: bar.update(task, completed=done)
        return
    told = -1

    def plain(done: int) -> None:
        nonlocal told
        quarter = 4 * done // max(size, 1)
        if quarter > told:
            told = quarter
            print(f"download {name}: {done / 1e6:.1f} of {size / 1e6:.1f} MB", file=sys.stderr, flush=True)

    yield plain
