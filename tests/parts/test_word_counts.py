"""Word counts by hand, one document at a time, against the packed ones."""

from collections import Counter

import numpy as np
import pytest
import torch

from deepcanon.parts.bag_of_words import BagOfWords, likelier_words, word_statistics, words_of


def test_what_a_word_is():
    assert words_of("Don't stop: naïve_ÉTÉ 3D x2 'rock' o'clock's") == [
        "don't", "stop", "naïve", "été", "d", "x", "rock", "o'clock", "s",
    ]  # fmt: skip
    assert words_of("a b c", 2) == ["a", "b"] and words_of("12 -- !") == []


def test_the_most_frequent_words_are_kept_in_order():
    bag = BagOfWords.build(["b a c", "a c", "a d"], 3)
    assert bag.words == ("a", "c", "b") and len(bag) == 3
    assert BagOfWords.build(["a a a b", "b c"], 9, longest=1).words == ("a", "b"), "only first words"
    with pytest.raises(ValueError, match="2 words, but only 1"):
        BagOfWords(["a", "a"])


@pytest.mark.parametrize("longest", [0, 4])
def test_counts_are_those_of_a_loop(longest):
    random = np.random.default_rng(0)
    alphabet = [chr(97 + i) for i in range(9)]
    texts = [" ".join(random.choice(alphabet, size)) for size in (7, 0, 1, 12, 3)]
    bag = BagOfWords(alphabet[:6], longest)
    packed = bag.pack(texts)
    by_hand = np.array([[Counter(words_of(text, longest))[word] for word in bag.words] for text in texts])
    np.testing.assert_array_equal(bag.counts(packed), by_hand)
    rows = torch.tensor([3, 1, 3, 0])
    np.testing.assert_array_equal(bag.counts(packed, rows), by_hand[rows])
    assert bag.counts(packed, rows[:0]).shape == (0, 6) and bag.counts(bag.pack([])).shape == (0, 6)


def test_statistics_of_the_words_that_are_counted():
    found = word_statistics(["a b a", "b c", "d"], 3)
    assert found["words"] == ["a", "b", "c"] and found["shape"] == [3] and found["longest"] == 0
    torch.testing.assert_close(found["shares"], torch.tensor([0.4, 0.4, 0.2]))
    assert found["length"] == 2, "five words in three documents"
    assert word_statistics(["a b", ". .", "!"], 9)["length"] == 1
    with pytest.raises(ValueError, match="two different words"):
        word_statistics(["a a", "a"], 9)


def test_words_that_a_unit_makes_likelier_and_less_likely():
    weight = torch.tensor([[1.0, -5.0], [3.0, 2.0], [-2.0, 0.0]])
    lines = likelier_words(weight, ("one", "two", "three"), 2).splitlines()
    assert lines[0] == "  0  more: two one" and lines[1].strip() == "less: three one"
    assert lines[2] == "  1  more: two three" and lines[3].strip() == "less: one three"
