"""The allocation that topic models are compared with: chosen on validation, measured on the test split."""

import math

import torch

from deepcanon.data.tasks.planted_topics import draw_numbers, topic_words
from deepcanon.engine.allocation import tuned_allocation
from deepcanon.representation.replicated_softmax import allocation_nats


def documents(split):
    random = torch.Generator().manual_seed({"train": 0, "valid": 1, "test": 2}[split])
    numbers = draw_numbers({"train": 600}.get(split, 150), random).words
    counts = torch.zeros(len(numbers), 41).scatter_add_(1, numbers % 41, torch.ones(numbers.shape))
    return counts[:, :-1].split(100)  # -1, which is not a word, is the last column


def test_the_setting_is_that_of_validation_and_the_cost_that_of_the_test_split():
    asked = []

    def nats(counts, shares, concentration, generator):
        asked.append((len(counts), concentration, shares))
        return torch.tensor({0.1: 3.0, 0.5: 2.0, 1.0: 4.0}[concentration])

    settings = ((0.1, 0.1, 1), (0.5, 0.3, 2), (1.0, 0.1, 1))
    found, setting = tuned_allocation(documents, 4, nats, generator=torch.Generator(), settings=settings)
    assert setting == {"concentration": 0.5, "prior": 0.3, "passes": 2} and found == 2
    assert [row[:2] for row in asked] == [(150, 0.1), (150, 0.5), (150, 1.0), (150, 0.5)]
    shares = asked[-1][2]
    assert shares is asked[1][2] and shares.shape == (4, 40)
    torch.testing.assert_close(shares.sum(1), torch.ones(4))


def test_it_finds_the_topics_of_documents_that_have_some():
    random = torch.Generator().manual_seed(0)
    nats, _ = tuned_allocation(documents, 4, allocation_nats, generator=random, settings=((0.1, 0.1, 20),))
    counts = torch.cat(documents("test"))
    known = allocation_nats(counts, topic_words().float(), 0.1, generator=random)
    assert known - 0.02 < nats < math.log(40) - 0.4, "far below equally likely words"
