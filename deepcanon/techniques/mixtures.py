"""A language model mixed with Kneser-Ney n-grams of the same text: lambda p + (1 - lambda) p_KN.

Papers: Bengio et al. 2003, "A neural probabilistic language model"; Mikolov et al. 2010, "Recurrent neural network
based language model". The two models err differently, and the weight lambda is the one that makes the validation text
likeliest.
"""

import math
from functools import lru_cache
from typing import Any, Protocol

from torch import Tensor

from deepcanon.engine.run import Run
from deepcanon.engine.vocabularies import numbered
from deepcanon.parts.language_models import mixture, perplexity
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.sequence.neural_lm import mixture_weight
from deepcanon.sequence.ngram_lm import NgramLM

__all__ = ["Mixes", "mixed_with_ngrams"]


class Mixes(Protocol):
    """What is asked of a recipe of `engine.language.Speaks`."""

    run: Run
    vocabulary: Vocabulary

    @property
    def first(self) -> int: ...
    def part(self, split: str) -> tuple[Any, Any]: ...
    def scores(self, nll: float, tokens: Any, text: Any = "") -> dict[str, float]: ...
    def log_probabilities(self, tokens: Any) -> Tensor:
        """log p of each token of a text [tokens] from the token `first` on, in float64."""


@lru_cache(maxsize=1)
def _counted(text: Any, vocabulary: Vocabulary, order: int) -> NgramLM:
    return NgramLM(len(vocabulary), order, end=vocabulary.end).fit(numbered(text, vocabulary)[:])


def mixed_with_ngrams(recipe: Mixes, order: int) -> dict[str, float]:
    """The scores of the test text by the model alone, by n-grams of the training text, and by the mixture of both.

    Args:
        order: of the n-grams.

    Returns:
        those of `Speaks.scores`, and of `targets.MIXED`.
    """
    counted = _counted(recipe.run.data["train"].x, recipe.vocabulary, order)
    mine, theirs = {}, {}
    for name in ("valid", "test"):
        tokens = recipe.part(name)[0][:]
        mine[name] = recipe.log_probabilities(recipe.run.to(tokens)).cpu()
        theirs[name] = counted(tokens[None])[0, recipe.first :]
    weight = mixture_weight(mine["valid"].exp(), theirs["valid"].exp())
    mixed = mixture(mine["test"], theirs["test"], weight)
    nll, ngram, both = (-float(log.mean()) for log in (mine["test"], theirs["test"], mixed))
    found = {**recipe.scores(nll, *recipe.part("test")), "ngram_nll": ngram, "mixed_nll": both}
    found |= {f"{kind}_perplexity": perplexity(found[f"{kind}_nll"]) for kind in ("ngram", "mixed")}
    return {**found, "ratio": math.exp(both - ngram), "weight": weight}
