"""Words of a long text looked up side by side: one of up to eight bytes is a number of 64 bits, and needs no string.

A word w of ASCII has the key k(w), its bytes as a whole number, the first one lowest. Keys lie in a table of 2^b
places,

    place of w = (k(w) m mod 2^64) / 2^(64 - b),   m odd                                        (1)

so that one read and one comparison find a word. Words that find another one at their place lie in a second, smaller
table with another m, and so on. Longer words and those that are not known are looked up in a dictionary, one by one:
the numbers are those of the dictionary for any text.

>>> lookup = ShortWords({"a": 1, "rose": 2, "unforgettable": 3})
>>> lookup("a rose\\nunforgettable tulips ").tolist()
[1, 2, -1, 3, 0]
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

__all__ = ["ShortWords"]

BYTES = 8
MULTIPLIER, BITS = 0x9E3779B97F4A7C15, 64  # of (1)
ROOM = 16  # places for each word: one in thirty finds another word there
TABLES = 3
LINE = ord("\n")
BLANK = bytes(chr(byte).isspace() for byte in range(256))
KEPT = np.array([(1 << 8 * count) - 1 for count in range(BYTES + 1)] + [0], np.uint64)
NONE = b"\xff" * BYTES  # the key of no word


class ShortWords:
    """Numbers of the words of a text of ASCII without the character NUL.

    Args:
        numbers: of the words.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self.numbers = numbers
        short = [word for word in numbers if word.isascii() and "\0" not in word and 0 < len(word) <= BYTES]
        self.keys = np.frombuffer(b"".join(word.encode().ljust(BYTES, b"\0") for word in short) + NONE, "<u8")
        self.found = np.array([*map(numbers.__getitem__, short), 0], np.int64)
        self.tables: list[tuple[np.uint64, np.uint64, np.ndarray]] = []  # m, 64 - b, and the word of each place
        rest = np.arange(len(short))
        for number in range(TABLES):
            bits = (ROOM * (len(rest) + 1)).bit_length()
            factor, shift = np.uint64(MULTIPLIER * (2 * number + 1) % 2**BITS), np.uint64(BITS - bits)
            table, places = np.full(1 << bits, len(short), np.int32), (self.keys[rest] * factor) >> shift  # (1)
            table[places] = rest
            self.tables.append((factor, shift, table))
            rest = rest[table[places] != rest]

    def __call__(self, text: str) -> Int[np.ndarray, "words"]:
        """The number of each word, 0 if it is not known, and -1 for each line end."""
        raw = text.encode("ascii") + b" "
        blank = np.frombuffer(raw.translate(BLANK), np.bool_)
        borders = np.flatnonzero(np.diff(blank, prepend=True))  # of each word the first place, and that after it
        first, last = borders[::2], borders[1::2]
        wide = np.ndarray(len(raw), "<u8", raw + b"\0" * BYTES, strides=(1,))  # eight bytes from each place on
        keys = wide[first] & KEPT[(last - first).clip(max=BYTES + 1)]
        words, others = np.empty(len(keys), np.int32), np.arange(len(keys))
        for factor, shift, table in self.tables:
            words[others] = table[(keys[others] * factor) >> shift]  # (1)
            others = others[self.keys[words[others]] != keys[others]]
        numbers, get = self.found[words], self.numbers.get
        numbers[others] = [
            get(text[a:b], 0) for a, b in zip(first[others].tolist(), last[others].tolist(), strict=True)
        ]
        lines = np.flatnonzero(np.frombuffer(raw, np.uint8) == LINE)
        return np.insert(numbers, np.searchsorted(first, lines), -1) if len(lines) else numbers
