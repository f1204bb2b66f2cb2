"""Dialogues with planted names: what is known of them, computed without their file, by counting."""

import math
from collections import Counter

import pytest

from deepcanon.data import DataError, open_data
from deepcanon.data.tasks import planted_names as task


def opened(seed=0, **options):
    return open_data(("dialogues",), "planted-names", seed=seed, options={"dialogues": options})


def test_names_are_said_again_two_turns_later_and_not_in_between():
    data = opened()
    slots = data.truth["slots"]
    for part in data.splits.values():
        assert {len(turns) for turns in part.x} == {6} and not part.leaked.any()
        for turns in part.x:
            words = [turn.split() for turn in turns]
            for turn, place in slots(turns)["slot"]:
                name = words[turn][place]
                assert name in task.NAMES and name in words[turn - 2] and name not in words[turn - 1]
                assert not set(task.NAMES) & set(words[turn - 1]), "the last turn says no name"
            for turn, place in slots(turns)["near"]:
                assert words[turn][place] in task.THINGS and words[turn][place] in words[turn - 1]
                assert words[turn][place] not in words[turn - 2]


def test_known_scores_by_counting():
    """Every dialogue has one probability: one over the number of all that can be drawn."""
    data = opened()
    known = {one.metric: one for one in data.known}
    kinds = len(task.GREETINGS), len(task.NAMES), len(task.THINGS)
    words = {sum(len(turn.split()) + 1 for turn in turns) for part in data.splits.values() for turns in part.x}
    assert words == {58}
    whole = math.log(math.prod(kinds) ** 2)
    assert known["nll"].optimum == pytest.approx(whole / 58)
    assert known["nll"].floor == pytest.approx((whole + 2 * math.log(kinds[1])) / 58)
    assert (known["slot"].floor, known["near"].floor) == (1 / 20, 1 / 10)
    said = Counter(turns[turn].split()[2] for turns in data["train"].x for turn in (2, 5))
    expected = 4000 / 20
    assert set(said) == set(task.NAMES)
    assert sum((n - expected) ** 2 / expected for n in said.values()) < 44  # chi squared, 19 degrees: 0.1 %


def test_names_of_two_rounds_are_independent():
    pairs = Counter((turns[0].split()[5], turns[3].split()[5]) for turns in opened()["train"].x)
    same = sum(count for (one, other), count in pairs.items() if one == other)
    assert abs(same / 2000 - 1 / 20) < 4 * math.sqrt(0.05 * 0.95 / 2000) and len(pairs) > 380


def test_another_sign_between_turns_is_refused():
    with pytest.raises(DataError, match="leave --separator out"):
        opened(separator="|")
