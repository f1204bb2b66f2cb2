"""The verbs of generators, by two toys whose samples are known."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from deepcanon import engine
from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.figures import Plot
from deepcanon.engine.generator import Draws, NoiseSampling, RawGenerator
from deepcanon.engine.run import Run
from deepcanon.options import Images
from deepcanon.parts.standardize import Standardize
from deepcanon.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Config(Images):
    noise: int = 2
    samples: int = 50
    score: bool = False


class Toy(Draws, engine.Recipe[Config]):
    state = ("average",)
    parallel = "none: a toy"

    def build(self):
        size = torch.Size(self.shape).numel()
        self.average = nn.Sequential(nn.Linear(2, size), nn.Unflatten(1, self.shape))
        nn.init.zeros_(self.average[0].bias)
        self.average[0].weight.data.copy_(torch.eye(size, 2))
        self.preprocess = Standardize(self.facts["shift"], self.facts["scale"])

    def plan(self):
        return 1

    def step(self, step):
        return {}

    def evaluate(self, split):
        return {}


def made(kind, x, **truth):
    data = Dataset(kind, {"train": Split(x)}, {"kind": kind}, truth=truth)
    learned = {**Toy.learn(Config(), data), "reader": data.describe()}
    return Toy(Config(), learned, Run(Settings(device="cpu", steps=1), None, lambda: data)), data


def test_points_are_drawn_in_the_data_s_own_units_and_measured():
    x = torch.randn(400, 2) * torch.tensor([1.0, 0.5]) + torch.tensor([3.0, -1.0])
    of, data = made("tables", x, centres=torch.tensor([[3.0, -1.0]]), sigma=1.0)
    noise = torch.tensor([[0.5, 0.0], [0.0, -2.0]])
    torch.testing.assert_close(of.drawn(noise), noise * x.std(0, correction=0) + x.mean(0))
    of.preprocess = Standardize(x.mean(0), torch.ones(2))
    found = of.measured(of.drawn(torch.randn(2000, 2)), data["train"])
    assert found["modes"] == 1 and found["real_good"] > 0.98
    assert made("tables", x)[0].measured(x, data["train"]) == {}, "nothing is known of the source"
    assert found["good"] == pytest.approx(1 - torch.tensor(-4.5).exp().item(), abs=0.01)
    shown = of.figures()["samples"]
    assert isinstance(shown, Plot) and [line.label for line in shown.lines] == ["data", "samples"]
    torch.testing.assert_close(torch.as_tensor(shown.lines[0].x), x[:, 0])
    records = of.generate(NoiseSampling(count=3, temperature=0.0), torch.Generator().manual_seed(0))
    for record in records:
        assert record["point"] == pytest.approx(x.mean(0).tolist())
        assert [float(v) for v in record["text"].split()] == pytest.approx(record["point"], abs=1e-4)


def test_pictures_are_whole_pixels_and_the_same_ones_are_shown_each_time():
    of, data = made("images", torch.zeros(4, 1, 2, 2, dtype=torch.uint8))
    pictures = of.drawn(torch.tensor([[0.0, -5.0], [1.0, 0.004]]))
    assert pictures.dtype == torch.uint8
    assert pictures.flatten(1).tolist() == [[128, 0, 128, 128], [255, 128, 128, 128]]
    assert of.measured(pictures, data["train"]) == {}
    first, second = (of.figures()["samples"].images for _ in range(2))
    assert (first == second).all() and first.shape == (
        100,
        1,
        2,
        2,
    )
    one, two = (of.generate(NoiseSampling(count=2), torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert not torch.equal(one, two)


def test_the_export_gives_raw_values():
    of, _ = made("images", torch.zeros(4, 3, 2, 2, dtype=torch.uint8))
    export = of.export()
    assert isinstance(export.module, RawGenerator) and export.output_names == ("pixels",)
    assert export.about["channel_order"] == "RGB" and export.about["shape"] == [3, 2, 2]
    torch.testing.assert_close(export.module(torch.zeros(1, 2)), torch.full((1, 3, 2, 2), 127.5))


def test_a_walk_leads_on_an_arc_from_one_seed_to_another():
    of, _ = made("tables", torch.randn(50, 2))
    of.preprocess = Standardize(torch.zeros(2), torch.ones(2))  # the toy's samples are the noise itself
    ends = [torch.randn(2, generator=torch.Generator().manual_seed(seed)) for seed in (3, 5)]
    walk = of.walk(3, 5, 7)
    torch.testing.assert_close(walk[[0, -1]], torch.stack(ends))
    turns = torch.nn.functional.cosine_similarity(walk[1:], walk[:-1]).arccos()
    torch.testing.assert_close(turns, turns.mean().expand(6), atol=1e-3, rtol=0)
    torch.testing.assert_close(walk.norm(dim=1), torch.linspace(float(ends[0].norm()), float(ends[1].norm()), 7))
    torch.testing.assert_close(of.walk(3, 3, 4), ends[0].expand(4, 2))
