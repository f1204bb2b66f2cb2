"""Latent Dirichlet allocation by scikit-learn, at its best setting on validation, to compare topic models with."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["SETTINGS", "against_allocation", "tuned_allocation"]


SETTINGS = ((1.0, 0.1, 20), (1.0, 0.02, 20), (1.0, 0.3, 20), (0.3, 0.1, 20), (0.1, 0.1, 20), (1.0, 0.1, 60))
"""The settings tried: concentration of a document's topics, of a topic's words (prior), passes over the documents."""


def tuned_allocation(
    documents: Callable[[str], Iterable[Tensor]],
    topics: int,
    nats: Callable[..., Tensor],
    *,
    generator: torch.Generator,
    seed: int = 0,
    settings: Iterable[tuple[float, float, int]] = SETTINGS,
) -> tuple[Tensor, dict[str, float]]:
    """Fits an allocation for each setting and takes the one that is best on validation.

    Args:
        documents: from the name of a split to its word counts [N, K], in parts.
        topics: how many.
        nats: from word counts, the words' shares of each topic [topics, K] and the concentration to nats per word, with
            a `generator`.

    Returns:
        Nats per word of the test split, and the setting.
    """
    from scipy.sparse import csr_array, vstack
    from sklearn.decomposition import LatentDirichletAllocation

    def cost(split: str, shares: Tensor, concentration: float) -> Tensor:
        counts = torch.cat([part.cpu() for part in documents(split)])
        return nats(counts, shares, concentration, generator=generator)

    counts = vstack([csr_array(part.cpu().numpy()) for part in documents("train")])
    tried = []
    for concentration, prior, passes in settings:
        model = LatentDirichletAllocation(
            topics, doc_topic_prior=concentration, topic_word_prior=prior, max_iter=passes, random_state=seed
        ).fit(counts)
        shares = torch.from_numpy(model.components_ / model.components_.sum(1, keepdims=True)).float()
        tried.append((float(cost("valid", shares, concentration)), (concentration, prior, passes), shares))
    _, best, shares = min(tried, key=lambda one: one[0])
    return cost("test", shares, best[0]), dict(zip(("concentration", "prior", "passes"), best, strict=True))


def against_allocation(perplexity: Tensor, *given: Any, **options: Any) -> dict[str, Any]:
    """perplexity_lda of the allocation that `tuned_allocation` finds, gain_lda over it, and its setting as lda_NAME.

    Args:
        perplexity: of a model on the test split.
        given, options: as of `tuned_allocation`.
    """
    nats, setting = tuned_allocation(*given, **options)
    found: dict[str, Any] = {"perplexity_lda": nats.exp(), "gain_lda": nats - perplexity.log()}
    return found | {f"lda_{name}": value for name, value in setting.items()}
