"""The recipe of capsules: what a step descends, by NumPy, and what its pictures show."""

import numpy as np
import pytest
import torch
from oracles import capsules as oracle

import deepcanon

TINY = {"preset": "smoke", "threads": 1, "precision": "fp32", "quiet": True, "valid_share": 0.1}


def numbers(module):
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def terms(run, raw, labels):
    """Margin loss and reconstruction of a batch, from the weights that the run has now."""
    params, units = numbers(run.module), run.recipe.config.units
    found = oracle.capsules(params, run.preprocess(raw).double().numpy(), units)
    present = [[label] for label in labels] if np.ndim(labels) == 1 else labels
    there = np.array([[k in some for k in range(found.shape[1])] for some in present])
    margin = oracle.margin(np.sqrt((found**2).sum(2)), there).mean()
    return found, params, present, margin


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_a_step_descends_the_margin_and_the_sum_of_squares_from_the_true_class(tmp_path, weight):
    run = deepcanon.train("capsules", out=tmp_path / "run", steps=1, reconstruction=weight, **TINY)
    recipe, split = run.recipe, run.recipe.run.data["train"]
    with torch.no_grad():  # longest capsules that are the wrong ones: a mask by them would draw something else
        run.module.output.weight.mul_(3)
    rows = split.take(torch.arange(recipe.config.batch))
    recipe.run.examples = lambda split, size: rows
    found, params, _, margin = terms(run, rows.x, rows.y.numpy())
    assert (np.sqrt((found**2).sum(2)).argmax(1) != rows.y.numpy()).any()
    drawn = oracle.decoded(params, found, rows.y.numpy())
    pictures = oracle.reconstruction(drawn, rows.x.flatten(1).double().numpy() / 255).mean()
    told = recipe.step(0)
    assert told["margin"].item() == pytest.approx(margin, rel=1e-4)
    assert told["pictures"].item() == pytest.approx(pictures, rel=1e-4)
    assert told["loss"].item() == pytest.approx(margin + weight * pictures, rel=1e-4)


def test_of_two_digits_each_is_drawn_alone(tmp_path):
    options = {**TINY, "data": "multi-digits", "base": "digits"}
    run = deepcanon.train("capsules", out=tmp_path / "run", steps=1, **options)
    recipe, split = run.recipe, run.recipe.run.data["train"]
    rows = split.draw(recipe.run, recipe.config.batch)
    recipe.run.examples = lambda split, size: rows
    pairs = run.module.members[rows.y].tolist()
    found, params, _, margin = terms(run, rows.x, pairs)
    pictures = 0.0
    for part in range(2):
        drawn = oracle.decoded(params, found, [pair[part] for pair in pairs])
        pictures += oracle.reconstruction(drawn, rows.parts[:, part].flatten(1).double().numpy() / 255).mean()
    told = recipe.step(0)
    assert told["margin"].item() == pytest.approx(margin, rel=1e-4)
    assert told["pictures"].item() == pytest.approx(pictures, rel=1e-4)


def test_the_pictures_are_drawn_from_the_longest_capsules_also_of_few_images(tmp_path):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=generator)
    run = deepcanon.train("capsules", data=(x, ["a", "b"] * 20), out=tmp_path / "run", steps=2, **TINY)
    held = run.recipe.run.data[run.recipe.run.pictured].x
    assert len(held) < 8, "fewer than the figure has places for"
    tiles = run.recipe.figures()["drawn"].images
    params = numbers(run.module)
    found = oracle.capsules(params, run.preprocess(held).double().numpy(), run.recipe.config.units)
    longest = np.sqrt((found**2).sum(2)).argmax(1)
    expected = 255 * oracle.decoded(params, found, longest)
    assert len(tiles) == 2 * len(held)
    np.testing.assert_array_equal(tiles[::2].reshape(len(held), -1), held.flatten(1).numpy())
    np.testing.assert_allclose(tiles[1::2].reshape(len(held), -1), expected, atol=1.0)
