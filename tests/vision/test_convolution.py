"""Convolution: the two conventions, sizes, the lecture's example, ties, and bugs that must be caught."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import convolution as oracle
from torch import nn

from deepcanon.techniques import convolution_checks as checks
from deepcanon.vision import Convolution
from deepcanon.vision import convolution as system
from deepcanon.vision.convolution import convolve, convolve_backward, output_size, padding_of, pool, pool_backward

small = st.integers(1, 9)


@settings(max_examples=300, deadline=None)
@given(small, small, small, st.sampled_from(checks.CONVENTIONS))
def test_sizes_are_those_that_counting_windows_gives(size, kernel, stride, name):
    pads = padding_of(name, size, kernel, stride)
    if size + sum(pads) < kernel:
        with pytest.raises(ValueError, match="does not fit"):
            output_size(size, kernel, stride, pads)
        return
    if max(pads) >= kernel:
        with pytest.raises(ValueError, match="zeros only"):
            output_size(size, kernel, stride, pads)
        return
    for ceil in (False, True):
        counted = len(oracle.starts(size, kernel, stride, *pads, ceil=ceil))
        assert output_size(size, kernel, stride, pads, ceil=ceil) == counted
    if name == "same-tensorflow":
        assert output_size(size, kernel, stride, pads) == -(-size // stride)


def test_tensorflows_published_example_of_width_13():
    """Width 13, filter 6, stride 5: three zeros, one before and two after (TensorFlow's notes on SAME)."""
    assert padding_of("same-tensorflow", 13, 6, 5) == (1, 2)
    assert output_size(13, 6, 5, (1, 2)) == 3 and output_size(13, 6, 5) == 2


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6])
def test_at_stride_1_the_asymmetric_convention_is_torchs_word_same(kernel):
    x, w = torch.randn(2, 3, 8, 9), torch.randn(4, 3, kernel, kernel)
    torch.testing.assert_close(convolve(x, w, padding="same-tensorflow").outputs, F.conv2d(x, w, padding="same"))
    torch.testing.assert_close(convolve(x, w, padding="same-torch").outputs, F.conv2d(x, w, padding=kernel // 2))


def test_with_a_stride_the_conventions_see_other_pixels_at_equal_size():
    x, w = torch.arange(6.0).view(1, 1, 1, 6), torch.tensor([0.0, 1.0, 0.0]).view(1, 1, 1, 3)
    seen = {name: convolve(x, w, stride=(1, 2), padding=name).outputs.flatten().tolist() for name in checks.CONVENTIONS}
    assert seen == {"valid": [1, 3], "same-torch": [0, 2, 4], "same-tensorflow": [1, 3, 5]}


def test_the_lectures_example():
    layer = Convolution(3, 12, 5, padding="same-torch")
    maps = layer(torch.randn(1, 3, 32, 32))
    assert maps.shape == (1, 12, 32, 32)
    assert pool(maps.relu(), "max", 2).outputs.shape == (1, 12, 16, 16)
    assert sum(p.numel() for p in layer.parameters()) == 12 * 75 + 12


def test_random_layers_equal_scipy_and_torch():
    """60 of the 300 that `deepcanon verify convolution` compares."""
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        layer = checks.draw_layer(random)
        seen.add((layer.padding, layer.flipped))
        assert max(checks.errors_of_layer(layer).values()) < 1e-10
        assert checks.errors_of_pooling(random) < 1e-10
    assert len(seen) == 6


BUGS = {
    "no flip": ("convolve", lambda real: lambda x, w, b, *, flipped, **how: real(x, w, b, flipped=False, **how)),
    "weights not flipped back": (
        "convolve_backward",
        lambda real: lambda g, c: (real(g, c)[0], real(g, (*c[:-1], False))[1], real(g, c)[2]),
    ),
    "bias averaged": ("convolve_backward", lambda real: lambda g, c: (*real(g, c)[:2], real(g, c)[2] / len(g))),
    "other stride": ("convolve", lambda real: lambda x, w, b, *, stride, **how: real(x, w, b, stride=stride[0], **how)),
    "spread not divided": (
        "pool_backward",
        lambda real: lambda g, c: real(g, c if c[0] == "max" else ("mean", torch.ones_like(c[1]), *c[2:])),
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_caught(bug, monkeypatch):
    name, wrong = BUGS[bug]
    monkeypatch.setattr(checks, name, wrong(getattr(system, name)))
    random = np.random.default_rng(0)
    caught = 0
    for _ in range(30):
        try:
            worst = max(*checks.errors_of_layer(checks.draw_layer(random)).values(), checks.errors_of_pooling(random))
        except ValueError:  # shapes that do not fit
            worst = 1.0
        caught += worst > 1e-6
    assert caught >= 3


def test_ties_go_to_the_first_and_padding_counts_if_asked():
    x = torch.ones(1, 1, 2, 2)
    y, cache = pool(x, "max", 2)
    assert pool_backward(torch.ones_like(y), cache).flatten().tolist() == [1, 0, 0, 0]
    around = ((1, 1), (1, 1))
    counted = pool(x, "mean", 2, padding=around).outputs
    left_out = pool(x, "mean", 2, padding=around, count_padding=False).outputs
    assert counted.flatten().tolist() == [0.25] * 4 and left_out.flatten().tolist() == [1] * 4


def test_layer_equals_torchs_with_all_gradients():
    torch.manual_seed(0)
    ours, theirs = Convolution(3, 4, (3, 2), stride=2, padding=((1, 1), (1, 1))), nn.Conv2d(3, 4, (3, 2), 2, 1)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 9, 8)
    results = []
    for layer in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = layer(leaf)
        y.square().sum().backward()
        results.append([y, leaf.grad, *(p.grad for p in layer.parameters())])
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)


def test_wrong_shapes_are_named():
    x, w = torch.zeros(2, 3, 5, 5), torch.zeros(4, 2, 3, 3)
    with pytest.raises(ValueError, match=r"inputs \(2, 3, 5, 5\).*weights \(4, 2, 3, 3\)"):
        convolve(x, w)
    with pytest.raises(ValueError, match=r"bias of \(3,\) does not fit 4 filters"):
        convolve(x, torch.zeros(4, 3, 3, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="kernel of 6 does not fit into 5 pixels"):
        convolve(x, torch.zeros(4, 3, 6, 6))
    with pytest.raises(ValueError, match="none of valid"):
        padding_of("same", 5, 3)
    with pytest.raises(ValueError, match="expected max or mean"):
        pool(x, "median", 2)
    y, cache = convolve(x, torch.zeros(4, 3, 3, 3))
    with pytest.raises(ValueError, match=r"gradient of \(2, 4, 2, 3\) does not fit outputs \(2, 4, 3, 3\)"):
        convolve_backward(y[:, :, :2], cache)
