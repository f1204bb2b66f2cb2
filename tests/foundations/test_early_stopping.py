"""Early stopping: the criteria on curves whose answer is plain, ties, what is best, resume, and planted bugs."""

import json

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import early_stopping as oracle

from deepcanon.foundations import EarlyStopping, early_stopping
from deepcanon.foundations.early_stopping import (
    best_evaluation,
    generalisation_loss,
    stop_by_each,
    stop_by_gl,
    stop_by_patience,
    stop_by_pq,
    stop_by_up,
    training_progress,
)

NAN, INF = float("nan"), float("inf")
losses = st.lists(st.integers(1, 12).map(lambda n: n / 4), min_size=1, max_size=30)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


@settings(max_examples=300, deadline=None)
@given(valid=losses, seed=st.integers(0, 99), strip=st.integers(1, 5), successive=st.integers(1, 3),
       patience=st.integers(1, 6), least=st.sampled_from([0.0, 0.25, 0.3]))  # fmt: skip
def test_all_criteria_equal_the_oracle(valid, seed, strip, successive, patience, least):
    """On short curves with many ties."""
    train = (0.1 + np.random.default_rng(seed).random(len(valid))).tolist()
    ours, progress = vector(*valid), vector(*train)
    assert best_evaluation(ours) == oracle.best(valid)
    assert stop_by_gl(ours, 20.0) == oracle.gl(valid, 20.0)
    assert stop_by_pq(ours, progress, 0.1, strip) == oracle.pq(valid, train, 0.1, strip)
    assert stop_by_up(ours, successive, strip) == oracle.up(valid, successive, strip)
    assert stop_by_patience(ours, patience, least) == oracle.patience(valid, patience, least)


@settings(max_examples=100, deadline=None)
@given(valid=losses, seed=st.integers(0, 99), rule=st.sampled_from(["patience", "gl", "pq", "up"]),
       cut=st.integers(0, 30))  # fmt: skip
def test_following_equals_looking_back_and_goes_on_after_loading(valid, seed, rule, cut):
    """No rule looks ahead: at t it decides by the history up to t; a saved one decides as the unbroken one."""
    train = (0.1 + np.random.default_rng(seed).random(len(valid))).tolist()
    options = {"patience": 3, "strip": 2, "successive": 2, "alpha": 0.5}
    watch = EarlyStopping(rule, **options)
    said = []
    for place, pair in enumerate(zip(valid, train, strict=True)):
        if place == cut:
            saved = json.loads(json.dumps(watch.state_dict()))
            watch = EarlyStopping(rule, **options)
            watch.load_state_dict(saved)
        said.append(watch.update(*pair))
    whole = {
        "patience": lambda: stop_by_patience(vector(*valid), 3),
        "gl": lambda: stop_by_gl(vector(*valid), 0.5),
        "pq": lambda: stop_by_pq(vector(*valid), vector(*train), 0.5, 2),
        "up": lambda: stop_by_up(vector(*valid), 2, 2),
    }[rule]()
    assert watch.stopped == whole
    assert said == [whole is not None and place >= whole for place in range(len(valid))]
    assert watch.best_value == min(valid) and valid.index(min(valid)) == watch.best


def test_a_u_shaped_curve_is_stopped_after_its_minimum_and_the_minimum_is_kept():
    steps = torch.arange(100, dtype=torch.float64)
    valid, train = 1 + (steps - 40) ** 2 / 1000, torch.exp(-steps / 30)
    stops = [stop_by_patience(valid, 10), stop_by_gl(valid, 5.0), stop_by_pq(valid, train, 0.1), stop_by_up(valid, 3)]
    assert stops[0] == 50 and stops[3] == 54
    assert all(stop is not None and 40 < stop < 70 for stop in stops), stops
    assert best_evaluation(valid) == 40


def test_every_rule_says_when_it_stops_and_what_that_costs():
    steps = torch.arange(100, dtype=torch.float64)
    valid, train = 1 + (steps - 40) ** 2 / 1000, torch.exp(-steps / 30)
    valid[90] = 0.5  # a better minimum that only a rule which never stops would see
    found = stop_by_each(valid, train, patience=10, alpha=5.0, quotient=1e9, strip=5, successive=3)
    assert found["patience"] == (50, 0.51, 0.5) and found["up"].place == stop_by_up(valid, 3) == 54
    assert found["gl"].place == stop_by_gl(valid, 5.0) and found["gl"].cost == 0.5
    assert found["pq"] == (99, 1.0, 0.0)


