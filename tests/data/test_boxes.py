"""Pictures with boxes: a CSV or a COCO-style JSON, scaled boxes, what is refused; canvases and their boxes."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deepcanon.data import DataError, open_data, read_inputs
from deepcanon.data.drawn import Streams
from deepcanon.data.tasks import canvas
from deepcanon.parts.boxes import iou

ROWS = [("a.png", 2, 3, 10, 5, "cat"), ("a.png", 20, 10, 12, 14, "dog"), ("b.png", 0, 0, 40, 30, "cat")]


def folder(place, rows=ROWS, form="csv"):
    place.mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        pixels = np.full((30, 40, 3), 60 * number, np.uint8)
        for file, x, y, width, height, _ in rows:
            if file == name and isinstance(x, int):
                pixels[y : y + height, x : x + width] = 255
        Image.fromarray(pixels).save(place / name)
    if form == "csv":
        lines = ["file,x,y,width,height,label", *(",".join(map(str, row)) for row in rows)]
        (place / "boxes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return place
    names, labels = ["a.png", "b.png", "c.png"], ["cat", "dog"]
    content = {
        "images": [{"id": 7 + i, "file_name": name} for i, name in enumerate(names)],
        "categories": [{"id": 90 + i, "name": name} for i, name in enumerate(labels)],
        "annotations": [
            {"id": i, "image_id": 7 + names.index(row[0]), "category_id": 90 + labels.index(row[5]), "bbox": row[1:5]}
            for i, row in enumerate(rows)
        ],
    }
    (place / "boxes.json").write_text(json.dumps(content), encoding="utf-8")
    return place


def opened(place, **options):
    return open_data(("boxes",), str(place), options={"boxes": {"valid_share": 0.0, "test_share": 0.0, **options}})


@pytest.mark.parametrize("form", ["csv", "json"])
def test_boxes_are_read_with_their_classes(tmp_path, form):
    data = opened(folder(tmp_path / "own", form=form))
    assert data.facts == {"size": [30, 40], "channels": 3, "classes": ["cat", "dog"]}
    x, y = data["train"].x, data["train"].y
    assert y[0].tolist() == [[0, 2, 3, 12, 8], [1, 20, 10, 32, 24]]
    assert y[1].tolist() == [[0, 0, 0, 40, 30], [-1] * 5]
    assert len(x) == (3 if form == "json" else 2)  # COCO lists the picture without boxes
    left, top, right, bottom = map(int, y[0, 0, 1:])
    assert bool((x[0, :, top:bottom, left:right] == 255).all())


def test_boxes_follow_the_picture_when_it_is_scaled_and_cut(tmp_path):
    data = opened(folder(tmp_path / "own", [*ROWS, ("b.png", 0, 5, 6, 6, "dog")]), size=15)
    y = data["train"].y  # 40 x 30 at half size is 20 x 15: 2.5 columns are cut off on either side
    np.testing.assert_allclose(y[0, 1], [1, 7.5, 5, 13.5, 12])
    np.testing.assert_allclose(y[0, 0], [0, 0, 1.5, 3.5, 4])
    assert y[1].tolist() == [[0, 0, 0, 15, 15], [-1] * 5]
    assert any("1 boxes left out" in note for note in data.notes)
    assert any("pictures: 40x30, resized and centre-cropped to 15x15" in note for note in data.notes)
    Image.new("RGB", (50, 20)).save(tmp_path / "own" / "a.png")
    (tmp_path / "own" / "boxes.csv").write_text("file,x,y,width,height,label\na.png,9,2,9,9,cat\nb.png,9,2,9,9,cat")
    assert any(
        "pictures: 2 sizes, resized and centre-cropped to 40x20" in note for note in opened(tmp_path / "own").notes
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("a.png", 2, 3, 0, 5, "cat"), "a box of 0 x 5 pixels"),
        (("a.png", 30, 3, 20, 5, "cat"), "leaves the picture"),
        (("a.png", "two", 3, 4, 5, "cat"), "not a number"),
        (("a.png", "nan", 3, 4, 5, "cat"), "not "),
        (("a.png", 2, 3, 4, 5, ""), "has no label"),
        (("gone.png", 2, 3, 4, 5, "cat"), "names 'gone.png', which is not here"),
        (("../gone/a.png", 2, 3, 4, 5, "cat"), "not in the folder"),
        (("a.png", "1_0", 3, 4, 5, "cat"), "column x: '1_0' is not a number"),
        (("a.png", "\u2460", 3, 4, 5, "cat"), "is not a number"),
        (("a.png", "inf", 3, 4, 5, "cat"), "not finite"),
        (("a.png", "2", 3, 0.25, 0.3, "cat"), "a box of 0.25 x 0.3 pixels"),
        (ROWS[0], "line 2 and line 5: give one box of 'a.png' twice"),
        (("./a.png", 1, 1, 4, 5, "cat"), "'./a.png' is 'a.png' as well"),
        (("a.png", 30, 20, -12, 5, "cat"), "a box of -12 x 5 pixels; .* pixels; x and y are the upper left corner"),
        (("a.png", 20, 15, 32, 24, "cat"), "leaves the picture; .* lower right corner, subtract the upper left one"),
    ],
)
def test_wrong_rows_are_named_with_their_line_or_left_out(tmp_path, row, words):
    place = folder(tmp_path / "own", [*ROWS, row])
    with pytest.raises(DataError, match=words) as said:
        opened(place)
    assert "boxes.csv" in str(said.value) and "5" in str(said.value)
    data = open_data(("boxes",), str(place), options={"boxes": {"valid_share": 0.0, "test_share": 0.0}}, skip_bad=True)
    assert int((data["train"].y[:, :, 0] >= 0).sum()) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("categories"), "no list of categories"),
        (lambda c: c["images"].append({"id": 7, "file_name": "d.png"}), "image 7: has an id that occurs twice"),
        (lambda c: c["images"].append({"id": 1, "file_name": "a.png"}), "lists image 'a.png' 2 times"),
        (lambda c: c["categories"].append({"id": 90, "name": "cow"}), "category 90: has an id that occurs twice"),
        (lambda c: c["categories"][0].update(name=None), "category 0 of its list lacks name"),
        (lambda c: c["images"][0].update(width=80, height=60), "says 80x60 for 'a.png', which has 40x30"),
        (lambda c: c["images"][0].update(width="40", height="30"), "says '40'x'30' for 'a.png', which has 40x30"),
        (lambda c: c["annotations"][0].update(iscrowd="1"), "annotation 0: has iscrowd '1'; write 1 for a box"),
        (lambda c: c["annotations"][0].update(image_id="7"), "annotation 0: has image_id '7', which the file"),
        (lambda c: c["annotations"][0].update(bbox=[2, 3, 10]), r"annotation 0: has bbox \[2, 3, 10\]"),
        (lambda c: c["annotations"][0].update(bbox="2395"), "annotation 0: has bbox '2395'"),
        (lambda c: c["annotations"][0].update(bbox=[2, 3, 10**400, 5]), "annotation 0: has bbox"),
        (lambda c: c["annotations"][0].update(bbox=[True, 3, 10, 5]), "annotation 0: has bbox"),
        (
            lambda c: c["annotations"][0].update(bbox=[float("nan"), 3, 10, 5]),
            "annotation 0: has a box whose numbers are",
        ),
        (
            lambda c: c["images"][1].update(file_name="z.png"),
            "image 8: names 'z.png', which is not here; remove it with",
        ),
        (lambda c: [a.update(iscrowd=1) for a in c["annotations"]], r"names no box in a picture \(3 boxes of crowds"),
    ],
)
def test_a_json_of_boxes_is_not_guessed_at(tmp_path, change, words):
    place = folder(tmp_path / "own", form="json")
    content = json.loads((place / "boxes.json").read_text(encoding="utf-8"))
    change(content)
    (place / "boxes.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        opened(place)


def test_what_is_not_used_of_a_file_of_boxes_is_said(tmp_path):
    place = folder(tmp_path / "json", form="json")
    content = json.loads((place / "boxes.json").read_text(encoding="utf-8"))
    content["annotations"][0].update(iscrowd=1, segmentation={"counts": [1], "size": [1, 1]})
    content["annotations"][2].update(id=1)
    content["categories"].append({"id": 1, "name": "cow"})
    (place / "boxes.json").write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    data = opened(place)
    assert (data["train"].y[:, :, 0] >= 0).sum() == 2
    for words in (
        "1 boxes of crowds",
        "an id that occurs twice, all kept: 1",
        "annotations: segmentation",
        "of the classes: cow",
    ):
        assert any(words in note for note in data.notes)
    place = folder(tmp_path / "csv")
    rows = ["file;x;y;width;height;label;by", "a.png;1,5;2;10;5;cat;me"]
    (place / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    data = opened(place, levels=(0.0, 1.0))
    assert data["train"].y[0, 0].tolist() == [0, 1.5, 2, 11.5, 7]
    for words in ("column x: decimal commas", "columns not used: by", "name: b.png and 1 more", "--levels is not"):
        assert any(words in note for note in data.notes)


def test_what_is_no_set_of_boxes_is_refused(tmp_path):
    both = folder(tmp_path / "both")
    (both / "boxes.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="only one can be read"):
        opened(both)
    (both / "boxes.csv").unlink()
    with pytest.raises(DataError, match="not a JSON of boxes"):
        opened(both)
    (both / "boxes.json").unlink()
    with pytest.raises(DataError, match="boxes"):
        opened(both)
    (both / "boxes.csv").write_text("file,x,y,width,label\na.png,1,2,3,cat\n", encoding="utf-8")
    with pytest.raises(DataError, match="lacks the column height"):
        opened(both)


def test_inputs_say_what_of_them_is_not_looked_at(tmp_path):
    place = folder(tmp_path / "own")
    found = read_inputs("boxes", {"size": [15, 15], "channels": 1, "classes": ["cat"]}, [str(place / "a.png")])
    assert (
        found.values.shape == (1, 1, 15, 15) and found.notes[0] == "only the middle 30x30 of 40x30 pixels is looked at"
    )


def test_canvases_have_the_smallest_box_of_every_picture_and_repeat_with_the_seed():
    data = open_data(("boxes",), "canvas", options={"boxes": {"valid_share": 0.1, "test_share": 0.1}})
    split = data["test"]
    counts = (split.y[:, :, 0] >= 0).sum(1)
    assert set(counts.tolist()) == {1, 2, 3, 4}
    for x, y in zip(split.x[:60], split.y[:60], strict=True):
        boxes = y[y[:, 0] >= 0, 1:]
        overlap = iou(boxes, boxes).fill_diagonal_(0)
        assert overlap.max() <= canvas.COVERED + 1e-6
        covered = torch.zeros(x.shape[1:], dtype=torch.bool)
        for left, top, right, bottom in boxes.int().tolist():
            part = x[0, top:bottom, left:right] >= canvas.BRIGHT
            assert bool(part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any())
            covered[top:bottom, left:right] = True
        assert not bool((x[0] >= canvas.BRIGHT)[~covered].any())
    train = data["train"]
    first, again, later = (train.batch(Streams(3, step), 16) for step in (0, 0, 1))
    assert torch.equal(first.x, again.x) and torch.equal(first.y, again.y) and not torch.equal(first.x, later.x)
