"""Patches come from the pictures, from all of their places, and the splits share no picture."""

import numpy as np
import pytest
import torch

from deepcanon.data import open_data
from deepcanon.data.errors import DataError
from deepcanon.data.patches import cut


def test_patches_are_what_stands_at_their_places():
    images = torch.arange(2 * 1 * 5 * 7).view(2, 1, 5, 7)
    places = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.99, 0.99], [0.99, 0.0, 0.5]], dtype=torch.float64)
    found = cut(images, places, 3)
    assert torch.equal(found[0], images[0, :, :3, :3]), "the first corner"
    assert torch.equal(found[1], images[1, :, 2:, 4:]), "the last corner"
    assert torch.equal(found[2], images[1, :, :3, 2:5])


def test_every_place_is_as_likely_as_another():
    image = torch.arange(6 * 4).view(1, 1, 6, 4)
    corners = cut(image, torch.rand(24_000, 3, dtype=torch.float64), 2)[:, 0, 0, 0]
    counts = torch.bincount(corners, minlength=24).view(6, 4)
    assert (counts[5] == 0).all() and (counts[:, 3] == 0).all()
    assert (counts[:5, :3].float() - 1600).abs().max() < 6 * 1600**0.5


def test_a_data_set_of_patches(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 50, (20, 12, 12)) + 10 * np.arange(20)[:, None, None]
    np.savez(tmp_path / "x.npz", x=pictures.astype(np.uint8))
    options = {"patch": 5, "patches": 200}
    data = open_data(("images",), str(tmp_path / "x.npz"), options={"images": options})
    assert data.counts() == {"train": 200, "valid": 20, "test": 20}
    assert data["train"].x.shape == (200, 1, 5, 5) and data["train"].y is None
    assert data.describe()["size"] == [5, 5] and any("patches" in note for note in data.notes)
    again = open_data(("images",), str(tmp_path / "x.npz"), options={"images": options})
    other = open_data(("images",), str(tmp_path / "x.npz"), options={"images": options}, seed=1)
    assert torch.equal(again["train"].x, data["train"].x) and not torch.equal(other["train"].x, data["train"].x)


@pytest.mark.parametrize("options", [{"patch": 40}, {"patch": -1}, {"patch": 4, "patches": 3}])
def test_patches_that_cannot_be_cut_are_refused(options):
    with pytest.raises(DataError) as error:
        open_data(("images",), "digits", options={"images": options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "options"), [("photos", {}), ("digits", {})])
def test_every_embedded_set_of_images_is_cut(name, options):
    data = open_data(("images",), name, options={"images": {"patch": 4, "patches": 50, **options}})
    assert data.describe()["size"] == [4, 4] and data["train"].x.shape[1:] == (1, 4, 4) and len(data["train"]) == 50
