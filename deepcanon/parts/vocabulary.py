"""A vocabulary of characters or words: text to token numbers and back.

Words are separated by blanks; every line that is not blank is a sentence and ends in the token ``</s>``.
Characters are Unicode code points, line ends among them. Symbols that the training text lacks become the unknown token,
``<unk>``, number 0; a word ``<unk>`` in the text is that same token.

>>> vocabulary = Vocabulary.build("a rose is a rose", "words")
>>> vocabulary.symbols, vocabulary.encode("a rose was").tolist()
(('<unk>', '</s>', 'a', 'is', 'rose'), [2, 4, 0, 1])
>>> Vocabulary.from_json(vocabulary.to_json()).decode([2, 4, 1])
'a rose\\n'
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from deepcanon.parts.short_words import ShortWords

__all__ = ["END", "REPLACEMENT", "UNKNOWN", "Vocabulary", "encode_once"]

UNKNOWN, END = "<unk>", "</s>"
UNITS = ("characters", "words")
LINE = "\0"  # stands for a line end among words: no text that was read holds this character
LONG = 100_000  # characters of a piece whose words are looked up side by side
REPLACEMENT = "\ufffd"  # shown where an unknown character is decoded


class Vocabulary:
    """Symbols in the order of their numbers; number 0 is the unknown one.

    Args:
        symbols: the symbols, UNKNOWN first, then (words only) END, each once.
        unit: "characters" or "words".
        closing: characters only: the one that ends each text, such as a poem; "" if none does.
    """

    def __init__(self, symbols: Sequence[str], unit: str = "characters", closing: str = ""):
        symbols = tuple(symbols)
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {UNITS}, not {unit!r}")
        if symbols[:1] != (UNKNOWN,) or (unit == "words" and symbols[1:2] != (END,)):
            raise ValueError(f"the first symbols must be {UNKNOWN} and, of words, {END}, not {symbols[:2]}")
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"{len(symbols)} symbols, but only {len(set(symbols))} different ones")
        if unit == "characters" and any(len(s) != 1 for s in symbols[1:]):
            raise ValueError("every symbol of a vocabulary of characters must be one character")
        if closing and (unit != "characters" or closing not in symbols):
            raise ValueError(f"texts end in {closing!r}, which is not one of the {unit}")
        self.symbols, self.unit, self.closing = symbols, unit, closing
        self.number = {symbol: i for i, symbol in enumerate(symbols)}
        if unit == "characters":
            points = np.array([ord(s) for s in symbols[1:]], np.int64)
            self.table = np.zeros(points.max(initial=0) + 2, np.int64)
            self.table[points] = np.arange(1, len(symbols))

    @classmethod
    def build(
        cls, text: str | Iterable[str], unit: str = "characters", minimum_count: int = 1, maximum_size: int = 0,
        closing: str = "",
    ) -> "Vocabulary":  # fmt: skip
        """The symbols of a text, sorted; those rarer than `minimum_count` or beyond the `maximum_size` most
        frequent (0: no limit) become the unknown one.

        Args:
            text: one, or the pieces of one, none of which ends within a word.
        """
        pieces = [text] if isinstance(text, str) else text
        if unit == "characters":
            counts = np.zeros(0, np.int64)
            for piece in pieces:
                more = np.bincount(_code_points(piece), minlength=len(counts))
                more[: len(counts)] += counts
                counts = more
            found = Counter({chr(p): int(counts[p]) for p in np.flatnonzero(counts).tolist()})
        else:
            found = Counter()
            for piece in pieces:
                found.update(piece.split())
            for symbol in (UNKNOWN, END):
                found.pop(symbol, None)
        reserved = [UNKNOWN] if unit == "characters" else [UNKNOWN, END]
        if closing in found:  # however few texts there are
            found[closing] = max(found[closing], minimum_count, 1 + max(found.values()))
        kept = [(-count, symbol) for symbol, count in found.items() if count >= minimum_count]
        if maximum_size:
            kept = sorted(kept)[: max(0, maximum_size - len(reserved))]
        return cls((*reserved, *sorted(symbol for _, symbol in kept)), unit, closing)

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def unknown(self) -> int:
        """The number of the unknown symbol."""
        return 0

    @property
    def end(self) -> int | None:
        """The number of the sentence end; of characters that of `closing`, or None."""
        if self.unit == "words":
            return 1
        return self.number[self.closing] if self.closing else None

    def encode(self, text: str, closed: bool = True) -> Int[Tensor, "tokens"]:
        """The numbers of a text's symbols.

        Args:
            closed: words only: whether the last line is a whole sentence, which an end token follows.
        """
        return torch.cat([*self.encode_pieces([text], closed)])

    def encode_pieces(self, texts: Iterable[str], closed: bool = True) -> Iterator[Int[Tensor, "tokens"]]:
        """The numbers of the symbols of each piece of a text, as if it were in one; none ends within a word.

        Args:
            closed: as of `encode`, for the last piece.
        """
        numbers, open_line = self.number | {LINE: -1}, False
        for text in texts:
            if self.unit == "characters":
                yield torch.from_numpy(self.table[_code_points(text).clip(max=len(self.table) - 1)])
                continue
            if len(text) >= LONG and text.isascii() and LINE not in text:
                found = _short_words(self)(text)
            else:
                words = text.replace("\n", f" {LINE} ").split()
                found = np.fromiter(map(numbers.get, words, repeat(0)), np.int64, len(words))
            ends = found < 0
            # A line end closes a sentence if there is a word since the one before it.
            blank = ends & np.concatenate([[not open_line], ends[:-1]])[: len(ends)]
            open_line = not ends[-1] if len(ends) else open_line
            yield torch.from_numpy(np.where(ends, 1, found)[~blank])
        yield torch.ones(int(closed and open_line), dtype=torch.int64)

    def strangers(self, text: str) -> list[str]:
        """The symbols of a text that the vocabulary lacks, each once, in their order; `UNKNOWN` itself is none."""
        symbols = text if self.unit == "characters" else text.split()
        return [symbol for symbol in dict.fromkeys(symbols) if symbol not in self.number]

    def characters(self, texts: Iterable[str], first: int = 0) -> int:
        """The characters of a text that is given in pieces, from the token `first` on; none ends within a word.

        Of words: a word and the one blank or line end after it. Further blanks and blank lines are not counted, since
        no token tells them.
        """
        if self.unit == "characters":
            return sum(map(len, texts)) - first
        lengths = [len(word) + 1 for text in texts for word in text.split()]
        return sum(lengths[first:])

    def written(self, tokens: Int[Tensor, "tokens"]) -> int:
        """The same by the tokens, of which none is the unknown one."""
        if self.unit == "characters":
            return len(tokens)
        lengths = torch.tensor([0 if symbol == END else len(symbol) + 1 for symbol in self.symbols])
        return int(lengths[tokens.cpu()].sum())

    def decode(self, tokens: Iterable[int] | Tensor) -> str:
        """The text of some numbers; a sentence end becomes a line end."""
        numbers = tokens.tolist() if isinstance(tokens, Tensor) else list(tokens)
        if self.unit == "characters":
            return "".join(self.symbols[i] if i else REPLACEMENT for i in numbers)
        pieces: list[str] = []
        for i in numbers:
            if i == 1:
                pieces.append("\n")
            else:
                pieces.append(self.symbols[i] if not pieces or pieces[-1] == "\n" else " " + self.symbols[i])
        return "".join(pieces)

    def join(self, prompt: str, more: str) -> str:
        """A prompt and the text that follows it; words are separated by a blank."""
        apart = self.unit == "words" and prompt and more and not prompt[-1].isspace() and more[0] != "\n"
        return prompt + (" " if apart else "") + more

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        stored = {"unit": self.unit, "symbols": list(self.symbols)}
        return {**stored, "closing": self.closing} if self.closing else stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Vocabulary":
        """The vocabulary that `to_json` described."""
        return cls(stored["symbols"], stored["unit"], stored.get("closing", ""))


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@lru_cache(maxsize=8)
def _short_words(vocabulary: Vocabulary) -> ShortWords:
    """Its words for long texts: made when the first one comes, and no part of it, since a vocabulary never changes."""
    return ShortWords(vocabulary.number)


@lru_cache(maxsize=8)
def encode_once(text: str, vocabulary: Vocabulary) -> Int[Tensor, "tokens"]:
    """`vocabulary.encode(text)`, remembered for the last few texts: a training step asks for the same one again."""
    return vocabulary.encode(text)
