"""The files of an image folder: what their headers say, and their pixels, decoded once and kept on disk."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import cache, pixels
from .errors import Problems
from .image_sets import draft_of
from .pixels import Head
from .progress import counted
from .splits import Split
from .streamed import REMEDY, THREADS, StreamedPixels, StreamedSplit

__all__ = ["MEMORY_LIMIT", "Ahead", "Pictures", "decoded", "heads_of", "in_order", "levels_of", "states_of"]

MEMORY_LIMIT = 1 << 30
"""Pictures that need more bytes than this are read batch by batch."""
WORTH, OPENING = 10**8, 10_000
"""Pixels of all files, with so many for the opening of each, from which decoded pictures are kept: a second or two."""
AHEAD, BITS = 1 << 28, 2
"""Bytes of pictures that are decoded while headers are read, at most; bits of a file that are taken for a pixel."""
MANY = 1_000
"""Files from which their headers are kept."""
BLOCK, SOME = 512, 16
"""Items between two looks at what happened, and those that a thread takes at once: to hand over one takes 20 us."""


def in_order(function: Callable[[Any], Any], items: Sequence[Any], words: str) -> Iterable[Any]:
    """The results for these items in order, by several threads if there are many; a signal is handled after a block.

    Args:
        words: what progress is called.
    """
    if len(items) < 64:
        yield from map(function, items)
        return

    def some(start: int) -> list[Any]:
        return [function(item) for item in items[start : start + SOME]]

    with counted(words, len(items)) as tell, ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(items), BLOCK):
            end = min(start + BLOCK, len(items))
            for results in pool.map(some, range(start, end, SOME)):
                yield from results
            tell(end)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


State = tuple[str, int, int, int]


def states_of(paths: Sequence[Path]) -> dict[Path, State]:
    """Of each file its full path, its size, and when its content and its entry were changed, in nanoseconds."""
    folders: dict[str, str] = {}
    found: dict[Path, State] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        try:
            stat = os.stat(path)
            about = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
        except OSError:  # named where it is read
            about = -1, 0, 0
        found[path] = (f"{folders[folder]}/{name}", *about)
    return found


class Ahead:
    """Decodes the pictures of a small folder while their headers are read, if their size is known by then.

    Attributes:
        found: by path what `pixels.decode` gave, in the channels of the file if none are asked for, or its refusal.
    """

    def __init__(self, states: dict[Path, State], size: tuple[int, int], channels: int, draft: int) -> None:
        self.size, self.channels, self.draft = size, channels, draft
        self.found: dict[Path, np.ndarray | str] = {}
        # what may be kept on disk, or be there already, is not decoded before that is known
        work = sum(OPENING + 8 * about[1] // BITS for about in states.values())
        needed = len(states) * (channels or 3) * size[0] * size[1]
        self.wanted = size[0] > 0 and len(states) < MANY and work < WORTH and needed <= min(AHEAD, MEMORY_LIMIT)

    def look(self, path: Path) -> Head:
        """The header of a file, which is read once for it and for its pixels."""
        if not self.wanted:
            return pixels.head(path)
        content = pixels.content_of(path)
        head = pixels.head(content)
        if not head.deep:  # whose grey levels depend on the other files
            try:
                channels = self.channels or (1 if head.grey else 3)
                self.found[path] = pixels.decode(content, self.size, channels, draft=self.draft)
            except pixels.BadImage as error:
                self.found[path] = str(error)
        return head

    def taken(self, path: Path, channels: int) -> np.ndarray | None:
        """The pixels of a file, once; None if it was not decoded.

        Raises:
            BadImage: it could not be.
        """
        found = self.found.pop(path, None)
        if isinstance(found, str):
            raise pixels.BadImage(found)
        return found if found is None or len(found) == channels else np.repeat(found, channels, 0)


def heads_of(
    states: dict[Path, State], problems: Problems, options: dict[str, Any] | None, ahead: Ahead | None = None
) -> dict[Path, Head]:
    """What the headers say; a file that has none is a problem. Of many files they are kept on disk."""

    def look(path: Path) -> Head | str:
        try:
            return ahead.look(path) if ahead else pixels.head(path)
        except pixels.BadImage as error:
            return str(error)

    def make(writer: cache.Writer | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        for row, head in enumerate(in_order(look, paths, "headers read")):
            found.append(head)
            if writer is not None and not isinstance(head, str):
                writer.write(row, np.array(head, np.int32))
        return {}, {"bad": {row: head for row, head in enumerate(found) if isinstance(head, str)}}

    paths, found = list(states), []  # type: tuple[list[Path], list[Head | str]]
    try:
        if len(paths) < MANY or not wanted(options):
            raise cache.NotKept
        key = cache.key_of("heads", pixels.DECODER, [*states.values()])
        store, made = cache.kept(key, len(paths), (len(Head._fields),), np.int32, make, _say)
        if not made:
            bad = store.about["bad"]
            rows = store.read(range(len(paths))).tolist()
            found = [
                bad[str(row)] if str(row) in bad else Head(w, h, bool(grey), bool(deep), frames)
                for row, (w, h, grey, deep, frames) in enumerate(rows)
            ]
    except (cache.NotKept, cache.Damaged):
        found.clear()
        make(None)
    heads: dict[Path, Head] = {}
    for path, head in zip(paths, found, strict=True):
        if isinstance(head, str):
            problems.add(path, "", head, REMEDY)
        else:
            heads[path] = head
    return heads


def wanted(options: dict[str, Any] | None) -> bool:
    return (options or {}).get("cache", "auto") != "off"


def levels_of(deep: list[Path]) -> pixels.Levels:
    """The smallest and the largest grey level of deep files; those that cannot be read are named when decoded."""

    def look(path: Path) -> pixels.Levels | None:
        try:
            return pixels.levels(path)
        except pixels.BadImage:
            return None

    found = [levels for levels in in_order(look, deep, "ranges read") if levels is not None]
    if not found:
        return pixels.WHOLE
    low, high = min(low for low, _ in found), max(high for _, high in found)
    return (low, high) if high > low else pixels.WHOLE


class Pictures:
    """The pictures of a folder, as they are available.

    Attributes:
        bad: why some cannot be decoded, by path; empty if that is not known yet.
        notes: lines that say where decoded pixels are kept, or why they are not.
        streamed: whether they are too many for memory.
    """

    def __init__(self, size: tuple[int, int], channels: int, levels: pixels.Levels, draft: int, streamed: bool) -> None:
        self.size, self.channels, self.levels, self.draft, self.streamed = size, channels, levels, draft, streamed
        self.bad: dict[Path, str] = {}
        self.notes: list[str] = []
        self.store: cache.Kept | None = None
        self.held: Tensor | None = None
        self.rows: dict[Path, int] = {}

    def split(self, paths: list[Path], y: Tensor | None) -> Split:
        """These files as a split; in memory only if all of them are already."""
        numbers = [self.rows[path] for path in paths]
        rows = torch.tensor(numbers, dtype=torch.int64)
        if self.held is not None:
            whole = numbers == list(range(len(self.held)))  # nothing is to be copied
            return Split(self.held if whole else self.held[rows], y)
        found = StreamedPixels(paths, self.size, self.channels, self.levels, self.store, rows, self.draft)
        return StreamedSplit(found, y)

    def decode(self, path: Path) -> np.ndarray:
        """One of them, from its file."""
        return pixels.decode(path, self.size, self.channels, self.levels, self.draft)

    def settled(self, split: Split) -> Split:
        """A split in memory, unless the pictures are too many."""
        if self.streamed or not isinstance(split, StreamedSplit):
            return split
        return Split(split.x[:], split.y, split.ordered)


def decoded(
    states: dict[Path, State], heads: dict[Path, Head], size: tuple[int, int], channels: int, levels: pixels.Levels,
    options: dict[str, Any] | None, must_know: bool, most: int | None = None, ahead: Ahead | None = None,
) -> Pictures:  # fmt: skip
    """Decodes the files, or finds what was kept of them.

    Args:
        must_know: whether the files that cannot be decoded must be known now; otherwise, if the pixels are neither kept
        nor held in memory, they are found when they are read.
        most: bytes of pictures that are held in memory, if that is less than `MEMORY_LIMIT`.
        ahead: what was decoded already.
    """
    paths = list(heads)
    limit = MEMORY_LIMIT if most is None else min(most, MEMORY_LIMIT)
    found = Pictures(size, channels, levels, draft_of(options), len(paths) * channels * size[0] * size[1] > limit)
    found.rows = {path: row for row, path in enumerate(paths)}
    work = sum(head.width * head.height + OPENING for head in heads.values())
    if found.streamed or work > WORTH:
        _keep(found, [states[path] for path in paths], paths, options)
    ahead = ahead or Ahead({}, size, channels, found.draft)
    if found.store is None and (must_know or not found.streamed):
        held = np.empty((0 if found.streamed else len(paths), channels, *size), np.uint8)

        def one(row: int) -> str | None:
            try:
                image = ahead.taken(paths[row], channels)
                if image is None:
                    image = found.decode(paths[row])
            except pixels.BadImage as error:
                return str(error)
            if len(held):
                held[row] = image
            return None

        reasons = list(in_order(one, range(len(paths)), "pictures decoded"))
        found.bad = {path: reason for path, reason in zip(paths, reasons, strict=True) if reason is not None}
        found.held = None if found.streamed else torch.from_numpy(held)
    return found


def _keep(found: Pictures, states: list[State], paths: list[Path], options: dict[str, Any] | None) -> None:
    """Gives the pictures their store, or a note that says why they have none."""
    shape = (found.channels, *found.size)
    sums = np.zeros((len(paths), found.channels, 2), np.int64)

    def make(writer: cache.Writer) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        def one(row: int) -> str | None:
            try:
                image = found.decode(paths[row])
            except pixels.BadImage as error:
                return str(error)
            writer.write(row, image)
            values = image.reshape(found.channels, -1)
            squares = np.multiply(values, values, dtype=np.uint16)  # 255 ** 2 fits
            sums[row, :, 0], sums[row, :, 1] = values.sum(1, dtype=np.int64), squares.sum(1, dtype=np.int64)
            return None

        reasons = in_order(one, range(len(paths)), "pictures decoded")
        return {"sums": sums}, {"bad": {row: reason for row, reason in enumerate(reasons) if reason is not None}}

    again = "; read batch by batch" if found.streamed else ""
    try:
        if not wanted(options):
            raise cache.NotKept("--cache off")
        key = cache.key_of("pixels", pixels.DECODER, found.size, found.channels, found.levels, found.draft, states)
        found.store, made = cache.kept(key, len(paths), shape, np.uint8, make, _say)
    except cache.NotKept as error:
        found.notes.append(f"decoded pictures are not kept ({error}){'; each epoch decodes again' if again else ''}")
        return
    found.bad = {paths[int(row)]: reason for row, reason in found.store.about["bad"].items()}
    where = f"{'kept in' if made else 'read from'} {found.store.path}"
    held = f"{cache.said_size(found.store.nbytes)} of at most {cache.said_size(cache.limit())} for all"
    found.notes.append(
        f"decoded pictures: {where} ({held}){again}; made again if a file, --size, --channels, --levels or --draft "
        f"changes; --cache off keeps none"
    )
