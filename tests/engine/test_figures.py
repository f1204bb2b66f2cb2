"""Figures: values taken apart and put together, drawings whose numbers, names and words stand where they belong."""

import math
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest
import torch

from deepcanon.engine.figures import (
    Bars,
    Dots,
    Edge,
    Graph,
    Heat,
    Histogram,
    Line,
    Panels,
    Plot,
    Scatter,
    Sound,
    Tiles,
    from_arrays,
    to_arrays,
)
from deepcanon.engine.svg import draw, draw_file, size_of
from deepcanon.engine.svg.clouds import placed
from deepcanon.engine.svg.frame import Area, around, cut, width_of, wrapped
from deepcanon.engine.svg.style import DARK, LIGHT, sequential, signed

NAMES = ["cat & dog", "<b>", "a class of a very long name that does not fit anywhere", "7"]
RANDOM = np.random.default_rng(0)
FIGURES = {
    "plot": Plot(
        [
            Line(torch.tensor([1.0, 2.0, float("nan")]), [1, 2, 3], "a <b>", ([0, 1, 2], [2, 3, 4])),
            Line(RANDOM.normal(size=5000).cumsum(), label="many"), Line([3.0], [2.0], style="*", colour=-1),
        ],
        "step", "error (share)", "title", "", {"here": 2.0}, {"chance": 0.5}, caption="Falls.",
    ),
    "log": Plot([Line([1e-9, 0.0, 10.0], [1, 10, 100], style="o-")], "rate", "loss", log="xy", ticks=[1, 10, 100]),
    "field": Plot([Line([0, 1], [0, 1])], "a", "b", arrows=([[0.0, 0.0], [1, 1]], [[1.0, 0.0], [0, 0]]), equal=True),
    "empty": Plot([Line([math.nan, math.inf])], "x", "y", y_range=(0, 0)),
    "scatter": Scatter(RANDOM.normal(size=(50, 2)), "u", "v", groups=torch.arange(50) % 4, names=NAMES),
    "values": Scatter(RANDOM.normal(size=(50, 2)), "u", "v", values=np.arange(50.0), unit="price (k$)"),
    "words": Scatter([[0, 0], [0.1, 0], [math.nan, 1]], "u", "v", texts={0: "one", 1: "two", 2: "lost"}, equal=False),
    "heat": Heat([[0.5, math.nan], [-math.inf, 2.0]], "column", "row", "", NAMES[:2], NAMES[2:], "weight"),
    "signed": Heat(RANDOM.normal(size=(3, 40)), "column", "row", diverging=True),
    "flat": Heat(np.zeros((1, 1)), "column", "row"),
    "histogram": Histogram({"train": RANDOM.normal(size=99), "valid": [math.nan]}, "energy (nats)", density=True),
    "nothing": Histogram({}, "energy (nats)"),
    "bars": Bars({"a": 1.0, "b": -2.0, NAMES[2]: math.nan}, "weight"),
    "dots": Dots({"seed 0": [0.1, 0.2, math.nan, 0.0]}, NAMES, "error", log="x", marks={"goal": 0.15}),
    "graph": Graph(["x", "y <", "sin"], [0, 0, 1], [Edge(0, 2, "1.5", "2"), Edge(1, 2)], "f", {2: "3"}, {0: "g"}, [1]),
    "tiles": Tiles(RANDOM.integers(0, 256, (7, 5, 5), dtype=np.uint8), names=[*NAMES, "a\nb", "c"], scale="Grey is 0"),
    "versions": Tiles(RANDOM.random((6, 3, 4, 8)), versions=["input", "rebuilt"]),
    "sound": Sound(RANDOM.uniform(-1, 1, (3, 900)), 8000, ["loud", "b"], caption="Noise."),
}  # fmt: skip
FIGURES["panels"] = Panels([FIGURES["plot"], FIGURES["heat"], FIGURES["bars"]], columns=2, caption="All.")


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_taken_apart_and_put_together(name):
    arrays = to_arrays(FIGURES[name])
    again = from_arrays(arrays)
    assert type(again) is type(FIGURES[name]) and draw(again) == draw(FIGURES[name])
    other = to_arrays(again)
    assert arrays.keys() == other.keys()
    for key, values in arrays.items():
        assert np.array_equal(values, other[key], equal_nan=key != "figure"), key


