"""Random programs: the same text runs in NumPy and torch, from one seed the same, and stays away from trouble."""

import numpy as np
import pytest
import torch

from deepcanon.parts import random_programs
from deepcanon.parts.random_programs import (
    LARGE,
    Derivatives,
    derivatives,
    execute,
    largest_difference,
    random_program,
)


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


def test_derivatives_are_those_of_differences():
    """The derivative along tangents against central differences, and <cotangent, J t> = <J^T cotangent, t>."""
    random = np.random.default_rng(3)
    leaves, program = random_program(random, 60)
    tangents = [np.asarray(random.normal(size=leaf.shape)) for leaf in leaves]
    value = execute(np, program, leaves)
    cotangent = random.normal(size=value.shape)
    found = derivatives(program, leaves, tangents, cotangent)
    np.testing.assert_allclose(found.value, value, rtol=1e-12)
    step = 1e-6
    above, below = (
        execute(np, program, [leaf + s * t for leaf, t in zip(leaves, tangents, strict=True)]) for s in (step, -step)
    )
    np.testing.assert_allclose(found.tangent, (above - below) / (2 * step), rtol=1e-5, atol=1e-6)
    back = sum((a * t).sum() for a, t in zip(found.adjoints, tangents, strict=True))
    np.testing.assert_allclose(cotangent @ found.tangent, back, rtol=1e-11)


def test_the_largest_difference_is_relative_but_not_to_nothing():
    right = Derivatives(np.array([1.0, 200.0]), np.zeros(2), (np.array(3.0),))
    assert largest_difference(right, right) == 0
    off = right._replace(value=np.array([3.0, 200.0]))
    assert largest_difference(off, right) == 0.01
    assert np.isclose(largest_difference(right._replace(tangent=np.array([0.0, 1e-6])), right), 1e-4)
    assert np.isclose(largest_difference(right._replace(adjoints=(np.array(6.0),)), right), 1.0)


def test_what_cancels_leaves_no_more_than_the_rounding_of_what_it_was():
    """Entries of size 1 that cancel leave some 1e-15 instead of 0: not an error of a derivative, as 1e-10 would be."""
    zero = Derivatives(np.array([1.0]), np.zeros(2), (np.zeros(3),))

    def off_by(error):
        return largest_difference(zero._replace(adjoints=(np.array([0.0, error, 0.0]),)), zero)

    assert off_by(7.1e-15) < 1e-12 and off_by(1e-10) > 5e-9


def test_a_difference_that_is_no_number_is_none():
    right = Derivatives(np.array([1.0]), np.zeros(2), (np.array(3.0),))
    wrong = right._replace(tangent=np.array([0.0, np.nan]))
    assert np.isnan(largest_difference(wrong, right)) and np.isnan(largest_difference(right, wrong))


def test_a_program_is_drawn_again_until_its_condition_is_bounded(monkeypatch):
    def conditions():
        found = []
        for seed in range(12):
            leaves, program, tangents, cotangent = random_programs.drawn(np.random.default_rng(seed), 60)
            found.append(random_programs.condition(program, leaves, tangents, cotangent))
        return found

    usual = conditions()
    assert max(usual) > 5, "else the bound below rejects nothing"
    monkeypatch.setattr(random_programs, "CONDITION", 5.0)
    assert max(conditions()) <= 5


def test_the_condition_is_that_of_the_derivative():
    """Of x^2: a relative change of x doubles in the value, and is as large in the tangent and the adjoint."""
    leaves = [np.asarray(3.0)]
    program = [("square", (0,))]
    found = random_programs.condition(program, leaves, [np.asarray(1.0)], np.ones(1))
    assert found == pytest.approx(2, rel=1e-3)
