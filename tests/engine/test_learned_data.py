"""What a run learned of its data decides how they are read again: the size of pictures, the order of classes."""

import json

import numpy as np
from PIL import Image

import deepcanon
from deepcanon.data import class_names


def folder(place, classes, size):
    random = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (place / name).mkdir(parents=True)
        for count in range(12):
            pixels = random.integers(60 * number, 60 * number + 40, (*size, 1), np.uint8)
            Image.fromarray(pixels[:, :, 0]).save(place / name / f"{count}.png")
    return place


def test_a_run_on_pictures_that_are_not_square_is_evaluated_and_resumed(tmp_path):
    data = folder(tmp_path / "own", ("1", "2", "10"), (12, 20))
    options = {"data": str(data), "seed": 0, "quiet": True, "plain": True}
    whole = deepcanon.train("softmax-regression", out=tmp_path / "whole", steps=8, **options)
    assert whole.recipe.facts["reader"]["size"] == [12, 20] and whole.evaluate()["error"] <= 1
    deepcanon.train("softmax-regression", out=tmp_path / "part", steps=4, **options)
    later = deepcanon.resume(tmp_path / "part", steps=8, quiet=True)
    assert later.recipe.facts["reader"]["classes"] == ["1", "2", "10"]


def test_a_run_of_an_earlier_order_of_classes_keeps_it(tmp_path, monkeypatch):
    data = folder(tmp_path / "own", ("1", "2", "10"), (8, 8))
    options = {"data": str(data), "seed": 0, "quiet": True, "plain": True}
    with monkeypatch.context() as before:  # as it was: the order of plain text
        before.setattr(class_names, "_key", lambda name: name)
        early = deepcanon.train("softmax-regression", out=tmp_path / "early", steps=30, **options)
        scores, recorded = early.evaluate(), json.loads((tmp_path / "early" / "data.json").read_text())
    assert early.recipe.facts["reader"]["classes"] == ["1", "10", "2"]
    assert deepcanon.load(tmp_path / "early").evaluate() == scores and recorded
    later = deepcanon.resume(tmp_path / "early", steps=40, quiet=True)  # which would refuse labels that changed
    assert later.evaluate()["error"] <= scores["error"]
