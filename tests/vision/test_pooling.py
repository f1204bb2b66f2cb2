"""The pooling family: limits of Lp, stochastic pooling on average, order, regions of zeros, and toy versions."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepcanon.vision import GatedPool, KMaxPool, LpPool, MixedPool, SpatialPyramid, StochasticPool
from deepcanon.vision.pooling import (
    channel_max_pool,
    expected_pool,
    gated_pool,
    k_max_pool,
    lp_pool,
    mixed_pool,
    planes,
    pyramid_pool,
    stochastic_pool,
)


def activations(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).relu()


def test_lp_of_1_is_the_sum_and_large_p_the_maximum():
    x = activations(3, 2, 8, 8)
    torch.testing.assert_close(lp_pool(x, 1.0, 2), 4 * F.avg_pool2d(x, 2))
    assert torch.equal(lp_pool(x, math.inf, 2), F.max_pool2d(x, 2))
    for p in (50.0, 500.0, 1e6):  # 4^(1/p) times the maximum at most; nothing overflows
        largest = F.max_pool2d(x, 2)
        found = lp_pool(1e30 * x, p, 2) / 1e30
        assert bool(((found >= largest - 1e-12) & (found <= largest * 4 ** (1 / p) + 1e-12)).all())
    torch.testing.assert_close(lp_pool(x, 2.0, 3, 2), F.lp_pool2d(x, 2.0, 3, 2))


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, math.inf])
def test_regions_of_zeros_have_a_gradient(p):
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    for pooled in (lp_pool(x, p, 2), expected_pool(x, 2), stochastic_pool(x, torch.rand(1, 1, 2, 2), 2)):
        assert torch.equal(pooled, torch.zeros(1, 1, 2, 2, dtype=torch.float64))
        (gradient,) = torch.autograd.grad(pooled.sum(), x)
        assert bool(gradient.isfinite().all())


def test_stochastic_draws_give_the_test_time_value_on_average():
    """100,000 draws of every region; the mean lies within 3 standard errors, which the probabilities give exactly."""
    x, draws = activations(1, 5, 4, 4, seed=3), 100_000
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(draws, 5, 2, 2, generator=random, dtype=torch.float64)
    mean = stochastic_pool(x.expand(draws, -1, -1, -1), noise, 2).mean(0)
    expected = expected_pool(x, 2)[0]
    values = torch.stack(planes(x, 2, None))
    shares = values / values.sum(0).clamp_min(1e-300)
    deviation = ((shares * values**2).sum(0)[0] - expected**2).clamp_min(0).sqrt()
    assert bool(((mean - expected).abs() <= 3 * deviation / draws**0.5 + 1e-12).all())
    by_mean = F.avg_pool2d(x, 2)[0]  # the toy: a plain mean at test time
    assert bool(((mean - by_mean).abs() > 3 * deviation / draws**0.5).any())


def test_stochastic_pooling_counts_negative_values_as_nothing():
    x = torch.tensor([[-5.0, 2.0], [-1.0, -3.0]]).view(1, 1, 2, 2)
    for u in (0.0, 0.5, 0.999):
        assert stochastic_pool(x, torch.full((1, 1, 1, 1), u), 2).item() == 2
    assert expected_pool(x, 2).item() == 2


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_a_draw_goes_to_the_chosen_alone(layout):
    x = activations(2, 3, 6, 6).contiguous(memory_format=layout).requires_grad_()
    y = stochastic_pool(x, torch.rand(2, 3, 2, 2), 3, 2)
    y.sum().backward()
    assert x.grad.is_contiguous(memory_format=layout)
    assert x.grad.sum().item() == (y > 0).sum().item()
    assert bool((x.grad * x.detach()).sum().isclose(y.sum()))


def test_the_layer_draws_in_training_and_does_not_outside():
    torch.manual_seed(0)
    layer, x = StochasticPool(), activations(2, 3, 8, 8)
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), expected_pool(x, 2))


def test_mixed_and_gated_begin_half_way_and_learn_both_ways():
    x = torch.randn(2, 3, 8, 8)
    half = (F.max_pool2d(x, 2) + F.avg_pool2d(x, 2)) / 2
    for layer in (MixedPool(), GatedPool()):
        torch.testing.assert_close(layer(x), half)
        layer(x).square().sum().backward()
        assert all(p.grad.abs().max() > 0 for p in layer.parameters())
    assert torch.equal(mixed_pool(x, torch.tensor(0.0), 2), F.avg_pool2d(x, 2))
    torch.testing.assert_close(mixed_pool(x, torch.tensor(1.0), 2), F.max_pool2d(x, 2))
    large = torch.full((2, 2), 1e5)  # a gate for each REGION: maximum where the sum is positive, else mean
    where = torch.where(4 * F.avg_pool2d(x, 2) > 0, F.max_pool2d(x, 2), F.avg_pool2d(x, 2))
    torch.testing.assert_close(gated_pool(x, large, 2), where, atol=1e-3, rtol=1e-3)


def test_k_max_keeps_the_order_and_the_earlier_of_equals():
    row = torch.tensor([3.0, 9.0, 1.0, 5.0, 9.0])
    assert k_max_pool(row, 3).tolist() == [9, 5, 9]
    assert row.topk(3).values.tolist() == [9, 9, 5]  # the toy sorts
    assert k_max_pool(torch.tensor([2.0, 9.0, 2.0]), 2).tolist() == [2, 9]
    assert KMaxPool()(torch.randn(2, 3, 7, 6)).shape == (2, 3, 3, 3)


def test_maxout_of_two_pieces_is_the_absolute_value_of_opposite_channels():
    x = torch.randn(2, 3, 4)
    both = torch.stack([x, -x], 2).flatten(1, 2)
    assert torch.equal(channel_max_pool(both, 2), x.abs())


def test_pyramid_has_one_length_for_all_sizes_and_sees_every_pixel():
    layer = SpatialPyramid((4, 2, 1))
    assert layer(torch.randn(2, 3, 9, 30)).shape == layer(torch.randn(2, 3, 17, 5)).shape == (2, 3, 21)
    x = torch.randn(1, 1, 7, 7)
    assert pyramid_pool(x, (1,)).item() == x.max()
    for place in range(49):
        lit = torch.zeros(49)
        lit[place] = 1
        assert pyramid_pool(lit.view(1, 1, 7, 7), (4,)).max() == 1


def test_wrong_shapes_and_numbers_are_named():
    x = torch.zeros(1, 3, 4, 4)
    for call, words in (
        (lambda: lp_pool(x, 0.5, 2), "p >= 1"),
        (lambda: lp_pool(x, 2.0, 5), "window of 5 x 5"),
        (lambda: stochastic_pool(x, torch.rand(1, 3, 4, 4), 2), "as many uniform numbers"),
        (lambda: gated_pool(x, torch.zeros(3, 3), 2), "do not fit a window"),
        (lambda: k_max_pool(x, 5), "5 largest of 4"),
        (lambda: channel_max_pool(x, 2), "3 channels do not make groups of 2"),
        (lambda: pyramid_pool(x, (5,)), "5 x 5 bins"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_a_network_learns_through_every_layer():
    torch.manual_seed(0)
    x = torch.randn(64, 1, 8, 8)
    labels = (x[:, 0, :4].sum((1, 2)) > x[:, 0, 4:].sum((1, 2))).long()
    for pooling in (LpPool(), StochasticPool(), MixedPool(), GatedPool(), KMaxPool(), LpPool(math.inf)):
        net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), pooling, nn.Flatten(), nn.Linear(128, 2))
        optimizer, losses = torch.optim.Adam(net.parameters(), 1e-2), []
        for _ in range(40):
            loss = F.cross_entropy(net(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0], pooling
