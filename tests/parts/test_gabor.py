import math
import time

import numpy as np
import pytest
import torch
from oracles import gabor as oracle

from deepcanon.parts.gabor import edge_like, filter_shares, fit_gabor, gabor, gabor_shares

FULL = 2 * math.sqrt(2 * math.log(2))  # width at half height over the standard deviation


def drawn(count, seed=0):
    random = np.random.default_rng(seed)
    low = [-4, -4, -3, 0.08, math.log(1.2), math.log(1.2), -1, -1]
    high = [4, 4, 3, 0.4, math.log(5.0), math.log(5.0), 1, 1]
    return torch.from_numpy(random.uniform(low, high, size=(count, 8)))


def test_two_hundred_atoms_are_found_in_seconds():
    atoms = gabor(drawn(200), 12, 12)
    began = time.process_time()
    found = fit_gabor(7 * atoms + 3)  # brightness and contrast do not matter
    assert time.process_time() - began < 5
    assert (found.r2 > 0.999).double().mean() > 0.97
    again = gabor(found.parameters, 12, 12)
    again, wanted = again - again.mean((1, 2), keepdim=True), 7 * (atoms - atoms.mean((1, 2), keepdim=True))
    good = found.r2 > 0.999
    assert ((again - wanted)[good].norm(dim=(1, 2)) < 0.04 * wanted[good].norm(dim=(1, 2))).all()


def places(count, seed=0, side=12):
    """Columns of functions in random places and directions, with random phase; the rest is for the caller."""
    random = np.random.default_rng(seed)
    parameters = torch.zeros(count, 8, dtype=torch.float64)
    parameters[:, :3] = torch.from_numpy(random.uniform(-3, 3, (count, 3)) * (side / 12, side / 12, 1))
    phase = torch.from_numpy(random.uniform(-math.pi, math.pi, count))
    parameters[:, 6], parameters[:, 7] = phase.cos(), phase.sin()
    return parameters, random


def test_noise_is_no_gabor_and_a_noisy_gabor_is():
    noise = torch.randn(40, 12, 12, dtype=torch.float64)
    assert gabor_shares(noise).gabor < 0.02
    p, random = places(40)
    p[:, 3], p[:, 4:6] = torch.from_numpy(random.uniform(0.15, 0.35, 40)), math.log(2.2)
    atoms = gabor(p, 12, 12)
    assert tuple(gabor_shares(atoms)) == (1, 1)
    assert gabor_shares(atoms + 0.3 * atoms.std((1, 2), keepdim=True) * noise).edge_like > 0.97
    assert gabor_shares(atoms + 2.0 * atoms.std((1, 2), keepdim=True) * noise).gabor < 0.2


CLAIMED = {  # area as a share of the patch, cycles under the width, width across over width along the wave, phase
    "round": (0.15, 1.0, 1.0, "even"),
    "an edge": (0.15, 0.5, 2.0, "odd"),
    "the slope of a Gaussian": (0.15, 1e-4, 1.0, "odd"),
    "a long edge": (0.18, 1e-4, 4.0, "odd"),
    "a bar with side lobes": (0.15, 0.8, 2.0, "even"),
}
OTHERS = {
    "too wide for a place of its own": (0.35, 1.0, 1.0, "odd"),
    "wide": (1.0, 1.0, 1.0, "even"),
    "a grating over the whole patch": (1e4, 150.0, 1.0, "odd"),
    "a slope over the whole patch": (1e4, 30.0, 1.0, "odd"),
    "a bar without side lobes": (0.15, 0.2, 2.0, "even"),
    "a blob": (0.1, 0.0, 1.0, "even"),
    "a long blob": (0.1, 0.0, 2.0, "even"),
}


@pytest.mark.parametrize("side", [8, 12])
def test_what_is_localised_and_oriented_and_band_pass(side):
    """Patches that a Gabor function fits almost exactly, on either side of each bound and far from the claim."""
    patches = []
    for area, cycles, aspect, phase in [*CLAIMED.values(), *OTHERS.values()]:
        p, _ = places(5, 1, side)
        along = (area * side**2 / aspect) ** 0.5
        p[:, 3], p[:, 4], p[:, 5] = cycles / along, math.log(along / FULL), math.log(aspect * along / FULL)
        p[:, 6], p[:, 7] = (1, 0) if phase == "even" else (0, 1)
        patches.append(gabor(p, side, side))
    fit = fit_gabor(torch.cat(patches))
    assert (fit.r2 > 0.85).double().mean() > 0.95
    counted = edge_like(fit.parameters, side, side).view(-1, 5).double().mean(1)
    shares = dict(zip([*CLAIMED, *OTHERS], counted.tolist(), strict=True))
    assert {name: share for name, share in shares.items() if share != (name in CLAIMED)} == {}


