"""Sequence to sequence: pads, the reversed source, the vector that every step sees."""

import pytest
import torch

from deepcanon.sequence import Seq2Seq


def make(**how):
    torch.manual_seed(0)
    return Seq2Seq(9, 8, 6, embedding_size=5, **how).double()


def sentences():
    torch.manual_seed(1)
    return torch.randint(9, (3, 5)), torch.tensor([5, 3, 1]), torch.randint(8, (3, 4))


@pytest.mark.parametrize("peeky", [False, True])
def test_steps_equal_the_whole_and_pads_change_nothing(peeky):
    module, (source, lengths, inputs) = make(peeky=peeky).eval(), sentences()
    other = torch.where(torch.arange(5) < lengths[:, None], source, (source + 3) % 9)
    with torch.no_grad():
        whole = module.output(module(source, lengths, inputs)[0])
        assert torch.equal(module(other, lengths, inputs)[0], module(source, lengths, inputs)[0])
        state = module.start(source, lengths)
        for t, tokens in enumerate(inputs.unbind(1)):
            logits, state = module.step(tokens, state)
            torch.testing.assert_close(logits, whole[:, t])


def test_loops_by_hand_equal_the_plain_ones():
    grads = []
    for fast in (True, False):
        module = make(peeky=True, fast=fast)
        module(*sentences())[0].square().sum().backward()
        grads.append([p.grad for p in module.parameters() if p.grad is not None])
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_the_reversed_source_is_what_a_forward_reader_sees_of_a_turned_sentence():
    source, lengths, inputs = torch.tensor([[1, 2, 3]]), torch.tensor([3]), torch.tensor([[1, 4]])
    one, other = make()(source, lengths, inputs)[0], make(backwards=False)(source.flip(1), lengths, inputs)[0]
    assert torch.allclose(one, other)


def test_every_step_of_a_peeky_decoder_sees_the_source():
    """With recurrent weights of 0 the state is new at every step: only a peeky one still knows the source."""
    source, lengths, inputs = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([3, 3]), torch.ones(2, 4).long()
    for peeky in (False, True):
        module = make(peeky=peeky)
        with torch.no_grad():
            module.decoder.weight_hh.zero_()
            module.decoder.bias_ih[6:12] = -50.0  # the update gate writes
        readout = module(source, lengths, inputs)[0]
        assert torch.allclose(readout[0, 2], readout[1, 2]) != peeky
