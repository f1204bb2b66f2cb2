"""Attention that sees its last weights: steps equal the whole, pads change nothing, places have no numbers."""

import jaxtyping
import pytest
import torch

from deepcanon.sequence import LocationAwareSeq2Seq


def make(**more):
    torch.manual_seed(0)
    return LocationAwareSeq2Seq(9, 8, 6, **{"embedding_size": 5, "reach": 5, **more}).double()


def sentences():
    torch.manual_seed(1)
    return torch.randint(9, (3, 5)), torch.tensor([5, 3, 1]), torch.randint(8, (3, 4))


def test_steps_equal_the_whole():
    module, (source, lengths, inputs) = make().eval(), sentences()
    with torch.no_grad():
        whole, state = module.output(module(source, lengths, inputs)[0]), module.start(source, lengths)
        for t, tokens in enumerate(inputs.unbind(1)):
            logits, state = module.step(tokens, state)
            torch.testing.assert_close(logits, whole[:, t])


def test_what_stands_on_pads_changes_no_bit():
    module, (source, lengths, inputs) = make(), sentences()
    other = torch.where(torch.arange(5) < lengths[:, None], source, (source + 3) % 9)
    for one, two in zip(module(source, lengths, inputs), module(other, lengths, inputs), strict=True):
        assert torch.equal(one, two)


def test_words_far_away_change_neither_annotations_nor_scores():
    """Beyond the window nothing is seen at the first step, however long the sentence is."""
    module, words = make(window=3).eval(), torch.randint(9, (1, 12), generator=torch.Generator().manual_seed(3))
    keys = module.start(words, torch.tensor([12])).keys
    for place in (3, 7):
        nearby = module.start(words[:, place - 1 : place + 2], torch.tensor([3])).keys
        torch.testing.assert_close(nearby[:, 1], keys[:, place])


def test_a_weight_reaches_as_far_as_it_may():
    module = make().eval()
    module.location.weight.data.fill_(1.0)
    before = torch.zeros(1, 1, 9, dtype=torch.float64)
    before[0, 0, 4] = 1.0
    reached = module.before(before)[0].abs().sum(0) > 0
    assert reached.tolist() == [2 <= place <= 6 for place in range(9)]


@pytest.mark.parametrize("sizes", [{"window": 2}, {"reach": 4}])
def test_windows_have_a_middle(sizes):
    with pytest.raises(ValueError, match="must be odd"):
        LocationAwareSeq2Seq(9, 8, 6, **sizes)


def test_shapes_that_do_not_fit_are_refused():
    source, lengths, inputs = sentences()
    for given in ((source[0], lengths, inputs), (source, lengths, inputs[:2]), (source, lengths, inputs[:, :0])):
        with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
            make()(*given)