def test_a_falling_curve_is_never_stopped():
    valid = torch.exp(-torch.arange(80, dtype=torch.float64) / 20)
    assert [
        stop_by_patience(valid, 1),
        stop_by_gl(valid, 0.1),
        stop_by_pq(valid, valid, 0.1),
        stop_by_up(valid, 1),
    ] == [None] * 4


def test_progress_holds_pq_back():
    """The same rise of the validation loss: PQ waits while the training loss falls fast, and stops when it creeps."""
    valid = vector(*[1.0] * 5, *[1.1] * 5)
    fast = vector(*[2.0] * 5, 2, 1.5, 1, 0.5, 0.2)
    slow = vector(*[2.0] * 5, 1.0, 0.999, 0.998, 0.997, 0.996)
    assert stop_by_pq(valid, fast, 0.75) is None and stop_by_pq(valid, slow, 0.75) == 9
    assert stop_by_pq(valid, vector(*[2.0] * 10), 0.75) == 9  # no progress at all
    assert training_progress(vector(2, 1, 1, 2), 2).tolist() == [500.0, 500.0]


def test_ties():
    flat = vector(*[0.5] * 12)
    assert best_evaluation(flat) == 0
    assert stop_by_patience(flat, 4) == 4
    assert stop_by_gl(flat, 0.001) is None and stop_by_up(flat, 1, 2) is None
    assert stop_by_pq(flat, flat, 0.001, 2) is None
    assert stop_by_patience(vector(1, 0.5, 0.5, 0.4, 0.4, 0.4), 2) == 5
    assert best_evaluation(vector(1, 0.4, 0.5, 0.4)) == 1


def test_small_gains_do_not_count_where_a_least_is_asked():
    valid = 1 - 0.001 * torch.arange(30, dtype=torch.float64)
    assert stop_by_patience(valid, 5) is None
    assert stop_by_patience(valid, 5, least=0.01) == 5
    # Gains add up: the lowest is that of the last improvement, not of the last evaluation.
    assert stop_by_patience(valid, 15, least=0.01) is None


def test_no_number_is_the_worst_of_all():
    valid = vector(1.0, 0.5, NAN, INF, 0.6)
    assert best_evaluation(valid) == 1
    assert stop_by_gl(valid, 1e6) == 2 and stop_by_patience(valid, 2) == 3
    assert best_evaluation(vector(NAN, NAN, 0.3)) == 2
    assert generalisation_loss(vector(NAN, 1.0)).tolist() == [0.0, 0.0]


def test_a_loss_of_zero_has_no_ratio():
    assert generalisation_loss(vector(0.5, 0.0, 0.0, 0.1)).tolist() == [0.0, 0.0, 0.0, INF]
    assert stop_by_gl(vector(0.5, 0.0, 0.0), 5.0) is None


BUGS = {
    "compared with the last loss": lambda losses: torch.cat([losses[:1], losses[:-1]]),
    "compared with the lowest of all time": lambda losses: losses.min().expand(len(losses)),
    "compared with the first": lambda losses: losses[:1].expand(len(losses)),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_change_where_gl_stops(bug, monkeypatch):
    valid = vector(2.0, 1.0, 1.02, 1.04, 1.06, 0.8, 0.9)
    assert stop_by_gl(valid, 5.0) == 4

    def wrong(values):
        losses = early_stopping._losses(values)
        return 100 * (losses / BUGS[bug](losses) - 1)

    monkeypatch.setattr(early_stopping, "generalisation_loss", wrong)
    assert stop_by_gl(valid, 5.0) != 4


def test_refusals(monkeypatch):
    valid = vector(1, 2, 3)
    for call, words in (
        (lambda: stop_by_patience(valid, 0), "patience is positive"),
        (lambda: stop_by_patience(valid, 2, -1.0), "got -1.0"),
        (lambda: stop_by_gl(valid, 0.0), "alpha is positive"),
        (lambda: stop_by_up(valid, 1, 0), "strip is positive"),
        (lambda: generalisation_loss(-valid), "not negative"),
        (lambda: EarlyStopping("pq").update(1.0), "training loss"),
        (lambda: best_evaluation(vector()), r"\(0,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="not 'loss'"):
        EarlyStopping("loss")
    with pytest.raises(ValueError, match=r"\(3, 1\)"):
        best_evaluation(valid[:, None])
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        stop_by_pq(valid, valid[:2])
