"""Documents of known topics: what they cost under their source is a sum over all counts of words by topic."""

import itertools
import math

import pytest
import torch

from deepcanon.data import DataError, open_data
from deepcanon.data.tasks.planted_topics import WORDS, draw_numbers, log_likelihood, topic_words
from deepcanon.parts.bag_of_words import BagOfWords


def counted(numbers):
    found = torch.zeros(len(numbers), len(WORDS) + 1)
    ones = torch.ones(numbers.shape)
    return found.scatter_add_(1, numbers.where(numbers >= 0, len(WORDS)), ones)[:, :-1]


def test_topics_are_distributions_and_their_documents_have_them():
    torch.testing.assert_close(topic_words().sum(1), torch.ones(4, dtype=torch.float64))
    drawn = draw_numbers(40_000, torch.Generator().manual_seed(0))
    counts = counted(drawn.words)
    assert set(counts.sum(1).tolist()) == set(range(5, 16))
    for topic in range(4):
        seen = counts[drawn.topics == topic].sum(0)
        torch.testing.assert_close((seen / seen.sum()).double(), topic_words()[topic], atol=0.004, rtol=0)


def test_the_source_gives_all_documents_of_two_words_a_probability_of_one():
    every = torch.zeros(40 * 40, 40)
    for row, words in enumerate(itertools.product(range(40), repeat=2)):
        for word in words:
            every[row, word] += 1
    assert log_likelihood(every).exp().sum().item() == pytest.approx(1, abs=1e-10)


def test_known_scores_by_a_sum_over_all_counts_of_words_by_topic():
    """In plain Python: of a document only the numbers of words of each topic count; its own topic is the first."""
    own, other = 0.9 / 10 + 0.1 / 40, 0.1 / 40
    nats = wrong = 0.0
    for length in range(5, 16):
        for n in itertools.product(range(length + 1), repeat=3):
            first = length - sum(n)
            if first < 0:
                continue
            some = (first, *n)
            ways = math.factorial(length)
            for k in some:
                ways //= math.factorial(k)
            p = ways * (10 * own) ** first * (10 * other) ** sum(n) / 11
            likelihood = sum(own**k * other ** (length - k) for k in some) / 4
            nats -= p * math.log(likelihood) / length
            best = [k for k in range(4) if some[k] == max(some)]
            wrong += p * (1 - (0 in best) / len(best))
    perplexity, error = open_data(("documents",), "planted-topics").known
    assert perplexity.optimum == pytest.approx(math.exp(nats), abs=1e-4) and perplexity.floor == 40
    assert error.optimum == pytest.approx(wrong, rel=0.02) and error.floor == 0.75


def test_texts_hold_what_was_drawn_and_the_source_knows_them_in_any_order():
    data = open_data(("documents",), "planted-topics", seed=2)
    assert data.counts() == {"train": 20_000, "valid": 2000, "test": 2000} and data.facts["classes"] == [*"abcd"]
    test = data["test"]
    bag = BagOfWords.build(data["train"].x, 100)
    assert sorted(bag.words) == WORDS
    cost = -(data.truth["log_likelihood"](test.counted(bag).take(torch.arange(2000)).x, bag.words))
    lengths = torch.tensor([len(text.split()) for text in test.x])
    assert (cost / lengths).mean().exp().item() == pytest.approx(data.known[0].optimum, rel=0.02)
    first = test.x[0].split()
    assert sum(word[0] == "abcd"[test.y[0]] for word in first) > len(first) / 2
    with pytest.raises(ValueError, match="39 of 40"):
        log_likelihood(torch.zeros(1, 39), WORDS[:-1])
    with pytest.raises(DataError, match="leave --text-column out"):
        open_data(("documents",), "planted-topics", options={"documents": {"text_column": "body"}})
