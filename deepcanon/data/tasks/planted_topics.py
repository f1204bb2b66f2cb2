"""Documents of four topics with words of their own: a model of topics must beat one of single words.

A topic has EACH words of its own, which make up a share OWN of its documents; the rest are all words alike. A document
has one topic, its class, drawn with equal chances, and a number of words drawn from SHORTEST to LONGEST.

    p(word | topic) = OWN [the word is the topic's] / EACH + (1 - OWN) / (TOPICS EACH)                    (1)
    log p(words) = log mean over topics of prod_n p(word_n | topic)                                       (2)

The perplexity exp(-mean log p(words) / length) is 40, the number of words, for a model that takes all words as equally
likely, which is also the best that single words can do; the source itself has 16.5582, and the topic that is likeliest
by (2) is wrong for 0.0249 % of the documents. Both are sums over all counts of words by topic.

    >>> from deepcanon.data.tasks.planted_topics import topic_words
    >>> [round(p, 4) for p in topic_words()[0, [0, 39]].tolist()]
    [0.0925, 0.0025]
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..documents import DocumentSplit
from ..drawn import Streams
from ..known import Known
from . import Task

__all__ = ["KIND", "WORDS", "Drawn", "draw", "draw_numbers", "log_likelihood", "topic_words"]

KIND = "documents"
TOPICS, EACH, SHORTEST, LONGEST, OWN = 4, 10, 5, 15, 0.9
NAMES = "abcd"
WORDS = [topic + word for topic in NAMES for word in "abcdefghij"]
SIZES = {"train": 20_000, "valid": 2000, "test": 2000}
PERPLEXITY, ERROR = 16.5582, 2.49e-4  # of the source


class Drawn(NamedTuple):
    """Numbers of words, -1 after the last of a document, and the topic of each document."""

    words: Int[Tensor, "documents longest"]
    topics: Int[Tensor, "documents"]


def topic_words() -> Float[Tensor, "topics words"]:
    """Equation (1), in float64."""
    words = torch.arange(TOPICS * EACH)
    own = (words // EACH == torch.arange(TOPICS)[:, None]).double()
    return OWN * own / EACH + (1 - OWN) / len(words)


def draw_numbers(count: int, generator: torch.Generator) -> Drawn:
    """So many documents."""
    topics = torch.randint(TOPICS, (count,), generator=generator)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (count, 1), generator=generator)
    own = torch.rand(count, LONGEST, generator=generator) < OWN
    of_topic = EACH * topics[:, None] + torch.randint(EACH, (count, LONGEST), generator=generator)
    of_all = torch.randint(len(WORDS), (count, LONGEST), generator=generator)
    words = torch.where(own, of_topic, of_all)
    return Drawn(torch.where(torch.arange(LONGEST) < lengths, words, -1), topics)


def log_likelihood(
    counts: Float[Tensor, "documents words"], words: Sequence[str] = WORDS
) -> Float[Tensor, "documents"]:
    """Equation (2) of counts of these words, in float64.

    Raises:
        ValueError: `words` are not all words, in some order.
    """
    if sorted(words) != WORDS:
        raise ValueError(f"the likelihood of a document is that of all its words: {len(words)} of {len(WORDS)} given")
    columns = torch.tensor([WORDS.index(word) for word in words])
    given = counts.double() @ topic_words()[:, columns].log().T.to(counts.device)
    return torch.logsumexp(given, 1) - math.log(TOPICS)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Documents from the seed, with their topics as classes."""
    splits = {}
    for split, count in SIZES.items():
        drawn = draw_numbers(count, Streams(seed).generator(f"planted-topics/{split}"))
        texts = [" ".join(WORDS[n] for n in row if n >= 0) for row in drawn.words.tolist()]
        splits[split] = DocumentSplit(texts, drawn.topics)
    known = (
        Known("perplexity", len(WORDS), PERPLEXITY, "a word", ("all words alike", "the source itself")),
        Known("error", 1 - 1 / TOPICS, ERROR, "", ("a guess", "the likeliest topic")),
    )
    truth = {"words": WORDS, "topics": topic_words(), "log_likelihood": log_likelihood}
    return Task({**splits}, known, {"classes": list(NAMES)}, truth)
