"""Dropout: the moments by enumeration of all masks, a mask per example and unit, max-norm, and planted bugs."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import dropout as oracle
from torch import nn

from deepcanon.foundations import MLP, Dropout, max_norm_
from deepcanon.foundations import mlp as by_hand
from deepcanon.foundations.dropout import drop, dropout_mask, dropout_moments, rescale


def layer(units=8, after=3, rows=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((rows, units), (after, units), (after,))
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def enumerated(x, weight, bias, p, scaled=rescale):
    """Moments of the layer's output over all masks, with our own equation (2) inside."""
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=x.shape[1])), dtype=x.dtype)
    shares = ((1 - p) ** masks * p ** (1 - masks)).prod(1)
    outputs = torch.stack([scaled(x, mask.expand_as(x).clone(), p) @ weight.T + bias for mask in masks])
    mean = torch.einsum("s,srk->rk", shares, outputs)
    return mean, torch.einsum("s,srk->rk", shares, (outputs - mean).square())


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.9])
def test_moments_are_exact(p):
    x, weight, bias = layer()
    ours = dropout_moments(x, weight, bias, p)
    for mine, counted, other in zip(
        ours,
        enumerated(x, weight, bias, p),
        oracle.moments(x.numpy(), weight.numpy(), bias.numpy(), p),
        strict=True,
    ):
        torch.testing.assert_close(mine, counted, atol=1e-12, rtol=1e-12)
        np.testing.assert_allclose(mine.numpy(), other, atol=1e-12)


BUGS = {
    "the paper's p taken for ours": lambda x, kept, p: x * kept / p,
    "no scaling": lambda x, kept, p: x * kept,
    "scaled twice": lambda x, kept, p: x * kept / (1 - p) ** 2,
    "what is kept and what is dropped changed over": lambda x, kept, p: x * (1 - kept) / (1 - p),
}


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_move_the_moments(bug):
    x, weight, bias = layer()
    mean, variance = enumerated(x, weight, bias, 0.2, BUGS[bug])
    exact = dropout_moments(x, weight, bias, 0.2)
    assert (mean - exact[0]).abs().max() > 1e-2 or (variance - exact[1]).abs().max() > 1e-2


def test_sampled_moments_are_within_their_error():
    x, weight, bias = layer(units=20)
    generator = torch.Generator().manual_seed(1)
    draws = 20_000
    many = x.repeat_interleave(draws, 0)
    outputs = (drop(many, 0.3, generator) @ weight.T + bias).view(2, draws, 3)
    mean, variance = dropout_moments(x, weight, bias, 0.3)
    assert ((outputs.mean(1) - mean).abs() / (variance / draws).sqrt()).max() < 4
    torch.testing.assert_close(outputs.var(1), variance, rtol=0.05, atol=0)


def test_every_example_and_unit_has_a_mask_of_its_own():
    """Columns and rows are independent: a mask shared by the batch or by the units has rank one."""
    kept = dropout_mask(torch.zeros(400, 300), 0.25, torch.Generator().manual_seed(0))
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    for axis, count in ((0, 400), (1, 300)):
        gap = (kept.mean(axis) - 0.75).abs().max() / (0.25 * 0.75 / count) ** 0.5
        assert gap < 4.5
    centred = kept - 0.75
    # A shared mask would put the whole variance into one singular value.
    share = torch.linalg.svdvals(centred).square()
    assert (share[0] / share.sum()).item() < 0.05


def test_masks_are_fresh_and_a_generator_repeats_them():
    x = torch.ones(50, 50)
    generator = torch.Generator().manual_seed(3)
    first, second = drop(x, 0.5, generator), drop(x, 0.5, generator)
    assert not torch.equal(first, second)
    state = torch.get_rng_state()
    assert torch.equal(drop(x, 0.5, torch.Generator().manual_seed(3)), first)
    assert torch.equal(torch.get_rng_state(), state), "a generator was given, and the default one was used"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_values_and_shares_are_those_of_torch(dtype):
    """Another stream of random numbers, the same distribution; the mask does not depend on the precision."""
    x = torch.full((300, 400), 2.0, dtype=dtype)
    ours, theirs = drop(x, 0.3, torch.Generator().manual_seed(7)), F.dropout(x, 0.3)
    assert ours.dtype == dtype and (ours == 0).float().mean().sub((theirs == 0).float().mean()).abs() < 0.01
    torch.testing.assert_close(ours.unique(), theirs.unique())
    single = drop(x.float(), 0.3, torch.Generator().manual_seed(7))
    assert torch.equal(ours == 0, single == 0)


