"""Turns in streams: each word is read once and predicted once, and groups waste as little as an exhaustive search."""

import itertools

import numpy as np
import pytest
import torch

from deepcanon.parts.turns import OVERHEAD, groups, turns_of

END = 1


def streams(seed=0):
    """Rows of 20 places with 3 to 8 turns, some of no word; lengths within them."""
    random = np.random.default_rng(seed)
    rows = np.where(random.random((5, 20)) < 0.3, END, random.integers(2, 9, (5, 20)))
    rows[:, 0] = END
    return torch.from_numpy(rows), torch.tensor([20, 11, 1, 17, 6])


def turns_by_hand(row):
    """(places it is predicted from, places it is read at or None) of each turn of a row."""
    starts = [place for place, word in enumerate(row) if word == END]
    found = []
    for start, after in itertools.zip_longest(starts, starts[1:]):
        stop = len(row) if after is None else after
        found.append((list(range(start, stop)), None if after is None else list(range(start + 1, stop + 1))))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_turns_are_those_of_a_loop_over_words(seed):
    rows, lengths = streams(seed)
    turns = turns_of(rows, lengths, END)
    written, read = {}, {}
    for number, (row, length) in enumerate(zip(rows.tolist(), lengths.tolist(), strict=True)):
        for turn, (from_, at) in enumerate(turns_by_hand(row[:length])):
            slot = number * turns.most + turn
            written[slot] = [20 * number + place for place in from_]
            if at:
                read[slot] = [20 * number + place for place in at]
    for wanted, given in ((written, turns.written), (read, turns.read)):
        found = {slot: row for group in given for slot, row in zip(group.slots.tolist(), group.rows(), strict=True)}
        assert found == wanted


def test_every_word_finds_its_own_state_again():
    """Of a shorter turn the last place stands several times in a group: the first of them counts."""
    rows, lengths = streams()
    turns = turns_of(rows, lengths, END)
    places = torch.cat([group.places.flatten() for group in turns.written])
    steps = torch.cat([torch.arange(g.places.shape[1]).expand(g.places.shape).flatten() for g in turns.written])
    real = torch.arange(20) < lengths[:, None]
    assert torch.equal(places[turns.back[real]], torch.arange(100).view(5, 20)[real])
    starts = (rows == END).int() * torch.arange(20)
    assert torch.equal(steps[turns.back[real]], (torch.arange(20) - starts.cummax(1).values)[real])


def area(cut, overhead):
    return sum(max(part) * (len(part) + overhead) for part in cut)


def test_groups_cost_as_little_as_the_best_of_all_cuts():
    random = np.random.default_rng(0)
    for overhead in (0.5, 3.0, OVERHEAD):
        lengths = random.integers(1, 30, 9)
        found = groups(lengths, overhead)
        assert sorted(row for part in found for row in part.tolist()) == list(range(9))
        ordered, best = sorted(lengths.tolist(), reverse=True), np.inf
        for borders in itertools.product((False, True), repeat=8):
            ends = [0, *(place + 1 for place, border in enumerate(borders) if border), 9]
            best = min(best, area([ordered[a:b] for a, b in itertools.pairwise(ends)], overhead))
        assert area([lengths[part].tolist() for part in found], overhead) == pytest.approx(best)


def test_no_turn_and_lengths_that_are_none():
    assert groups([]) == []
    with pytest.raises(ValueError, match="each at least 1"):
        groups([3, 0])


@pytest.mark.parametrize(("rows", "lengths"), [([[2, 1]], [2]), ([[1, 2]], [3]), ([[1, 2]], [0])])
def test_what_is_no_stream_is_refused(rows, lengths):
    with pytest.raises(ValueError, match="stream"):
        turns_of(torch.tensor(rows), torch.tensor(lengths), END)
