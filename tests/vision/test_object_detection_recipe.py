"""A detector on one's own pictures: boxes that move with augmentation, export, other weights to begin with."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch
from contract.own_boxes import own_boxes

import deepcanon
from deepcanon.engine.augmentation import augmented_boxes
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.options import BoxAugmentation
from deepcanon.parts import augment
from deepcanon.parts.boxes import iou
from deepcanon.settings import Settings

SHAPE = {"widths": (4, 8, 8), "batch": 8, "quiet": True, "plain": True, "seed": 0}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A short training, and its data."""
    folder = tmp_path_factory.mktemp("first")
    data = str(own_boxes(folder / "own"))
    return deepcanon.train("object-detection", data=data, out=folder / "run", steps=60, least=0.01, **SHAPE), data


def painted(boxes, side=40):
    """Pictures with one bright rectangle each, at whole pixels."""
    images = torch.zeros(len(boxes), 1, side, side, dtype=torch.uint8)
    for image, (left, top, right, bottom) in zip(images, boxes[:, 0].int().tolist(), strict=True):
        image[:, top:bottom, left:right] = 255
    return images


def seen(images):
    """The smallest box of the bright pixels of each picture."""
    found = []
    for image in images[:, 0]:
        rows, columns = (image > 127).nonzero(as_tuple=True)
        found.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return torch.tensor(found)[:, None].float()


def test_boxes_lie_where_their_pictures_went():
    rng = np.random.default_rng(0)
    corner, size = rng.integers(8, 18, (30, 1, 2)), rng.integers(4, 14, (30, 1, 2))
    boxes = torch.tensor(np.concatenate([corner, corner + size], -1)).float()
    images = painted(boxes)
    offsets, chosen = torch.tensor(rng.integers(-7, 8, (30, 2))), torch.tensor(rng.random(30) < 0.5)
    assert torch.equal(augment.shift_boxes(boxes, offsets), seen(augment.shift_images(images, offsets)))
    assert torch.equal(augment.flip_boxes(boxes, chosen, 40), seen(augment.flip_images(images, chosen)))
    share, centre = torch.tensor(rng.uniform(0.8, 1, 30)).float(), torch.tensor(rng.uniform(-0.1, 0.1, (30, 2))).float()
    for turn, error in ((0.0, 1.0), (25.0, 1.5)):
        maps = augment.affine_maps(torch.full((30,), turn), share, centre, (40, 40))
        there = augment.affine_boxes(boxes, maps, (40, 40))
        assert (there - seen(augment.affine_images(images, maps))).abs().max() <= error
    wide = augment.affine_maps(torch.zeros(1), torch.tensor([0.5]), torch.tensor([[0.5, -0.5]]), (20, 60))
    moved = augment.affine_boxes(torch.tensor([[[30.0, 0, 60, 10]]]), wide, (20, 60))  # the upper right quarter
    torch.testing.assert_close(moved, torch.tensor([[[0.0, 0, 60, 20]]]))


def test_boxes_are_cut_at_the_border_and_those_that_left_are_dropped():
    cut, share = augment.cut_boxes(torch.tensor([[[-5.0, 2, 5, 12], [38, 38, 46, 46], [50, 1, 60, 9]]]), (40, 40))
    assert cut[0, :2].tolist() == [[0, 2, 5, 12], [38, 38, 40, 40]]
    torch.testing.assert_close(share, torch.tensor([[0.5, 1 / 16, 0.0]]))


def a_run(step, rank=0, world=1):
    run = Run(Settings(device="cpu", threads=1, precision="fp32", steps=9, seed=3))
    run.step, run.rank, run.world = step, rank, world
    return run


def test_augmentation_of_boxes_is_a_function_of_step_and_row():
    options = BoxAugmentation(shift=9, flip=True, crop=0.6, colour=0.3)
    rng = np.random.default_rng(1)
    corner = torch.tensor(rng.integers(0, 30, (12, 2, 2))).float()
    truth = torch.cat([torch.tensor(rng.integers(0, 3, (12, 2, 1))).float(), corner, corner + 9], -1)
    truth[::3, 1] = -1
    images = torch.tensor(rng.integers(0, 256, (12, 1, 40, 40), np.uint8))
    whole = augmented_boxes(a_run(7), options, images, truth, 12)
    for rank in (0, 1):
        mine = augmented_boxes(a_run(7, rank, 2), options, images[rank::2], truth[rank::2], 12)
        assert torch.equal(mine[0], whole[0][rank::2]) and torch.equal(mine[1], whole[1][rank::2])
    other = augmented_boxes(a_run(8), options, images, truth, 12)[1]
    assert not torch.equal(other, whole[1])
    assert bool((whole[1][::3, 1] == -1).all())  # what was not there does not appear
    there = whole[1][:, :, 0] >= 0
    lost = ~there & (truth[:, :, 0] >= 0)
    assert bool(lost.any()) and bool((whole[1][lost] == -1).all())
    assert whole[1][there][:, 1:].min() >= 0 and whole[1][there][:, 1:].max() <= 40
    same = augmented_boxes(a_run(7), BoxAugmentation(), images, truth, 12)
    assert same[0] is images and same[1] is truth


