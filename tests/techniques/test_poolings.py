"""Poolings by name: they halve maps, fit the host network, draw the same rows in two processes as in one."""

import pytest
import torch
from torch import nn

from deepcanon.techniques.poolings import POOLINGS, pooled_pictures, poolings_of
from deepcanon.vision import ConvNet


@pytest.mark.parametrize("name", POOLINGS)
def test_each_serves_the_host_network_and_gets_gradients(name):
    torch.manual_seed(0)
    net = ConvNet(1, 3, size=(16, 12), channels=(4, 6), hidden=5, poolings=poolings_of(name, 2))
    assert all(pooling.training for pooling in net.poolings)
    x = torch.randn(3, 1, 16, 12).contiguous(memory_format=torch.channels_last)
    net(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    if name not in ("maxout", "pyramid"):
        assert POOLINGS[name]()(torch.rand(2, 4, 16, 12)).shape == (2, 4, 8, 6)
        assert net.hidden.in_features == 6 * 4 * 3
    net.eval()
    torch.testing.assert_close(net(x), net(x), atol=0, rtol=0)
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def test_an_injected_maximum_is_the_networks_own():
    torch.manual_seed(0)
    own = ConvNet(1, 3, size=(16, 12), channels=(4, 6), hidden=5)
    injected = ConvNet(1, 3, size=(16, 12), channels=(4, 6), hidden=5, poolings=[nn.MaxPool2d(2), nn.MaxPool2d(2)])
    injected.load_state_dict(own.state_dict())
    x = torch.randn(3, 1, 16, 12)
    torch.testing.assert_close(own(x), injected(x))
    assert own.plain and not injected.plain and not poolings_of("max", 2)


@pytest.mark.parametrize("name", ["stochastic", "fractional"])
def test_two_processes_draw_what_one_draws(name):
    x, found = torch.rand(4, 3, 8, 8), []
    for world, rank in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(5)
        pooling = poolings_of(name, 1)[0]
        pooling.world, pooling.rank = world, rank
        found.append(pooling(x[rank::world]))
    assert torch.equal(found[0][0::2], found[1]) and torch.equal(found[0][1::2], found[2])


def test_pictures_have_a_row_for_each_map():
    shown = pooled_pictures(torch.rand(3, 1, 9, 8), ("max", "stochastic", "maxout"))
    assert list(shown.versions) == ["image", "max", "stochastic"] and shown.images.shape == (9, 9, 8)
