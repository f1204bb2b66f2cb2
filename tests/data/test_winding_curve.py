"""The winding curve: equation (1) in NumPy, closed, and its points in the data set."""

import numpy as np
import pytest
import torch

from deepcanon.data import open_data
from deepcanon.data.drawn import Streams
from deepcanon.data.tasks.winding_curve import points


def oracle(turns, axes):
    half = axes.shape[1] // 2
    found = np.zeros((len(turns), len(axes)))
    for place, t in enumerate(2 * np.pi * np.asarray(turns)):
        for k in range(1, half + 1):
            found[place] += (np.cos(k * t) * axes[:, k - 1] + np.sin(k * t) * axes[:, half + k - 1]) / k**0.5
    return found


def test_points_are_those_of_the_equation():
    rng = np.random.default_rng(0)
    turns, axes = rng.random(5), rng.normal(size=(6, 4))
    found = points(torch.from_numpy(turns), torch.from_numpy(axes))
    np.testing.assert_allclose(found, oracle(turns, axes), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(points(torch.from_numpy(turns + 1), torch.from_numpy(axes)), found, atol=1e-12)
    with pytest.raises(ValueError, match=r"\(20, 3\)"):
        points(torch.rand(2), torch.zeros(20, 3))


def test_the_set_lies_on_its_support():
    data = open_data(("tables",), "winding-curve", seed=1)
    support, plane = data.truth["support"], data.truth["plane"]
    torch.testing.assert_close(plane.T @ plane, torch.eye(2), atol=1e-5, rtol=0)
    torch.testing.assert_close((support @ plane).norm(dim=1), torch.ones(4000), atol=1e-5, rtol=0)
    for x in (data["test"].x.float(), data["train"].batch(Streams(1), 500).x):
        assert torch.cdist(x, support).min(1).values.max() < 0.01
    assert not torch.equal(support, open_data(("tables",), "winding-curve", seed=2).truth["support"])