@pytest.mark.parametrize("name", FIGURES)
def test_drawings_are_well_formed_and_inside_their_frame(name):
    for hover in (True, False):
        ElementTree.fromstring(draw_file(FIGURES[name], hover))
    for drawn in draw(FIGURES[name]):
        root, (width, height) = ElementTree.fromstring(drawn), size_of(drawn)
        assert 100 < width <= 1000 and 60 < height < 1200
        for one in root.iter():
            if one.tag == "text" and "rotate" not in one.attrib.get("transform", ""):
                x, y = float(one.attrib["x"]), float(one.attrib["y"])
                anchor = one.attrib.get("text-anchor", "start")
                wide = width_of(one.text or "", 9.5 if "9.5" in one.attrib.get("style", "") else 10.5)
                left = x - wide * {"start": 0, "middle": 0.5, "end": 1}[anchor]
                assert left >= -3 and left + wide <= width + 12, (one.text, left, wide)
                assert 0 <= y <= height + 2, (one.text, y)
        numbers = re.sub(r">[^<]*<|base64,[^\"]*", "", drawn)
        assert not re.search(r"[\d \"](nan|inf)\b", numbers)


@pytest.mark.parametrize("name", FIGURES)
def test_files_have_both_colour_schemes_and_refer_to_nothing(name):
    drawn = draw_file(FIGURES[name])
    assert LIGHT in drawn and f"prefers-color-scheme:dark){{:root{{{DARK}" in drawn
    addresses = set(re.findall(r"(?:href|src)=\"([^,\"]*)", drawn))
    assert addresses <= {"data:image/png;base64"} and "<script" not in drawn
    assert re.findall(r"https?://[^\"< ]*", drawn) == ["http://www.w3.org/2000/svg"]


def test_points_lie_where_their_numbers_say():
    (drawn,) = draw(Plot([Line([0.0, 1.0, 4.0], [0, 1, 2])], "x", "y", x_range=(0, 2), y_range=(0, 4)))
    path = re.search(r'class="line  c0" d="M([^"]*)"', drawn)[1]
    (x0, y0), (x1, y1), (x2, y2) = ([float(v) for v in pair.split()] for pair in path.split("L"))
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11) and y0 - y1 == pytest.approx((y0 - y2) / 4, abs=0.11)
    (drawn,) = draw(Plot([Line([1e-4, 1e-2, 1.0], [1, 10, 100])], "x", "y", log="xy"))
    path = re.search(r'class="line  c0" d="M([^"]*)"', drawn)[1]
    (x0, y0), (x1, y1), (x2, y2) = ([float(v) for v in pair.split()] for pair in path.split("L"))
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11) and y0 - y1 == pytest.approx(y1 - y2, abs=0.11)


def test_values_are_told_on_hover():
    lines = [Line([0.5, 0.25], [10, 20], "train"), Line([0.75], [20], "valid")]
    (drawn,) = draw(Plot(lines, "step", "error"))
    tips = [re.findall(r"<text[^>]*>([^<]*)</text>", tip) for tip in re.findall(r'<g class="tip">.*?</g>', drawn)]
    assert tips == [["step 10", "train: 0.5"], ["step 20", "train: 0.25", "valid: 0.75"]]
    assert '<g class="tip">' not in draw(Plot(lines, "step", "error"), hover=False)[0]


def test_the_legend_names_lines_marks_and_levels():
    drawn = "".join(draw(FIGURES["plot"]))
    for words in ("a &lt;b&gt;", "many", "here", "chance", "step", "error (share)", "title"):
        assert f">{words}</text>" in drawn, words


@pytest.mark.parametrize("values", [(0.01, 0.02, 0.03, 0.05), tuple(range(1, 40)), (1, 1.01, 1.02)])
@pytest.mark.parametrize("log", ["", "x"])
def test_names_below_an_axis_do_not_cover_each_other(values, log):
    names = {f"{v:g}": v for v in values}
    (drawn,) = draw(Plot([Line(values, values)], "learning rate", "error", log=log, ticks=names))
    texts = ElementTree.fromstring(drawn).iter("text")
    shown = [(float(t.attrib["x"]), t) for t in texts if t.text in names and "tip" not in t.attrib.get("class", "")]
    level = {t.attrib["y"] for _, t in shown if "rotate" in t.attrib.get("transform", "")}
    upright = sorted((x, t.text) for x, t in shown if t.attrib.get("text-anchor") == "middle")
    for (a, one), (b, other) in pairwise(upright):
        assert a + width_of(one) / 2 < b - width_of(other) / 2
    turned = sorted(x for x, t in shown if t.attrib["y"] in level and t.attrib.get("text-anchor") == "end")
    assert all(b - a >= 12.9 for a, b in pairwise(turned))


