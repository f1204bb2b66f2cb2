"""From raw examples to the rows that a model is given: tables, pixels, and both asked otherwise."""

import pytest
import torch

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine.preprocess import input_facts, input_transform

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
