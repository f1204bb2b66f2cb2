"""What a recipe's encoder does apart from training: worked by hand for doubling and adding one."""

import pytest
import torch
from torch import nn

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import Run, portions
from deepcanon.engine.encoder import Encoder, Encoding
from deepcanon.engine.export import write_export
from deepcanon.settings import Settings

X = torch.arange(10.0).view(5, 2)
FACTS = {"shape": [2], "reader": {"kind": "tables", "columns": ["a", "b"]}}


class Affine(nn.Module):
    def __init__(self, factor, shift):
        super().__init__()
        self.factor, self.shift = factor, shift

    def forward(self, x):
        return self.factor * x + self.shift


def encoder(facts=FACTS, **options):
    run = Run(Settings(device="cpu"), None, lambda: Dataset("tables", {"train": Split(X), "valid": Split(X[:2])}, {}))
    layers = Affine(2.0, 0.0), Affine(1.0, 1.0), Affine(1.0, 0.5)
    return Encoder(run, layers, facts, **options)


@pytest.mark.parametrize("rows", [2, 10])
def test_codes_and_prepared_inputs_some_rows_at_a_time(monkeypatch, rows):
    monkeypatch.setattr(portions, "rows_at_a_time", lambda function, x: rows)
    it = encoder()
    assert torch.equal(it(X), 2 * X + 1.5) and torch.equal(it.prepare(X), 2 * X)
    assert torch.equal(it.prepared("valid"), 2 * X[:2]) and it.prepared("valid") is it.prepared("valid")
    assert torch.equal(encoder(code=lambda x: -x)(X), -2 * X)


def test_processes_share_the_training_rows_and_no_others():
    it = encoder()
    it.run.rank, it.run.world = 1, 2
    assert torch.equal(it.mine("train"), 2 * X[1::2]) and torch.equal(it.mine("valid"), 2 * X[:2])


def test_filters_are_tiles_of_the_inputs_shape():
    it = encoder({"shape": [1, 1, 2], "reader": {}})
    assert it.images and not encoder().images
    shown = it.tiles(torch.tensor([[-1.0, 1.0], [0.0, 2.0], [0.0, 0.0]]), 2)
    assert shown.images.tolist() == [[[[0, 255]]], [[[128, 255]]]] and "Grey is 0" in shown.scale


def test_the_verbs_are_the_encoders(tmp_path):
    class Verbs(Encoding):
        pass

    verbs = Verbs()
    verbs.encoder = encoder(code=lambda x: -x, about={"steps": 3})
    assert torch.equal(verbs.encode(X), -2 * X)
    export = verbs.export()
    assert export.about == {"task": "encode", "steps": 3, "columns": ["a", "b"]}
    assert torch.equal(export.module(X), 2 * X + 1.5), "an export holds the layers"
    write_export(export, "torch", tmp_path / "codes.pt2")
    assert (tmp_path / "codes.json").is_file()
