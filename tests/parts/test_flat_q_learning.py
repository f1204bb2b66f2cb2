"""Updates of Q-learning by hand: the oracle's targets and slopes."""

import numpy as np
import pytest
from oracles import flat_perceptron as oracle

from deepcanon.parts.flat_q_learning import targets, td_slopes

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("double", [False, True])
def test_targets_are_the_oracles(double):
    reward, over = RANDOM.normal(size=9), RANDOM.random(9) < 0.4
    frozen, online = RANDOM.normal(size=(2, 9, 3))
    chooser = online if double else None
    expected = oracle.q_targets(reward, over, frozen, chooser, 0.9)
    found = targets(reward, over, np.ascontiguousarray(frozen.T), 0.9, None if chooser is None else chooser.T)
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_a_value_that_blew_up_does_not_poison_an_end():
    found = targets(np.ones(2), np.array([True, False]), np.array([[np.inf, 2.0], [1.0, 3.0]]), 0.5)
    assert found.tolist() == [1.0, 2.5]


@pytest.mark.parametrize("delta", [0.5, 1.0, 10.0])
def test_slopes_are_the_oracles(delta):
    values, action, target = 3 * RANDOM.normal(size=(9, 3)), RANDOM.integers(3, size=9), RANDOM.normal(size=9)
    expected, slopes = oracle.huber(values, action, target, delta)
    found, ours = td_slopes(np.ascontiguousarray(values.T), action, target, delta)
    assert found == pytest.approx(expected, abs=1e-14)
    np.testing.assert_allclose(ours.T, slopes, atol=1e-14)
