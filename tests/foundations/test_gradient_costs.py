"""What gradients cost: operations counted one by one, and the function that they are counted on."""

import numpy as np
import pytest

from deepcanon.foundations.autodiff import jvp, vjp
from deepcanon.foundations.gradient_costs import Counted, count_operations, cpu_seconds, helmholtz


def test_operations_are_counted_one_by_one():
    """sum(x * y): n products, n additions; forward adds one product and one sum per pass; reverse one product."""
    x = np.arange(5.0).view(Counted)

    def count(work):
        Counted.operations = 0
        work()
        return Counted.operations

    y = np.ones(5)
    assert count(lambda: (x * y).sum()) == 10
    assert count(lambda: jvp(lambda v: (v * y).sum(), (x,), (x,))) == 20
    assert count(lambda: vjp(lambda v: (v * y).sum(), (x,))) == 15


def test_the_cost_of_both_modes():
    """Forward c n evaluations with c the same for n = 10 and 100; reverse below 5, and the same."""
    counts = {n: count_operations(n) for n in (10, 100)}
    forward = [counts[n][1] / counts[n][0] / n for n in counts]
    reverse = [counts[n][2] / counts[n][0] for n in counts]
    assert max(forward) / min(forward) < 1.1 and 2 < forward[0] < 4
    assert max(reverse) / min(reverse) < 1.1 and max(reverse) < 5


def test_the_energy_equals_its_formula():
    x = 0.5 + 0.4 * np.sin(np.arange(6.0))
    b, a = 0.5 * (1 + np.cos(np.arange(6))) / 6, np.sin(1 + np.arange(6)) / np.sqrt(6)
    u = b @ x
    log = np.log((1 + (1 + np.sqrt(2)) * u) / (1 + (1 - np.sqrt(2)) * u))
    expected = (x * np.log(x / (1 - u))).sum() - x @ np.outer(a, a) @ x / (np.sqrt(8) * u) * log
    assert helmholtz(6)(x) == pytest.approx(expected, rel=1e-13)


def test_seconds_are_positive_and_forward_mode_costs_more():
    costs = cpu_seconds(50, 5000)
    assert 0 < costs.once < costs.reverse < costs.forward


def test_nothing_is_not_a_fluid():
    with pytest.raises(ValueError, match="0 components"):
        helmholtz(0)
