"""A text as its words and the number of each word's sentence, for models of words that occur near each other.

>>> import torch
>>> text = sentences_of(torch.tensor([4, 0, 5, 1, 3, 1, 2, 2]), first=2, end=1)  # 0 an unknown word, 1 a sentence's end
>>> text.words.tolist(), text.numbers.tolist()
([4, 5, 3, 2, 2], [0, 0, 1, 2, 2])
>>> thinned(text, torch.tensor([1.0, 1, 0, 1, 1, 1])).words.tolist()
[4, 5, 3]
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Sentences", "sentences_of", "shuffled", "stretch", "thinned"]


class Sentences(NamedTuple):
    """Words in the order of the text, and the number of the sentence of each, rising where the text is not shuffled."""

    words: Int[Tensor, "words"]
    numbers: Int[Tensor, "words"]


def sentences_of(tokens: Int[Tensor, "tokens"], first: int, end: int) -> Sentences:
    """The tokens from number `first` on; the token `end`, which is below it, ends a sentence."""
    known = tokens >= first
    return Sentences(tokens[known], (tokens == end).long().cumsum(0)[known])


def shuffled(text: Sentences, generator: torch.Generator | None = None) -> Sentences:
    """The sentences in a drawn order, each with its words in their order; they are numbered by the new order."""
    if not len(text.words):
        return text
    order = torch.randperm(int(text.numbers.max()) + 1, generator=generator)
    numbers, places = order.to(text.numbers.device)[text.numbers].sort(stable=True)
    return Sentences(text.words[places], numbers)


def stretch(text: Sentences, begin: int, size: int) -> Sentences:
    """`size` words of the text from one on, fewer at its end; sentences may be cut."""
    return Sentences(*(part[begin : begin + size] for part in text))


def thinned(text: Sentences, kept: Float[Tensor, "symbols"], generator: torch.Generator | None = None) -> Sentences:
    """The text without words that are drawn to be left out; each stays with its own probability.

    Args:
        kept: the probability of each symbol of the vocabulary.
    """
    stays = torch.rand(len(text.words), generator=generator) < kept[text.words]
    return Sentences(text.words[stays], text.numbers[stays])