def test_off_in_eval_and_the_gradient_passes_where_a_value_passed():
    module, x = Dropout(0.5), torch.randn(5, 6, requires_grad=True)
    assert module.eval()(x) is x and str(module) == "Dropout(p=0.5)"
    out = module.train()(x, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, torch.where(out == 0, 0.0, 2.0))


def test_the_forward_pass_of_the_perceptron_by_hand_has_the_same_moments():
    """`dropout_forward` of mlp.py is this system with a cache."""
    x = torch.ones(1, 4000, dtype=torch.float64)
    out, _ = by_hand.dropout_forward(x, 0.2, torch.Generator().manual_seed(0))
    assert set(out.unique().tolist()) == {0.0, 1.25} and abs(out.mean().item() - 1) < 0.03


def test_averaging_many_masks_is_the_network_without_dropout_only_if_it_is_linear():
    torch.manual_seed(0)
    x = torch.randn(1, 10, dtype=torch.float64)
    for hidden, same in (((), True), ((30,), False)):
        net = MLP(10, 2, hidden=hidden, dtype=torch.float64)
        masked = net(drop(x.expand(40_000, -1), 0.5, torch.Generator().manual_seed(1)))
        error = masked.std(0) / 200
        assert bool(((masked.mean(0) - net(x)[0]).abs() < 4 * error).all()) == same


# Max-norm


def test_max_norm_shortens_the_incoming_weights_of_each_unit_only():
    torch.manual_seed(0)
    weight = torch.randn(6, 10, dtype=torch.float64) * torch.linspace(0.05, 3, 6)[:, None]
    before = weight.clone()
    assert max_norm_(weight, 2.0) is weight
    norms, earlier = weight.norm(dim=1), before.norm(dim=1)
    torch.testing.assert_close(norms, earlier.clamp_max(2.0))
    assert torch.equal(weight[earlier <= 2], before[earlier <= 2]), "a unit within the limit was touched"
    torch.testing.assert_close(F.cosine_similarity(weight, before), torch.ones(6, dtype=torch.float64))
    # The columns (outgoing weights) are another constraint: a transposed norm gives other weights.
    assert not torch.allclose(max_norm_(before.T.clone(), 2.0).T, weight)


def test_max_norm_on_a_convolution_and_on_torchs_own():
    torch.manual_seed(1)
    weight = nn.Conv2d(3, 5, 3).weight
    with torch.no_grad():
        weight.mul_(10)
    expected = torch.renorm(weight.detach().clone(), 2, 0, 1.7)
    torch.testing.assert_close(max_norm_(weight, 1.7).detach(), expected, rtol=1e-5, atol=1e-6)
    assert weight.requires_grad and weight.grad is None and weight.is_leaf


def test_max_norm_keeps_zeros_and_half_precision():
    weight = torch.zeros(2, 3, dtype=torch.bfloat16)
    weight[1] = 100
    max_norm_(weight, 3.0)
    assert weight[0].tolist() == [0, 0, 0] and weight[1].norm().item() == pytest.approx(3, rel=0.01)


def test_refusals_name_what_is_wrong():
    x = torch.zeros(2, 3)
    for p in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"\[0, 1\)"):
            drop(x, p)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        Dropout(1.0)
    with pytest.raises(ValueError, match="positive"):
        max_norm_(x, 0.0)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        max_norm_(torch.zeros(3), 1.0)


def test_shapes_are_named(monkeypatch):
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"mask \(2, 4\)"):
        rescale(x, torch.zeros(2, 4), 0.5)
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(5, 4\)"):
        dropout_moments(x, torch.zeros(5, 4), torch.zeros(5), 0.5)
