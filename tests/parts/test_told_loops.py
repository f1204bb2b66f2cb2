"""Loops that say how much of them is done."""

import pytest

from deepcanon.parts.progress import listening, told


def test_only_the_outermost_loop_is_told_of_and_a_loop_of_one_step_is_none():
    said = []
    with listening(lambda *share: said.append(share)):
        for _ in told([0]):
            for _ in told(range(3)):
                list(told("ab"))
    assert said == [(1, 3), (2, 3), (3, 3)] and list(told(range(2))) == [0, 1] and len(said) == 3


def test_steps_without_a_length_are_counted_by_the_caller():
    said = []
    with listening(lambda done, of: said.append((done, of))):
        assert list(told((step for step in "ab"), 2)) == ["a", "b"]
    assert said == [(1, 2), (2, 2)]


def test_a_loop_that_was_stopped_does_not_silence_the_next():
    said = []
    with pytest.raises(KeyError) as kept, listening(lambda *share: said.append(share)):
        for _ in told(range(5)):
            raise KeyError
    with listening(lambda *share: said.append(share)):
        for step in told(range(4)):
            if step == 1:
                break
        list(told(range(2)))
    assert said == [(1, 4), (1, 2), (2, 2)] and kept.type is KeyError
