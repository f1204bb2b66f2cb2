"""Random programs: the same text runs in NumPy and torch, from one seed the same, and stays away from trouble."""

import numpy as np
import torch

from deepcanon.parts.random_programs import LARGE, execute, random_program


def test_numpy_and_torch_compute_the_same():
    for seed in range(5):
        leaves, program = random_program(np.random.default_rng(seed), 120)
        ours = execute(np, program, leaves)
        theirs = execute(torch, program, [torch.from_numpy(leaf) for leaf in leaves])
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12, atol=1e-12)
        assert np.abs(ours).max() < LARGE


def test_one_seed_one_program():
    (first, one), (second, two) = (random_program(np.random.default_rng(4), 80) for _ in range(2))
    assert one == two and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert random_program(np.random.default_rng(5), 80)[1] != one


def test_arguments_come_before_their_users():
    leaves, program = random_program(np.random.default_rng(1), 150)
    for place, (_, arguments) in enumerate(program):
        assert all(0 <= argument < len(leaves) + place for argument in arguments)
