"""Pooling by planes: torch's own values and gradients bit for bit, the oracle's in float64, and where it stays away."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import convnet as oracle

from deepcanon.parts.pooling import max_pool

SHAPES = [(3, 6, 8, 10), (3, 5, 7, 9), (2, 1, 4, 4), (8, 32, 14, 14), (1, 3, 2, 3)]
TYPES = [torch.bfloat16, torch.float32, torch.float64]


def channels_last(x):
    """With the strides, which `contiguous` leaves alone where there is one channel."""
    batch, channels, height, width = x.shape
    return x.permute(0, 2, 3, 1).contiguous().view(batch, height, width, channels).permute(0, 3, 1, 2)


def coarse(shape, dtype, seed=0):
    """Values of which many are equal, in half steps; no zero is below zero."""
    generator = torch.Generator().manual_seed(seed)
    return channels_last((torch.randn(shape, generator=generator) * 3).round().div(2).add(0.0).to(dtype))


def torchs(z, rectified):
    m = F.max_pool2d(z, 2)
    return F.relu(m) if rectified else m


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_torchs_to_the_bit_where_maxima_are_equal_too(shape, dtype, rectified):
    values, found = coarse(shape, dtype), []
    for function in (max_pool, torchs):
        leaf = values.clone().requires_grad_()
        y = function(leaf * 1, rectified)
        grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        y.backward(grad)
        found.append((y.detach(), leaf.grad))
    (ours, our_grad), (theirs, their_grad) = found
    assert torch.equal(ours, theirs) and torch.equal(our_grad, their_grad)
    with torch.no_grad():
        assert torch.equal(max_pool(values.clone(), rectified), theirs)


def test_values_are_the_oracles():
    z = np.random.default_rng(0).normal(size=(3, 4, 6, 9))
    ours = max_pool(channels_last(torch.from_numpy(z)).requires_grad_() * 1, rectified=True)
    assert "Pooling" in type(ours.grad_fn).__name__ or "Pooling" in str(ours.grad_fn.next_functions)
    np.testing.assert_array_equal(ours.detach().numpy(), np.maximum(oracle.pool(z, 2, 2, np.max), 0))


@pytest.mark.parametrize("rectified", [True, False])
def test_gradient_equals_finite_differences_of_the_oracle(rectified):
    """By hand: `gradcheck` walks back through the graph twice, which is refused."""
    z = channels_last(torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    weights, eps = torch.randn(2, 3, 2, 2, dtype=torch.float64), 1e-6
    leaf = z.clone().requires_grad_()
    (max_pool(leaf * 1, rectified) * weights).sum().backward()

    def value(array):
        m = oracle.pool(array, 2, 2, np.max)
        return ((np.maximum(m, 0) if rectified else m) * weights.numpy()).sum()

    numerical = np.zeros(z.shape)
    for place in np.ndindex(*z.shape):
        step = np.zeros(z.shape)
        step[place] = eps
        numerical[place] = (value(z.numpy() + step) - value(z.numpy() - step)) / (2 * eps)
    np.testing.assert_allclose(leaf.grad.numpy(), numerical, atol=1e-8)


@pytest.mark.parametrize("sign", [1, -1])
def test_nan_comes_through_a_relu(sign):
    z = channels_last(torch.full((1, 2, 4, 4), sign * float("nan"), dtype=torch.bfloat16)).requires_grad_()
    assert max_pool(z * 1, rectified=True).isnan().all()


def test_infinity_comes_through():
    z = coarse((1, 2, 4, 4), torch.bfloat16).requires_grad_() * 1
    with torch.no_grad():
        z[0, 0, 0, 0], z[0, 1, 0, 0] = float("inf"), float("-inf")
    expected = torchs(z.detach().clone(), True)
    assert torch.equal(max_pool(z, rectified=True), expected)


def test_a_leaf_is_left_as_it_is_and_a_second_backward_pass_is_refused():
    z = coarse((2, 3, 4, 4), torch.float32).requires_grad_()
    before = z.detach().clone()
    max_pool(z, rectified=True).sum().backward()
    assert torch.equal(z, before)
    y = max_pool(z * 1, rectified=True).sum()
    y.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_channels_first_is_torchs_and_small_maps_are_refused():
    z = torch.randn(2, 3, 4, 4, requires_grad=True) * 1
    assert torch.equal(max_pool(z), F.max_pool2d(z, 2))
    with pytest.raises(ValueError, match=r"got \(2, 3, 1, 4\)"):
        max_pool(torch.zeros(2, 3, 1, 4))


def test_it_is_exported_as_torchs_own():
    class Pool(torch.nn.Module):
        def forward(self, x):
            return max_pool(x * 1, rectified=True)

    program = torch.export.export(Pool(), (coarse((2, 3, 4, 4), torch.float32),))
    assert "max_pool2d" in program.graph_module.code
