import jaxtyping
import numpy as np
import pytest
import torch
from oracles import tsne as oracle

from deepcanon.parts import nearest as part
from deepcanon.parts.nearest import nearest


def spread(count, features, seed=0):
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_nearest_are_those_of_the_definition():
    x = spread(60, 4)
    found, (which, distance) = nearest(x, x, 7, others=True), oracle.nearest(x.numpy(), 7)
    np.testing.assert_array_equal(found.which.numpy(), which)
    np.testing.assert_allclose(found.distance.numpy(), distance, rtol=1e-13)
    alone = nearest(x[:3] + 0.01, x, 2)
    assert alone.which[:, 0].tolist() == [0, 1, 2] and float(alone.distance[0, 0]) == pytest.approx(4e-4)


def test_groups_and_small_blocks_change_nothing(monkeypatch):
    x = spread(700, 5).float()
    whole = nearest(x, x, 9, others=True)  # 700 points are in groups of 16: more than twice the 17 that are tried
    monkeypatch.setattr(part, "ENTRIES", 3000)
    monkeypatch.setattr(part, "GATHERED", 500)
    monkeypatch.setattr(part, "GROUP", 1000)  # no groups
    again = nearest(x, x, 9, others=True)
    assert torch.equal(whole.which, again.which) and torch.equal(whole.distance, again.distance)


@pytest.mark.parametrize("far", [1e4, 1e25])
def test_what_float32_cannot_order_is_computed_in_double(far):
    """Tight clusters far from the centre: their products in float32 say nothing, at 1e25 their squares overflow."""
    x = torch.cat([spread(30, 3) * far * 1e-7 + far, spread(30, 3, 1) * far * 1e-7 - far])
    scale = x - x.mean(0)
    which = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    assert float(scale.abs().max()) > 0.9 * far
    assert torch.equal(nearest(x, x, 5, others=True).which, which.topk(5, largest=False).indices)


def test_of_equal_points_the_first_are_taken():
    x = torch.zeros(40, 2)
    found = nearest(x, x, 3, others=True)
    assert float(found.distance.max()) == 0 and all(i not in row for i, row in enumerate(found.which.tolist()))


def test_bad_shapes_are_refused():
    x = spread(5, 2)
    for call in (lambda: nearest(x, x[:, :1], 1), lambda: nearest(x[:3], x, 1, others=True)):
        with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
            call()
    for kept in (0, 5):
        with pytest.raises(ValueError, match="do not lie in 1"):
            nearest(x, x, kept, others=True)
