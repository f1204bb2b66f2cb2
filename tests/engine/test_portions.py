import pytest
import torch
from torch import nn

from deepcanon.engine import portions
from deepcanon.engine.portions import Portions, in_portions, rows_at_a_time


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


def test_a_function_is_looked_at_once_for_each_shape_and_type():
    model, portions_of, seen = nn.Linear(5, 4000), Portions(), []

    def function(part):
        seen.append(len(part))
        return model(part.float())

    x = torch.randn(1000, 5)
    with torch.no_grad():
        first, again = portions_of(function, x, of="model"), portions_of(function, x, of="model")
        assert seen[:2] == list(portions.PROBES) and portions.PROBES[0] not in seen[2:]
        assert torch.equal(first, again) and torch.equal(first, in_portions(function, x))
        for other in ({"x": x.double()}, {"of": "another"}, {"x": torch.randn(1000, 2, 5)}):
            seen.clear()
            portions_of(**{"function": function, "x": x, "of": "model"} | other)
            assert seen[:2] == list(portions.PROBES)
        for number in range(2 * portions.MOST_KNOWN):
            portions_of(function, x, of=number)
    assert len(portions_of.known) <= portions.MOST_KNOWN
