"""Vectors of words that a network over words begins with: of a run that trained some, or of a file of text.

Forms: the folder of a run of `word2vec`; or text as word2vec's C tool and GloVe write it, a word and its numbers on
each line, blanks between them. A first line of two whole numbers (how many words, how many numbers each) is left out.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from deepcanon.data import DataError, Problem
from deepcanon.data.errors import one_line
from deepcanon.engine.initial import read
from deepcanon.errors import UsageError
from deepcanon.parts.vocabulary import Vocabulary

__all__ = ["GivenVectors", "read_vectors"]

OPTION = "--vectors"
REMEDY = "give a word and its numbers on each line, blanks between them, in UTF-8"


class GivenVectors(NamedTuple):
    """The words of a vocabulary that have a vector, by their places in it, and the vectors [found, D]."""

    places: Tensor
    vectors: Tensor


def read_vectors(given: str, words: Sequence[str]) -> GivenVectors:
    """The vectors of some words.

    Args:
        given: a run folder or a text file.

    Raises:
        UsageError: there is neither, or the run has no vectors of words.
        DataError: a line of the file cannot be read, or no word has a vector.
    """
    path, wanted = Path(given), {word: place for place, word in enumerate(words)}
    pairs = _of_run(path) if path.is_dir() else _of_text(path, wanted)
    found = {wanted[word]: vector for word, vector in pairs if word in wanted}
    if not found:
        what = f"has a vector of none of the {len(words):,} words of the training texts"
        raise DataError(Problem(given, "", what, "give vectors of the same language, in lower case", skippable=False))
    places = sorted(found)
    return GivenVectors(torch.tensor(places), torch.stack([found[place] for place in places]).float())


def _of_run(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The vectors of a run that trained some."""
    source = read(path, OPTION)
    if "input_vectors" not in source.state or "vocabulary" not in source.facts:
        raise UsageError(f"{OPTION} {path}: is not a run of word2vec")
    symbols = Vocabulary.from_json(source.facts["vocabulary"]).symbols
    return zip(symbols, source.state["input_vectors"], strict=True)


def _of_text(path: Path, wanted: dict[str, int]) -> Iterator[tuple[str, Tensor]]:
    """The wanted vectors of a file, line by line, since such files are large."""
    if not path.is_file():
        raise UsageError(f"{OPTION} {path}: no such run or file")
    size = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                word, *cells = line.strip().split(" ")
                if (number == 1 and len(cells) == 1) or not word:
                    continue
                size = size or len(cells)
                if len(cells) != size or not size:
                    what = f"has {len(cells)} number{'s' * (len(cells) != 1)} after {one_line(word, 30)!r}"
                    raise _wrong(path, number, f"{what}, the lines before {size}" if size else what)
                if word in wanted:
                    yield word, _numbers(cells, path, number)
    except UnicodeDecodeError:
        raise _wrong(path, 0, "is not UTF-8") from None
    except OSError as error:
        raise UsageError(f"{OPTION} {path}: cannot be read ({error.strerror})") from None


def _numbers(cells: list[str], path: Path, number: int) -> Tensor:
    try:
        vector = torch.tensor([float(cell) for cell in cells])
    except ValueError as error:
        raise _wrong(path, number, f"has a number that is none ({one_line(error, 60)})") from None
    if not bool(vector.isfinite().all()):
        raise _wrong(path, number, "has a number that is not finite")
    return vector


def _wrong(path: Path, number: int, what: str) -> DataError:
    return DataError(Problem(str(path), f"line {number}" if number else "", what, REMEDY, skippable=False))