def test_words_of_a_map_never_cover_each_other_and_the_first_ones_are_kept():
    random = np.random.default_rng(1)
    places = random.normal(size=(80, 2)) * 40 + 200
    words = {row: f"word{row}" for row in range(80)}
    area = Area(0, 0, 400, 400)
    found = placed(places, words, area)
    assert 0 in found and 10 < len(found) < 80
    boxes = [(x, y - 9, x + width_of(words[row], 11), y + 3) for row, (x, y) in found.items()]
    for index, (a, b, c, d) in enumerate(boxes):
        assert area.left <= a and c <= area.right
        assert not any(a < g and e < c and b < h and f < d for e, f, g, h in boxes[:index])
    apart = np.stack([np.full(5, 100.0), np.linspace(50, 350, 5)], 1)
    assert len(placed(apart, {row: "name" for row in range(5)}, area)) == 5


def test_a_confusion_names_its_classes_and_writes_its_shares():
    names = ["cat", "dog"]
    (drawn,) = draw(Heat([[0.75, 0.25], [0.0, 1.0]], "predicted class", "true class", x_names=names, y_names=names))
    for words in ("predicted class", "true class", ".75", ".25", "1.00"):
        assert f">{words}</text>" in drawn, words
    assert drawn.count(">cat</text>") == drawn.count(">dog</text>") == 2
    assert "<title>true class cat, predicted class dog: 0.25</title>" in drawn


def test_limits_give_the_first_and_the_last_colour():
    """Without them equal values would all be dark, as if they were the least."""
    bar = {}
    for limits in ((), (0.0, 1.0)):
        (drawn,) = draw(Heat(np.ones((2, 2)), "measure", "class", unit="share", limits=limits))
        bar[limits] = re.findall(r">([0-9.]+)</text>", drawn)
    assert "2.0" in bar[()] and "2.0" not in bar[(0.0, 1.0)] and "0.5" in bar[(0.0, 1.0)]
    figure = Heat(np.ones((2, 2)), "measure", "class", limits=(0, 1))
    assert draw(from_arrays(to_arrays(figure))) == draw(figure)  # as a report reads it


def test_small_pictures_are_large_enough_and_sharp():
    (drawn,) = draw(Tiles(np.zeros((32, 5, 5), dtype=np.uint8)))
    sides = {float(width) for width in re.findall(r'<image class="crisp"[^>]* width="([\d.]+)"', drawn)}
    assert len(sides) == 1 and min(sides) >= 40 and drawn.count("<image") == 32
    (named,) = draw(Tiles(np.zeros((12, 28, 28), dtype=np.uint8), names=["airplane → truck\n99.5 %"] * 12))
    assert named.count(">99.5 %</text>") == 12 and "airplane → truck" in named


def test_versions_stand_below_each_other():
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1) * 40
    (drawn,) = draw(Tiles(images, versions=["input", "rebuilt"]))
    places = [(float(x), float(y)) for x, y in re.findall(r'<image class="crisp" x="([\d.]+)" y="([\d.]+)"', drawn)]
    assert len({x for x, _ in places}) == 3 and len({y for _, y in places}) == 2
    assert drawn.count(">input</text>") == 1


def test_colours_have_their_ends_and_their_middle():
    assert (
        sequential(0.0) == (0x44, 0x01, 0x54)
        and sequential(1.0) == (0xFD, 0xE7, 0x25)
        and sequential(7) == sequential(1)
    )
    assert signed(0.5) == (0xF7, 0xF7, 0xF7) and signed(0.0)[2] > signed(0.0)[0] and signed(1.0)[0] > signed(1.0)[2]


def test_texts_are_broken_and_cut_to_their_width():
    lines = wrapped("a sentence of several words that is broken", 90, most=2)
    assert len(lines) == 2 and all(width_of(line) <= 90 for line in lines) and lines[1].endswith("…")
    assert cut("short", 90) == "short" and cut("a word that is long", 40).endswith("…")


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0], [-1e308, 1e308], [1e-320, 1.0], [math.nan]])
def test_every_axis_has_a_range(values, log):
    low, high = around(values, log)
    assert math.isfinite(low) and math.isfinite(high) and low < high and (low > 0 or not log)


def test_a_series_without_a_name_is_in_no_legend():
    drawn = ["".join(draw(Dots({label: [0.5, 0.25]}, ["one", "two"], "weight"))) for label in ("", "ours")]
    assert "weight: 0.25" in drawn[0] and "ours: 0.25" in drawn[1]
    assert drawn[0].count('<g transform="translate') + 1 == drawn[1].count('<g transform="translate')
