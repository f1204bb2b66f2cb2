import pytest
import torch
from torch import nn

from deepcanon.parts.moving_average import follow


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_weights_and_running_statistics_are_averaged_and_counters_left_alone():
    average, new = network(), network()
    new(torch.randn(8, 3))
    before = {name: value.clone() for name, value in average.state_dict().items()}
    follow(average, new, 0.75)
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * new.state_dict()[name])
        else:
            assert torch.equal(value, before[name]), name
    follow(average, new, 0.0)
    torch.testing.assert_close(average[0].weight, new[0].weight)
    kept = new[0].weight.clone()
    follow(average, new, 1.0)
    assert torch.equal(new[0].weight, kept)


def test_refusals():
    with pytest.raises(ValueError, match="from 0 to 1"):
        follow(network(), network(), 1.5)
    with pytest.raises(ValueError):
        follow(network(), nn.Linear(3, 4), 0.5)
