"""Enumeration and the mean of importance weights, against plain sums."""

import itertools
import math

import numpy as np
import pytest
import torch

from deepcanon.parts.partition import binary_states, mean_weight


def test_every_state_occurs_once_and_numbers_choose_some():
    every = binary_states(5)
    assert sorted(map(tuple, every.tolist())) == sorted(itertools.product((0, 1), repeat=5))
    assert every[11].tolist() == [1, 1, 0, 1, 0]
    numbers = torch.tensor([3, 0, 2**40])
    assert torch.equal(binary_states(5, numbers[:2]), every[[3, 0]])
    assert binary_states(41, numbers)[2].nonzero().tolist() == [[40]]
    assert binary_states(0).shape == (1, 0)
    with pytest.raises(ValueError, match="2\\^30 states"):
        binary_states(30)


def test_the_mean_of_weights_and_its_interval():
    log_w = np.random.default_rng(0).normal(size=(3, 50)) + 800  # whose exponentials overflow
    w = np.exp(log_w - 800)
    mean, error = w.mean(1), w.std(1, ddof=1) / math.sqrt(50)
    found = mean_weight(torch.from_numpy(log_w))
    np.testing.assert_allclose(found.log_mean, 800 + np.log(mean), rtol=1e-12)
    np.testing.assert_allclose(found.error, error / mean, rtol=1e-12)
    np.testing.assert_allclose(found.low, 800 + np.log(mean - 3 * error), rtol=1e-12)
    np.testing.assert_allclose(found.high, 800 + np.log(mean + 3 * error), rtol=1e-12)


def test_an_interval_that_reaches_below_zero_is_open():
    found = mean_weight(torch.tensor([0.0, -50.0, -50.0]))
    assert found.low == -math.inf and found.high > found.log_mean
    with pytest.raises(ValueError, match="1 chains"):
        mean_weight(torch.zeros(1))
