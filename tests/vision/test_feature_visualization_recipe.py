"""Looking at a run of another recipe, with batch normalisation and dropout, whose weights must not change."""

import numpy as np
import pytest
import torch

import deepcanon
from deepcanon.errors import UsageError

QUIET = {"quiet": True, "say": lambda line: None}
SMALL = {"ascent": 4, "units": 3, "pictures": 2, "probed": 150, **QUIET}


@pytest.fixture(scope="module", params=["convnet", "mlp", "resnet"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "run"
    return deepcanon.train(request.param, preset="smoke", data="digits", steps=12, out=folder, **QUIET)


def test_any_classifier_of_images_is_looked_at_and_stays_as_it_is(run, tmp_path):
    found = deepcanon.train("feature-visualization", of=str(run.folder), data="digits", out=tmp_path / "seen", **SMALL)
    seen = found.module[1] if run.name == "mlp" else found.module  # behind the one that flattens its pictures
    for name, value in run.module.state_dict().items():
        assert torch.equal(seen.state_dict()[name], value), name
    metrics = {name.removeprefix("test/") for name in found.evaluate("test")}
    layers = found.recipe.layers
    assert {f"probe_{place}" for place in range(len(layers))} < set(metrics)
    assert {"explained", "probes", "best-inputs-0"} < set(found.figures)
    for layer, images in found.recipe.images.items():
        assert images.shape == (3, 1, 8, 8) and bool(images.isfinite().all()), layer


def test_inputs_climb(tmp_path):
    found = deepcanon.train("feature-visualization", preset="smoke", out=tmp_path / "run", **{**SMALL, "ascent": 30})
    loss = np.array(found.history["train/loss"][1])
    assert loss[-1] < loss[0]


def test_a_run_for_other_pictures_is_refused_with_the_options_that_fit(tmp_path):
    run = deepcanon.train("convnet", preset="smoke", steps=2, out=tmp_path / "run", **QUIET)
    pictures = np.zeros((40, 1, 12, 12), np.uint8), np.arange(40) % 2
    with pytest.raises(UsageError, match="takes --size 8 --channels 1"):
        deepcanon.train("feature-visualization", of=str(run.folder), data=pictures, out=tmp_path / "a", **SMALL)
    with pytest.raises(UsageError, match=r"^--of .*nowhere: no such run or file"):
        deepcanon.train(
            "feature-visualization", of=str(tmp_path / "nowhere"), data="digits", out=tmp_path / "b", **SMALL
        )
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()
