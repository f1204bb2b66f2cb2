"""Where visible units come from: the same noise in each evaluation, other noise in each step."""

import torch

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Run
from deepcanon.engine.visible import Visible
from deepcanon.parts.densities import BARS, CIRCLE
from deepcanon.parts.visible_units import VisibleUnits, unit_statistics
from deepcanon.settings import Settings

PIXELS = torch.randint(0, 256, (40, 1, 2, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def visible(density=None):
    data = Dataset("images", {"train": Split(PIXELS), "valid": Split(PIXELS[:9])}, {})
    run = Run(Settings(device="cpu"), None, lambda: data)
    facts = density.facts if density else unit_statistics(lambda: [PIXELS], gaussian=False)
    return Visible(run, VisibleUnits.of(facts, "sample"), facts["shape"], density)


def test_an_evaluation_draws_the_same_units_in_each_call_and_a_step_others():
    it = visible()
    assert it.examples == 40 and it.rows("valid").shape == (9, 6)
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


def test_a_density_needs_no_data():
    bars, circle = visible(BARS), visible(CIRCLE)
    assert bars.rows("test").shape == (32, 16) and bars.batch(7).shape == (7, 16)
    assert circle.rows("valid").shape == (circle.examples, 2) and circle.batch(7).shape == (7, 2)
    assert not torch.equal(circle.rows("valid"), circle.rows("test"))


def test_samples_are_pictures_or_points():
    drawn = visible().samples(torch.eye(6)[:2])
    assert drawn.shape == (2, 1, 2, 3) and drawn.flatten(1).argmax(1).tolist() == [0, 1] and drawn.max() == 255
    (point,) = visible(CIRCLE).samples(torch.zeros(1, 2))
    assert point == {"text": "0.0000 0.0000", "point": [0.0, 0.0]}
