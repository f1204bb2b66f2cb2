"""Figures and records that leave recipes: their numbers against what can be calculated."""

import math

import pytest
import torch

from deepcanon.engine import shown, trajectories
from deepcanon.techniques.courses import LOST, Courses
from deepcanon.techniques.false_alarms import alarm_figures
from deepcanon.techniques.layer_variances import spread_figure, variance_figure, wide_variance
from deepcanon.techniques.pca_baseline import pca_errors, pca_facts
from deepcanon.techniques.range_test import range_figures
from deepcanon.techniques.tents import Tents


def test_columns_are_as_wide_as_their_widest_cell():
    text = shown.columns(["name", "n"], [["a", "10"], ["long one", "9"]], "said", before=["title"], after=["end"]).text
    assert text == "title\nname       n\na         10\nlong one   9\nend\n"
    text = shown.columns(["network", "factor"], [["relu_9", "0.5"], ["tanh_90", "-inf"]], "said").text
    assert text == "network  factor\nrelu_9      0.5\ntanh_90    -inf\n"
    assert shown.columns(["name"], [], "said").text == "name\n"


def test_curves_count_from_the_first():
    lines = shown.curves({"one": [1.0, 2.0], "two": [3.0]}, first=1, style="--")
    assert [(line.label, list(line.x), line.style) for line in lines] == [("one", [1, 2], "--"), ("two", [1], "--")]


def test_usage_is_a_share_of_the_inputs():
    used = torch.tensor([[True, False, True], [True, False, False]])
    left, right = shown.usage(used, "atom").figures
    assert left.lines[0].y.tolist() == [100, 50, 0] and right.values[""].tolist() == [2, 1]


def test_tents_keep_the_better_fit_and_stay_above_the_bound():
    tents, generator = Tents(4, 5), torch.Generator().manual_seed(0)
    errors = [tents.fit(generator).item() for _ in range(3)]
    found = tents.findings()
    assert errors == sorted(errors, reverse=True) and errors[-1] == pytest.approx(found["wide_squared"].item())
    assert found["deep_pieces"] == 16 and found["deep_units"] == 8 and found["wide_pieces"] <= 6
    assert found["wide_squared"] >= found["wide_squared_bound"] == pytest.approx((16 - 6) / (48 * 16))
    again = Tents(4, 5)
    again.load_state_dict(tents.state_dict())
    assert again.findings()["wide_squared"] == found["wide_squared"] and again.error == errors[-1]


def test_variances_in_wide_layers():
    assert wide_variance(5, 100, "relu", "he").tolist() == pytest.approx([1.0] * 5, rel=1e-3)  # He 2015, equation 10
    assert wide_variance(5, 100, "linear", "glorot").tolist() == pytest.approx([1.0] * 5, rel=1e-6)
    small = wide_variance(3, 512, "relu", "small").tolist()
    assert small == pytest.approx([1, 0.0256, 0.0256**2], rel=1e-3)  # 512 * 0.01^2 / 2 a layer
    assert wide_variance(5, 100, "relu", "orthogonal") is None
    panels = variance_figure([("relu", "he"), ("relu", "orthogonal")], torch.ones(2, 3), torch.ones(2, 3), width=10)
    assert [len(plot.lines) for plot in panels.figures] == [3, 2]  # the dotted curve of `he`, and above only
    spread = spread_figure([("relu", "he")], [0, 2], torch.ones(1, 2, 5) / 5, torch.tensor([[[0.0, 1.0], [0.0, 2.0]]]))
    assert [line.label for line in spread.figures[0].lines] == ["layer 1: 0 to 1", "layer 3: 0 to 2"]


def test_a_course_that_doubles_has_diverged_and_one_without_a_gradient_stops():
    courses = Courses(("clipped", "unclipped"), (0.1, 1.0), bins=2)
    for step in range(100):
        losses = torch.tensor([1.0, 1.0, 1.0, 1.0 if step < 20 else 10.0])
        best = courses.follow(step, losses)
        courses.add(step, 100, 1, torch.tensor(float(step)), losses[1])
    assert courses.diverged.tolist() == [False, False, False, True] and best.tolist() == pytest.approx([1, 1])
    assert courses.norms[:, 1].tolist() == [49, 99] and courses.counts[:, 1].tolist() == [50, 50]
    courses.stop(2)
    assert courses.stopped.tolist() == [False, False, True, False] and courses.diverged[2]
    assert courses.errors(torch.tensor([1.0, math.nan, 1.0, math.inf])).tolist() == [[1, LOST], [LOST, LOST]]
    text = courses.table(torch.ones(2, 2), "title").text.splitlines()
    assert text[0] == "title" and text[4].endswith("not finite") and text[5].endswith("diverged")
    assert len(courses.figure(100, 0.25, {"chance": 1 / 6}).figures) == 4


def test_alarms_of_both_rules_are_listed_by_size():
    rates = torch.full((2, 2, 1), 0.05)
    found = alarm_figures([100, 1000], [0.1], rates, rates, rates, gain=0.01, level=0.05)
    lines = found["table"].text.splitlines()
    assert len(lines) == 5 and lines[2].split() == ["1,000", "10.0%", "5.00%", "5.00%", "5.00%", "5.0%", "5.0%"]
    false, power = found["rates"].figures
    assert false.levels == {"level": 0.05} and len(false.lines) == len(power.lines) == 6
    assert false.lines[3].x == [100.0]


def test_pca_rebuilds_exactly_what_lies_in_its_plane():
    class Train:
        def __init__(self, x):
            self.x = x

        def chunks(self):
            return [self]

    plane = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) @ torch.tensor([[1.0, 0, 2], [0, 1.0, 1]])
    facts = pca_facts(Train(plane), torch.nn.Identity(), components=2)
    assert pca_errors(facts, plane).max() < 1e-9 and pca_errors(facts, torch.tensor([[2.0, 1.0, -1.0]])) > 1
    assert len(pca_facts(Train(plane), torch.nn.Identity(), components=9)["pca_components"]) == 3


def test_a_range_test_that_is_too_short_says_so():
    losses = torch.ones(3, dtype=torch.float64)
    found = range_figures(None, losses, losses, keep=0.9)
    assert list(found) == ["verdict"] and "3 steps" in found["verdict"].text


def test_trajectories():
    path = torch.tensor([[3.0, 4.0], [0.0, 1e9]])
    (plot,) = trajectories.ravine({"descent": path}, torch.tensor([1.0, 4.0])).figures
    *contours, walked = plot.lines
    assert [float(line.x[0] ** 2 + 4 * line.y[0] ** 2) for line in contours] == pytest.approx(
        [73 * s**2 for s in (0.25, 0.5, 0.75, 1.0)]
    )
    assert walked.x.tolist() == [3, 0] and walked.y.tolist() == [4, 1e6]  # cut
    distance = 0.5 ** torch.arange(6, dtype=torch.float64)
    seen, theory = trajectories.contractions({"ball": distance}, [0.5], 1e-30).lines
    assert torch.equal(seen.y, distance) and torch.allclose(theory.y, distance)
    squares = {"constant": torch.full((3,), 4.0), "inverse": torch.ones(3)}
    (one,) = trajectories.noisy_walkers({"inverse": torch.zeros(3)}, squares, reach=5.0)
    assert one.lines[0].colour == 1 and one.lines[0].band[1].tolist() == [1, 1, 1] and one.y_range == (-5, 5)
