"""The recipe patch-features: what it learns from, what validation chooses, what its verbs give."""

import json

import numpy as np
import pytest
import torch
from oracles import patch_features as oracle

import deepcanon
from deepcanon.data.patches import cut_splits
from deepcanon.errors import UsageError

FEW = {"features": 6, "patch": 3, "patches": 400, "feature_iterations": 4, "iterations": 5, "quiet": True}


def pictures(seed, count=60):
    """Pictures of two classes, bars that lie and bars that stand, on noise."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 120, size=(count, 8, 8)), np.arange(count) % 2
    for image, label, place in zip(x, y, rng.integers(8, size=count), strict=True):
        image[(place, slice(None)) if label else (slice(None), place)] = 255
    return x.astype(np.uint8), y


def saved(path, **others):
    """A file of the same training pictures and of others."""
    splits = {"train": pictures(0), "valid": pictures(1), "test": pictures(2)} | others
    np.savez(path, **{f"{'xy'[i]}_{name}": part[i] for name, part in splits.items() for i in (0, 1)})
    return str(path)


def learned(run):
    model, learner = run.module, run.recipe.learner
    return [learner.centre, learner.matrix, *learner.features()[:1], model.shift, model.scale]


def test_whitening_and_standardisation_are_those_of_training_images_alone(tmp_path):
    white = (np.full((60, 8, 8), 255, np.uint8), np.arange(60) % 2)
    data = [saved(tmp_path / "a.npz"), saved(tmp_path / "b.npz", valid=white, test=white)]
    runs = [
        deepcanon.train("patch-features", data=path, out=tmp_path / str(number), decays=(0.01,), **FEW)
        for number, path in enumerate(data)
    ]
    for one, other in zip(*map(learned, runs), strict=True):
        assert torch.equal(one, other)
    train, run = runs[0].recipe.run.data["train"], runs[0]
    rows = [cut_splits({"train": train}, 3, 400, 0)["train"].x.flatten(1).numpy() / 255.0]
    mean, matrix = oracle.statistics(rows[0], run.config.epsilon)
    np.testing.assert_allclose(run.recipe.learner.centre, mean, atol=1e-6)
    np.testing.assert_allclose(run.recipe.learner.matrix, matrix, rtol=1e-4, atol=1e-4)
    test = runs[1].recipe.run.data["test"]
    rows.append(cut_splits({"train": test}, 3, 400, 0)["train"].x.flatten(1).numpy() / 255.0)
    leaked, _ = oracle.statistics(np.concatenate(rows), run.config.epsilon)
    assert np.abs(leaked - mean).max() > 0.1, "statistics with the test images would be others"
    standard = run.recipe.standardized("train")
    assert standard.mean(0).abs().max() < 1e-4
    assert (standard.std(0, correction=0) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("encoder", ["sparse-autoencoder", "spherical-kmeans"])
def test_the_runs_features_are_those_of_whitening_every_patch(tmp_path, encoder):
    data = saved(tmp_path / "a.npz")
    run = deepcanon.train("patch-features", data=data, out=tmp_path / "run", encoder=encoder, **FEW)
    learner, (x, _) = run.recipe.learner, pictures(3, 5)
    found = [part.detach().double().numpy() for part in learner.features() if part is not None]
    centre, matrix = learner.centre.double().numpy(), learner.matrix.double().numpy()
    expected = oracle.naive(x[:, None] / 255, found, centre, matrix, encoder=encoder, patch=3)
    codes = run.encode(torch.tensor(x)[:, None])
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-5)
    if encoder == "spherical-kmeans":
        np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), 1, atol=1e-6)


def test_the_softmax_that_validation_prefers_is_kept(tmp_path):
    data = saved(tmp_path / "a.npz")
    decays = (1e-6, 30.0, 0.01)
    both = deepcanon.train("patch-features", data=data, out=tmp_path / "all", decays=decays, **FEW, log_every=1)
    errors, path = {}, []
    for decay in sorted(decays, reverse=True):  # the same path, cut short
        path.append(decay)
        run = deepcanon.train("patch-features", data=data, out=tmp_path / f"{decay:g}", decays=path, **FEW)
        errors[decay] = run.recipe.path.error.item()
    assert both.recipe.path.error.item() == min(errors.values())
    assert both.evaluate("valid")["error"] == min(errors.values())
    assert errors[30.0] > min(errors.values()), "so the choice is one"
    assert both.recipe.path.decay.item() in decays[::2]


def test_kmeans_that_has_converged_passes_its_steps_on(tmp_path):
    options = {**FEW, "feature_iterations": 300, "patches": 30}
    run = deepcanon.train("patch-features", data=saved(tmp_path / "a.npz"), out=tmp_path / "run", **options)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] < 100, "it ended long before 315 steps"
    assert run.recipe.phase == len(run.config.decays), "after every decay but the last"


def test_onnxruntime_gives_the_same_probabilities_from_raw_pixels(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    data = saved(tmp_path / "a.npz")
    run = deepcanon.train("patch-features", data=data, out=tmp_path / "run", normalize="contrast", **FEW)
    run.export("onnx", tmp_path / "net.onnx")
    x, y = pictures(3, 7)
    pixels = torch.tensor(x)[:, None]
    (exported,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"pixels": pixels.numpy()})
    answers = run.predict(pixels)
    np.testing.assert_allclose(exported, [list(a["probabilities"].values()) for a in answers], atol=1e-5)
    assert np.mean([a["label"] == str(label) for a, label in zip(answers, y, strict=True)]) > 0.8


def test_what_cannot_be_learned_from_is_refused_in_words(tmp_path):
    data = saved(tmp_path / "a.npz")
    for options, words in (
        ({"decays": ()}, "--decays: give at least one"),
        ({"patch": 9}, "too small for 2 x 2 regions of patches of 9 x 9"),
        ({"valid_share": 0.0, "data": pictures(0)}, "validation chooses one of several"),
        ({"data": (np.zeros((60, 8, 8), np.uint8), np.arange(60) % 2)}, "do not vary"),
    ):
        with pytest.raises((UsageError, ValueError), match=words):
            deepcanon.train("patch-features", out=tmp_path / "no", **{"data": data, **FEW, **options})
