"""Learning curves from errors written by hand: the gap to the best other arm, its interval, where it changes sign.

And the experiment that draws tasks for them.
"""

import math
from types import SimpleNamespace

import pytest
import torch

from deepcanon.claims import interval
from deepcanon.engine.experiment import LearningCurves, SizeExperiment

ERRORS = torch.tensor(  # [tasks, sizes, arms] of the examples that judge
    [
        [[0.30, 0.40, 0.50], [0.20, 0.30, 0.15]],
        [[0.20, 0.26, 0.90], [0.30, 0.20, 0.27]],
        [[0.10, 0.20, 0.60], [0.20, 0.30, 0.15]],
    ],
    dtype=torch.float64,
)


CHOOSING = torch.tensor([[0.5, 0.4, 0.5], [0.5, 0.3, 0.2]], dtype=torch.float64)  # the second, the third


def curves(groups=3):
    found = LearningCurves(4, [10, 40], ["first", "second", "third"], groups)
    found.errors[:3, 0], found.errors[:3, 1] = CHOOSING, ERRORS
    return found


def test_the_first_arm_is_compared_with_the_best_other_one_of_each_size():
    few, many = curves().gaps()
    assert few == pytest.approx(interval([-0.10, -0.06, -0.10])), "the second arm is best on average"
    found = curves()
    found.errors[:3, 0, 0] = torch.tensor([0.5, 0.4, 0.3])
    worse = interval([-0.20, -0.70, -0.50])
    assert found.gaps()[0] == pytest.approx(worse), "the examples that judge have no say in the choice"
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


def test_tasks_of_one_group_count_as_one():
    few, many = curves(groups=2).gaps()
    assert few[0] == pytest.approx(-0.08) and many[0] == pytest.approx(0.04) and math.isnan(few[1] + many[2])
    assert "-0.08, no interval" in curves(groups=2).table() and curves(groups=2).figures()
    assert curves(groups=1).verdict() == {}, "one group has no interval"


def test_curves_that_do_not_cross_say_so():
    found = curves()
    found.errors[:, 1, :, 0] += 1
    assert "crossing" not in found.verdict()
    assert found.figures()["learning-curves"].figures[1].title == "they do not cross from below"
    assert curves().figures()["learning-curves"].figures[1].title.startswith("they cross at 2")


def test_the_picture_shows_means_and_the_difference_with_its_interval():
    left, right = curves().figures()["learning-curves"].figures
    assert [line.label for line in left.lines] == ["first", "second", "third"] and list(left.ticks) == [10, 40]
    assert list(left.lines[1].y) == pytest.approx(ERRORS[:, :, 1].mean(0).tolist())
    few, many = curves().gaps()
    assert list(right.lines[0].y) == [few[0], many[0]]
    assert [list(edge) for edge in right.lines[0].band] == [[few[1], many[1]], [few[2], many[2]]]


def test_they_are_state():
    other = LearningCurves(4, [10, 40], ["first", "second", "third"], 3)
    other.load_state_dict(curves().state_dict())
    assert other.verdict() == curves().verdict()


class Guess(SizeExperiment):
    """Two methods whose errors are what was drawn over the size."""

    def methods(self):
        return ["one", "other"]

    def draw(self, step, generator):
        return torch.rand(2, 2, generator=generator)

    def errors(self, task, size):
        return task / size


@pytest.mark.parametrize("world", [1, 2])
def test_a_step_draws_a_task_whose_sizes_the_processes_share(world):
    found = []
    for rank in range(world):
        run = SimpleNamespace(rank=rank, world=world, sum=lambda value: value, stopped=[])
        run.generator = lambda name: torch.Generator().manual_seed(7)
        run.stop = run.stopped.append
        recipe = Guess(SimpleNamespace(repeats=2, groups=2), {"sizes": [1, 2, 4]}, run)
        assert recipe.plan() == 2 and recipe.evaluate("test") == {} and recipe.figures() == {}
        first = recipe.step(0)
        assert not run.stopped and set(first) == {"first", "best_other"}
        recipe.step(1)
        assert run.stopped == ["all 2 tasks are drawn"]
        found.append(recipe.curves.errors)
    task = torch.rand(2, 2, generator=torch.Generator().manual_seed(7)).double()
    torch.testing.assert_close(sum(found)[1], task[:, None] / torch.tensor([[1.0], [2.0], [4.0]]).double())
