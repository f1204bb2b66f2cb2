"""Pictures with boxes: splits of one's own, pictures that are not held in memory, units, the order of classes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deepcanon.data import DataError, boxes, open_data
from deepcanon.data.class_names import class_order
from deepcanon.data.streamed import StreamedPixels

HEADER = "file,x,y,width,height,label"


def pictures(folder, count=6, size=(40, 30)):
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(folder / f"{number}.png")
    return folder


def table(place, rows, header=HEADER):
    place.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")


def coco(place, names, corner):
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [corner, 2, 9, 9]} for n in range(len(names))
        ],
    }
    place.write_text(json.dumps(content), encoding="utf-8")


def opened(place, **options):
    return open_data(("boxes",), str(place), options={"boxes": {"valid_share": 0.2, "test_share": 0.2, **options}})


def said(data, words):
    return any(words in note for note in data.notes)


def test_a_column_says_the_split_of_every_picture(tmp_path):
    own = pictures(tmp_path / "own")
    parts = ["train", "Val", "train", "train", "validation", "train"]
    table(own / "boxes.csv", [(f"{n}.png", n, 2, 9, 9, "cat", part) for n, part in enumerate(parts)], HEADER + ",split")
    data = opened(own)
    assert data["valid"].y[:, 0, 1].tolist() == [1, 4]
    assert len(data["train"]) == 3 and len(data["test"]) == 1  # which no row names: it is drawn
    assert said(data, "splits: as column split of boxes.csv says") and said(data, "(test drawn from train by seed 0)")
    table(own / "boxes.csv", [("0.png", 0, 2, 9, 9, "cat", "train"), ("0.png", 9, 2, 9, 9, "cat", "test")],
          HEADER + ",split")  # fmt: skip
    with pytest.raises(DataError, match=r"line 2 and line 3: say that '0.png' is of train and of test"):
        opened(own)
    table(own / "boxes.csv", [("0.png", 0, 2, 9, 9, "cat", "some")], HEADER + ",split")
    with pytest.raises(DataError, match=r"line 2: says split 'some'; write train, valid or test"):
        opened(own)
    table(own / "boxes.csv", [("0.png", 0, 2, 9, 9, "cat", "test")], HEADER + ",split")
    with pytest.raises(DataError, match="no picture to train on"):
        opened(own)


def test_each_split_may_have_a_file_of_its_own(tmp_path):
    own = pictures(tmp_path / "own")
    coco(own / "boxes-train.json", ["0.png", "1.png", "2.png"], 1)
    coco(own / "boxes_val.json", ["3.png", "4.png"], 5)
    data = opened(own, test_share=0.0)
    assert data.counts() == {"train": 3, "valid": 2} and data["valid"].y[:, 0, 1].tolist() == [5, 5]
    assert said(data, "splits: train from boxes-train.json, valid from boxes_val.json")
    coco(own / "boxes_val.json", ["2.png"], 5)
    with pytest.raises(DataError, match=r"'2.png' is '2.png' as well; give a picture one name, and one split"):
        opened(own)
    coco(own / "boxes-valid.json", ["3.png"], 5)
    with pytest.raises(DataError, match=r"has boxes-valid.json and boxes_val.json of valid, and only one"):
        opened(own)
    for name in ("boxes-train.json", "boxes-valid.json"):
        (own / name).unlink()
    with pytest.raises(DataError, match="has boxes of valid and none of train"):
        opened(own)


def test_each_split_may_have_a_folder_of_its_own(tmp_path):
    coco(pictures(tmp_path / "own" / "train") / "_annotations.coco.json", ["0.png", "1.png", "2.png"], 1)
    coco(pictures(tmp_path / "own" / "valid") / "_annotations.coco.json", ["0.png"], 5)
    table(pictures(tmp_path / "own" / "test") / "boxes.csv", [("0.png", 7, 2, 9, 9, "cat")])
    data = opened(tmp_path / "own")
    assert data.counts() == {"train": 3, "valid": 1, "test": 1}
    assert data["test"].y[0, 0].tolist() == [0, 7, 2, 16, 11]
    assert data.examples[0].startswith("train/0.png: 1 boxes")


def test_pictures_are_the_same_from_disk_as_in_memory(tmp_path, monkeypatch):
    own = pictures(tmp_path / "own", 10, (80, 60))
    table(own / "boxes.csv", [(f"{n}.png", n, 2, 9, 9, "cat") for n in range(10)])
    held = opened(own, size=24)
    for cache in ("auto", "off"):
        monkeypatch.setattr(boxes, "IN_MEMORY", 10)
        monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "cache"))
        streamed = opened(own, size=24, cache=cache)
        assert said(streamed, "read batch by batch" if cache == "auto" else "each epoch decodes again")
        for name in ("train", "valid", "test"):
            assert isinstance(streamed[name].x, StreamedPixels)
            rows = torch.arange(len(held[name]))
            assert torch.equal(streamed[name].take(rows).x, held[name].x)
            assert torch.equal(streamed[name].y, held[name].y)


def test_a_size_that_nobody_chose_is_bounded(tmp_path):
    own = pictures(tmp_path / "own", 2, (1000, 400))
    table(own / "boxes.csv", [("0.png", 500, 100, 100, 200, "cat"), ("1.png", 0, 0, 1000, 400, "cat")])
    data = opened(own, valid_share=0.0, test_share=0.0)
    assert data.facts["size"] == [102, 256] and said(data, "pictures: 1000x400, resized and centre-cropped to 256x102")
    np.testing.assert_allclose(data["train"].y[0, 0, 1:], 0.256 * torch.tensor([500, 100, 600, 300]), atol=0.3)


def test_shares_of_a_side_are_refused_and_numbers_like_percentages_are_told(tmp_path):
    own = pictures(tmp_path / "own", 9, (300, 300))
    table(own / "boxes.csv", [(f"{n}.png", 0.1, 0.2, 0.5, 0.5, "cat") for n in range(9)])
    with pytest.raises(DataError, match="shares of the pictures' sides and not pixels; multiply x and width by the"):
        opened(own)
    table(own / "boxes.csv", [(f"{n}.png", 0.7, 0.5, 0.5, 0.5, "cat") for n in range(9)])
    with pytest.raises(DataError, match="x and y seem to be centres, as YOLO has them: take half the width from x"):
        opened(own)
    table(own / "boxes.csv", [(f"{n}.png", 10, 20, 50, 50, "cat") for n in range(9)])
    assert said(opened(own), "understood as pixels, and all end at 100 or before: if they are percentages")
    table(own / "boxes.csv", [(f"{n}.png", 10, 20, 50, 50 + 20 * n, "cat") for n in range(9)])
    assert not said(opened(own), "percentages")
    table(own / "boxes.csv", [("0.png", 0, 0, 9, 9, "cat")], "file,xmin,ymin,xmax,ymax,label")
    with pytest.raises(DataError, match=r"lacks the column x; .* of two corners, the width is the right edge minus"):
        opened(own)


def test_classes_are_in_the_order_of_their_numbers_unless_a_run_knows_another(tmp_path):
    assert class_order(["10", "9", "b2", "a", "b10", "9"])[0] == ["9", "10", "a", "b2", "b10"]
    assert class_order(["b", "a", "2"]) == (["2", "a", "b"], [])
    own = pictures(tmp_path / "own", 2)
    table(own / "boxes.csv", [("0.png", 1, 2, 9, 9, "10"), ("1.png", 1, 2, 9, 9, "9")])
    data = opened(own, valid_share=0.0, test_share=0.0)
    assert data.facts["classes"] == ["9", "10"] and data["train"].y[:, 0, 0].tolist() == [1, 0]
    assert said(data, "the order of the numbers in their names")
    learned = {"classes": ["10", "8", "9"], "size": [15, 20], "channels": 1}
    data = opened(own, learned=learned, valid_share=0.0, test_share=0.0)
    assert data.facts == learned and data["train"].y[:, 0, 0].tolist() == [0, 2]
    assert data["train"].x.shape == (2, 1, 15, 20)
