"""The twenty planted bugs: the right half is autograd's gradient, the wrong half has its shapes and other numbers."""

import pytest
import torch

from deepcanon.foundations.gradient_check import check_gradients
from deepcanon.foundations.planted_bugs import PAIRS, explicit, judge

every = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)


def material(pair):
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in pair.inputs]


def gradients(run, inputs):
    torch.manual_seed(0)  # dropout's mask
    output = run(*inputs)
    torch.manual_seed(1)  # a backward pass that draws draws another
    weight = torch.linspace(-1, 2, output.numel(), dtype=torch.float64).reshape(output.shape)
    return torch.autograd.grad((output * weight).sum(), inputs)


@every
def test_the_right_half_is_autograd_s_gradient(pair):
    inputs = material(pair)
    plain = gradients(lambda *x: pair.forward(*x)[0], inputs)
    for mine, theirs in zip(gradients(lambda *x: explicit(pair, *x), inputs), plain, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-13, rtol=1e-11)


@every
def test_the_wrong_half_has_the_same_shapes_and_other_numbers(pair):
    inputs = material(pair)
    plain = gradients(lambda *x: pair.forward(*x)[0], inputs)
    wrong = gradients(lambda *x: explicit(pair, *x, planted=True), inputs)
    assert [g.shape for g in wrong] == [g.shape for g in plain]
    assert max((a - b).abs().max() / b.abs().max() for a, b in zip(wrong, plain, strict=True)) > 0.05


def test_there_are_twenty_and_each_has_its_name():
    assert len(PAIRS) == len({pair.name for pair in PAIRS}) == 20


def test_other_shapes_are_named():
    with pytest.raises(ValueError, match=r"transposed weight takes inputs .*\(3, 3\).* not .*\(2, 2\)"):
        explicit(PAIRS[0], torch.ones(4, 3), torch.ones(2, 2), torch.ones(3))


def test_both_halves_are_judged_by_the_same_check():
    pair, settings = PAIRS[0], {"coordinates": 3, "seed": 4}
    inputs = material(pair)
    found = judge(pair, inputs, **settings)
    assert found.right == check_gradients(lambda *x: explicit(pair, *x), inputs, **settings)
    assert found.wrong == check_gradients(lambda *x: explicit(pair, *x, planted=True), inputs, **settings)
    assert found.right.passed and not found.wrong.passed
