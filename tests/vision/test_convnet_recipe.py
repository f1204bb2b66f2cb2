"""The recipe on own folders: sizes and colours, answers with probabilities, codes, and an export that agrees."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import deepcanon
from deepcanon.engine.precision import has_bf16
from deepcanon.errors import UsageError


def folder(place, mode, sizes, count=12):
    """Two classes told apart by brightness on the left or on the right."""
    rng = np.random.default_rng(0)
    for name, side in (("left", 0), ("right", 1)):
        (place / name).mkdir(parents=True)
        for index in range(count):
            height, width = sizes[index % len(sizes)]
            pixels = rng.integers(0, 60, (height, width, 3))
            half = width // 2
            pixels[:, side * half : (side + 1) * half] += 150
            Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(place / name / f"{index}.png")
    return place


@pytest.mark.parametrize(("mode", "sizes"), [("L", [(12, 16)]), ("RGB", [(20, 24), (31, 22)]), ("RGB", [(64, 80)])])
def test_own_folder_is_learned_predicted_and_encoded(tmp_path, mode, sizes):
    place = folder(tmp_path / "own", mode, sizes)
    run = deepcanon.train(
        "convnet", data=str(place), out=tmp_path / "run", steps=25, batch=8, filters=(8, 8), hidden=16, dropout=0.0,
        threads=1, precision="fp32", evaluate_every=25, quiet=True,
    )  # fmt: skip
    records = run.predict(str(place))
    assert [record["label"] for record in records] == ["left"] * 12 + ["right"] * 12
    assert all(abs(sum(record["probabilities"].values()) - 1) < 1e-9 for record in records)
    assert run.encode(str(place)).shape == (24, 16)
    assert run.recipe.facts["reader"]["channels"] == {"L": 1, "RGB": 3}[mode]


def test_onnxruntime_gives_the_same_probabilities_from_raw_pixels(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    precision = "bf16" if has_bf16("cpu") else "fp32"
    run = deepcanon.train(
        "convnet", preset="smoke", out=tmp_path / "run", steps=8, batch_norm=True, threads=1, precision=precision,
        evaluate_every=8, quiet=True,
    )  # fmt: skip
    run.export("onnx", tmp_path / "net.onnx")
    about = json.loads((tmp_path / "net.json").read_text())
    assert about["range"] == [0, 255] and about["channel_order"] == "grey" and len(about["classes"]) == 10
    pixels = torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8)
    (exported,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"pixels": pixels.numpy()})
    with torch.no_grad():
        ours = run.module.eval()(run.preprocess(pixels)).softmax(1).numpy()
    np.testing.assert_allclose(exported, ours, atol=1e-5)
    answers = np.array([list(record["probabilities"].values()) for record in run.predict(pixels)])
    np.testing.assert_allclose(exported, answers, atol=1e-2 if precision == "bf16" else 1e-5)  # of the run's precision
    np.testing.assert_allclose(exported.sum(1), 1, atol=1e-5)


def test_images_that_are_too_small_or_unlabelled_are_refused_in_words(tmp_path):
    from deepcanon.errors import UsageError

    with pytest.raises(UsageError, match="too small for 4 poolings"):
        deepcanon.train("convnet", preset="smoke", filters=(4, 4, 4, 4), out=tmp_path / "a", quiet=True)
    flat = tmp_path / "flat"
    flat.mkdir()
    for index in range(12):
        Image.new("L", (9, 9), index * 20).save(flat / f"{index}.png")
    with pytest.raises(UsageError, match="one folder per class"):
        deepcanon.train("convnet", data=str(flat), out=tmp_path / "b", steps=1, quiet=True)


def test_augmentation_is_the_same_in_every_process_and_part_of_the_rows():
    """The shifts of the global batch are drawn once; a process takes its rows of them."""
    from deepcanon.engine.augmentation import augmented
    from deepcanon.engine.run import Run
    from deepcanon.options import Augmentation
    from deepcanon.settings import Settings

    options = Augmentation(shift=2, flip=True, rotate=20.0, crop=0.7, colour=0.3, cutout=3)
    run = Run(Settings(device="cpu", threads=1, precision="fp32", steps=3))
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    whole = augmented(run, options, images, 6)
    assert not torch.equal(whole, images)
    run.world = 2
    for rank in range(2):
        run.rank = rank
        assert torch.equal(augmented(run, options, images[rank::2], 6), whole[rank::2])


@pytest.mark.parametrize("option", ["shift", "cutout"])
def test_augmentation_that_leaves_nothing_of_a_picture_is_refused(tmp_path, option):
    with pytest.raises(UsageError, match=f"--{option} 8 may .* pictures of 8x8 pixels need less than 8"):
        deepcanon.train("convnet", preset="smoke", data="digits", out=tmp_path / "run", quiet=True, **{option: 8})
    assert not (tmp_path / "run").exists()
