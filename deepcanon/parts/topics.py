"""Documents of a few known topics, to measure models of word counts on: what their source itself gives them is known.

A topic has its own words, which make up a share of its documents; the rest are all words alike. A document has one
topic, drawn with equal chances, and a number of words drawn from SHORTEST to LONGEST.

    p(word | topic) = OWN [the word is the topic's] / EACH + (1 - OWN) / (TOPICS EACH)                    (1)
    log p(words) = log mean over topics of prod_n p(word_n | topic)                                       (2)

    >>> import torch
    >>> from deepcanon.parts.topics import topic_words
    >>> [round(p, 4) for p in topic_words()[0, [0, 39]].tolist()]
    [0.0925, 0.0025]
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .bag_of_words import draw_words

__all__ = [
    "DOCUMENTS",
    "NUMBERS",
    "measured_documents",
    "source_log_likelihood",
    "topic_documents",
    "topic_facts",
    "topic_words",
]

TOPICS, EACH, SHORTEST, LONGEST, OWN = 4, 10, 5, 15, 0.9
NUMBERS = 2 + LONGEST  # that a document is drawn from
DOCUMENTS = 2000  # that are measured


def topic_words(device: torch.device | None = None) -> Float[Tensor, "topics words"]:
    """Equation (1)."""
    words = torch.arange(TOPICS * EACH, device=device)
    own = (words // EACH == torch.arange(TOPICS, device=device)[:, None]).double()
    return OWN * own / EACH + (1 - OWN) / len(words)


def topic_documents(noise: Float[Tensor, "documents numbers"]) -> Float[Tensor, "documents words"]:
    """Word counts of documents, from NUMBERS numbers in [0, 1) for each."""
    if noise.ndim != 2 or noise.shape[1] != NUMBERS:
        raise ValueError(f"noise {tuple(noise.shape)} is not [documents, {NUMBERS}]")
    p = topic_words(noise.device).to(noise)[(noise[:, 0] * TOPICS).long()]
    return draw_words(p, SHORTEST + (noise[:, 1] * (LONGEST - SHORTEST + 1)).floor(), noise[:, 2:])


def measured_documents(seed: int) -> Float[Tensor, "documents words"]:
    """DOCUMENTS documents, the same in each call."""
    return topic_documents(torch.rand(DOCUMENTS, NUMBERS, generator=torch.Generator().manual_seed(seed)))


def topic_facts() -> dict[str, Any]:
    """What `bag_of_words.word_statistics` would find in very many documents."""
    names = [f"{topic}{word}" for topic in "abcd" for word in range(EACH)]
    about = {"shape": [len(names)], "words": names, "shares": topic_words().mean(0).float()}
    return {**about, "length": (SHORTEST + LONGEST) // 2, "longest": LONGEST}


def source_log_likelihood(counts: Float[Tensor, "documents words"]) -> Float[Tensor, "documents"]:
    """Equation (2), in float64."""
    given = counts.double() @ topic_words().log().T.to(counts.device)
    return torch.logsumexp(given, 1) - math.log(TOPICS)
