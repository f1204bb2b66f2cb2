"""Learning curves from errors written by hand: the gap to the best other arm, its interval, where it changes sign."""

import math

import pytest
import torch

from deepcanon.engine.comparison import interval
from deepcanon.engine.curves import LearningCurves

ERRORS = torch.tensor(  # [tasks, sizes, arms]
    [
        [[0.30, 0.40, 0.50], [0.20, 0.30, 0.15]],
        [[0.20, 0.26, 0.90], [0.30, 0.20, 0.27]],
        [[0.10, 0.20, 0.60], [0.20, 0.30, 0.15]],
    ],
    dtype=torch.float64,
)


def curves():
    found = LearningCurves(4, [10, 40], ["first", "second", "third"])
    found.errors[:3] = ERRORS
    return found


def test_the_first_arm_is_compared_with_the_best_other_one_of_each_size():
    few, many = curves().gaps()
    assert few == pytest.approx(interval([-0.10, -0.06, -0.10])), "the second arm is best on average"
    assert many == pytest.approx(interval([0.05, 0.03, 0.05])), "the third"
    found = curves().verdict()
    assert found["few"] == pytest.approx(few[0]) and found["few_high"] == pytest.approx(few[2])
    assert found["many"] == pytest.approx(many[0]) and found["many_low"] == pytest.approx(many[1])
    share = few[0] / (few[0] - many[0])  # on the logarithm of the examples
    assert found["crossing"] == pytest.approx(10 ** (1 + share * math.log10(4)))


def test_tasks_that_are_not_drawn_yet_do_not_count():
    found = curves()
    assert len(found.known()) == 3
    found.errors[1:] = torch.nan
    assert found.verdict() == {} and found.figures() == {}, "one task has no interval"


def test_curves_that_do_not_cross_say_so():
    found = curves()
    found.errors[:, :, 0] += 1
    assert "crossing" not in found.verdict()
    assert found.figures()["learning-curves"].axes[1].get_title() == "they do not cross from below"
    assert curves().figures()["learning-curves"].axes[1].get_title().startswith("they cross at 2")


def test_they_are_state():
    other = LearningCurves(4, [10, 40], ["first", "second", "third"])
    other.load_state_dict(curves().state_dict())
    assert other.verdict() == curves().verdict()
