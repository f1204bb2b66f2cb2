"""Boxes that are found lie in the pixels of the picture that was given: as records, lines, rows and drawings."""

import csv
import json

import numpy as np
import pytest
import torch
from contract.own_boxes import own_boxes
from PIL import Image

import deepcanon
from deepcanon.cli import main
from deepcanon.data import boxes as reader
from deepcanon.data.box_files import Box
from deepcanon.data.streamed import StreamedPixels
from deepcanon.engine.boxed import boxed, colour_of
from deepcanon.errors import UsageError

SHAPE = {"widths": (4, 8, 8), "batch": 8, "quiet": True, "plain": True, "seed": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short training on pictures of 40x32 and 40x36, read at 40x32; it finds boxes of low scores."""
    folder = tmp_path_factory.mktemp("found")
    data = own_boxes(folder / "own")
    return deepcanon.train("object-detection", data=str(data), out=folder / "run", steps=60, least=0.005, **SHAPE), data


@pytest.fixture
def pictures(trained, tmp_path):
    """A picture at the size of training, the same enlarged, one that is wider, and one that EXIF turns."""
    _, data = trained
    image = Image.open(data / "0.png")
    folder = tmp_path / "new"
    folder.mkdir()
    image.save(folder / "a.png")
    image.resize((120, 96), Image.Resampling.NEAREST).save(folder / "b.png")
    wide = Image.new("L", (80, 32), 30)
    wide.paste(image, (20, 0))
    wide.save(folder / "c.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(folder / "d.png", exif=exif)
    return folder


@pytest.mark.parametrize("size", [(32, 40), (64, 20), (50, 50)])
def test_what_was_scaled_for_training_is_scaled_back(size):
    box = Box("a", 50.5, 41.0, 20.0, 30.0, "")
    left, top, right, bottom = reader.scaled(box, 133, 120, size)
    found = {"label": "a", "score": 0.5, "x": left, "y": top, "width": right - left, "height": bottom - top}
    back = reader.unscaled(found, 133, 120, size)
    assert [back[name] for name in ("x", "y", "width", "height")] == pytest.approx([50.5, 41.0, 20.0, 30.0])
    assert (back["label"], back["score"]) == ("a", 0.5)


def test_boxes_are_in_pixels_of_the_picture_that_was_given(trained, pictures):
    run, _ = trained
    answers = run.predict([str(pictures)])
    assert [answer["input"][-5:] for answer in answers] == ["a.png", "b.png", "c.png", "d.png"]
    places = [
        torch.tensor([[box[name] for name in ("x", "y", "width", "height")] for box in answer["boxes"]])
        for answer in answers
    ]
    raw = run.predict(torch.from_numpy(np.array(Image.open(pictures / "a.png")))[None, None])[0]["boxes"]
    assert len(answers[0]["boxes"]) == len(raw) > 0  # values of the learned size are answered as they are
    for box, same in zip(answers[0]["boxes"], raw, strict=True):
        assert box == pytest.approx(same, abs=1e-3)
    torch.testing.assert_close(places[2], places[0] + torch.tensor([20.0, 0, 0, 0]))
    torch.testing.assert_close(places[3], places[0])
    scores = [[box["score"] for box in answer["boxes"]] for answer in answers]
    assert scores[0] == pytest.approx(scores[2], abs=1e-5)
    # resampling changes pixels a little, so boxes of the enlarged picture lie near three times those of the other
    assert (3 * places[0][0] - places[1][0]).abs().max() < 6
    notes = [answer.get("note") for answer in answers]
    assert notes == [None, None, "only the middle 40x32 of 80x32 pixels is looked at", None]


def test_the_command_line_writes_lines_rows_json_and_drawings(trained, pictures, tmp_path, capsys):
    run, _ = trained
    Image.new("L", (40, 32), 0).save(pictures / "empty.png")
    (pictures / "broken.png").write_bytes(b"no picture")
    given = ["predict", str(run.folder), str(pictures)]
    assert main([*given, "--to", str(tmp_path / "found.csv"), "--draw", str(tmp_path / "deep" / "drawn")]) == 2
    out, err = capsys.readouterr()
    answers = {answer["input"]: answer for answer in run.predict([str(pictures)])}
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    best = answers[str(pictures / "a.png")]["boxes"][0]
    size = f"{best['width']:.0f}x{best['height']:.0f} at {best['x']:.0f},{best['y']:.0f}"
    assert lines[str(pictures / "a.png")].split(";")[0] == f"{best['label']} {best['score']:.2f} {size}"
    assert "5 pictures with boxes in" in err and "broken.png: is not an image" in err
    with open(tmp_path / "found.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, answer in answers.items():
        own = [row for row in rows if row["input"] == name]
        assert len(own) == max(1, len(answer.get("boxes", ())))
        for row, box in zip(own, answer.get("boxes", ()), strict=False):
            assert {key: row[key] for key in box} == {key: str(value) for key, value in box.items()}
    assert [bool(row["error"]) for row in rows if "broken" in row["input"]] == [True]
    names = sorted(path.name for path in (tmp_path / "deep" / "drawn").iterdir())
    assert names == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "empty.jpg"]
    assert Image.open(tmp_path / "deep" / "drawn" / "c.jpg").size == (80, 32)
    assert main([*given, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert [one.get("boxes") for one in said] == [answer.get("boxes") for answer in answers.values()]


def test_a_picture_without_a_box_has_a_line_and_an_empty_row(trained, tmp_path, capsys):
    _, data = trained
    strict = deepcanon.train("object-detection", data=str(data), out=tmp_path / "run", steps=1, least=0.9, **SHAPE)
    assert main(["predict", str(strict.folder), str(data / "0.png"), "--to", str(tmp_path / "found.csv")]) == 0
    assert capsys.readouterr().out == f"{data / '0.png'}: no box\n"
    rows = (tmp_path / "found.csv").read_text().splitlines()
    assert rows == ["input,label,score,x,y,width,height", f"{data / '0.png'},,,,,,"]


def test_frames_and_plates_stay_in_the_picture():
    box = {"label": "cup", "score": 0.876, "x": 30.0, "y": 40.0, "width": 50.0, "height": 20.0}
    corner = {**box, "x": 150.0, "y": 0.0, "width": 10.0, "height": 8.0}
    drawn = np.asarray(boxed(Image.new("RGB", (160, 90), "black"), [box, corner])).astype(int)
    colour = np.array([int(colour_of("cup")[i : i + 2], 16) for i in (1, 3, 5)])
    of_box = (drawn == colour).all(-1)
    assert of_box[40, 30:80].all() and of_box[59, 30:80].all() and of_box[40:60, 30].all() and of_box[40:60, 79].all()
    assert not of_box[42:58, 32:78].any()
    plate = drawn[25:40, 30:110]  # above the box
    assert (plate == colour).all(-1).any(1).sum() >= 9 and (plate > 200).all(-1).any()
    assert of_box[0:8, 159].all() and of_box[1, 100:150].any()  # moved to the left and down, to be seen


def test_a_drawing_never_overwrites_a_picture(trained, pictures, tmp_path):
    run, _ = trained
    Image.open(pictures / "a.png").save(pictures / "e.jpg")
    (pictures / "under").mkdir()
    Image.open(pictures / "a.png").save(pictures / "under" / "a.png")
    given = run.read([str(pictures)])
    answers = run.answer(given)
    with pytest.raises(UsageError, match=r"e\.jpg is one of the pictures and would be overwritten"):
        run.draw(given, answers, pictures)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        run.draw(given, answers, tmp_path / "file")
    files = run.draw(given, answers, tmp_path / "drawn")
    assert [file.name for file in files] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "a-2.jpg"]


def test_only_boxes_in_files_are_drawn(trained):
    run, _ = trained
    given = run.read(torch.zeros(1, 1, 32, 40, dtype=torch.uint8))
    with pytest.raises(UsageError, match="finds no boxes in files"):
        run.draw(given, run.answer(given), "drawn")


def test_arrays_are_answered_as_tensors_are(trained):
    run, _ = trained
    pixels = run.recipe.run.data["train"].x[:3]
    expected = run.predict(pixels)
    assert run.predict(pixels.numpy()) == expected == run.predict(pixels[:, 0].numpy())


def test_a_large_set_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    place, asked, read = own_boxes(tmp_path / "own"), [], StreamedPixels.__getitem__
    lines = (place / "boxes.csv").read_text(encoding="utf-8").splitlines()
    for copy in range(1, 16):  # 384 pictures
        for number in range(24):
            (place / f"{copy}-{number}.png").hardlink_to(place / f"{number}.png")
        lines += [f"{copy}-{line}" for line in lines[1:37]]
    (place / "boxes.csv").write_text("\n".join(lines), encoding="utf-8")

    def counted(self, rows):
        found = read(self, rows)
        asked.append(len(found) if found.ndim == 4 else 1)
        return found

    monkeypatch.setattr(reader, "IN_MEMORY", 0)
    monkeypatch.setattr(StreamedPixels, "__getitem__", counted)
    shares = {"valid_share": 0.4, "test_share": 0.4, "cache": "off"}
    run = deepcanon.train("object-detection", data=str(place), out=tmp_path / "run", steps=1, **shares, **SHAPE)
    assert len(run.recipe.run.data["test"]) > 128 and max(asked) == 128
