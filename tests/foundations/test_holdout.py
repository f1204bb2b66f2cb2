"""Held-out evaluation: the rule of 30 exactly and by simulation, tests that keep their level, splits without leaks."""

import math

import jaxtyping
import pytest
import torch
from oracles import holdout as oracle

from deepcanon.foundations import mcnemar, wilson_interval
from deepcanon.foundations.holdout import (
    count_changes,
    detection_rate,
    feature_leak,
    group_leak,
    group_split,
    largest_disagreement,
    net_change_distribution,
    simulate_calls,
    simulate_changes,
    stratified_split,
)

CELLS = [(1000, 0.2), (3000, 0.05), (3000, 0.1), (3000, 0.2), (10_000, 0.05)]


@pytest.mark.parametrize(("examples", "rate"), CELLS)
def test_false_positives_of_the_rule_are_exact(examples, rate):
    ours = detection_rate(examples, rate / 2, rate / 2).item()
    assert ours == pytest.approx(oracle.detection_rate(examples, rate / 2, rate / 2, 30), rel=1e-9)


def test_the_table_of_the_docstring():
    """The rates for n = 30,000 that the documentation quotes, and where they pass 5 %."""
    quoted = {30: 0.00, 100: 0.32, 200: 3.7, 226: 5.0, 300: 8.8, 1000: 35.1, 3000: 59.0}
    for changed, per_cent in quoted.items():
        rate = 100 * detection_rate(30_000, changed / 60_000, changed / 60_000).item()
        assert rate == pytest.approx(per_cent, abs=0.051 if per_cent > 1 else 0.0051)
    assert largest_disagreement(30_000) == 226 and largest_disagreement(100) == 100


def test_simulation_agrees_with_the_exact_rate():
    trials, rates = 3000, [(0.05, 0.05), (0.1, 0.1), (0.06, 0.04)]
    ups, downs = simulate_changes(1000, rates, trials, torch.Generator().manual_seed(0))
    for place, (up, down) in enumerate(rates):
        exact = detection_rate(1000, up, down).item()
        found = ((ups[place] - downs[place]).abs() >= 30).double().mean().item()
        assert abs(found - exact) < 4 * math.sqrt(exact * (1 - exact) / trials) + 1e-9


def test_calls_are_those_of_the_rule_and_of_the_test():
    """Two equal models and two that differ, judged one by one by the oracle's test and by the rule."""
    rates, trials = [(0.2, 0.2), (0.3, 0.2)], 60
    by_rule, by_test = simulate_calls(400, rates, trials, threshold=20, generator=torch.Generator().manual_seed(2))
    ups, downs = simulate_changes(400, rates, trials, torch.Generator().manual_seed(2))
    for place in range(2):
        pairs = list(zip(ups[place].tolist(), downs[place].tolist(), strict=True))
        assert by_rule[place] == sum(abs(b - c) >= 20 for b, c in pairs)
        assert by_test[place] == sum(oracle.mcnemar_exact(b, c) <= 0.05 for b, c in pairs)
    assert by_rule[1] > by_rule[0] > 0 and by_test[1] > by_test[0]


