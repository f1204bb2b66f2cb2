"""The measured contraction: of the second half, and before digits vanish."""

import math

import pytest
import torch

from deepcanon.parts.contraction import measured_slope


def test_the_slope_is_that_of_the_second_half():
    steps = torch.arange(101, dtype=torch.float64)
    slow_then_fast = torch.where(steps < 50, 0.99**steps, 0.99**50 * 0.8 ** (steps - 50))
    assert measured_slope(slow_then_fast) == pytest.approx(-math.log(0.8))


def test_what_vanished_or_overflowed_does_not_count():
    steps = torch.arange(4000, dtype=torch.float64)
    assert measured_slope(0.8**steps) == pytest.approx(-math.log(0.8)), "0 from step 3339 on"
    assert measured_slope(torch.cat([2.0 ** steps[:60], torch.tensor([math.inf])])) == pytest.approx(-math.log(2))
    assert measured_slope(torch.ones(1)) == math.inf
