import pytest
import torch
from torch import nn

from deepcanon.engine import portions
from deepcanon.engine.portions import in_portions, rows_at_a_time


@pytest.mark.parametrize("width", [10, 1000, 100_000])
def test_the_largest_result_fills_the_cache_whatever_its_width(width):
    model = nn.Sequential(nn.Linear(3, width, dtype=torch.float64), nn.ReLU(), nn.Linear(width, 2, dtype=torch.float64))
    rows = rows_at_a_time(model, torch.zeros(10_000, 3, dtype=torch.float64))
    wanted = portions.BYTES // (8 * width)
    assert rows == max(portions.LEAST, min(portions.MOST, wanted))


def test_values_are_those_of_all_rows_at_once_and_few_are_computed_together():
    model, x = nn.Linear(5, 4000).double(), torch.randn(3000, 5, dtype=torch.float64)
    seen = []

    def function(part):
        seen.append(len(part))
        return model(part)

    with torch.no_grad():
        torch.testing.assert_close(in_portions(function, x), model(x), rtol=1e-12, atol=1e-12)
    parts = seen[2:]
    assert seen[:2] == list(portions.PROBES) and sum(parts) == 3000 and max(parts) == 8 * 2**20 // 32_000


def test_few_rows_are_computed_once():
    seen = []
    in_portions(lambda part: seen.append(len(part)) or part, torch.zeros(portions.LEAST, 2))
    assert seen == [portions.LEAST]


def test_random_numbers_are_those_without_a_look_ahead():
    def function(part):
        return part + torch.randn(part.shape)

    x = torch.zeros(100, 2)
    torch.manual_seed(1)
    found = in_portions(function, x)
    torch.manual_seed(1)
    assert torch.equal(found, function(x))