BUGS = {
    "one side only": lambda s: s >= 30,
    "more than 30": lambda s: s.abs() > 30,
    "the number of changes instead of the net change": None,
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_of_the_rule_are_seen(bug):
    """Another reading of the rule has another rate, by far more than the simulation's error."""
    trials, exact = 40_000, detection_rate(1000, 0.2, 0.2).item()
    ups, downs = simulate_changes(1000, [(0.2, 0.2)], trials, torch.Generator().manual_seed(1))
    calls = BUGS[bug](ups - downs) if BUGS[bug] else ups + downs >= 30
    assert abs(calls.double().mean().item() - exact) > 4 * math.sqrt(exact * (1 - exact) / trials)


def test_the_net_change_has_its_moments():
    pmf, places = net_change_distribution(500, 0.1, 0.04), torch.arange(-500, 501)
    mean = (pmf * places).sum().item()
    assert pmf.sum().item() == pytest.approx(1, abs=1e-12) and mean == pytest.approx(500 * 0.06)
    assert (pmf * (places - mean) ** 2).sum().item() == pytest.approx(500 * (0.14 - 0.06**2))
    assert net_change_distribution(3, 1.0, 0.0).tolist() == pytest.approx([0, 0, 0, 0, 0, 0, 1])
    assert detection_rate(29, 0.5, 0.5) == 0 and detection_rate(30, 1.0, 0.0) == pytest.approx(1)


def test_more_data_and_a_larger_difference_are_found_more_often():
    power = [detection_rate(n, 0.06, 0.04).item() for n in (500, 1000, 2000, 4000)]
    assert power == sorted(power) and power[-1] > 0.98
    assert detection_rate(1000, 0.08, 0.02) > detection_rate(1000, 0.06, 0.04) > detection_rate(1000, 0.05, 0.05)


# McNemar


def test_mcnemar_is_the_oracle_in_large_counts_too():
    for b, c in ((0, 0), (5, 5), (0, 6), (165, 135), (2100, 1900), (10, 12)):
        assert mcnemar(b, c).item() == pytest.approx(oracle.mcnemar_exact(b, c), rel=1e-9)
        assert mcnemar(b, c, "chi-square").item() == pytest.approx(oracle.mcnemar_chi_square(b, c), rel=1e-9)
        assert mcnemar(b, c) == mcnemar(c, b)
    assert mcnemar(0, 6).item() == pytest.approx(2 / 64)


def test_the_two_forms_agree_where_many_examples_changed():
    b = torch.arange(400, 500)
    exact, approximate = mcnemar(b, 450), mcnemar(b, 450, "chi-square")
    assert (exact - approximate).abs().max() < 3e-3


@pytest.mark.parametrize("changed", [5, 12, 60, 300])
def test_the_exact_test_keeps_its_level(changed):
    """Under two equal models at most 5 % of all outcomes are called different, by enumeration of the outcomes."""
    b = torch.arange(changed + 1)
    share = torch.tensor([math.comb(changed, k) / 2**changed for k in b.tolist()], dtype=torch.float64)
    assert share[mcnemar(b, changed - b) <= 0.05].sum() <= 0.05
    assert share[mcnemar(b, changed - b) <= 0.05].sum() > 0.02 or changed == 5


def test_changes_are_counted_per_example():
    first = torch.tensor([1, 1, 1, 0, 0], dtype=torch.bool)
    second = torch.tensor([1, 0, 0, 1, 0], dtype=torch.bool)
    assert [value.item() for value in count_changes(first, second)] == [2, 1]


# Wilson


@pytest.mark.parametrize(("examples", "accuracy"), [(30, 0.9), (100, 0.5), (1000, 0.99)])
def test_the_interval_covers(examples, accuracy):
    """Exact coverage by enumeration is near 95 %; the normal interval p +- z s fails near 1."""
    k = torch.arange(examples + 1)
    low, high = wilson_interval(k, torch.full_like(k, examples))
    log = torch.lgamma(torch.tensor([examples + 1.0]).double())
    pmf = (log - torch.lgamma(k + 1.0).double() - torch.lgamma(examples - k + 1.0).double()
           + k * math.log(accuracy) + (examples - k) * math.log1p(-accuracy)).exp()  # fmt: skip
    assert 0.93 < pmf[(low <= accuracy) & (accuracy <= high)].sum() < 0.98


def test_the_interval_at_its_ends():
    low, high = wilson_interval(torch.tensor([0, 10]), 10)
    assert low[0] == 0 and high[1] == 1 and high[0] == pytest.approx(1 - low[1].item()) and 0.2 < high[0] < 0.35
    wide = wilson_interval(80, 100, 0.99)
    narrow = wilson_interval(80, 100, 0.5)
    assert wide[0] < narrow[0] < 0.8 < narrow[1] < wide[1]


# Splits


def test_a_stratified_split_keeps_the_classes_and_loses_nobody():
    labels = torch.randint(7, (1000,), generator=torch.Generator().manual_seed(0))
    labels[0] = 9  # a class of one example stays in training
    train, held = stratified_split(labels, 0.2, torch.Generator().manual_seed(3))
    assert torch.equal(torch.cat([train, held]).sort().values, torch.arange(1000))
    for label in range(7):
        assert abs((labels[held] == label).sum() - 0.2 * (labels == label).sum()) <= 0.5
    assert (labels[held] == 9).sum() == 0
    again = stratified_split(labels, 0.2, torch.Generator().manual_seed(3))[1]
    other = stratified_split(labels, 0.2, torch.Generator().manual_seed(4))[1]
    assert torch.equal(held, again) and not torch.equal(held, other)


@pytest.mark.parametrize("seed", range(20))
def test_no_group_is_on_both_sides(seed):
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randint(12, (200,), generator=generator) ** 2  # names need not be 0, 1, 2
    train, held = group_split(groups, 0.25, generator)
    assert not set(groups[train].tolist()) & set(groups[held].tolist())
    assert torch.equal(torch.cat([train, held]).sort().values, torch.arange(200))
    assert len(train) and len(held) and abs(len(held) - 50) < 25


def test_two_groups_of_very_different_size_still_split():
    train, held = group_split(torch.tensor([0] * 99 + [1]), 0.1, torch.Generator().manual_seed(0))
    assert {len(train), len(held)} == {1, 99}


def test_a_split_by_example_leaks_where_groups_repeat_themselves():
    """Ten near copies of each of 60 points with a random label per point: 1-NN knows its copies, and nothing else."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(60).repeat_interleave(10)
    x = torch.randn(60, 5, generator=generator)[groups] + 0.01 * torch.randn(600, 5, generator=generator)
    y = torch.randint(2, (60,), generator=generator)[groups]

    def accuracy(train, held):
        return (y[train][torch.cdist(x[held], x[train]).argmin(1)] == y[held]).double().mean().item()

    assert accuracy(*stratified_split(y, 0.3, generator)) > 0.99
    assert 0.2 < accuracy(*group_split(groups, 0.3, generator)) < 0.8


def test_a_right_split_tells_nothing_of_labels_of_chance_and_a_leaking_one_does():
    for leak, least in ((feature_leak, 0.65), (group_leak, 0.95)):
        found = [leak(torch.Generator().manual_seed(seed)) for seed in range(40)]
        honest, leaking = (torch.stack(values).mean().item() for values in zip(*found, strict=True))
        assert honest == pytest.approx(0.5, abs=0.05) and leaking > least
        assert leak(torch.Generator().manual_seed(0)) == found[0] != found[1]


def test_refusals():
    for call, words in (
        (lambda: wilson_interval(3, 2), "correct <= total"),
        (lambda: wilson_interval(0, 0), "at least one"),
        (lambda: wilson_interval(1, 2, 1.0), "level"),
        (lambda: mcnemar(-1, 2), "negative"),
        (lambda: detection_rate(0, 0.1, 0.1), "at least one"),
        (lambda: detection_rate(10, 0.6, 0.6), "rates of change"),
        (lambda: detection_rate(10, 0.1, 0.1, threshold=0), "threshold"),
        (lambda: group_split(torch.zeros(5, dtype=torch.int64), 0.5), "two groups"),
        (lambda: stratified_split(torch.zeros(5, dtype=torch.int64), 1.0), "share"),
        (lambda: feature_leak(features=5, chosen=6), "6 of 5 features"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_shapes_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        count_changes(torch.ones(3, dtype=torch.bool), torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        stratified_split(torch.zeros(2, 2, dtype=torch.int64), 0.5)
