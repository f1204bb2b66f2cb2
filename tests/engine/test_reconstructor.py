"""What a recipe's reconstructor does apart from training: worked by hand for a model that halves its inputs."""

import pytest
import torch
from torch import nn

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import portions
from deepcanon.engine.reconstructor import Reconstructor, corrupted
from deepcanon.engine.run import Run
from deepcanon.settings import Settings

X = torch.tensor([[2.0, 0.0, 4.0], [0.0, 2.0, 0.0], [4.0, 4.0, 2.0], [6.0, 2.0, 2.0]])
Y = torch.tensor([0, 1, 0, 1])


class Halving(nn.Module):
    """Keeps the first two numbers, and gives half of them back with a 0 behind."""

    def encode(self, x):
        return x[:, :2]

    def decode(self, code):
        return torch.cat([code / 2, torch.zeros_like(code[:, :1])], 1)

    def forward(self, x):
        return self.decode(self.encode(x))


def data(valid=True, x=X, kind="tables", **facts):
    splits = {"train": Split(x, Y), "test": Split(x[:1], Y[:1])} | ({"valid": Split(x[1:], Y[1:])} if valid else {})
    return Dataset(kind, splits, facts)


def reconstructor(opened=None, shape=(3,), reader=None, **options):
    run = Run(Settings(device="cpu"), None, lambda: opened or data())
    facts = {"shape": shape, "reader": reader or {"columns": ["a", "b", "c"]}}
    return Reconstructor(run, Halving(), nn.Flatten(), facts, **options)


def test_reconstructions_come_some_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(portions, "rows_at_a_time", lambda function, x: 3)
    seen, it = [], reconstructor()
    found = it(X, lambda rows: (seen.append(len(rows)), it.model(rows))[1])
    assert torch.equal(found, it(X)) and seen == [3, 1]
    assert torch.equal(it.encode(X), X[:, :2]) and torch.equal(it(X, nn.Identity()), X)


def test_the_error_of_an_example_is_a_sum_over_its_features():
    assert reconstructor().errors(X).tolist() == [17.0, 1.0, 12.0, 14.0]
    assert reconstructor().predict(X[1:3]) == [{"value": 1.0}, {"value": 12.0}]


def test_a_look_takes_validation_or_else_training():
    assert reconstructor().run.pictured == "valid" and torch.equal(reconstructor().look(2).x, X[1:3])
    it = reconstructor(data(valid=False))
    assert it.run.pictured == "train" and torch.equal(it.look(100).x, X)


def test_versions_stand_together_and_tables_have_no_pictures():
    assert reconstructor().pictures(X, input=X, rebuilt=X) == {}
    it, rows = reconstructor(shape=(1, 1, 3)), X / 6
    shown = it.pictures(X[:1], input=rows, rebuilt=it.model(rows))
    both = shown["reconstructions"]
    assert both.versions == ["input", "rebuilt"] and both.images.shape == (8, 1, 1, 3)
    assert both.images[6:].flatten().tolist() == [255, 85, 85, 128, 42, 0]
    assert shown["filters"].images.flatten().tolist() == [191, 128, 255]


def test_a_map_of_codes_is_coloured_by_class_and_falls_back_to_two_components():
    seen = Split(X, Y)
    plain = reconstructor().map(seen)["codes"]
    assert plain.x == "first number of the code" and plain.groups is None and plain.names == ()
    assert torch.equal(plain.points, X[:, :2].double())
    named = reconstructor(reader={"classes": ["no", "yes"]}).map(seen)["codes"]
    assert named.names == ["no", "yes"] and torch.equal(named.groups, Y)
    it = reconstructor()
    it.model.encode = lambda x: x
    wide = it.map(seen)["codes"]
    assert wide.x == "first principal component"
    spread = torch.linalg.eigvalsh(torch.cov(X.double().T, correction=0)).flip(0)[:2]
    torch.testing.assert_close(wide.points.var(0, correction=0), spread)
    it.model.encode = lambda x: x[:, :1]
    assert it.map(seen) == {}, "one number has no map"


@pytest.mark.parametrize("outputs", [("code",), ("reconstruction",), ("code", "reconstruction")])
def test_an_export_gives_what_the_recipe_names(outputs):
    it = reconstructor(outputs=outputs)
    export = it.export()
    found = export.module(X)
    found = (found,) if isinstance(found, torch.Tensor) else found
    both = {"code": it.encode(X), "reconstruction": it(X)}
    assert export.output_names == outputs
    assert all(torch.equal(one, both[name]) for one, name in zip(found, outputs, strict=True))
    words = {"code": "encode", "reconstruction": "reconstruct"}
    about = {"task": " and ".join(words[name] for name in outputs), "columns": ["a", "b", "c"]}
    assert export.about == about | ({} if outputs == ("code",) else {"output_range": "standardised"})


def test_noise_is_that_of_the_global_batch_whatever_the_number_of_processes():
    def noisy(rows, amount, generator):
        return rows + amount * torch.rand(rows.shape, generator=generator)

    def part(rank, world, step=0):
        run = Run(Settings(device="cpu"))
        run.rank, run.world, run.step = rank, world, step
        return corrupted(run, X[rank::world], 4, noisy, 0.5)

    whole = part(0, 1)
    assert ((whole - X).abs() <= 0.5).all() and not torch.equal(whole, X)
    assert torch.equal(part(0, 2), whole[0::2]) and torch.equal(part(1, 2), whole[1::2])
    assert not torch.equal(part(0, 1, step=1), whole), "new at each step"
