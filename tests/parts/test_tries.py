"""Tables of n-grams in few bytes: look-ups as by a dictionary, values to the bit, types as narrow as they may be."""

import pytest
import torch
from torch import Tensor

from deepcanon.parts.tries import Level, bits_of, scrambled, unscrambled


def drawn(vocabulary: int, histories: int, long: int) -> tuple[Tensor, Tensor]:
    """(histories, words) of n-grams: one row of `long` words, one empty, others of a few that are often the same."""
    generator = torch.Generator().manual_seed(vocabulary)
    many = torch.randint(1, 9, (histories,), generator=generator)
    many[histories // 2], many[0], many[-1] = long, 0, 3
    history = torch.arange(histories).repeat_interleave(many)
    frequent = (vocabulary * torch.rand(len(history), generator=generator) ** 3).long()
    rare = torch.randperm(vocabulary, generator=generator)[:long]
    return history, torch.where(history == histories // 2, rare[torch.arange(len(history)) % long], frequent)


@pytest.mark.parametrize(("vocabulary", "long"), [(7, 7), (300, 200), (10_000, 5_000), (90_000, 70_000)])
def test_look_ups_are_those_of_a_dictionary(vocabulary, long):
    histories, bits = 200, bits_of(vocabulary)
    history, words = drawn(vocabulary, histories, long)
    keys = ((history << bits) + scrambled(words, vocabulary)).unique()
    values, weights = torch.rand(len(keys)).double(), torch.rand(histories).double().round(decimals=1)
    level = Level(vocabulary).take(keys, histories, values, weights)
    known = {key: node for node, key in enumerate(keys.tolist())}
    asked = torch.cat([history, torch.randint(0, histories, (5_000,))])
    about = torch.cat([words, torch.randint(0, vocabulary, (5_000,))])
    node, found = level.find(asked, scrambled(about, vocabulary))
    expected = [known.get(key, -1) for key in ((asked << bits) + scrambled(about, vocabulary)).tolist()]
    assert torch.where(found, node, -1).tolist() == expected and -1 in expected
    assert torch.equal(level.value(torch.arange(len(keys))), values)
    assert torch.equal(level.weight(torch.arange(histories)), weights)
    again = Level(vocabulary)
    again.load_state_dict(level.state_dict())
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(again.buffers(), level.buffers(), strict=True))
    assert torch.equal(torch.stack(again.rows()), torch.stack([keys >> bits, unscrambled(keys % 2**bits, vocabulary)]))


def test_values_that_are_few_are_listed_and_others_stand_by_themselves():
    keys, few = torch.arange(2_000) << 4, torch.tensor([0.1, 1 / 3, 0.7]).double()
    level = Level(9).take(keys, 2_000, few[torch.arange(2_000) % 3], torch.rand(2_000).double())
    assert level.value_.dtype == torch.uint8 and len(level.values_) == 3
    assert len(level.weight_) == 0 and len(level.weights_) == 2_000
    assert level.words_.dtype == torch.uint8 and level.start_.dtype == torch.int16


def test_quantised_values_are_few_means_and_weights_what_they_leave():
    keys, exact = (torch.arange(6_000) // 2 << 4) + torch.arange(6_000) % 2, torch.rand(6_000).double() / 2
    exact[7], exact[8] = 0.0, 0.9
    level = Level(9).take(keys, 3_000, exact, torch.rand(3_000).double())
    level.quantize(6, interpolated=True)
    value, weight = level.value(torch.arange(6_000)), level.weight(torch.arange(3_000))
    assert len(value.unique()) <= 64 and len(weight.unique()) <= 64 and float(value[7]) == 0
    assert float((value / exact)[exact > 0.05].log().abs().max()) < 0.1
    torch.testing.assert_close(value.mean(), exact.mean())  # a group keeps its sum
    left = 1 - value.view(-1, 2).sum(1)
    assert float((weight - left).abs()[left > 0.5].mean()) < 0.02


@pytest.mark.parametrize("size", [1, 2, 3, 256, 257, 10_001])
def test_scrambled_words_are_different_and_come_back(size):
    u = scrambled(torch.arange(size), size)
    assert len(u.unique()) == size and int(u.max()) < 2 ** bits_of(size)
    assert torch.equal(unscrambled(u, size), torch.arange(size))
