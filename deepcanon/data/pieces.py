"""Byte-pair pieces of a text: a vocabulary that is learned by merging frequent pairs, by the `tokenizers` library.

Paper: Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units"
(arXiv:1508.07909), on bytes as in Radford et al. 2019, "Language models are unsupervised multitask learners". Every
byte is a piece, so no text has an unknown symbol, and every text can be written again exactly. A piece does not reach
over the border between letters, digits, other signs and blanks; one blank belongs to the word after it.

Departure: the library splits a text before it merges; here the stretches between blanks are looked up among those that
it has answered before. The pieces are the same, since no piece reaches from a sign to the blank after it.
"""

import codecs
import json
import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepcanon.errors import UsageError
from deepcanon.parts.vocabulary import UNKNOWN, Vocabulary

from .large_text import LargeText

__all__ = ["STRETCHES", "Pieces", "learned", "sample_of", "sample_size", "vocabulary_of"]

SAMPLE, STRETCHES = 1 << 24, 64  # characters that pieces are learned from at most, and the stretches they come in
BLOCK = 1 << 20  # characters that are cut into stretches at a time
REMEMBERED, SHORT = 1 << 18, 64  # stretches whose pieces are kept, each of at most so many characters
PAIRS = 2  # a pair that occurs less often is not merged
# A run of blanks and what follows up to the next one. Python counts four separators as blanks, the library does not.
STRETCH = re.compile(r"[^\S\x1c-\x1f]*[\S\x1c-\x1f]+|\s+")
HALVES = re.compile("[\ud800-\udfff]")


def _bytes() -> dict[str, int]:
    """The byte that each character of the library's alphabet stands for: printable ones for themselves."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)) - set(plain))
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}


ALPHABET = _bytes()


def _library() -> Any:
    """The tokenizers library.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a run's threads are its own choice
    try:
        import tokenizers
    except ImportError:
        raise UsageError("pieces of a text need an extra: pip install 'deepcanon[text]'") from None
    return tokenizers


class Pieces(Vocabulary):
    """A vocabulary of byte-pair pieces, which is used as one of characters or words is.

    Number 0 is `UNKNOWN`, as there, which no text holds: a text that spells it is made of other pieces.

    Args:
        tokenizer: what the library writes of a byte-level tokenizer, in JSON, as `learned` makes it.

    Attributes:
        symbols: the pieces as text; a byte that is not a whole character is written as \\xe4.
        bytes: the pieces.
    """

    def __init__(self, tokenizer: str) -> None:
        self.tokenizer, self.unit, self.closing = tokenizer, "pieces", ""
        numbers = json.loads(tokenizer)["model"]["vocab"]
        written = sorted(numbers, key=numbers.__getitem__)
        if written[:1] != [UNKNOWN] or sorted(numbers.values()) != list(range(len(numbers))):
            raise ValueError(f"the numbers of pieces begin with 0 for {UNKNOWN} and leave none out")
        self.bytes = [b"", *(bytes(ALPHABET[sign] for sign in piece) for piece in written[1:])]
        self.symbols = (UNKNOWN, *(piece.decode("utf-8", "backslashreplace") for piece in self.bytes[1:]))
        self.number = {piece.decode(): i for i, piece in enumerate(self.bytes) if i and _is_text(piece)}
        # A character begins with a byte that is not 10xxxxxx: a sum over pieces counts each of them once.
        self.lengths = torch.tensor([sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self.bytes])
        self.known: dict[str, list[int]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pieces) and other.tokenizer == self.tokenizer

    def __hash__(self) -> int:
        return hash(self.tokenizer)

    @cached_property
    def _encoder(self) -> Any:
        tokenizers = _library()
        try:
            return tokenizers.Tokenizer.from_str(self.tokenizer)
        except Exception as error:  # the library has no class of its own for this
            version = f"tokenizers {tokenizers.__version__}"
            raise UsageError(f"{version} cannot read the pieces of this run ({str(error)[:100]})") from None

    def encode_pieces(self, texts: Iterable[str], closed: bool = True) -> Iterator[Tensor]:
        """The numbers of the pieces of a text that is given in parts, as if it were in one.

        Where no blank follows a sign for a million characters, it is cut there.

        Raises:
            ValueError: a character is half of one (a lone surrogate), which UTF-8 cannot write.
        """
        for stretches in _stretches(texts):
            if len(self.known) > REMEMBERED:
                self.known.clear()
            new = [stretch for stretch in dict.fromkeys(stretches) if stretch not in self.known]
            if bad := next(filter(None, map(HALVES.search, new)), None):
                raise ValueError(f"{bad[0]!r} is half of a character, which UTF-8 cannot write")
            found = [answer.ids for answer in self._encoder.encode_batch_fast(new)]
            here = dict(zip(new, found, strict=True))
            self.known.update((stretch, ids) for stretch, ids in here.items() if len(stretch) <= SHORT)
            numbers = chain.from_iterable(here.get(s) or self.known[s] for s in stretches)
            yield torch.from_numpy(np.fromiter(numbers, np.int64))
        yield torch.zeros(0, dtype=torch.int64)

    def strangers(self, text: str) -> list[str]:
        """Halves of characters, which a command line may hold: each once, in order. All else is made of pieces."""
        return list(dict.fromkeys(HALVES.findall(text)))

    def characters(self, texts: Iterable[str], first: int = 0) -> int:
        """The characters of a text that is given in parts, from the piece `first` on: that in which each begins."""
        texts = iter(texts)
        begin = next(texts, "")
        before = self.written(self.encode(begin)[:first]) if first else 0
        return len(begin) + sum(map(len, texts)) - before

    def written(self, tokens: Any) -> int:
        """The characters that begin in some pieces, in memory or on disk."""
        return sum(int(self.lengths[part.cpu()].sum()) for part in tokens.split(BLOCK)) if len(tokens) else 0

    def decode(self, tokens: Iterable[int] | Tensor) -> str:
        """The text of some numbers, without a last character of which bytes are missing.

        Bytes that are no character, which a model may say, become U+FFFD.
        """
        numbers = tokens.tolist() if isinstance(tokens, Tensor) else list(tokens)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return decoder.decode(b"".join(self.bytes[i] for i in numbers))

    def join(self, prompt: str, more: str) -> str:
        """A prompt and the text that follows it."""
        return prompt + more

    def to_json(self) -> dict[str, Any]:
        """What `vocabulary_of` takes: what the library reads and writes is under "tokenizer"."""
        return {"unit": self.unit, "tokenizer": json.loads(self.tokenizer)}


