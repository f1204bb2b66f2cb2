"""Where visible units come from: the same noise in each evaluation, other noise in each step."""

import math

import pytest
import torch

from deepcanon.data import open_data
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Run
from deepcanon.engine.visible import Visible, density_map
from deepcanon.parts.visible_units import VisibleUnits, unit_statistics
from deepcanon.settings import Settings

PIXELS = torch.randint(0, 256, (40, 1, 2, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def visible(kind="images", name=None):
    data = (
        open_data((kind,), name)
        if name
        else Dataset("images", {"train": Split(PIXELS), "valid": Split(PIXELS[:9])}, {})
    )
    run = Run(Settings(device="cpu"), None, lambda: data)
    facts = unit_statistics(lambda: [data["train"].x], gaussian=kind == "tables")
    return Visible(run, VisibleUnits.of(facts, "sample"), facts["shape"])


def test_an_evaluation_draws_the_same_units_in_each_call_and_a_step_others():
    it = visible()
    assert it.rows("valid").shape == (9, 6)
    assert torch.equal(it.rows("valid"), it.rows("valid"))
    assert not torch.equal(it.rows("train", 9), it.rows("valid")), "the splits have noise of their own"
    first = it.batch(40)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    again = visible().batch(40)
    assert torch.equal(first, again)
    it.run.step = 1
    assert not torch.equal(first.mean(), it.batch(40).mean())


def test_processes_share_the_noise_of_one():
    whole = visible().batch(20)
    for rank in (0, 1):
        it = visible()
        it.run.rank, it.run.world = rank, 2
        assert torch.equal(it.batch(20), whole[rank::2])


def test_generated_sets_give_new_units_in_each_step():
    bars, circle = visible(name="bars-and-stripes"), visible("tables", "gaussians-8")
    assert bars.rows("test").shape == (32, 16) and bars.batch(7).shape == (7, 16)
    assert bars.units.mean.tolist() == [0.5] * 16, "exactly: each picture is there as often as any other"
    assert circle.rows("valid").shape == (10_000, 2) and circle.batch(7).shape == (7, 2)
    before = circle.batch(7)
    circle.run.step = 1
    assert not torch.equal(before, circle.batch(7))


def test_samples_are_pictures_or_points():
    drawn = visible().samples(torch.eye(6)[:2])
    assert drawn.shape == (2, 1, 2, 3) and drawn.flatten(1).argmax(1).tolist() == [0, 1] and drawn.max() == 255
    (point,) = visible("tables", "gaussians-8").samples(torch.zeros(1, 2))
    assert point["text"] == " ".join(f"{value:.4f}" for value in point["point"]) and abs(point["point"][0]) < 0.1


def test_a_map_shows_the_density_where_it_is():
    found = density_map(lambda x: (x - torch.tensor([1.0, 0.5])).square().sum(1) / 2, reach=2.0, points=9)
    assert found.max() == 1 and divmod(int(found.argmax()), 9) == (3, 6), "the second coordinate rises upwards"
    assert found[3, 4].item() == pytest.approx(math.exp(-0.5))
