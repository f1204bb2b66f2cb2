"""Fractional pooling: borders by both rules, the seed decides, torch's own kernel, ties, and what covers the map."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import fractional_pooling as oracle

from deepcanon.vision import FractionalMaxPool
from deepcanon.vision.fractional_pooling import borders, fractional_maxima, fractional_pool


@settings(max_examples=200, deadline=None)
@given(st.integers(3, 60), st.floats(0, 1), st.sampled_from(["pseudorandom", "random"]), st.integers(0, 99))
def test_steps_are_1_or_2_and_cover_the_axis(size, where, kind, seed):
    least = -(-(size - 1) // 2)
    count = least + round(where * (size - 1 - least))
    found = borders(size, count, kind=kind, generator=torch.Generator().manual_seed(seed))
    steps = found.diff()
    assert len(found) == count + 1 and found[0] == 0 and found[-1] == size - 1
    assert set(steps.tolist()) <= {1, 2}


def test_borders_follow_the_papers_formula_for_every_u():
    for u in torch.linspace(0.003, 0.997, 41, dtype=torch.float64):
        assert (borders(32, 22, offset=u) + 1).tolist() == oracle.pseudorandom(32, 22, u.item())


def test_the_seed_decides_the_regions():
    def drawn(kind, seed):
        return borders(40, 28, kind=kind, generator=torch.Generator().manual_seed(seed)).tolist()

    for kind in ("pseudorandom", "random"):
        assert drawn(kind, 7) == drawn(kind, 7)
        assert len({tuple(drawn(kind, seed)) for seed in range(20)}) > 3
    # Random steps come in runs; pseudorandom ones differ from alpha i by less than 2 everywhere.
    straight = torch.linspace(0, 39, 29)
    far = [max((torch.tensor(drawn(kind, s)) - straight).abs().max().item() for s in range(20))
           for kind in ("pseudorandom", "random")]  # fmt: skip
    assert far[0] < 1.01 < 2 < far[1]


def windows_of_torch(size, count, window, u):
    """The starts of `torch.nn.functional.fractional_max_pool2d` along an axis."""
    alpha = (size - window) / (count - 1)
    starts = [int((i + u) * alpha) - int(u * alpha) for i in range(count - 1)] + [size - window]
    return [torch.tensor(starts) + place for place in range(window)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("window", [2, 3])
def test_values_and_gradients_are_those_of_torchs_kernel_on_its_windows(layout, window):
    """With many ties: the gradient goes to the first of equals in reading order."""
    torch.manual_seed(0)
    x = torch.randint(0, 3, (2, 3, 14, 11)).double()
    u = torch.rand(2, dtype=torch.float64)
    theirs, ours = (x.clone().requires_grad_() for _ in range(2))
    samples = u.flip(0).expand(2, 3, 2).contiguous()  # torch keeps the width's number first
    there = F.fractional_max_pool2d(theirs, window, output_size=(9, 7), _random_samples=samples)
    lists = [
        windows_of_torch(size, count, window, v.item()) for size, count, v in zip((14, 11), (9, 7), u, strict=True)
    ]
    here = fractional_maxima(ours.contiguous(memory_format=layout), *lists)
    assert torch.equal(there, here)
    weights = torch.randn_like(there)
    (there * weights).sum().backward()
    (here * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_overlapping_regions_see_every_pixel_and_disjoint_ones_no_pixel_twice():
    rows, columns = borders(12, 8), borders(10, 7)
    for overlapping in (True, False):
        x = torch.arange(120.0).view(1, 1, 12, 10).requires_grad_()
        seen = torch.zeros(12, 10)
        for place in range(120):
            lit = torch.zeros(120)
            lit[place] = 1
            seen.view(-1)[place] = fractional_pool(lit.view(1, 1, 12, 10), rows, columns, overlapping=overlapping).sum()
        assert bool((seen >= 1).all()) if overlapping else seen.max() == 1
        fractional_pool(x, rows, columns, overlapping=overlapping).sum().backward()
        assert x.grad.sum() == 56


def test_new_regions_in_training_and_the_same_outside():
    torch.manual_seed(0)
    layer, x = FractionalMaxPool(), torch.randn(2, 3, 28, 28)
    assert layer(x).shape == (2, 3, 20, 20) and not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="10 pixels have fractional regions for 5 to 9 outputs, not 4"):
        borders(10, 4)
    with pytest.raises(ValueError, match="pseudorandom"):
        borders(10, 6, kind="other")
    with pytest.raises(ValueError, match="ratio"):
        FractionalMaxPool(2.5)
