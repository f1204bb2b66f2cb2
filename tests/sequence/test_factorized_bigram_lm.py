"""The factorised bigram model: at full rank the relative frequencies, at low rank something for pairs never seen."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from deepcanon.parts.lbfgs import LBFGS
from deepcanon.sequence import FactorizedBigramLM


def pairs(words=6, every=True):
    """Counts of pairs, all above 0 or half of them 0."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 30, (words, words), generator=generator).double()
    return counts if every else counts * (torch.rand(words, words, generator=generator) > 0.5)


def minimised(model, counts, iterations=2000):
    """The loss of equation (3) on all pairs, at the end of L-BFGS."""
    parameters = list(model.parameters())
    targets, share = counts / counts.sum(1, keepdim=True), counts.sum(1) / counts.sum()

    def closure():
        model.zero_grad()
        loss = (cross_entropy(model.matrix(), targets, reduction="none") * share).sum()
        loss.backward()
        return loss.detach()

    LBFGS(parameters, iterations=iterations, tolerance=1e-9).step(closure)
    return float(closure())


def entropy(counts):
    """Of the relative frequencies: the least loss of any bigram model on its own text."""
    share = counts / counts.sum(1, keepdim=True)
    return float(-(counts * share.clamp(min=1e-300).log()).sum() / counts.sum())


def test_full_rank_with_all_pairs_seen_is_the_table_of_relative_frequencies():
    counts = pairs()
    table = counts / counts.sum(1, keepdim=True)
    exact = FactorizedBigramLM(6, rank=6, dtype=torch.float64)
    with torch.no_grad():
        exact.embedding.weight.copy_(torch.eye(6))
        exact.output.weight.copy_(table.log().T)
        exact.output.bias.zero_()
    torch.testing.assert_close(exact(torch.arange(6)[:, None]).softmax(1), table, atol=1e-14, rtol=0)
    torch.manual_seed(1)
    trained = FactorizedBigramLM(6, rank=6, dtype=torch.float64)
    assert minimised(trained, counts) == pytest.approx(entropy(counts), abs=1e-9)
    torch.testing.assert_close(trained.matrix().softmax(1), table, atol=1e-5, rtol=0)


def test_a_lower_rank_cannot_be_that_table_and_more_rank_is_never_worse():
    counts, losses = pairs(), []
    for rank in (1, 2, 3, 6):
        torch.manual_seed(1)
        losses.append(minimised(FactorizedBigramLM(6, rank, dtype=torch.float64), counts))
    assert losses[0] > losses[1] > losses[2] > losses[3] + 1e-4
    assert losses[-1] == pytest.approx(entropy(counts), abs=1e-8)


def test_unseen_pairs_get_probability_from_words_with_similar_neighbours():
    """Words 0 and 1 are followed by the same words, but 0 was never seen before 5: rank 1 lends it."""
    counts = torch.ones(6, 6).double()
    counts[0], counts[1] = torch.tensor([1.0, 1, 1, 30, 30, 0]), torch.tensor([1.0, 1, 1, 30, 30, 30])
    torch.manual_seed(0)
    model = FactorizedBigramLM(6, 1, dtype=torch.float64)
    minimised(model, counts)
    p = model.matrix().softmax(1)
    assert p[0, 5] > 2 * p[0, 0], "more than words that seldom follow, though they were seen"


def test_features_and_matrix_are_the_same_logits():
    model = FactorizedBigramLM(7, 3)
    torch.testing.assert_close(model(torch.arange(7)[:, None]), model.matrix())
    with pytest.raises(ValueError, match="are not"):
        model(torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least 1"):
        FactorizedBigramLM(7, 0)
