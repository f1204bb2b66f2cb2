r"""ARPA files: an n-gram model as text, as SRILM, KenLM and others write and read it.

After lines that are comments stand the sizes, then a section for each order, whose lines are the logarithm to base 10
of p(w | h), the n-gram, and that of the back-off weight b of the n-gram as a history (1 if it is left out):

    \data\
    ngram 1=4
    ngram 2=3

    \1-grams:
    -0.6	the	-0.3
    ...
    \end\

The words <s> and </s> are the start and the end of a sentence, <unk> (or <UNK>) stands for words that are not listed.
-99 is the logarithm of 0: <s> has it, since it is never predicted.

Characters are written by themselves, those that would not be seen as <U+0020> (a blank). A text of characters has no
sentence end, but other tools ask for one: </s> is there with probability 0. A comment `# unit: characters` says it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from deepcanon.errors import UsageError
from deepcanon.parts.backoff import BackoffModel, Ngrams
from deepcanon.parts.vocabulary import END, UNKNOWN, Vocabulary

from .archives import read_bytes
from .errors import DataError, Problem

__all__ = ["ARPA", "lines_of_arpa", "read_arpa"]

ARPA = (".arpa", ".arpa.gz")
START, ZERO = "<s>", -99.0
KEPT = {START: START, "<UNK>": UNKNOWN}
"""What stands for something in every ARPA file, next to the vocabulary's own <unk> and </s>."""
UNIT = "# unit: "
REMEDY = "give a whole ARPA file, as SRILM, KenLM or `export --format arpa` write it"
CODE = re.compile(r"<U\+([0-9A-F]{4,6})>")


def lines_of_arpa(vocabulary: Vocabulary, ngrams: Sequence[Ngrams]) -> Iterator[str]:
    """The lines of the file, each with its line end. Twelve digits are written of each logarithm.

    Args:
        ngrams: of each order from 1 on; token len(vocabulary) is the sentence start.

    Raises:
        UsageError: the text has a word that means something else in the file, or its tokens are pieces.
    """
    _refuse_pieces(vocabulary.unit)
    if word := next((symbol for symbol in vocabulary.symbols if symbol in KEPT), None):
        raise UsageError(f"the text has the word {word}, which ARPA files keep: write another word for it, and train")
    letters = vocabulary.unit == "characters"
    names = [_name(symbol) if letters else symbol for symbol in vocabulary.symbols] + [START]
    yield f"{UNIT}{vocabulary.unit}\n\n\\data\\\n"
    for order, (tokens, _, _) in enumerate(ngrams, 1):
        yield f"ngram {order}={len(tokens) + (letters and order == 1)}\n"
    for order, (tokens, p, weight) in enumerate(ngrams, 1):
        yield f"\n\\{order}-grams:\n"
        if letters and order == 1:
            yield f"{ZERO:g}\t{END}\n"
        for rows, logs, weights in zip(*(part.split(100_000) for part in (tokens, _log(p), _log(weight))), strict=True):
            words = (" ".join([names[token] for token in row]) for row in rows.tolist())
            lines = zip(logs.tolist(), words, weights.tolist(), strict=True)
            yield "".join(f"{p:.12g}\t{text}\t{b:.12g}\n" if b else f"{p:.12g}\t{text}\n" for p, text, b in lines)
    yield "\n\\end\\\n"


def _refuse_pieces(unit: str) -> None:
    if unit == "pieces":
        what = "the merges that cut a text into pieces have no place there"
        raise UsageError(f"ARPA files hold words or characters, {what}: use --unit words or characters")


def _log(values: torch.Tensor) -> torch.Tensor:
    return values.cpu().double().log10().clamp(min=ZERO)


def _name(symbol: str) -> str:
    return symbol if len(symbol) > 1 or (symbol.isprintable() and symbol != " ") else f"<U+{ord(symbol):04X}>"


