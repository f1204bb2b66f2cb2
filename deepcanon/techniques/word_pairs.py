"""What word vectors are measured against without learning: the mutual information of the text's pairs of words.

Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization": scores of negative sampling go towards
PMI - log k, and vectors of the largest singular values of the positive PMI are a rival.
"""

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor

from deepcanon.engine.word_vectors import svd_vectors
from deepcanon.parts.sentences import Sentences
from deepcanon.representation.mutual_information import cooccurrences, pmi_fit, ppmi

__all__ = ["WordPairs"]


class WordPairs:
    """Pairs of near words of a text, counted when they are first asked for.

    Args:
        text: gives the sentences.
        window: words to either side.
        counts: how often each symbol stands in the text [symbols].
        dimensions: D of the vectors.
    """

    def __init__(self, text: Callable[[], Sentences], window: int, counts: Tensor, dimensions: int) -> None:
        self.text, self.window, self.counts, self.dimensions = text, window, counts, dimensions

    @functools.cached_property
    def pairs(self) -> Any:
        return cooccurrences(*self.text(), self.window, len(self.counts))

    def fit(
        self, score: Callable[[Tensor, Tensor], Tensor], noise: Tensor, negatives: float, least: int
    ) -> dict[str, Any]:
        """pmi_correlation of a model's scores with PMI - log k, and of how many pairs; {} of fewer than two.

        Args:
            score: from the symbols of words and of near words [N] to scores [N].
            noise: distribution of the noise words [symbols].
            negatives: k.
            least: occurrences of a pair that counts.
        """
        fit = pmi_fit(score, self.pairs, noise, negatives, least)
        return {"pmi_correlation": fit.correlation, "pmi_pairs": fit.pairs} if fit.pairs > 1 else {}

    @functools.cached_property
    def vectors(self) -> Tensor:
        """Vectors [symbols, D] of the largest singular values of the positive PMI."""
        cells = self.pairs.words, self.pairs.near, ppmi(self.pairs, len(self.counts))
        return svd_vectors(*cells, start=self.counts, dimensions=self.dimensions)
