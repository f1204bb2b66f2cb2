"""From raw examples to the rows that a model is given: tables, pixels, both asked otherwise, and in batches."""

import pytest
import torch

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import preprocess
from deepcanon.engine.preprocess import Prepared, input_facts, input_transform
from deepcanon.engine.run import Run
from deepcanon.settings import Settings

X = torch.tensor([[2.0, 0.0, 4.0], [0.0, 2.0, 0.0], [4.0, 4.0, 2.0], [6.0, 2.0, 2.0]])
PIXELS = torch.tensor([[[[0, 51], [102, 255]]]], dtype=torch.uint8).expand(4, 1, 2, 2)


def rows_of(x, kind, standardize=None):
    facts = input_facts(Dataset(kind, {"train": Split(x, torch.zeros(len(x)))}, {}), standardize)
    assert facts["shape"] == list(x.shape[1:])
    return input_transform(facts)(x)


@pytest.mark.parametrize("standardize", [None, True])
def test_columns_are_standardised(standardize):
    rows = rows_of(X, "tables", standardize)
    torch.testing.assert_close(rows.mean(0), torch.zeros(3))
    torch.testing.assert_close(rows.std(0, correction=0), torch.ones(3))


@pytest.mark.parametrize("standardize", [None, False])
def test_pixels_lie_between_0_and_1(standardize):
    rows = rows_of(PIXELS, "images", standardize)
    torch.testing.assert_close(rows[:1], torch.tensor([[0.0, 0.2, 0.4, 1.0]]))


def test_columns_stay_as_they_are_and_channels_are_standardised_if_asked():
    torch.testing.assert_close(rows_of(X, "tables", False), X)
    rows = rows_of(PIXELS, "images", True)
    torch.testing.assert_close(rows.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(rows.std(correction=0), torch.tensor(1.0))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kept", [True, False])
def test_prepared_batches_are_prepared_rows(kept, ordered, monkeypatch):
    split = Split(X.repeat(5, 1) + torch.arange(20)[:, None], torch.arange(20), ordered)
    data = Dataset("tables", {"train": split}, {})
    run = Run(Settings(data="", seed=3, steps=9, device="cpu"), open_data=lambda: data)
    transform, counted = input_transform(input_facts(data)), []
    transform.register_forward_hook(lambda module, inputs, output: counted.append(len(output)))
    if not kept:
        monkeypatch.setattr(preprocess, "KEPT", 0)
    prepared = Prepared(run, transform)
    for step in range(4):
        run.step = step
        rows, expected = prepared.batch(split, 6), run.batch(split, 6)
        assert torch.equal(rows.x, transform[0](expected.x)) and torch.equal(rows.y, expected.y)
    assert counted == ([20] if kept else [6] * 4)


def test_the_rows_of_a_process_are_prepared_once():
    split, run = (
        Split(PIXELS + torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1), torch.arange(4)),
        Run(Settings(device="cpu")),
    )
    run.rank, run.world = 1, 2
    transform, counted = input_transform(input_facts(Dataset("images", {"train": split}, {}))), []
    transform.register_forward_hook(lambda module, inputs, output: counted.append(len(output)))
    prepared = Prepared(run, transform)
    first, again, raw = prepared.whole(split), prepared.whole(split), prepared.whole(split, raw=True)
    assert first.x is again.x and counted == [2]
    assert torch.equal(first.x, transform(split.x[1::2])) and torch.equal(first.y, split.y[1::2])
    assert torch.equal(raw.x, split.x[1::2].flatten(1)) and raw.x is prepared.whole(split, raw=True).x


@pytest.mark.parametrize(
    ("shift", "scale", "unit"), [([0.0], [255.0], 255.0), ([0.0, 0.0], [2.0, 3.0], 0.0), ([1.0], [255.0], 0.0)]
)
def test_bytes_have_a_unit_where_they_are_divided_by_one_number_only(shift, scale, unit):
    transform = input_transform({"shift": torch.tensor(shift), "scale": torch.tensor(scale)})
    prepared = Prepared(Run(Settings(device="cpu")), transform)
    assert prepared.unit(Split(PIXELS)) == unit and prepared.unit(Split(PIXELS.float())) == 0
    more = Prepared(Run(Settings(device="cpu")), torch.nn.Sequential(*transform, torch.nn.Tanh()))
    assert more.unit(Split(PIXELS)) == 0, "it does more than divide"
