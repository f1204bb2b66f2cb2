"""Figures that many recipes show: their numbers, names and captions."""

import numpy as np
import pytest
import torch

from deepcanon.engine import shown
from deepcanon.engine.figures import Panels, Scatter

ROWS = torch.tensor([[-2.0, 0.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.5]])


def test_filters_have_their_own_scale_or_one_together():
    own, all_ = (shown.filters(ROWS, (1, 2, 2), together=together) for together in (False, True))
    assert own.images.reshape(2, 4).tolist() == [[0, 128, 191, 255], [128, 128, 128, 255]]
    assert all_.images.reshape(2, 4).tolist() == [[0, 128, 191, 255], [128, 128, 128, 159]]
    assert "of a tile" in own.scale and "of all" in all_.scale
    assert len(shown.filters(ROWS, (1, 2, 2), most=1).images) == 1


def test_kernels_are_averaged_over_their_channels():
    weight = torch.stack([ROWS.view(2, 2, 2), -ROWS.view(2, 2, 2)], 1)
    assert shown.kernels(weight).images.tolist() == [[[[128, 128], [128, 128]]]] * 2
    assert shown.kernels(weight[:, :1]).images.shape == (2, 1, 2, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_versions_alternate_and_signed_ones_share_a_grey_scale(channels):
    size = channels * 2
    x = torch.arange(2 * size, dtype=torch.float32).view(2, size) / (2 * size)
    plain = shown.reconstructions((channels, 1, 2), {"input": x, "rebuilt": 1 - x})
    assert plain.versions == ["input", "rebuilt"] and plain.images.shape == (4, channels, 1, 2)
    assert plain.images[::2].reshape(2, -1).tolist() == (255 * x).round().int().tolist()
    signed = shown.reconstructions((channels, 1, 2), {"input": x, "rebuilt": -2 * x}, signed=True)
    largest = (2 * x).amax(1, keepdim=True)
    for place, rows in enumerate((x, -2 * x)):
        wanted = (127.5 + 127.5 * rows / largest).round().int().tolist()
        assert signed.images[place::2].reshape(2, -1).tolist() == wanted


def test_an_embedding_is_coloured_by_class_or_number():
    points = np.eye(2)
    named = shown.embedding(points, ("a", "b"), [0, 1], {"classes": ["no", "yes"]})
    assert named.names == ["no", "yes"] and named.values is None
    valued = shown.embedding(points, ("a", "b"), [0.5, 1.5], {"target": "price"})
    assert valued.unit == "price" and valued.groups is None
    assert shown.embedding(points, ("a", "b"), None, {}).groups is None
    plain = shown.map_of_groups(points, ("a", "b"), [0, 1], (), "Points.")
    assert plain.groups is None and plain.x == "a"


def test_variances_add_up_and_sources_stand_next_to_what_was_found():
    (line,) = shown.variance_kept(torch.tensor([0.5, 0.25, 0.125])).lines
    assert line.y.tolist() == [0.5, 0.75, 0.875] and list(line.x) == [1, 2, 3]
    rows = torch.randn(9, 3)
    found = shown.separated(rows, -rows, 2 * rows, torch.eye(3), most=5)
    assert isinstance(found["mixture"], Panels) and found["found-and-mixed"].diverging
    for panel, sign in zip(found["mixture"].figures, (1, -1, 2), strict=True):
        assert isinstance(panel, Scatter) and torch.equal(panel.points, sign * rows[:5, :2])


def test_every_figure_says_what_good_looks_like():
    figures = [
        shown.weights({"a": 1.0}, "weight"),
        shown.unit_weights(ROWS, ["a", "b", "c", "d"], "source"),
        shown.free_energies({"train": [1.0]}),
        shown.samples(torch.zeros(1, 1, 2, 2)),
        shown.class_means(np.zeros((1, 1, 2, 2)), ["a"]),
        shown.texts(["a b"]),
        shown.table(["a", "b"], "A table."),
    ]
    assert all(figure.caption.endswith(".") for figure in figures)
    assert figures[1].y == "source" and figures[-1].text == "a\nb\n" and figures[-3].names == ["a"]


def test_the_words_of_a_unit_are_those_of_its_largest_weights():
    weight = torch.tensor([[0.1, 2.0, 0.0], [0.3, -1.0, 0.0], [0.2, 1.0, 0.0]])
    found = shown.words_of_units(weight, ["a", "b", "c"], "Said.", units=2, count=2)
    assert [panel.title for panel in found.figures] == ["unit 1", "unit 0"], "those that differ most come first"
    assert [panel.names for panel in found.figures] == [["a", "c"], ["b", "c"]]
    assert found.figures[0].series[""].tolist() == [2.0, 1.0] and found.caption == "Said."