def _is_text(piece: bytes) -> bool:
    try:
        return bool(piece.decode())
    except UnicodeDecodeError:
        return False


def _stretches(texts: Iterable[str]) -> Iterator[list[str]]:
    """A text that is given in parts, cut before blanks: lists of stretches that add up to it.

    The text is read in blocks of its own, so that where it is cut does not depend on the parts.
    """
    rest, block = "", ""
    for text in texts:
        start = 0
        while start < len(text):
            taken = text[start : start + BLOCK - len(block)]
            block, start = block + taken, start + len(taken)
            if len(block) == BLOCK:
                found = STRETCH.findall(rest + block)
                rest, block = (found.pop() if len(found[-1]) < BLOCK else ""), ""
                yield found
    if rest or block:
        yield STRETCH.findall(rest + block)


def sample_size(text: "str | LargeText") -> int:
    """Characters that pieces are learned from."""
    return min(len(text), SAMPLE)


def sample_of(text: "str | LargeText") -> Iterator[str]:
    """What pieces are learned from: the whole text, or of a longer one SAMPLE characters, in stretches far apart."""
    if len(text) <= SAMPLE:
        yield str(text)
        return
    size = SAMPLE // STRETCHES
    for place in range(STRETCHES):
        start = place * (len(text) - size) // (STRETCHES - 1)
        yield str(text[start : start + size])


def learned(text: "str | LargeText", size: int) -> Pieces:
    """The pieces of a training text: 256 bytes, and the pairs that are merged most often first.

    Args:
        size: of the vocabulary, at most; a short text has fewer pairs that occur twice.

    Raises:
        UsageError: the library is not installed.
    """
    tokenizers = _library()
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size, min_frequency=PAIRS, special_tokens=[UNKNOWN], initial_alphabet=sorted(ALPHABET),
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator(chain.from_iterable(_stretches(sample_of(text))), trainer)
    said = json.loads(made.to_str())
    said["added_tokens"] = []  # a text that holds "<unk>" does not mean the unknown one
    return Pieces(json.dumps(said, ensure_ascii=False))


@lru_cache(maxsize=4)
def _pieces(tokenizer: str) -> Pieces:
    return Pieces(tokenizer)


def vocabulary_of(stored: dict[str, Any]) -> Vocabulary:
    """The vocabulary that its `to_json` described, of characters, words or pieces."""
    if stored["unit"] == "pieces":
        return _pieces(json.dumps(stored["tokenizer"], ensure_ascii=False))
    return Vocabulary.from_json(stored)
