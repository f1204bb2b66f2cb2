"""Texts on colours: what a token's colour says, where lines break, and what no token may do to the page."""

import math
import re

import numpy as np
import pytest

import deepcanon
from deepcanon.engine.figures import from_arrays, to_arrays
from deepcanon.engine.passages import Passage
from deepcanon.engine.pictures import read_figure
from deepcanon.engine.svg import draw, draw_file
from deepcanon.engine.svg.frame import WIDTH
from deepcanon.engine.svg.passage import CELL, cells

TEXT = "to be or not to be\nthat is the question\n" * 40


def boxes(drawn):
    """(x, y, width, opacity) of each token."""
    rows = re.findall(
        r'<g>(?:<title>.*?</title>)?<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)".*?opacity:([\d.]+)', drawn
    )
    return [tuple(map(float, row)) for row in rows]


def test_the_colour_is_proportional_to_the_number_up_to_the_strongest():
    (drawn,) = draw(Passage(["a", "b", "c", "d", "e"], [0.0, 1.0, 2.0, 4.0, 9.0], "bits", most=4.0))
    shares = [opacity for *_, opacity in boxes(drawn)]
    assert shares[0] == 0 and shares[1] == pytest.approx(shares[3] / 4, abs=1e-3) and shares[4] == shares[3]
    assert "<title>b: 1 bits</title>" in drawn
    (drawn,) = draw(Passage(["a", "b", "c"], [-1.0, 1.0, math.nan], diverging=True))
    assert drawn.count("--r0") == 3 and boxes(drawn)[2][3] == boxes(drawn)[0][3], "NaN is conspicuous"


def test_lines_end_where_the_text_does_and_at_the_edge():
    words = ["a", "世界", "<b>&amp;</b>", "é", "\n", "x"]
    (drawn,) = draw(Passage(words, np.arange(6), apart=True))
    assert "<b>" not in drawn and "&lt;b&gt;" in drawn and "↵" in drawn
    found = boxes(drawn)
    assert found[1][2] == pytest.approx(4 * CELL, abs=0.1) and cells("e\u0301") == 1
    assert found[5][1] > found[4][1] and found[5][0] == found[0][0], "a line end begins a new line"
    (drawn,) = draw(Passage(["ab"] * 200 + ["x" * 300], np.zeros(201)))
    assert max(x + wide for x, _, wide, _ in boxes(drawn)) <= WIDTH
    assert sum(wide for _, _, wide, _ in boxes(drawn)) == pytest.approx(700 * CELL, rel=1e-3), "nothing is cut"


def test_a_passage_is_kept_as_numbers_and_texts():
    figure = Passage(["a", "\n"], [1.5, 0.0], "bits", caption="Words.")
    again = from_arrays(to_arrays(figure))
    assert again.tokens == ["a", "\n"] and again.values.tolist() == [1.5, 0.0] and again.caption == "Words."
    assert draw_file(again) == draw_file(figure)


@pytest.mark.parametrize(("name", "unit"), [("rnn-lm", "characters"), ("rnn-lm", "words"), ("ngram-lm", "words")])
def test_language_models_show_a_held_out_text_by_surprise(tmp_path, name, unit):
    (tmp_path / "own.txt").write_text(TEXT, encoding="utf-8")
    options = {"preset": "smoke", "unit": unit, "steps": 3, "quiet": True, "data": str(tmp_path / "own.txt")}
    run = deepcanon.train(name, out=tmp_path / "run", **options)
    figures = tmp_path / "run" / "figures"
    shown = read_figure(max(figures.glob("surprise-*.npz")))
    held_out = run.recipe.run.data["valid"].x
    apart = " " if unit == "words" else ""
    assert (
        apart.join(shown.tokens).replace(" \n ", "\n").startswith(held_out[:30])
        and shown.unit == f"bits per {unit[:-1]}"
    )
    trained = deepcanon.load(tmp_path / "run", checkpoint="last")
    (record,) = trained.surprises(trained.read(_written(tmp_path, held_out.split("\n")[0])))
    bits = [token["bits"] for token in record["tokens"]]
    np.testing.assert_allclose(shown.values[: len(bits) - 1], bits[:-1], rtol=1e-4)
    assert "bits per" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    if name == "rnn-lm":
        panels = read_figure(max(figures.glob("hidden_units-*.npz"))).figures
        assert len(panels) == 6 and all(np.abs(panel.values).max() <= 1 for panel in panels)
        spread = [panel.values.std() for panel in panels]
        assert spread == sorted(spread, reverse=True), "those that vary most come first"


def _written(folder, line):
    (folder / "line.txt").write_text(line, encoding="utf-8")
    return [str(folder / "line.txt")]
