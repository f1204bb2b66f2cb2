"""What measurements say about targets: intervals over seeds, over trials, and the three words."""

import math

import numpy as np
import pytest
from scipy import stats

from deepcanon.claims import ONE_SEED, interval, judge, overall, word
from deepcanon.targets import target


def measured(name, *values, **more):
    return {"run": [{"seed": n, "metrics": {name: value, **more}} for n, value in enumerate(values)]}


def said(line, mark, found, repeats=True):
    return judge(target("run", line, mark, "a source"), found, repeats)


@pytest.mark.parametrize(
    ("relation", "goal", "low", "high", "words"),
    [
        ("<=", 1.0, 0.5, 0.9, "shown"),
        ("<=", 1.0, 0.5, 1.1, "reached"),
        ("<=", 0.6, 0.5, 0.9, "missed"),
        (">=", 0.4, 0.5, 0.9, "shown"),
        (">=", 0.6, 0.5, 0.9, "reached"),
        (">=", 0.8, 0.5, 0.9, "missed"),
        (">=", 0.6, math.nan, math.nan, "reached"),
    ],
)
def test_the_word_of_an_estimate_of_0_7(relation, goal, low, high, words):
    assert word(relation, goal, 0.7, low, high) == words


def test_other_relations_are_refused():
    with pytest.raises(ValueError, match="not by =="):
        word("==", 0.0, 0.0, 0.0, 0.0)


def test_the_interval_is_that_of_student():
    values = [0.3, 0.5, 0.4, 0.9]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert interval(values) == pytest.approx((np.mean(values), *expected), rel=1e-12)
    for few in ([0.1], [0.1, 0.1]):
        assert interval(few)[0] == 0.1 and all(map(math.isnan, interval(few)[1:]))
    assert math.isnan(interval([0.1, math.inf])[1])


def test_over_seeds_the_interval_is_that_of_their_mean():
    row = said("test/error <= 0.015", "C", measured("test/error", 0.0151, 0.0151, 0.0147))
    assert row["passed"] and row["verdict"] == "reached" and row["interval"][1] > 0.015
    row = said("test/error <= 0.017", "C", measured("test/error", 0.0151, 0.0151, 0.0147))
    assert row["verdict"] == "shown" and row["interval"][0] == pytest.approx(interval(row["values"])[1])
    assert said("test/error <= 0.014", "C", measured("test/error", 0.0151, 0.0147))["verdict"] == "missed"


def test_two_seeds_that_agree_show_only_what_is_exact():
    found = measured("test/error", 0.01, 0.01)
    assert said("test/error <= 0.015", "P", found)["verdict"] == "reached"
    assert "interval" not in said("test/error <= 0.015", "P", found)
    assert said("test/error <= 0.015", "X", found)["verdict"] == "shown"
    assert said("test/error <= 0.015", "X", measured("test/error", 0.01, 0.011))["verdict"] == "reached"


def test_the_worst_seed_decides_where_the_target_says_so():
    found = measured("test/error", 0.01, 0.011, 0.02)
    assert said("worst test/error <= 0.019", "P", found)["verdict"] == "missed"
    assert said("worst test/error <= 0.021", "P", found)["verdict"] == "reached"
    many = measured("test/error", *[0.01] * 20, 0.02)
    row = said("worst test/error <= 0.019", "P", many)
    assert row["interval"][1] < 0.019 and row["verdict"] == "missed", "the mean's interval does not speak for the worst"


def test_an_equality_holds_with_its_whole_interval():
    assert said("test/slope == 0.2 +- 0.01", "P", measured("test/slope", 0.2, 0.201, 0.199))["verdict"] == "shown"
    assert said("test/slope == 0.2 +- 0.01", "P", measured("test/slope", 0.2, 0.209, 0.195))["verdict"] == "reached"
    assert said("test/slope == 0.2 +- 0.01", "P", measured("test/slope", 0.22, 0.219))["verdict"] == "missed"