def read_arpa(path: Path, unit: str) -> tuple[Vocabulary, BackoffModel]:
    """The vocabulary (the unknown symbol 0, of words the sentence end 1, others as they are listed) and the model.

    Args:
        path: perhaps gzipped.
        unit: "words" or "characters": what the words of the file are.

    Raises:
        DataError: it is not a whole ARPA file, or of another unit.
        UsageError: pieces are asked for.
    """
    _refuse_pieces(unit)
    return _Reader(path, unit).read()


class _Reader:
    def __init__(self, path: Path, unit: str) -> None:
        self.path, self.unit = path, unit
        self.lines = read_bytes(path).split(b"\n")
        self.number: dict[bytes, int] = {}

    def fail(self, line: int, what: str, remedy: str = REMEDY) -> DataError:
        place = f"line {line + 1}" if line >= 0 else ""
        return DataError(Problem(str(self.path), place, what, remedy, skippable=False))

    def read(self) -> tuple[Vocabulary, BackoffModel]:
        sizes, at = self._sizes()
        found = []
        for order, size in enumerate(sizes, 1):
            at = self._blank(at)
            if at >= len(self.lines) or self.lines[at].strip() != b"\\%d-grams:" % order:
                raise self.fail(min(at, len(self.lines) - 1), f"is where \\{order}-grams: should begin")
            stop = at + 1 + size
            fields = [line.split() for line in self.lines[at + 1 : stop]]
            found.append(self._section(order, at + 1, fields, size))
            at = stop
        at = self._blank(at)
        if at >= len(self.lines) or self.lines[at].strip() != b"\\end\\":
            raise self.fail(min(at, len(self.lines) - 1), f"is where \\end\\ should stand, after {len(sizes)} orders")
        return self._numbered(found)

    def _sizes(self) -> tuple[list[int], int]:
        """The numbers of n-grams that the header gives, and the line after them."""
        lines = self.lines
        begin = next((at for at, line in enumerate(lines) if line.strip() == b"\\data\\"), None)
        if begin is None:
            raise self.fail(-1, "has no line \\data\\")
        told = next((line[len(UNIT) :].strip() for line in lines[:begin] if line.startswith(UNIT.encode())), b"")
        if told and told.decode("utf-8", "replace") != self.unit:
            what = f"says that its unit is {told.decode('utf-8', 'replace')}, not {self.unit}"
            raise self.fail(-1, what, f"give --unit {told.decode('utf-8', 'replace')}")
        sizes, at = [], self._blank(begin + 1)
        while at < len(lines) and (match := re.fullmatch(rb"ngram\s+(\d+)\s*=\s*(\d+)\s*", lines[at])):
            sizes.append(int(match[2]))
            if int(match[1]) != len(sizes):
                raise self.fail(
                    at, f"gives the number of {int(match[1])}-grams where that of order {len(sizes)} belongs"
                )
            at += 1
        if not sizes:
            raise self.fail(at, "has no line such as: ngram 1=10000")
        return sizes, at

    def _blank(self, at: int) -> int:
        while at < len(self.lines) and not self.lines[at].strip():
            at += 1
        return at

    def _section(self, order: int, first: int, fields: list[list[bytes]], size: int) -> tuple[np.ndarray, ...]:
        """Words as numbers of this file [size, order], log p [size], log b [size]."""
        for at, parts in enumerate(fields):
            if not order < len(parts) <= order + 2:
                what = f"is not a number, {order} word{'s' * (order > 1)} and perhaps a number"
                raise self.fail(first + at, f"{what} (the header gives {size:,} n-grams of order {order})")
        if len(fields) < size:
            raise self.fail(-1, f"ends after {len(fields):,} of the {size:,} n-grams of order {order}")
        if order == 1:
            self.number = {parts[1]: at for at, parts in enumerate(fields)}
            if len(self.number) < size:
                seen: set[bytes] = set()
                at = next(at for at, parts in enumerate(fields) if parts[1] in seen or seen.add(parts[1]))  # type: ignore[func-returns-value]
                raise self.fail(first + at, "lists a word that was there before", "keep one of the two lines")
        try:
            words = [[self.number[word] for word in parts[1 : order + 1]] for parts in fields]
        except KeyError:
            at = next(at for at, parts in enumerate(fields) if any(w not in self.number for w in parts[1 : order + 1]))
            raise self.fail(first + at, "has a word that is not among the 1-grams") from None
        try:
            logs = [(float(parts[0]), float(parts[order + 1]) if len(parts) > order + 1 else 0.0) for parts in fields]
        except ValueError:
            at = next(at for at, parts in enumerate(fields) if not _are_numbers([parts[0], *parts[order + 1 :]]))
            raise self.fail(first + at, "does not begin and end with numbers") from None
        values = np.array(logs, np.float64).reshape(size, 2)
        bad = ~((values[:, 0] <= 0) & np.isfinite(values[:, 1]))
        if bad.any():
            at = int(bad.argmax())
            raise self.fail(first + at, f"has {values[at, 0]:g}, which is not the logarithm of a probability")
        return np.array(words, np.int64).reshape(size, order), values[:, 0], values[:, 1]

    def _numbered(self, found: list[tuple[np.ndarray, ...]]) -> tuple[Vocabulary, BackoffModel]:
        """The vocabulary, and the model in its numbers."""
        letters = self.unit == "characters"
        reserved = [UNKNOWN] if letters else [UNKNOWN, END]
        symbols, to = list(reserved), np.zeros(len(self.number), np.int64)
        for word, place in self.number.items():
            symbol = KEPT.get(name := self._text(word), name)
            if symbol in reserved:
                to[place] = reserved.index(symbol)
            elif symbol == START or (letters and symbol == END):
                to[place] = -1 if symbol == START else -2
            else:
                to[place] = len(symbols)
                symbols.append(self._character(symbol) if letters else symbol)
        try:
            vocabulary = Vocabulary(symbols, self.unit)
        except ValueError as error:
            raise self.fail(-1, str(error)) from None
        ngrams = []
        for order, (words, logs, weights) in enumerate(found, 1):
            tokens = to[words]
            inside = (tokens != -2).all(1)
            if (logs[~inside] > ZERO).any():
                raise self.fail(
                    -1, "predicts a sentence end, which texts of characters do not have", "give --unit words"
                )
            tokens, logs, weights = tokens[inside], logs[inside], weights[inside]
            if (tokens[:, 1:] < 0).any():
                raise self.fail(-1, f"has an n-gram of order {order} with {START} after its beginning")
            tokens[tokens < 0] = len(vocabulary)
            p, b = (torch.from_numpy(np.where(part > ZERO, 10.0**part, 0.0)) for part in (logs, weights))
            ngrams.append(Ngrams(torch.from_numpy(tokens), p, b))
        try:
            return vocabulary, BackoffModel(len(vocabulary), len(ngrams), end=vocabulary.end).from_ngrams(ngrams)
        except ValueError as error:
            raise self.fail(-1, str(error)) from None

    def _text(self, word: bytes) -> str:
        try:
            return word.decode("utf-8")
        except UnicodeDecodeError:
            at = next(at for at, line in enumerate(self.lines) if word in line.split())
            raise self.fail(at, "has a word that is not UTF-8", "save it as UTF-8") from None

    def _character(self, symbol: str) -> str:
        code = CODE.fullmatch(symbol)
        if code is None and len(symbol) > 1:
            what = f"has the word {symbol}, which is not a character"
            raise self.fail(-1, what, "give --unit words, or write a blank as <U+0020>")
        return chr(int(code[1], 16)) if code else symbol


def _are_numbers(parts: list[bytes]) -> bool:
    try:
        [float(part) for part in parts]
    except ValueError:
        return False
    return True
