"""ROUGE: the examples of its paper, and definitions written another way, on random texts."""

import itertools

import numpy as np
import pytest

from deepcanon.parts.rouge import longest_common, repeated, rouge, words_of


def test_the_examples_of_the_paper():
    """Lin 2004, section 3.1: both share "the gunman" and one word more; only in the first is it in order."""
    reference = "police killed the gunman"
    first, second = rouge("police kill the gunman", reference), rouge("the gunman kill police", reference)
    assert first.longest == pytest.approx(3 / 4) and second.longest == pytest.approx(2 / 4)
    assert first.one == second.one == pytest.approx(3 / 4)
    assert first.two == second.two == pytest.approx(1 / 3)


def test_words_are_lower_cased_runs_of_letters_and_digits():
    assert words_of("Oil at $50.25: U.S. stocks_fall, Zürich's don't") == [
        "oil", "at", "50", "25", "u", "s", "stocks", "fall", "zürich", "s", "don", "t",
    ]  # fmt: skip


@pytest.mark.parametrize(("found", "wanted"), [("", "a b"), ("a b", ""), ("", ""), ("c", "a b"), ("?", "!")])
def test_nothing_shared_is_zero(found, wanted):
    assert rouge(found, wanted) == (0, 0, 0)


def matches(one, other, size):
    """Pairs of equal runs, each run of either text in one pair at most: crossed out one by one."""
    left = [other[k : k + size] for k in range(len(other) - size + 1)]
    count = 0
    for place in range(len(one) - size + 1):
        if one[place : place + size] in left:
            left.remove(one[place : place + size])
            count += 1
    return count, max(0, len(one) - size + 1), max(0, len(other) - size + 1)


def longest(one, other):
    """The longest subsequence of the one that the other has too, by trying all."""
    for size in range(len(one), 0, -1):
        for chosen in itertools.combinations(one, size):
            rest = iter(other)
            if all(word in rest for word in chosen):
                return size
    return 0


def test_random_texts_by_enumeration():
    random = np.random.default_rng(0)
    for _ in range(60):
        one, other = (list(random.choice([*"abcd"], random.integers(1, 8))) for _ in range(2))
        scores = []
        for size in (1, 2):
            count, found, wanted = matches(one, other, size)
            precision, recall = count / max(found, 1), count / max(wanted, 1)
            scores.append(2 * precision * recall / (precision + recall) if count else 0)
        common = longest(one, other)
        assert longest_common(one, other) == common
        precision, recall = common / len(one), common / len(other)
        scores.append(2 * precision * recall / (precision + recall) if common else 0)
        assert rouge(" ".join(one), " ".join(other)) == pytest.approx(scores)


def test_what_is_repeated_is_the_share_of_runs_that_came_before():
    assert repeated(["a b a b", "c d"]) == 1 / 4, "a b, of four pairs of neighbours"
    assert repeated(["a a", "a a"]) == 0, "each text alone"
    assert repeated(["x y z x y z"], 3) == 1 / 4 and repeated(["a", ""]) == 0
