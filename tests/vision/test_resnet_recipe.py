"""The recipe: own folders, codes, an export with any batch size, decay of everything, refusals; and the experiment."""

import numpy as np
import pytest
import torch
from PIL import Image

import deepcanon
from deepcanon.errors import UsageError

SMALL = {"depth": 8, "width": 4, "batch": 16, "threads": 1, "quiet": True}


def folder(place, side=20, count=10):
    """Two classes told apart by where it is bright."""
    rng = np.random.default_rng(0)
    for name, half in (("left", 0), ("right", 1)):
        (place / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 60, (side, side + 3 * (index % 3), 3))
            middle = pixels.shape[1] // 2
            pixels[:, half * middle : (half + 1) * middle] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(place / name / f"{index}.png")
    return place


@pytest.mark.parametrize("form", [{}, {"form": "imagenet", "depth": 18}])
def test_own_folder_is_learned_predicted_encoded_and_exported(tmp_path, form):
    onnxruntime = pytest.importorskip("onnxruntime")
    place, said = folder(tmp_path / "own"), []
    run = deepcanon.train(
        "resnet", data=str(place), size=16, out=tmp_path / "run", steps=30, precision="fp32", learning_rate=0.05,
        evaluate_every=30, say=said.append, **{**SMALL, **form},
    )  # fmt: skip
    assert any("end as maps of 1 x 1" in line for line in said) == bool(form)
    records = run.predict(str(place))
    assert [record["label"] for record in records] == ["left"] * 10 + ["right"] * 10
    assert run.encode(str(place)).shape == (20, 32 if form else 16)
    run.export("onnx", tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for count in (1, 5):
        pixels = torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8)
        (exported,) = session.run(None, {"pixels": pixels.numpy()})
        with torch.no_grad():
            ours = run.module.eval()(run.preprocess(pixels)).softmax(1).numpy()
        np.testing.assert_allclose(exported, ours, atol=1e-5)


def test_everything_decays_as_in_the_paper_or_weights_only(tmp_path):
    for everything in (True, False):
        run = deepcanon.train(
            "resnet", data="digits", out=tmp_path / str(everything), steps=1, decay_all=everything, weight_decay=0.5,
            learning_rate=0.1, warmup=0.0, optimizer="gradient-descent", **SMALL,
        )  # fmt: skip
        groups = run.recipe.optimizer.param_groups
        decayed = sum(len(group["params"]) for group in groups if group["weight_decay"] == 0.5)
        convolutions_and_fc = 7 + 1
        assert decayed == (len(list(run.module.parameters())) if everything else convolutions_and_fc)


def test_what_does_not_fit_is_refused_in_words(tmp_path):
    for wrong, words in (
        ({"depth": 18}, r"--depth 18: .* 6 n \+ 2 layers"),
        ({"form": "imagenet", "depth": 20}, "--depth 20: .* 18, 34 or 50"),
        ({"form": "imagenet", "depth": 18, "batch": 1}, "--batch 1: the last maps are 1 x 1"),
    ):
        with pytest.raises(UsageError, match=words):
            deepcanon.train("resnet", data="digits", out=tmp_path / "no", steps=1, **{**SMALL, **wrong})
    with pytest.raises(UsageError, match="--depths needs two"):
        deepcanon.train("degradation", data="digits", out=tmp_path / "no", depths=(8, 9), quiet=True)


def test_the_rate_falls_to_a_tenth_at_the_papers_steps():
    from deepcanon.recipes import resnet
    from deepcanon.techniques.schedules import scheduled

    config, settings = resnet.PRESETS["paper"]
    steps = settings["steps"]
    rates = {
        step: config.learning_rate * scheduled(config, step, steps) for step in (0, 31_999, 32_000, 47_999, 48_000)
    }
    expected = {0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001}
    assert rates == pytest.approx(expected)
    assert (config.weight_decay, config.decay_all, config.momentum, config.batch) == (1e-4, True, 0.9, 128)
    assert (config.shift, config.flip, config.depth, config.optimizer) == (4, True, 20, "momentum")


def test_the_experiment_tells_rises_of_the_training_loss(tmp_path):
    """With planted losses: what rises, by how much, and that a diverged trial is infinitely bad."""
    run = deepcanon.train("degradation", preset="smoke", seeds=3, out=tmp_path / "run", quiet=True)
    comparison = run.recipe.comparison
    for result in comparison.results:
        level = {"plain8": 1.0, "plain14": 3.0, "residual8": 1.0, "residual14": 0.5}[result["arm"]]
        result["loss"] = [[1, 9.0], *([step, level + 0.1 * result["seed"]] for step in range(2, 6))]
    found = run.recipe.findings()
    assert found["plain_rise"] == pytest.approx(2) and found["residual_rise"] == pytest.approx(-0.5)
    assert found["plain_rise_low"] == pytest.approx(2) and found["loss_plain8"] == pytest.approx(1.1)
    plain, residual = run.recipe.figures()["losses"].figures
    assert [line.label for line in plain.lines] == ["plain8", "plain14"]
    assert list(residual.lines[1].y)[1:] == pytest.approx([0.6] * 4)
    comparison.of("plain14")[0]["loss"] = []
    assert run.recipe.findings()["plain_rise"] == float("inf")