def test_edge_like_has_its_bounds_where_the_equations_say():
    p = torch.zeros(8, dtype=torch.float64)
    for factor, inside in ((0.999, True), (1.001, False)):
        p[3], p[6] = 0.3, 1.0
        p[4] = p[5] = math.log(factor * 6 / FULL)  # half of the side in both directions
        assert bool(edge_like(p[None], 12, 12)) is inside
        p[4], p[5] = math.log(factor * 3 / FULL), math.log(12 / FULL)  # through the whole patch, but narrow
        assert bool(edge_like(p[None], 12, 12)) is inside
        # an even function has G(0) = exp(-x) with x = 2 (pi su f)^2, half of its peak (near to k = f) at x = 1.38224
        p[3] = (1.38224 / 2) ** 0.5 / math.pi / math.exp(p[4]) / factor
        assert bool(edge_like(p[None], 12, 12)) is inside
    p[4], p[5], p[3] = math.log(2), math.log(2), 1e-3
    assert not edge_like(p[None], 12, 12)
    p[6], p[7] = 0, 1  # an odd function has no response to a constant, however few cycles it has
    assert edge_like(p[None], 12, 12)


def test_is_no_worse_than_a_general_solver_from_many_starts():
    random = np.random.default_rng(0)
    patches = [oracle.gabor(drawn(3).numpy(), 9, 9)[0] + 0.1 * random.normal(size=(9, 9)), random.normal(size=(9, 9))]
    found = fit_gabor(torch.from_numpy(np.stack(patches))).r2
    for ours, patch in zip(found.tolist(), patches, strict=True):
        assert ours >= oracle.best_r2(patch) - 0.05


def test_principal_components_of_pictures_are_gratings_without_a_place():
    """Products of cosines over the whole patch: a Gabor function fits those along an axis, but has no place."""
    waves = torch.arange(12).double()
    cosines = torch.cos(math.pi * (waves[:, None] + 0.5) * waves / 12)
    pictures = torch.einsum("yk,xl->klyx", cosines, cosines).flatten(0, 1)[1:]
    fit = fit_gabor(pictures)
    fits = fit.r2 >= 0.6
    assert fits[:11].double().mean() > 0.9 and fits.double().mean() > 0.15
    assert (fits & edge_like(fit.parameters, 12, 12)).double().mean() < 0.02


def test_scale_turns_and_constant_patches():
    atoms = gabor(drawn(20, 1), 10, 10)
    first, second = fit_gabor(atoms).r2, fit_gabor(1e-8 * torch.rot90(atoms, 1, (1, 2))).r2
    torch.testing.assert_close(first, second, atol=5e-3, rtol=0)
    flat = torch.full((2, 8, 8), 0.3)
    assert fit_gabor(flat).r2.tolist() == [0, 0] and gabor_shares(flat).edge_like == 0
    assert fit_gabor(flat[:0]).r2.shape == (0,) and gabor_shares(flat[:0]).edge_like == 0


def test_bad_input():
    for bad in (torch.zeros(2, 3, 3), torch.full((1, 8, 8), torch.nan)):
        with pytest.raises(ValueError):
            fit_gabor(bad)


def test_filters_have_shares_if_they_are_pictures():
    p, random = places(10)
    p[:, 3], p[:, 4:6] = torch.from_numpy(random.uniform(0.15, 0.35, 10)), math.log(2.2)
    atoms = gabor(p, 12, 12)
    grey = filter_shares(atoms.flatten(1), (1, 12, 12))
    assert grey == gabor_shares(atoms)._asdict() == filter_shares(atoms.flatten(1).repeat(1, 3), (3, 12, 12))
    assert filter_shares(torch.zeros(4, 9), (1, 3, 3)) == filter_shares(torch.zeros(4, 9), (9,)) == {}
