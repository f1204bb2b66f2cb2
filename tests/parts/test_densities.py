"""The small densities that have a known answer."""

import math

import pytest
import torch

from deepcanon.parts.densities import BARS, CIRCLE, bars_and_stripes, circle_of_gaussians, density_map
from deepcanon.parts.visible_units import unit_statistics


def test_bars_and_stripes_have_the_entropy_of_the_task():
    patterns, counts = torch.unique(bars_and_stripes().flatten(1), dim=0, return_counts=True)
    p = counts / 32
    assert len(patterns) == 30 and -(p * p.log()).sum().item() == pytest.approx(3.379, abs=1e-3)
    flat = bars_and_stripes()[:, 0] / 255
    along, across = ((flat == flat[:, :1]).all(2).all(1), (flat == flat[:, :, :1]).all(2).all(1))
    assert bool((along | across).all())


def test_numbers_choose_among_the_patterns():
    evenly = (torch.arange(32) + 0.5) / 32
    assert torch.equal(BARS.draw(evenly, torch.zeros(32, 2)), bars_and_stripes())
    assert torch.equal(BARS.measured(torch.Generator()), bars_and_stripes())


@pytest.mark.parametrize("density", [BARS, CIRCLE], ids=["bars", "circle"])
def test_known_moments_are_those_of_many_examples(density):
    random = torch.Generator().manual_seed(0)
    count = 200_000
    x = density.draw(torch.rand(count, generator=random), torch.randn(count, 2, generator=random))
    found = unit_statistics(lambda: [x], gaussian=density is CIRCLE)
    assert found.keys() == density.facts.keys() and found["gaussian"] == density.facts["gaussian"]
    assert list(x.shape[1:]) == density.facts["shape"]
    for name in ("shift", "scale", "mean"):
        torch.testing.assert_close(found[name], density.facts[name], atol=0.01, rtol=0.01)


def test_points_lie_around_the_centres_of_a_circle():
    uniform = (torch.arange(8) + 0.5) / 8
    centres = circle_of_gaussians(uniform, torch.zeros(8, 2))
    torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2.0))
    torch.testing.assert_close(centres[2], torch.tensor([0.0, 2.0]), atol=1e-6, rtol=0)
    assert torch.equal(circle_of_gaussians(uniform, torch.ones(8, 2)), centres + 0.4)
    random = torch.Generator().manual_seed(1)
    assert CIRCLE.measured(random).shape == (CIRCLE.examples, 2)


def test_a_map_shows_the_density_where_it_is():
    found = density_map(lambda x: (x - torch.tensor([1.0, 0.5])).square().sum(1) / 2, reach=2.0, points=9)
    assert found.max() == 1 and divmod(int(found.argmax()), 9) == (3, 6), "the second coordinate rises upwards"
    assert found[3, 4].item() == pytest.approx(math.exp(-0.5))
