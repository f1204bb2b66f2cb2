"""Trees as figures: where nodes stand, what they say, and that they come back from their arrays."""

import re

import numpy as np

from deepcanon.engine.branches import Branches
from deepcanon.engine.figures import from_arrays, to_arrays
from deepcanon.engine.svg import draw, draw_file

TREE = Branches(
    ["not", "<good>", "film"], np.array([[-1, -1]] * 3 + [[1, 2], [0, 3]]), ["0", "++", "0", "+", "-"],
    [0.0, 1.0, 0.0, 0.5, -0.5], {4: "--"}, "very positive", caption="A tree.",
)  # fmt: skip


def places(drawn):
    """(x, y, text) of every text."""
    return [
        (float(x), float(y), words)
        for x, y, words in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)<', drawn)
    ]


def test_nodes_stand_above_the_middle_of_their_children():
    (drawn,) = draw(TREE)
    at = {words: (x, y) for x, y, words in places(drawn)}
    assert at["not"][0] < at["&lt;good&gt;"][0] < at["film"][0]
    assert abs(at["+"][0] - (at["&lt;good&gt;"][0] + at["film"][0]) / 2) < 0.11
    assert at["-"][1] < at["+"][1] < at["++"][1] < at["film"][1]
    assert abs(at["-"][0] - (at["not"][0] + at["+"][0]) / 2) < 0.11


def test_colours_say_the_sign_and_mistakes_are_red():
    (drawn,) = draw(TREE)
    assert drawn.count("var(--r0)") >= 2 and "fill-opacity:0.620" in drawn
    assert re.search(r'class="small red halo"[^>]*>--<', drawn)
    assert "<title>" not in draw(TREE, hover=False)[0]
    assert "<title>++: 1 very positive</title>" in drawn and "A tree." in drawn
    assert draw_file(TREE).startswith("<svg")


def test_a_word_alone_and_a_figure_from_its_arrays():
    single = Branches(["a"], [[-1, -1]], ["0"], [0.0])
    assert any(words == "a" for *_, words in places(draw(single)[0]))
    again = from_arrays(to_arrays(TREE))
    assert draw(again) == draw(TREE)
