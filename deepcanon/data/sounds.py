"""Recordings of different lengths, end to end: in memory, or as pieces on disk where they are too many for it.

A recording is a place in one long row of samples, so that windows of many are cut by index and a split is a choice of
recordings. The samples of more than `MEMORY_LIMIT` bytes are kept by `cache`, in rows of `PIECE` samples.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import cache
from .errors import DataError, Problem

__all__ = ["MEMORY_LIMIT", "PIECE", "Pieces", "Sounds", "resampled", "stored"]

MEMORY_LIMIT = 1 << 30
PIECE = 1 << 16
BLOCK = 1 << 20
"""Samples of a file that are read at a time."""
MIDDLE, TOGETHER = 512, 1024  # samples by which equal recordings are looked for, and recordings looked at together
SCALE = {torch.int16: 32768.0, torch.float32: 1.0}


class Sounds:
    """N recordings of one rate.

    Args:
        store: their samples end to end: a tensor [total] of int16 or float32, or rows of `PIECE` on disk.
        starts, lengths: of each recording, int64 [N].
        rate: samples a second.
        names: of each.
    """

    def __init__(
        self, store: "Tensor | cache.Kept", starts: Tensor, lengths: Tensor, rate: int, names: Sequence[str]
    ) -> None:
        self.store, self.starts, self.lengths, self.rate, self.names = store, starts, lengths, rate, list(names)
        self.dtype = store.dtype if isinstance(store, Tensor) else getattr(torch, store.dtype.name)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def shape(self) -> torch.Size:
        """(recordings, samples of the longest)."""
        return torch.Size((len(self), int(self.lengths.max()) if len(self) else 0))

    @property
    def paths(self) -> list[str]:
        """What tells these recordings from others: names and lengths."""
        return [f"{name} {length}" for name, length in zip(self.names, self.lengths.tolist(), strict=True)]

    def hash_into(self, digest: Any) -> None:
        """Adds names, lengths and, of recordings in memory, the samples to a digest."""
        digest.update(f"{self.dtype} {self.rate}\0".encode() + "\0".join(self.paths).encode())
        if isinstance(self.store, Tensor):
            for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
                digest.update(self.store[start : start + length].numpy())

    @property
    def seconds(self) -> float:
        """Of all recordings."""
        return int(self.lengths.sum()) / self.rate

    def index_select(self, dim: int, rows: Tensor) -> "Sounds":
        """As of a tensor, along axis 0: these recordings in this order; no sample is read."""
        if dim:
            raise IndexError("recordings are selected along axis 0")
        names = [self.names[row] for row in rows.tolist()]
        return Sounds(self.store, self.starts[rows], self.lengths[rows], self.rate, names)

    def part(self, first: int, stop: int) -> "Sounds":
        """The samples first to stop of the only recording, as one recording."""
        (name,) = self.names
        return Sounds(self.store, self.starts + first, torch.tensor([stop - first]), self.rate, [name])

    def __getitem__(self, row: int) -> Tensor:
        """One recording [T], float32 in [-1, 1]."""
        return self.windows(torch.tensor([row]), torch.tensor([0]), int(self.lengths[row]))[0]

    def windows(self, rows: Tensor, first: Tensor, length: int) -> Tensor:
        """A window of each of some recordings [B, length], float32 in [-1, 1]; 0 where a recording has no sample.

        Args:
            rows: int64 [B].
            first: the sample of the recording at which each window begins, which may be negative, int64 [B].
        """
        begins, ends = self.starts[rows], self.starts[rows] + self.lengths[rows]
        places = (begins + first)[:, None] + torch.arange(length)
        inside = (places >= begins[:, None]) & (places < ends[:, None])
        found = self._at(places.clamp(begins[:, None], ends[:, None] - 1))
        return torch.where(inside, found.to(torch.float32) / SCALE[self.dtype], 0.0)

    def found_in(self, others: "Sounds") -> int:
        """How many of these recordings are among others, sample by sample."""
        seen: dict[tuple[int, bytes], int] = {}
        for row, sign in enumerate(others._signs()):
            seen.setdefault(sign, row)
        return sum(
            sign in seen and torch.equal(self[row], others[seen[sign]]) for row, sign in enumerate(self._signs())
        )

    def _signs(self) -> list[tuple[int, bytes]]:
        """Of each recording its length and its middle."""
        found = []
        for rows in torch.arange(len(self)).split(TOGETHER):
            middles = self.windows(rows, (self.lengths[rows] - MIDDLE) // 2, MIDDLE).numpy()
            lengths = self.lengths[rows].tolist()
            found += [(length, middle.tobytes()) for length, middle in zip(lengths, middles, strict=True)]
        return found

    def _at(self, places: Tensor) -> Tensor:
        if isinstance(self.store, Tensor):
            return self.store[places]
        pieces, inverse = (places // PIECE).unique(return_inverse=True)
        try:
            rows = self.store.read(pieces.tolist())
        except cache.Damaged as error:
            what, remedy = f"is damaged ({error})", "remove it, so that it is made again"
            raise DataError(Problem(str(self.store.path), "", what, remedy, skippable=False)) from None
        return torch.from_numpy(rows)[inverse, places % PIECE]


def resampled(blocks: Callable[[int, int], np.ndarray], frames: int, rate: int, wanted: int) -> Iterable[np.ndarray]:
    """The samples of a recording at another rate, float64 blocks of [-1, 1] that follow each other.

    By a low-pass filter of a Kaiser window (scipy's `resample_poly`), block by block with the neighbouring samples that
    the filter sees, so that the blocks end to end are what the whole would give.

    Args:
        blocks: (first, stop) -> those samples, float64.
        frames: samples of the recording.
    """
    from scipy.signal import resample_poly

    ratio = Fraction(wanted, rate)
    up, down = ratio.numerator, ratio.denominator
    around = down * (-(-10 * max(up, down) // up) // down + 2)  # half of the filter, in whole periods
    step = down * max(1, BLOCK // down)
    for first in range(0, frames, step):
        low, stop = max(0, first - around), min(frames, first + step)
        found = resample_poly(blocks(low, min(frames, stop + around)), up, down)
        begin = (first - low) * up // down
        yield found[begin : begin + -(-(stop - first) * up // down)]


def length_at(frames: int, rate: int, wanted: int) -> int:
    """Samples of a recording of `frames` samples after `resampled`."""
    return -(-frames * wanted // rate) if wanted != rate else frames


def stored(
    lengths: Sequence[int], dtype: str, blocks: Callable[[int], Iterable[np.ndarray]], key: Sequence[Any],
    notes: list[str], file: str,
) -> "Tensor | cache.Kept":  # fmt: skip
    """The samples of recordings end to end, in memory or, beyond `MEMORY_LIMIT`, on disk.

    Args:
        lengths: samples of each.
        dtype: "int16" or "float32".
        blocks: (recording) -> its samples in blocks, of that type.
        key: everything that the samples depend on, for the cache.
        notes: takes a line about where they are, if not in memory.
        file: what an error names.

    Raises:
        DataError: they fit neither in memory nor in the cache.
    """
    total = sum(lengths)
    if total * np.dtype(dtype).itemsize <= MEMORY_LIMIT:
        whole, place = np.empty(total, dtype), 0
        for number in range(len(lengths)):
            for block in blocks(number):
                whole[place : place + len(block)] = block
                place += len(block)
        return torch.from_numpy(whole)
    size = cache.said_size(total * np.dtype(dtype).itemsize)
    try:
        rows = -(-total // PIECE)
        make = functools.partial(_write, len(lengths), blocks)
        found, made = cache.kept(cache.key_of("sounds", *key), rows, (PIECE,), dtype, make, notes.append)
    except cache.NotKept as error:
        what = f"has {size} of samples, which are read from a cache on disk, and {error}"
        remedy = "let $DEEPCANON_CACHE name a folder with room, or give fewer recordings"
        raise DataError(Problem(file, "", what, remedy, skippable=False)) from None
    notes.append(f"samples: {size} on disk, {'written' if made else 'as written before'}: {found.path}")
    return found


def _write(count: int, blocks: Callable[[int], Iterable[np.ndarray]], writer: cache.Writer) -> Any:
    held, used, row = np.zeros(PIECE, writer.dtype), 0, 0
    for number in range(count):
        for block in blocks(number):
            while len(block):
                some = min(PIECE - used, len(block))
                held[used : used + some] = block[:some]
                block, used = block[some:], used + some
                if used == PIECE:
                    writer.write(row, held)
                    row, used = row + 1, 0
    if used:
        held[used:] = 0
        writer.write(row, held)
    empty: Mapping[str, Any] = {}
    return empty, empty


class Pieces:
    """Recordings cut into pieces of at most `length` samples: those that begin one, then the later ones, by length.

    Attributes:
        rows: the recording of each piece, int64 [N].
        first: its first sample there.
        counts: its samples.
        beginnings: how many pieces begin a recording.
    """

    def __init__(self, sounds: Sounds, length: int) -> None:
        self.sounds = sounds
        many = -(-sounds.lengths // length)
        rows = torch.arange(len(sounds)).repeat_interleave(many)
        first = (torch.arange(len(rows)) - (many.cumsum(0) - many)[rows]) * length
        counts = (sounds.lengths[rows] - first).clamp(max=length)
        order = (counts + (first > 0) * (length + 1)).argsort(stable=True)
        self.beginnings = len(sounds)
        self.rows, self.first, self.counts = rows[order], first[order], counts[order]

    def __len__(self) -> int:
        return len(self.rows)

    def groups(self, size: int) -> list[Tensor]:
        """All pieces, up to `size` in a group, beginnings and later ones apart: `read` is exact of each group."""
        numbers = torch.arange(len(self))
        parts = (numbers[: self.beginnings], numbers[self.beginnings :])
        return [group for part in parts for group in part.split(size) if len(group)]

    def read(self, chosen: Tensor, before: int) -> tuple[Tensor, Tensor]:
        """Samples [B, before + T] of some pieces, T those of the longest, with what precedes each; and which count.

        What counts, bool [B, before + T], are the samples of the piece itself. After a piece stands silence, and so
        it does before a beginning that is read together with later pieces.

        Args:
            before: samples that have an effect on the next one; at most `length`, so that a later piece has them all.
        """
        most = int(self.counts[chosen].max())
        back = min(before, int(self.first[chosen].max()))  # of pieces that begin a recording nothing precedes
        values = self.sounds.windows(self.rows[chosen], self.first[chosen] - back, back + most)
        places = torch.arange(back + most)
        return values, (places >= back) & (places < back + self.counts[chosen][:, None])
