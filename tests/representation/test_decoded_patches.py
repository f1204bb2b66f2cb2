"""Patches that stand for codes: around middle grey, since a patch loses its mean before it is encoded."""

import pytest
import torch

import deepcanon

HOW = {"data": "photos", "patch": 6, "threads": 1, "precision": "fp32", "quiet": True, "plain": True}


def decoded(tmp_path, name, **options):
    """Patches without their mean, which is middle grey then; what comes back of them; and the recipe."""
    trained = deepcanon.train(name, out=tmp_path / "run", patches=400, **HOW, **options)
    x = trained.recipe.run.data["valid"].x[:50]
    rows = x.float().flatten(1)
    wanted = rows - rows.mean(1, keepdim=True) + 127.5
    with torch.no_grad():
        again = trained.recipe.decode(trained.encode(x))
    assert again.dtype == torch.uint8 and again.shape == x.shape
    return wanted.clamp(0, 255), again.float().flatten(1), trained.recipe


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ica", {"components": 0, "iterations": 3}),
        ("rica", {"dimensions": 0, "iterations": 2}),
        ("rica", {"dimensions": 0, "iterations": 2, "whiten": False}),
    ],
)
def test_as_many_codes_as_pixels_give_the_patch_back(tmp_path, name, options):
    wanted, again, _ = decoded(tmp_path, name, **options)
    assert (wanted - again).abs().max() <= 1.5, "the nearest whole number, and a code in float32"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sparse-coding", {"atoms": 72, "updates": 30, "batch": 50, "sparsity": 0.05}),
        ("sparse-autoencoder", {"hidden": 40, "iterations": 150, "beta": 0.0, "decay": 0.0}),
    ],
)
def test_other_codes_give_back_most_of_it(tmp_path, name, options):
    wanted, again, _ = decoded(tmp_path, name, **options)
    missed = (wanted - again).square().sum() / (wanted - 127.5).square().sum()
    assert missed < 0.25, "white values beyond three deviations are cut off before they reach the autoencoder"


def test_a_code_of_zeros_is_middle_grey(tmp_path):
    _, _, recipe = decoded(tmp_path, "sparse-coding", atoms=24, updates=3, batch=50)
    grey = recipe.decode(torch.zeros(1, 24))
    assert (grey.float() - 127.5).abs().max() <= 2, "the mean of all patches without theirs"
