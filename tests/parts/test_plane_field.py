import math

import jaxtyping
import numpy as np
import pytest
import torch
from oracles import tsne as oracle

from deepcanon.parts import plane_field
from deepcanon.parts.plane_field import GridField, exact_field, influence, smooth_size, splines


def charges(count=400, wide=3.0, seed=0):
    return wide * torch.randn(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


def test_the_exact_field_is_the_definition(monkeypatch):
    monkeypatch.setattr(plane_field, "ENTRIES", 300)
    y, at = charges(30), charges(8, 5.0, 1)
    found = exact_field(y, at)
    np.testing.assert_allclose(found.potential.numpy(), oracle.potential(y.numpy(), at.numpy()), rtol=1e-13)
    np.testing.assert_allclose(found.push.numpy(), oracle.push(y.numpy(), at.numpy()), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("wide", "dtype", "force", "potential"),
    [
        (10.0, torch.float64, 5e-2, 2e-3),  # as near to each other as 5,000 digits in their finished map: 0.044, 0.0014
        (3.0, torch.float64, 1e-2, 5e-4),
        (3.0, torch.float32, 1e-2, 5e-4),
        (1e-4, torch.float64, 1e-7, 1e-12),  # a start
        (1e-4, torch.float32, 1e-5, 1e-6),
    ],
)
def test_the_grid_is_near_the_exact_field(wide, dtype, force, potential):
    y = charges(600, wide)
    exact, found = exact_field(y, y), GridField(y.to(dtype))()
    assert error(found.push.double(), exact.push) < force
    assert error(found.potential.double(), exact.potential) < potential


def test_a_finer_grid_errs_less_and_the_push_is_the_slope_of_the_potential(monkeypatch):
    y, errors = charges(200, 5.0), []
    exact = exact_field(y, y).push
    for spacing in (0.8, 0.4, 0.2):
        monkeypatch.setattr(plane_field, "SPACING", spacing)
        errors.append(error(GridField(y)().push, exact))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    field, at = GridField(y), charges(5, 2.0, 1)
    for axis, step in enumerate(torch.eye(2, dtype=torch.float64) * 1e-6):
        slope = (field(at + step).potential - field(at - step).potential) / 2e-6
        torch.testing.assert_close(field(at).push[:, axis], -slope / 2, rtol=1e-6, atol=1e-6)


def test_pushes_cancel_and_the_sum_of_the_potential_is_parsevals():
    """sum_i potential(y_i) = N^2 m + sum_k |FFT[charge]|^2 FFT[kernel - m] / FFT[M]^2 / size: one grid serves both."""
    y = charges(200, 6.0)
    field = GridField(y)
    rows, columns = field.coefficients.shape
    (nodes, value, _), *rest = field.charges
    assert not rest
    charge = torch.zeros(rows * columns, dtype=torch.float64)
    charge.scatter_add_(0, nodes.flatten(), (value[:, None, 0] * value[:, 1]).flatten())
    assert float(charge.sum()) == pytest.approx(200)
    full = smooth_size(2 * rows + plane_field.MARGIN), smooth_size(2 * columns + plane_field.MARGIN)
    factor, mean = influence(*full, field.spacing, torch.float64, y.device)
    power = torch.fft.rfft2(charge.view(rows, columns), s=full).abs().square() * factor
    twice = torch.full((factor.shape[1],), 2.0, dtype=torch.float64)
    twice[[0, -1]] = 1
    total = (power * twice).sum() / math.prod(full) + 200**2 * mean
    torch.testing.assert_close(field().potential.sum(), total)
    assert float(field().push.sum(0).norm()) < 0.05 * float(field().push.norm(dim=1).mean()) * 200


def test_splines_sum_to_one_and_pieces_are_spread_alike(monkeypatch):
    t = torch.rand(2, 50, dtype=torch.float64)
    value, slope = splines(t)
    torch.testing.assert_close(value.sum(0), torch.ones_like(t))
    torch.testing.assert_close(slope.sum(0), torch.zeros_like(t), atol=1e-14, rtol=0)
    nodes = torch.arange(-1.0, 3.0, dtype=torch.float64)[:, None, None]
    torch.testing.assert_close((value * nodes).sum(0), t)
    y = charges(100)
    whole = GridField(y)()
    monkeypatch.setattr(plane_field, "CHUNK", 7)
    for a, b in zip(whole, GridField(y)(), strict=True):
        torch.testing.assert_close(a, b)


def test_far_points_are_answered_at_the_box_and_bad_charges_refused():
    y = charges(50)
    field, corner = GridField(y), y.amax(0, keepdim=True)
    torch.testing.assert_close(field(corner + 100).push, field(corner).push)
    assert bool(torch.isfinite(GridField(torch.zeros(3, 2))().push).all())  # all at one place
    assert [smooth_size(size) for size in (7, 97, 640)] == [8, 100, 640]
    for bad, said in ((y[:0], "N, 2"), (y[:, :1], "N, 2"), (y / 0, "no finite place")):
        with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=rf"{said}|typechecking"):
            GridField(bad)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        exact_field(y, y[:, :1])