def test_a_detector_trains_on_augmented_pictures_and_refuses_to_lose_them(first, tmp_path):
    _, data = first
    given = {**SHAPE, "data": data, "flip": True, "crop": 0.8, "colour": 0.2}
    run = deepcanon.train("object-detection", out=tmp_path / "run", steps=3, shift=4, **given)
    assert np.isfinite(run.metrics["train/loss"])
    with pytest.raises(UsageError, match="--shift 32 may move all of them out of sight"):
        deepcanon.train("object-detection", out=tmp_path / "far", steps=3, shift=32, **given)
    with pytest.raises(UsageError, match="--widths: give at least one"):
        deepcanon.train("object-detection", out=tmp_path / "none", steps=3, **{**given, "widths": ()})


def final(boxes, scores, about):
    """What the JSON of an export says that is left to do, in NumPy."""
    wanted = about["final"]
    anchors, classes = (scores >= wanted["least_score"]).nonzero()
    kept = []
    for place in (-scores[anchors, classes]).argsort(kind="stable")[: wanted["candidates"]]:
        box, label, score = boxes[anchors[place]], int(classes[place]), float(scores[anchors[place], classes[place]])
        near = iou(
            torch.tensor(box)[None], torch.tensor(np.array([b for b, k, _ in kept if k == label]).reshape(-1, 4))
        )
        if not (near > wanted["largest_overlap"]).any():
            kept.append((box, label, score))
    return kept[: wanted["most"]]


def test_onnxruntime_gives_the_same_boxes_for_any_batch(first, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run, _ = first
    run.export("onnx", tmp_path / "found.onnx")
    about = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert about["task"] == "detect" and about["classes"] == ["dark", "light"] and about["size"] == [32, 40]
    assert [one["name"] for one in about["outputs"]] == ["boxes", "scores"]
    session = runtime.InferenceSession(str(tmp_path / "found.onnx"))
    pixels = run.recipe.run.data["train"].x
    found = 0
    for count in (1, 3, 7):
        boxes, scores = session.run(None, {"pixels": pixels[:count].numpy()})
        with torch.no_grad():
            expected = run.recipe.decoded(pixels[:count])
        np.testing.assert_allclose(boxes, expected[0], atol=2e-3)
        np.testing.assert_allclose(scores, expected[1], atol=1e-5)
        for row, answer in enumerate(run.predict(pixels[:count])):
            mine = final(boxes[row], scores[row], about)
            assert len(mine) == len(answer["boxes"])
            theirs = [[one["score"], one["x"], one["y"]] for one in answer["boxes"]]
            labels = [one["label"] for one in answer["boxes"]]
            for box, label, score in mine:  # nearly equal scores may change places
                same = [row for row, name in zip(theirs, labels, strict=True) if name == about["classes"][label]]
                assert np.abs(np.array(same) - [score, *box[:2]]).max(1).min() < 2e-3
                found += 1
    assert found
    with pytest.raises(ValueError, match="pictures of 9x8 pixels: the detector learned from 40x32"):
        run.predict(torch.zeros(1, 1, 8, 9, dtype=torch.uint8))


def begin(tmp_path, data, source, name="second", **options):
    said = []
    given = {**SHAPE, "quiet": False, "init_from": str(source), **options}
    run = deepcanon.train("object-detection", data=data, out=tmp_path / name, steps=1, say=said.append, **given)
    return run, "\n".join(said)


def test_other_classes_take_the_backbone_alone_and_the_same_ones_take_all(first, tmp_path):
    run, data = first
    again, said = begin(tmp_path, data, run.folder)
    assert "stem, stages, neck, classes, offsets at 0.1" in said
    assert again.recipe.facts["anchors"] == run.recipe.facts["anchors"]
    other = own_boxes(tmp_path / "other")
    table = other / "boxes.csv"
    table.write_text(table.read_text().replace("dark", "black"), encoding="utf-8")
    other_run, said = begin(tmp_path, str(other), run.folder, "third", freeze=("all",))
    assert "copied from" in said and "; new: classes, offsets" in said
    old, new = run.module.state_dict(), other_run.module.state_dict()
    assert all(torch.equal(new[name], value) for name, value in old.items() if name.split(".")[0] in ("stem", "stages"))
    assert not torch.equal(new["classes.weight"], old["classes.weight"])


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.module."])
def test_names_of_a_wrapper_are_understood_and_said(first, tmp_path, prefix):
    run, data = first
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({prefix + name: value for name, value in run.module.state_dict().items()}, path)
    second, said = begin(tmp_path, data, path, freeze=("stem",))
    assert f"; {prefix} before its names left out" in said
    name = "stem.convolution.weight"
    assert torch.equal(second.module.state_dict()[name], run.module.state_dict()[name])
