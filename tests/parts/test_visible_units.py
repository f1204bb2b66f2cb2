"""From raw values to visible units and back."""

import pytest
import torch

from deepcanon.parts.visible_units import VisibleUnits, unit_statistics

PIXELS = torch.randint(0, 256, (50, 1, 3, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
TABLE = torch.randn(60, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 5.0, 0.1]) + 7


def units(raw, gaussian, binarize="sample"):
    batches = raw.split(7)
    return VisibleUnits.of(unit_statistics(lambda: iter(batches), gaussian=gaussian), binarize)


def test_statistics_are_those_of_all_batches():
    pixels, table = units(PIXELS, False), units(TABLE, True)
    torch.testing.assert_close(pixels.mean, PIXELS.flatten(1).double().mean(0).float() / 255)
    assert unit_statistics(lambda: [PIXELS], gaussian=False)["shape"] == [1, 3, 4]
    x = table(TABLE)
    torch.testing.assert_close(x.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(3))
    torch.testing.assert_close(table.mean, torch.zeros(3), atol=1e-5, rtol=0)


def test_binary_units_are_drawn_cut_or_left():
    x = PIXELS.flatten(1) / 255
    assert torch.equal(units(PIXELS, False, "none").units(PIXELS), x)
    assert torch.equal(units(PIXELS, False, "threshold").units(PIXELS), (x > 0.5).float())
    low = units(PIXELS, False).units(PIXELS, lambda count: torch.full((50, count), 0.2))
    assert torch.equal(low, (x > 0.2).float())
    with pytest.raises(ValueError, match="drawn"):
        units(PIXELS, False).units(PIXELS)
    with pytest.raises(ValueError, match="binarize"):
        units(PIXELS, False, "often")
    assert torch.equal(units(TABLE, True).units(TABLE), units(TABLE, True)(TABLE)), "Gaussian ones as they are"


@pytest.mark.parametrize(("raw", "gaussian"), [(PIXELS, False), (TABLE, True), (PIXELS, True)])
def test_units_become_the_raw_values_again(raw, gaussian):
    it = units(raw, gaussian, "none")
    again = it.raw(it(raw), raw.shape[1:])
    torch.testing.assert_close(again, raw)
    assert again.dtype == raw.dtype
    if raw.ndim == 4:
        assert it.raw(it(raw) + 100, raw.shape[1:]).unique().tolist() == [255], "cut off"


def test_biases_and_independent_units_have_the_means_of_the_data():
    pixels, table = units(PIXELS, False), units(TABLE, True)
    torch.testing.assert_close(pixels.bias().sigmoid(), pixels.mean.clamp(0.01, 0.99))
    assert units(torch.zeros(5, 1, 1, 2, dtype=torch.uint8), False).bias().isfinite().all()
    assert torch.equal(table.bias(), table.mean)
    random = torch.Generator().manual_seed(0)
    drawn = pixels.independent(20_000, random)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), pixels.mean, atol=0.02, rtol=0)
    drawn = table.independent(20_000, random)
    torch.testing.assert_close(drawn.std(0), torch.ones(3), atol=0.02, rtol=0)
