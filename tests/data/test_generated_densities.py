"""Generated densities: their scores by enumeration and by quadrature, their moments, the options they take."""

import math

import numpy as np
import pytest
import torch

from deepcanon.data import DataError, open_data
from deepcanon.data.drawn import Streams
from deepcanon.data.tasks import bars_and_stripes
from deepcanon.parts.visible_units import unit_statistics


def known(data, metric="nll"):
    return next(known for known in data.known if known.metric == metric)


@pytest.mark.parametrize("side", [2, 3, 4, 6])
def test_bars_and_stripes_by_counting(side):
    data = open_data(("images",), "bars-and-stripes", options={"images": {"size": side}})
    every = bars_and_stripes.pictures(side)
    flat = every[:, 0] / 255
    along, across = (flat == flat[:, :1]).all(2).all(1), (flat == flat[:, :, :1]).all(2).all(1)
    assert bool((along | across).all()) and len(every) == 2 ** (side + 1)
    patterns, counts = torch.unique(every.flatten(1), dim=0, return_counts=True)
    p = counts / len(every)
    assert len(patterns) == len(every) - 2
    assert known(data).optimum == pytest.approx(-(p * p.log()).sum().item(), abs=1e-6)
    assert known(data).floor == pytest.approx(side**2 * math.log(2))
    wrong = sum(n - 1 for n in counts.tolist())  # of each picture the rarer class
    assert known(data, "error").optimum == wrong / len(every)
    assert bool(along[data["valid"].y == 1].all() and across[data["valid"].y == 0].all())


def test_bars_and_stripes_train_on_each_picture_alike():
    train = open_data(("images",), "bars-and-stripes")["train"]
    counts = torch.unique(train.x.flatten(1), dim=0, return_counts=True)[1]
    assert sorted(set(counts.tolist())) == [312, 624] and train.x.dtype == torch.uint8
    drawn = train.batch(Streams(0), 20_000)
    rows = drawn.x[drawn.y == 0]
    assert bool((rows == rows[..., :1]).all()), "rows are of one colour each"
    assert (drawn.x > 0).double().mean().item() == pytest.approx(0.5, abs=0.01)


def test_bars_and_stripes_in_colour_and_of_a_side_that_is_too_large():
    data = open_data(("images",), "bars-and-stripes", options={"images": {"size": 3, "channels": 3}})
    assert data["train"].batch(Streams(0), 5).x.shape == (5, 3, 3, 3) and data.facts["channels"] == 3
    with pytest.raises(DataError, match="not 13x13; choose another --size"):
        open_data(("images",), "bars-and-stripes", options={"images": {"size": 13}})
    patches = open_data(("images",), "bars-and-stripes", options={"images": {"patch": 2, "patches": 50}})
    assert patches["train"].x.shape == (50, 1, 2, 2)


def quadrature(centres, sigma, reach, points):
    """The entropy of equal Gaussians in the plane, in NumPy, on a grid."""
    line = np.linspace(-reach, reach, points)
    x, y = np.meshgrid(line, line)
    p = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) for a, b in centres)
    p = p / (len(centres) * 2 * np.pi * sigma**2)
    area = (line[1] - line[0]) ** 2
    assert p.sum() * area == pytest.approx(1, abs=1e-6)
    return -(p[p > 0] * np.log(p[p > 0])).sum() * area


def test_gaussians_on_a_circle():
    data = open_data(("tables",), "gaussians-8")
    centres = [(2 * math.cos(a), 2 * math.sin(a)) for a in np.arange(8) * math.pi / 4]
    np.testing.assert_allclose(data.truth["centres"], centres, atol=1e-6)
    assert known(data).optimum == pytest.approx(quadrature(centres, 0.4, 5, 801), abs=1e-4)
    x = data["train"].batch(Streams(0), 200_000).x
    torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=0.02, rtol=0)
    variance = 2.0 + 0.16
    torch.testing.assert_close(x.T.cov(), variance * torch.eye(2), atol=0.02, rtol=0)
    assert known(data).floor == pytest.approx(math.log(2 * math.pi * math.e * variance))
    found = unit_statistics(lambda: [data["train"].x], gaussian=True)
    torch.testing.assert_close(found["scale"].float(), torch.full((2,), math.sqrt(variance)), atol=0.03, rtol=0)
    assert data["test"].x.dtype == torch.float64 and data.facts["columns"] == ["x", "y"]


def test_options_of_files_are_refused():
    with pytest.raises(DataError, match=r"gaussians-8: is generated.*leave --target out"):
        open_data(("tables",), "gaussians-8", options={"tables": {"target": "x"}})


@pytest.mark.parametrize("source", ["laplace", "uniform", "gaussian"])
def test_mixed_sources_by_quadrature_of_one_and_the_volume_of_the_mixing(source):
    options = {"mixture": 3, "source": source, "samples": 40_000}
    data = open_data(("tables",), "mixed-sources", seed=4, options={"tables": options})
    assert data.counts() == {"train": 40_000, "valid": 4_000, "test": 4_000}
    mixing, x = data.truth["mixing"].numpy(), data["train"].x.numpy()
    np.testing.assert_allclose(data.truth["sources"].numpy() @ mixing.T, x)
    s = np.linspace(-20, 20, 400_001)
    kinds = {"laplace": np.exp(-abs(s)) / 2, "uniform": (s >= 0) & (s < 1.0)}
    p = kinds.get(source, np.exp(-(s**2) / 2) / np.sqrt(2 * np.pi)).astype(float)
    area = s[1] - s[0]
    mean = (p * s).sum() * area
    nats, variance = -(p[p > 0] * np.log(p[p > 0])).sum() * area, (p * (s - mean) ** 2).sum() * area
    volume = np.log(abs(np.linalg.det(mixing)))
    assert known(data).optimum == pytest.approx(3 * nats + volume, abs=1e-3)
    assert known(data).floor == pytest.approx(1.5 * np.log(2 * np.pi * np.e * variance) + volume, abs=1e-3)
    sample = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.cov(x.T))[1]
    assert known(data).floor == pytest.approx(sample, abs=0.03), "the covariance of the rows says the same"


def test_gaussians_on_a_grid():
    data = open_data(("tables",), "gaussians-25")
    assert data.counts() == {"train": 50_000, "valid": 2_500, "test": 2_500}
    x = data["train"].x
    distance, nearest = torch.cdist(x.float(), data.truth["centres"]).min(1)
    assert distance.square().mean().item() == pytest.approx(2 * 0.05**2, rel=0.02)
    assert torch.bincount(nearest).min() > 1_800
    tall = 1 / (25 * 2 * math.pi * 0.05**2)  # no other centre is near: log p of each point by its own
    mean = (distance.double().square() / (2 * 0.05**2)).mean() - math.log(tall)
    assert known(data).optimum == pytest.approx(mean.item(), abs=0.02)
    sample = 0.5 * torch.logdet(2 * math.pi * math.e * x.T.cov())
    assert known(data).floor == pytest.approx(sample.item(), abs=0.02)
