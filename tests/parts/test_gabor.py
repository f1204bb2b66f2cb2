import math
import time

import numpy as np
import pytest
import torch
from oracles import gabor as oracle

from deepcanon.parts.gabor import fit_gabor, gabor, gabor_share


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


def test_noise_is_no_gabor_and_a_noisy_gabor_is():
    noise = torch.randn(100, 12, 12, dtype=torch.float64)
    assert gabor_share(noise) < 0.02
    atoms = gabor(drawn(100), 12, 12)
    assert gabor_share(atoms + 0.3 * atoms.std((1, 2), keepdim=True) * noise) > 0.97
    assert gabor_share(atoms + 2.0 * atoms.std((1, 2), keepdim=True) * noise) < 0.2


def test_is_no_worse_than_a_general_solver_from_many_starts():
    random = np.random.default_rng(0)
    patches = [oracle.gabor(drawn(3).numpy(), 9, 9)[0] + 0.1 * random.normal(size=(9, 9)), random.normal(size=(9, 9))]
    found = fit_gabor(torch.from_numpy(np.stack(patches))).r2
    for ours, patch in zip(found.tolist(), patches, strict=True):
        assert ours >= oracle.best_r2(patch) - 0.05


def test_principal_components_of_pictures_are_gratings_without_a_place():
    """Products of cosines over the whole patch: only those along an axis are fitted."""
    waves = torch.arange(12).double()
    cosines = torch.cos(math.pi * (waves[:, None] + 0.5) * waves / 12)
    pictures = torch.einsum("yk,xl->klyx", cosines, cosines)[1:, 1:].flatten(0, 1)
    assert gabor_share(pictures) < 0.1


def test_scale_turns_and_constant_patches():
    atoms = gabor(drawn(20, 1), 10, 10)
    first, second = fit_gabor(atoms).r2, fit_gabor(1e-8 * torch.rot90(atoms, 1, (1, 2))).r2
    torch.testing.assert_close(first, second, atol=5e-3, rtol=0)
    flat = torch.full((2, 8, 8), 0.3)
    assert fit_gabor(flat).r2.tolist() == [0, 0] and gabor_share(flat) == 0
    assert fit_gabor(flat[:0]).r2.shape == (0,) and gabor_share(flat[:0]) == 0


def test_bad_input():
    for bad in (torch.zeros(2, 3, 3), torch.full((1, 8, 8), torch.nan)):
        with pytest.raises(ValueError):
            fit_gabor(bad)
