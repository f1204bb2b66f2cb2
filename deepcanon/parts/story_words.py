"""The words of stories as numbers: sentences, questions and answers of a training set, and others packed by them.

A word is a run of letters and digits (with the apostrophes and hyphens inside it), in lower case. A label that answers
questions is one word too, even if it names several things ("apple,football"); it is the word of the text where that is
the same. The number after the last word stands for no word: padding, and what the training set does not have.

>>> words = StoryWords.build([(("Mary went home.",), "Where is Mary?", "Home")])
>>> words.words
('home', 'is', 'mary', 'went', 'where')
>>> packed = words.pack([(("Bob came.", "Mary went home."), "Where is Mary?", "Home")], memories=1)
>>> packed.story.tolist(), packed.question.tolist(), packed.answers.tolist(), words.label(0)
([[[2, 3, 0]]], [[4, 1, 2]], [0], 'Home')
"""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from deepcanon.parts.word_expressions import word_pattern

__all__ = ["PackedStories", "StoryWords", "any_word", "split_words"]

ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*")  # what `any_word` finds in ASCII
Asked = tuple[Sequence[str], str, str]  # the sentences of a story (the oldest first), a question, its answer


class PackedStories(NamedTuple):
    """Questions as numbers.

    Attributes:
        story: the sentences before each [questions, sentences, words], the NEWEST first.
        question: [questions, words].
        answers: [questions]; -1 for a label that the training set does not have.
        lengths: sentences of each.
    """

    story: Int[Tensor, "questions sentences words"]
    question: Int[Tensor, "questions words"]
    answers: Int[Tensor, "questions"]
    lengths: Int[Tensor, "questions"]


def split_words(text: str) -> list[str]:
    """The words of a sentence."""
    found = (ASCII_WORD if text.isascii() else any_word()).findall(text)
    return [one.lower() for one in found]


@functools.cache
def any_word() -> re.Pattern[str]:
    """A word of any script."""
    return re.compile(word_pattern(r"\W_", "'’-", more=True))


class StoryWords:
    """A vocabulary.

    Args:
        words: each once; a word's number is its place.
        labels: how the answers of the training set are written, by number.
    """

    def __init__(self, words: Sequence[str], labels: dict[int, str]) -> None:
        self.words, self.labels = tuple(words), labels
        self.number = {word: place for place, word in enumerate(self.words)}

    @classmethod
    def build(cls, asked: Iterable[Asked]) -> "StoryWords":
        """The vocabulary of a training set, in alphabetical order."""
        asked = list(asked)
        texts = {sentence for story, question, _ in asked for sentence in (*story, question)}
        written: dict[str, str] = {}
        for _, _, answer in asked:
            written.setdefault(answer.lower(), answer)
        words = sorted({word for text in texts for word in split_words(text)} | set(written))
        number = {word: place for place, word in enumerate(words)}
        return cls(words, {number[word]: answer for word, answer in written.items()})

    def __len__(self) -> int:
        return len(self.words)

    def strangers(self, texts: Iterable[str]) -> list[str]:
        """Words of sentences that the training set does not have."""
        return [
            word for word in dict.fromkeys(w for text in texts for w in split_words(text)) if word not in self.number
        ]

    def label(self, number: int) -> str:
        """An answer as it was written, or a word that never was one."""
        return self.labels.get(number, self.words[number])

    def pack(self, asked: Sequence[Asked], memories: int) -> PackedStories:
        """Questions as numbers, with at most the `memories` newest sentences before each."""
        none = len(self)
        texts = sorted({text for story, question, _ in asked for text in (*story[-memories:], question)})
        rows = [[self.number.get(word, none) for word in split_words(text)] for text in texts]
        table = np.full((len(texts) + 1, max([1, *map(len, rows)])), none)  # its last row is no sentence
        for place, row in enumerate(rows):
            table[place, : len(row)] = row
        number = {text: place for place, text in enumerate(texts)}
        lengths = [min(len(story), memories) for story, _, _ in asked]
        stories = np.full((len(asked), max([1, *lengths])), len(texts))
        for place, (story, _, _) in enumerate(asked):
            stories[place, : lengths[place]] = [number[text] for text in reversed(story[-memories:])]
        return PackedStories(
            torch.from_numpy(table[stories]),
            torch.from_numpy(table[[number[question] for _, question, _ in asked]]),
            torch.tensor([self.number.get(answer.lower(), -1) for _, _, answer in asked]),
            torch.tensor(lengths),
        )

    def to_json(self) -> dict[str, Any]:
        """For the facts of a run."""
        return {"words": list(self.words), "labels": {str(number): text for number, text in self.labels.items()}}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "StoryWords":
        """What `to_json` wrote."""
        return cls(stored["words"], {int(number): text for number, text in stored["labels"].items()})
