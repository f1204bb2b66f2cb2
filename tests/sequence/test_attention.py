"""Attention: the loops by hand equal the plain ones, steps equal the whole, pads change nothing, bugs are caught."""

import jaxtyping
import pytest
import torch

from deepcanon.sequence import AttentionSeq2Seq

SCORES = ("additive", "dot", "general", "location", "uniform")


def make(form="bahdanau", score="additive", **more):
    torch.manual_seed(0)
    return AttentionSeq2Seq(9, 8, 6, embedding_size=5, form=form, score=score, longest=7, **more).double()


def sentences():
    torch.manual_seed(1)
    return torch.randint(9, (3, 5)), torch.tensor([5, 3, 1]), torch.randint(8, (3, 4))


@pytest.mark.parametrize("form", ["bahdanau", "luong"])
def test_loops_by_hand_equal_the_plain_ones_in_values_and_gradients(form):
    results = []
    for fast in (True, False):
        module = make(form, fast=fast)
        readout, weights = module(*sentences())
        torch.manual_seed(2)
        loss = sum((value * torch.randn(value.shape)).sum() for value in (readout, weights))
        loss.backward()
        results.append([readout, weights, *(p.grad for p in module.parameters() if p.grad is not None)])
    assert len(results[0]) == len(results[1]) > 15
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("form", ["bahdanau", "luong"])
@pytest.mark.parametrize("score", SCORES)
def test_steps_equal_the_whole(form, score):
    module, (source, lengths, inputs) = make(form, score).eval(), sentences()
    with torch.no_grad():
        whole = module.output(module(source, lengths, inputs)[0])
        state = module.start(source, lengths)
        for t, tokens in enumerate(inputs.unbind(1)):
            logits, state = module.step(tokens, state)
            torch.testing.assert_close(logits, whole[:, t])


@pytest.mark.parametrize("form", ["bahdanau", "luong"])
@pytest.mark.parametrize("score", SCORES)
def test_what_stands_on_pads_changes_no_bit(form, score):
    module, (source, lengths, inputs) = make(form, score), sentences()
    other = torch.where(torch.arange(5) < lengths[:, None], source, (source + 3) % 9)
    assert not torch.equal(source, other)
    for one, two in zip(module(source, lengths, inputs), module(other, lengths, inputs), strict=True):
        assert torch.equal(one, two)


def test_a_wider_batch_changes_nothing():
    module, (source, lengths, inputs) = make(), sentences()
    wide = torch.cat([source, torch.zeros(3, 2, dtype=torch.int64)], 1)
    for one, two in zip(module(source, lengths, inputs), module(wide, lengths, inputs), strict=True):
        torch.testing.assert_close(one, two[..., : one.shape[-1]])


def test_the_previous_state_asks_in_bahdanaus_form_and_the_current_one_in_luongs():
    """The weights of the first step: before any word was read, or after."""
    source, lengths, inputs = sentences()
    other = (inputs + 1) % 8
    for form, same in (("bahdanau", True), ("luong", False)):
        module = make(form)
        first = [module(source, lengths, given)[1][:1, 0] for given in (inputs, other)]
        assert torch.allclose(*first) == same, form


def test_sizes_and_names_that_do_not_fit():
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused, match="form"):
        make("transformer")
    with pytest.raises(refused, match="even number"):
        AttentionSeq2Seq(9, 8, 5, form="luong", score="dot")
    with pytest.raises(refused, match=r"inputs|batch"):
        make()(torch.zeros(2, 3, dtype=torch.int64), torch.tensor([3, 3]), torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(refused, match="8 places are more than the 7"):
        make(score="location")(
            torch.zeros(1, 8, dtype=torch.int64), torch.tensor([8]), torch.zeros(1, 2, dtype=torch.int64)
        )


def test_units_with_a_negative_bias_begin_by_forgetting():
    for bias, same in ((-50.0, True), (0.0, False)):
        module, (source, lengths, _) = make(keep_bias=bias), sentences()
        with torch.no_grad():
            module.forwards.weight_hh.zero_()
        later = [module.start(given, lengths).memory[0, 3, :6] for given in (source, moved_source(source))]
        assert torch.allclose(*later) == same, bias


def moved_source(source):
    """The same sentences with another first word."""
    return torch.cat([(source[:, :1] + 1) % 9, source[:, 1:]], 1)
