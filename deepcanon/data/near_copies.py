"""Texts that are mostly another text: the share of the stretches of words of each that others have too.

A model that remembers its training set word by word is rewarded for such texts, and one that does not is not: scores
of held-out texts say little where there are many of them.

>>> import numpy as np
>>> seen = Stretches([np.arange(10)], length=4)
>>> seen.shares([np.arange(9), np.arange(3, 12), np.arange(3)]).round(2).tolist()
[1.0, 0.67, 0.0]
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from deepcanon.parts.tokenization import tokenize

__all__ = ["STRETCH", "Stretches", "lines_again", "numbered", "signs_of"]

STRETCH = 8
"""Words of a stretch: long enough that two texts rarely share one by chance."""
LINE, MANY = 30, 0.1  # characters of a line that is hardly written twice by chance; share of such lines that is told
ODD, OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)  # odd: no column is lost from the 64 bits


def numbered(texts: Sequence[str], known: dict[str, int]) -> list[np.ndarray]:
    """The words and marks of each text, whatever their case, as numbers; new words are added to those known."""
    return [
        np.fromiter((known.setdefault(word, len(known)) for word in tokenize(text, True)), np.int64) for text in texts
    ]


def signs_of(columns: Iterable[np.ndarray]) -> np.ndarray:
    """A number of 64 bits for each row of some columns of such numbers; equal rows have equal ones."""
    signs = np.zeros((), np.uint64)
    for column in columns:
        mixed = (column + np.uint64(1)) * ODD
        mixed = (mixed ^ (mixed >> np.uint64(29))) * OTHER
        signs = signs * ODD + (mixed ^ (mixed >> np.uint64(32)))
    return signs


def lines_again(texts: Mapping[str, object]) -> list[str]:
    """About lines of valid and test that train has too, of texts in memory, if a tenth or more of the long ones are."""
    if not all(isinstance(text, str) for text in texts.values()):
        return []
    lines = {split: [line for line in _stripped(str(text)) if len(line) >= LINE] for split, text in texts.items()}
    train, found = set(lines.pop("train")), []
    for split, some in lines.items():
        again = sum(line in train for line in some)
        if again and again >= MANY * len(some):
            which = f"lines of {split} of {LINE} characters or more that are in train too"
            found.append(f"{which}: {again:,} of {len(some):,}")
    return found


def _stripped(text: str) -> Iterator[str]:
    return (line.strip() for line in text.split("\n"))


class Stretches:
    """The stretches of words of some texts in numbers, each as 64 bits.

    Args:
        texts: as `numbered` has them.
        length: words of a stretch.
    """

    def __init__(self, texts: Sequence[np.ndarray], length: int = STRETCH) -> None:
        self.length = length
        self.signs = np.sort(np.concatenate([np.empty(0, np.uint64), *self._of(texts)]))

    def shares(self, texts: Sequence[np.ndarray]) -> np.ndarray:
        """Of each text the share of its stretches that are among these; 0 of a text that has none."""
        if not len(self.signs):
            return np.zeros(len(texts))
        found = []
        for signs in self._of(texts):
            places = np.searchsorted(self.signs, signs).clip(max=len(self.signs) - 1)
            found.append(float((self.signs[places] == signs).mean()) if len(signs) else 0.0)
        return np.array(found)

    def _of(self, texts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The signs of each text."""
        if not texts:
            return []
        words = np.concatenate(texts).astype(np.uint64)
        count = max(0, len(words) - self.length + 1)
        signs = signs_of(words[place : place + count] for place in range(self.length))
        ends = np.cumsum([len(text) for text in texts]).tolist()
        # Those that reach into the next text are left out.
        return [
            signs[end - len(text) : max(end - len(text), end - self.length + 1)]
            for end, text in zip(ends, texts, strict=True)
        ]
