"""Maps of examples on the local page: what is offered, the numbers and pictures of the points, and what is refused."""

import io
import json
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image
from serving.conftest import MARKUP, made

from deepcanon.engine.figures import Heat, Scatter
from deepcanon.engine.pictures import read_figure, save_figures
from deepcanon.engine.shown import embedding, thumbnails
from deepcanon.serving.maps import WIDE, numbers_of, sheet_of

POINTS = [[0.0, 1.0], [2.5, -3.25], [float("nan"), 0.0]]


@pytest.fixture(scope="module")
def run(runs) -> Path:
    folder = made(runs / "a map")
    pictures = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 1, 4, 5)
    classes = Scatter(POINTS, "across", "up", groups=[0, 1, 1], names=(MARKUP, "b"), images=pictures, caption=MARKUP)
    words = Scatter(POINTS, values=[0.5, float("nan"), 2.0], unit="cm", texts={1: MARKUP}, equal=False)
    save_figures(folder / "figures", 3, {"classes": classes, "words": words, "heat": Heat(np.eye(2), "a", "b")})
    return folder


@pytest.fixture
def get(run, ask):
    return lambda kind, name, step=3: ask(f"{kind}/{quote('a map')}?name={quote(name)}&step={step}")


def test_points_keep_their_places_groups_values_and_words(get):
    found = json.loads(get("points", "classes").text)
    assert found["x"] == [0.0, 2.5, None] and found["y"] == [1.0, -3.25, 0.0] and found["axes"] == ["across", "up"]
    assert found["groups"] == [0, 1, 1] and found["names"] == [MARKUP, "b"] and found["picture"] == [4, 5]
    found = json.loads(get("points", "words").text)
    assert found["values"] == [0.5, None, 2.0] and found["unit"] == "cm" and found["texts"] == {"1": MARKUP}
    assert found["groups"] is found["picture"] is None and found["equal"] is False


def test_each_picture_lies_where_the_page_looks_for_it(run):
    random = np.random.default_rng(0)
    for channels in (1, 3):
        images = random.integers(0, 256, (WIDE + 2, channels, 4, 5), dtype=np.uint8)
        sheet = np.array(Image.open(io.BytesIO(sheet_of(Scatter(np.zeros((WIDE + 2, 2)), images=images)))))
        sheet = sheet.reshape(*sheet.shape[:2], channels)
        for i, image in enumerate(images):
            row, column = divmod(i, WIDE)
            there = sheet[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
            assert np.array_equal(there, image.transpose(1, 2, 0))
    assert sheet_of(Scatter(POINTS)) is None
    assert read_figure(run / "figures" / "classes-00000003.npz").images.dtype == np.uint8


def test_a_run_leads_to_its_maps_and_markup_stays_text(get, ask):
    figure = f"figure/{quote('a map')}?folder=figures&step=3&name="
    assert "<a href='../map/a%20map?name=classes&amp;step=3'>" in ask(f"{figure}classes").text
    assert "look closer" not in ask(f"{figure}heat").text
    page = get("map", "classes").text
    assert "map.js" in page and "<script>alert" not in page and "&lt;script&gt;" in page
    assert ask("map.js").status == 200


@pytest.mark.parametrize(
    ("kind", "name", "step", "status"),
    [("map", "heat", 3, 404), ("points", "none", 3, 404), ("sheet", "words", 3, 404), ("points", "classes", "x", 400),
     ("points", "broken", 1, 409), ("map", "../../outside", 3, 404)],
)  # fmt: skip
def test_what_is_no_map_is_refused(get, run, kind, name, step, status):
    (run / "figures" / "broken-00000001.npz").write_bytes(b"no archive")
    assert get(kind, name, step).status == status


def test_thumbnails_fit_into_a_megabyte_and_stay_what_they_are():
    assert thumbnails(torch.zeros(200, 1, 8, 8, dtype=torch.uint8)).shape == (200, 1, 8, 8)
    large = torch.zeros(3000, 1, 28, 28, dtype=torch.uint8)
    large[:, :, :14] = 200
    small = thumbnails(large)
    assert small.shape == (3000, 1, 14, 14) and small.numel() <= 1 << 20
    assert (small[:, :, :7] == 200).all() and (small[:, :, 7:] == 0).all()
    assert thumbnails(torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8)) is None, "two pixels a side show nothing"
    reader = {"classes": ["a", "b"]}
    assert embedding([[0.0, 0.0]] * 200, ("a", "b"), [0] * 200, reader, small[:200]).images is not None


def test_the_numbers_of_many_points_are_small():
    random = np.random.default_rng(0)
    numbers = json.dumps(numbers_of(Scatter(random.standard_normal((10_000, 2)), groups=np.zeros(10_000))))
    assert len(numbers) < 260_000


@pytest.mark.parametrize(("middle", "span"), [(0.0, 1e-9), (123456.0, 0.5), (-3e7, 2e5), (0.0, 4e12)])
def test_a_map_keeps_its_shape_wherever_it_lies_and_however_wide_it_is(middle, span):
    points = middle + span * np.random.default_rng(0).random((50, 2))
    found = numbers_of(Scatter(points))
    assert np.abs(np.stack([found["x"], found["y"]], 1) - points).max() < 2e-5 * span
    assert numbers_of(Scatter([[7.25, float("nan")]] * 2))["x"] == [7.25, 7.25]
