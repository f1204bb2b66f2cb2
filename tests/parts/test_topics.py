"""Documents of known topics: what they cost under their source is an integral that can be summed."""

import itertools

import pytest
import torch

from deepcanon.parts.bag_of_words import word_statistics
from deepcanon.parts.topics import (
    DOCUMENTS,
    NUMBERS,
    measured_documents,
    source_log_likelihood,
    topic_documents,
    topic_facts,
    topic_words,
)


def test_topics_are_distributions_and_their_documents_have_them():
    torch.testing.assert_close(topic_words().sum(1), torch.ones(4, dtype=torch.float64))
    noise = torch.rand(40_000, NUMBERS, generator=torch.Generator().manual_seed(0))
    counts, topic = topic_documents(noise), (noise[:, 0] * 4).long()
    lengths = counts.sum(1)
    assert set(lengths.tolist()) == set(range(5, 16))
    for number in range(4):
        seen = counts[topic == number].sum(0)
        torch.testing.assert_close((seen / seen.sum()).double(), topic_words()[number], atol=0.004, rtol=0)
    facts = topic_facts()
    assert lengths.mean().item() == pytest.approx(facts["length"], abs=0.05) and facts["longest"] == 15
    torch.testing.assert_close(facts["shares"], counts.sum(0) / counts.sum(), atol=0.002, rtol=0)
    assert facts.keys() == word_statistics(["a b", "b c"], 5).keys() and len(set(facts["words"])) == 40
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        topic_documents(torch.rand(3, 4))


def test_the_source_gives_all_documents_of_two_words_a_probability_of_one():
    every = torch.zeros(40 * 40, 40)
    for row, words in enumerate(itertools.product(range(40), repeat=2)):
        for word in words:
            every[row, word] += 1
    assert source_log_likelihood(every).exp().sum().item() == pytest.approx(1, abs=1e-10)


def test_measured_documents_are_the_same_in_each_call():
    first = measured_documents(1)
    assert first.shape == (DOCUMENTS, 40) and torch.equal(first, measured_documents(1))
    assert not torch.equal(first, measured_documents(2))
    cost = -(source_log_likelihood(first) / first.sum(1)).mean().exp()
    assert cost < 20, "far below the 40 equally likely words"