def test_one_seed_of_an_experiment_shows_only_what_it_has_an_interval_of():
    assert said("test/error <= 0.015", "P", measured("test/error", 0.01))["verdict"] == "reached"
    row = said("test/pieces == 64 +- 0", "X", measured("test/pieces", 64.0))
    assert row["verdict"] == "shown" and "interval" not in row, "an interval of no width was never measured"
    ends = {"test/low": 0.001, "test/high": 0.004, "test/gap_low": -0.1, "test/gap_high": 0.3}
    assert said("test/difference >= 0", "P", measured("test/difference", 0.002, **ends))["verdict"] == "shown"
    assert said("test/gap >= 0", "P", measured("test/gap", 0.1, **ends))["verdict"] == "reached"
    ends = {"test/low_b": -0.001, "test/high_b": 0.004}
    assert said("test/difference_b >= 0", "P", measured("test/difference_b", 0.002, **ends))["verdict"] == "reached"
    ends = {"test/steps_low": -70.0, "test/steps_high": -50.0}
    row = said("test/steps_difference <= -60", "X", measured("test/steps_difference", -61.0, **ends))
    assert row["verdict"] == "reached" and row["interval"] == [-70.0, -50.0], (
        "an exact claim has a measured interval too"
    )
    assert said("test/many_low >= 0", "P", measured("test/many_low", 0.01))["verdict"] == "shown"
    assert said("test/many_high >= 0", "P", measured("test/many_high", 0.01))["verdict"] == "reached", "the wrong end"


@pytest.mark.parametrize(("line", "mark"), [("test/error <= 0.2", "P"), ("test/error == 0.1 +- 0.05", "X")])
def test_one_seed_of_another_recipe_is_not_a_verdict(line, mark):
    row = said(line, mark, measured("test/error", 0.1), repeats=False)
    assert row["verdict"] == ONE_SEED and row["passed"]
    row = said(line, mark, measured("test/error", 0.9), repeats=False)
    assert row["verdict"] == ONE_SEED and not row["passed"]
    assert said(line, mark, measured("test/error", 0.1, 0.1, 0.1), repeats=False)["verdict"] == "shown"


def test_an_arm_of_an_experiment_has_the_interval_of_its_trials():
    found = measured("test/dropout", 0.012)
    found["run"][0]["trials"] = [
        *({"arm": "dropout", "phase": "seeds", "test": error} for error in (0.0119, 0.0121, 0.012)),
        {"arm": "dropout", "phase": "tune", "test": None},
        {"arm": "plain", "phase": "seeds", "test": 0.5},
    ]
    row = said("test/dropout <= 0.0135", "P", found)
    assert row["verdict"] == "shown" and row["interval"] == pytest.approx(interval([0.0119, 0.0121, 0.012])[1:])


def test_the_weakest_word_is_that_of_all():
    rows = [{"verdict": words} for words in ("shown", "reached", "shown")]
    one = {"verdict": ONE_SEED}
    assert overall([*rows, one]) == ONE_SEED and overall([*rows, one, {"verdict": "missed"}]) == "missed"
    assert overall(rows) == "reached" and overall([*rows, {"verdict": "missed"}]) == "missed" and overall([]) == "shown"


def test_a_difference_is_of_the_seeds_that_both_runs_have():
    runs = {
        "a": [{"seed": n, "metrics": {"test/error": 0.1 * n}} for n in (0, 1, 2, 5)],
        "b": [{"seed": n, "metrics": {"test/error": 0.01 * n}} for n in (2, 1, 0)],
    }
    row = judge(target("a - b", "test/error >= 0", "P", "a source"), runs, repeats=False)
    assert row["values"] == pytest.approx([0.0, 0.09, 0.18])
    apart = {**runs, "b": [{"seed": 7, "metrics": {"test/error": 0.0}}]}
    assert judge(target("a - b", "test/error >= 0", "P", "a source"), apart, repeats=False) is None
    one = {**runs, "b": runs["b"][:1]}
    assert judge(target("a - b", "test/error >= 0", "P", "a source"), one, repeats=False)["verdict"] == ONE_SEED
