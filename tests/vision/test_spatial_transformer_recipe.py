"""The recipe of the spatial transformer: what it says of an idle module and of one that works, and its two rates."""

import math

import pytest
import torch

import deepcanon
from deepcanon.vision.spatial_transformer import affine_maps

TINY = {"base": "digits", "preset": "smoke", "threads": 1, "precision": "fp32", "quiet": True, "steps": 1}


def trained(tmp_path, data, **options):
    return deepcanon.train("spatial-transformer", data=data, out=tmp_path / "run", **{**TINY, **options})


def judged(run, maps):
    """The evaluation with these maps as the answers of the localiser."""
    run.recipe.classifier = Fixed(run.recipe.classifier, run.recipe.module, maps)
    return run.recipe.evaluate("test")


class Fixed:
    """A classifier whose module says what the test wants."""

    def __init__(self, whole, module, maps):
        self.whole, self.module, self.maps = whole, module, maps

    def __call__(self, images, function=None):
        return self.maps if function == self.module.theta else self.whole(images, *([function] if function else []))

    def __getattr__(self, name):
        return getattr(self.whole, name)


def test_the_spread_of_angles_is_one_of_an_idle_module_and_none_of_one_that_works(tmp_path):
    run = trained(tmp_path, "rotated-digits")
    degrees = run.recipe.run.data.truth["test/degrees"]
    radians = torch.deg2rad(degrees)[:, None]
    assert judged(run, affine_maps(0 * radians, "rotation"))["spread"] == pytest.approx(1, abs=1e-6)
    assert judged(run, affine_maps(-radians, "rotation"))["spread"] < 1e-4
    assert judged(run, affine_maps(radians, "rotation"))["spread"] > 1.2, "turned the wrong way"
    assert judged(run, affine_maps(-radians / 2, "rotation"))["spread"] == pytest.approx(0.5, abs=0.01)


def test_the_spread_of_places_is_one_of_an_idle_module_and_none_of_one_that_works(tmp_path):
    run = trained(tmp_path, "cluttered-digits", maps="attention", window=8)
    data = run.recipe.run.data
    place, side = data.truth["test/place"], data["test"].x.shape[3]
    whole = torch.ones(len(place), 1)
    follows = torch.cat([0.5 * whole, place.flip(1) * 2 / side], 1)
    assert judged(run, affine_maps(torch.cat([whole, 0 * place], 1), "attention"))["place_spread"] == pytest.approx(1)
    assert judged(run, affine_maps(follows, "attention"))["place_spread"] < 1e-4
    turned = torch.cat([0.5 * whole, place * 2 / side], 1)  # down and right changed over
    assert judged(run, affine_maps(turned, "attention"))["place_spread"] > 0.9


def test_the_module_learns_at_its_share_of_the_rate(tmp_path):
    recipe = trained(tmp_path, "rotated-digits", transformer_rate=0.25, learning_rate=0.004).recipe
    recipe.step(0)
    rates = {id(p): group["lr"] for group in recipe.optimizer.param_groups for p in group["params"]}
    slower = {rates[id(p)] for p in recipe.module.parameters()}
    faster = {rates[id(p)] for p in recipe.model.classifier.parameters()}
    assert len(slower) == len(faster) == 1
    assert slower.pop() / faster.pop() == pytest.approx(0.25)


def test_the_error_as_a_logarithm(tmp_path):
    found = trained(tmp_path, "rotated-digits", transformer="none").recipe.evaluate("test")
    assert found["log_error"] == pytest.approx(math.log(found["error"])) and "spread" not in found
