"""CIFAR-10 from its JPEG copy: labels by folder, the published statistics, a broken archive refused."""

import lzma

import numpy as np
import pytest

from deepcanon.data import catalogue, published
from deepcanon.data.cifar import CLASSES, cifar10_jpeg
from deepcanon.data.errors import DataError

here = pytest.mark.skipif(
    None in published.where("cifar10-jpeg").values(), reason="needs the cifar10-jpeg archive in $DEEPCANON_DATA"
)


@here
def test_mean_and_deviation_are_those_of_the_set(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path))
    data = cifar10_jpeg(0, {"valid_share": 0.0})
    assert data["train"].y.bincount().tolist() == [5000] * 10 and data["test"].y.bincount().tolist() == [1000] * 10
    pixels = data["train"].x.numpy() / 255
    np.testing.assert_allclose(pixels.mean((0, 2, 3), dtype=np.float64), [0.4913, 0.4821, 0.4465], atol=2e-3)
    np.testing.assert_allclose(pixels.std((0, 2, 3), dtype=np.float64), [0.2452, 0.2428, 0.2606], atol=2e-3)
    assert tuple(data.facts["classes"]) == CLASSES and "lossy" in data.notes[0]
    again = cifar10_jpeg(0, {"valid_share": 0.0})
    assert np.array_equal(again["test"].x.numpy(), data["test"].x.numpy()), "from the cache"


def test_another_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "cifar10-jpeg.tar.xz").write_bytes(lzma.compress(b"no archive"))
    with pytest.raises(DataError, match="is not the published file"):
        cifar10_jpeg(0)
    monkeypatch.setattr(published, "_check", lambda file, path: None)
    with pytest.raises(DataError, match=r"cannot be read|holds 0 pictures"):
        cifar10_jpeg(0, {"cache": "off"})
    assert catalogue.entry("cifar10-jpeg").folder == "cifar10"
