"""The tokens of a text that is too large for memory, as a tensor that is not in memory.

Of characters the text on disk (`LargeText`) is read and each code point looked up; the tokens of other units are made
once and kept in the cache.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepcanon.parts.vocabulary import Vocabulary

from . import cache
from .errors import DataError, Problem
from .large_text import LargeText
from .vectors import Vector, kept_vector

__all__ = ["Tokens", "tokens_of"]


class Tokens:
    """Tokens [length] on disk; a slice and a tensor of places give int64 tensors, as of a tensor in memory.

    Args:
        vector: numbers; of characters, code points.
        start, stop: the stretch of them.
        table: the token of each code point, the last one for all beyond; None if the numbers are tokens.
        device: where what is read goes.
    """

    ndim, dtype = 1, torch.int64

    def __init__(
        self, vector: Vector, start: int, stop: int, table: np.ndarray | None = None,
        device: torch.device | None = None,
    ) -> None:  # fmt: skip
        self._vector, self._start, self._stop, self._table = vector, start, stop, table
        self.device = device or torch.device("cpu")

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self),))

    def numel(self) -> int:
        """As of a tensor."""
        return len(self)

    def to(self, device: torch.device) -> "Tokens":
        """The same tokens, which are read to that device."""
        return Tokens(self._vector, self._start, self._stop, self._table, device)

    def __getitem__(self, places: "slice | Tensor") -> Tensor:
        """Tokens [n] of a stretch, or in the shape of the places, each at least 0."""
        if isinstance(places, slice):
            start, stop, step = places.indices(len(self))
            if step != 1:
                raise IndexError("tokens on disk are read in stretches, without a step")
            return self._tokens(self._vector.read(self._start + start, self._start + max(start, stop)))
        wanted = places.cpu().numpy()
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"places {wanted.min()} to {wanted.max()} do not lie within {len(self)} tokens")
        return self._tokens(self._vector.take(wanted + self._start))

    def _tokens(self, numbers: np.ndarray) -> Tensor:
        found = numbers if self._table is None else self._table[np.minimum(numbers, len(self._table) - 1)]
        return torch.from_numpy(found.astype(np.int64)).to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """All of them in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def bincount(self, minlength: int) -> Tensor:
        """How often each token occurs: int64 [minlength]."""
        return torch.stack([part.bincount(minlength=minlength) for part in self.split(1 << 22)]).sum(0)


def tokens_of(text: LargeText, vocabulary: Vocabulary) -> Tokens:
    """The tokens of a text on disk.

    Raises:
        DataError: there is no place for them on disk.
    """
    if vocabulary.unit == "characters":
        return Tokens(text.characters, text.start, text.stop, vocabulary.table)
    said = json.dumps(vocabulary.to_json(), sort_keys=True)
    key = cache.key_of("tokens", text.key, hashlib.sha256(said.encode()).hexdigest())
    dtype: Any = np.uint16 if len(vocabulary) <= 1 << 16 else np.int32
    most = len(text) + 1 if vocabulary.unit == "words" else text.bytes

    def pieces() -> Iterator[np.ndarray]:
        strings = text.strings(f"characters read as {vocabulary.unit}")
        return (part.numpy().astype(dtype) for part in vocabulary.encode_pieces(strings))

    try:
        vector, _ = kept_vector(key, most, dtype, pieces, lambda line: print(line, file=sys.stderr))
    except cache.NotKept as error:
        remedy = "make room, give a shorter text, or --cache off, which reads all into memory"
        raise DataError(Problem("", "", f"the tokens cannot be kept: {error}", remedy, skippable=False)) from None
    return Tokens(vector, 0, len(vector))
