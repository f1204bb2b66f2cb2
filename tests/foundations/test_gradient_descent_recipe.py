"""What is found about orders of examples, from trials that did not all look at the same rates."""

from types import SimpleNamespace

import pytest

from deepcanon.recipes.gradient_descent import Recipe


class Comparison:
    """Trials of three orders; `best` is the rate that was chosen with shuffling."""

    def __init__(self, best, *trials):
        self.best = best
        names = ("arm", "options", "valid", "failed")
        self.results = [dict(zip(names, (a, {"learning_rate": r}, v, f), strict=True)) for a, r, v, f in trials]

    def verdict(self):
        return {"difference_sorted": 0.1}

    def chosen(self, arm):
        return {"learning_rate": self.best}


ALIKE = [
    (arm, rate, rate + more, "") for rate in (0.1, 0.3) for arm, more in (("shuffled", 0), ("file", 1), ("sorted", 2))
]
BEYOND = [("shuffled", 0.9, 0.0, ""), ("sorted", 0.9, None, "NaN")]


@pytest.mark.parametrize(
    ("best", "trials", "found"),
    [(0.3, ALIKE, {"gap_same_rate": 2.0}), (0.9, [*ALIKE, *BEYOND], {"gap_same_rate": 2.0}), (0.9, BEYOND, {})],
)
def test_the_rate_is_one_that_every_order_tried(best, trials, found):
    recipe = SimpleNamespace(comparison=Comparison(best, *trials))
    assert Recipe.findings(recipe) == pytest.approx(found)
