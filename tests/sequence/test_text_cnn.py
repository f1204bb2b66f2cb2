"""Windows over a text and nothing else; distinct words; dropped words; the order of words counts."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepcanon.sequence import TextCNN
from deepcanon.sequence.text_cnn import max_over_time, windows_of

TEXTS = torch.tensor([[5, 9, 2, 7, 1], [3, 4, 0, 0, 0], [6, 0, 0, 0, 0], [0, 0, 0, 0, 0]])


def made(**options):
    torch.manual_seed(0)
    return TextCNN(10, 3, dimensions=6, filters=4, **options).eval()


@pytest.mark.parametrize("fast", (True, False))
def test_padding_changes_nothing(fast):
    """Neither how much of it there is, nor its vector, nor on which side it stands."""
    model = made(fast=fast)
    before = model(TEXTS)
    torch.testing.assert_close(model(F.pad(TEXTS, (0, 9))), before)
    torch.testing.assert_close(model(F.pad(TEXTS, (4, 2))), before)
    torch.testing.assert_close(model(TEXTS[1:2, :2]), before[1:2])
    with torch.no_grad():
        model.embedding.weight[0] = 100
    assert torch.equal(model(TEXTS), before)


def test_windows_of_padding_alone_would_be_seen():
    """A toy that takes the maximum over the whole width gives a text whose sums are all negative other features."""
    model = made()
    with torch.no_grad():
        for layer in model.layers:
            layer.bias.fill_(0.5)
            layer.weight.zero_()
        model.embedding.weight[2:] = 1
        model.layers[0].weight.fill_(-1.0)
    short = torch.tensor([[3, 4, 5, 0, 0, 0, 0, 0, 0]])
    assert model.features(short)[0, :4].max() == 0  # each window with a word is below 0
    layer, words = model.layers[0], model.embedding(short).transpose(1, 2)
    toy = F.conv1d(words, layer.weight, layer.bias, padding=2).relu().amax(2)
    assert toy.min() == 0.5


def test_a_text_without_words_has_the_features_zero():
    assert not made().features(TEXTS)[3].any() and made().features(TEXTS)[:3].any(1).all()


def test_a_text_shorter_than_a_filter_is_read():
    """Through vectors of zeros around it: one word meets each place of a filter."""
    model = made()
    layer, x = model.layers[2], model.embedding.weight[6]
    expected = (torch.einsum("fdh,d->fh", layer.weight, x) + layer.bias[:, None]).relu().amax(1)
    torch.testing.assert_close(model.features(TEXTS)[2, 8:], expected)


@pytest.mark.parametrize("widths", ((3, 4, 5), (1, 2, 9)))
def test_a_text_without_a_word_is_read_as_if_it_were_read_again(widths):
    """Short texts, padding and words that are the other one already among them."""
    model = made(widths=widths).double()
    torch.nn.init.normal_(model.embedding.weight)
    found = model.without_each(TEXTS, instead=7)
    assert found.shape == (4, 6, 3)
    torch.testing.assert_close(found[:, 0], model(TEXTS))
    for row, tokens in enumerate(TEXTS):
        for place, token in enumerate(tokens.tolist()):
            read = tokens.clone()
            read[place] = 7 if token else 0
            torch.testing.assert_close(found[row, 1 + place], model(read[None])[0])
    assert torch.equal(found[0, 4], found[0, 0])  # it reads 7 there
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="batch"):
        model.without_each(TEXTS[0], 7)


def test_distinct_words_give_the_gradients_of_the_convolution():
    results = []
    for fast in (True, False):
        model = made(fast=fast).double()
        F.cross_entropy(model(TEXTS[:, :4]), torch.tensor([0, 1, 2, 0])).backward()
        results.append([p.grad for p in model.parameters()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_a_dropped_word_is_dropped_wherever_it_occurs():
    model = made(embedding_dropout=0.5).train()
    tokens = torch.tensor([[3, 4, 5, 6], [6, 5, 4, 3]])
    for _ in range(10):
        x = model.embedding(tokens)
        torch.testing.assert_close(x[0], x[1].flip(0))
        kept = x[0].any(1)
        torch.testing.assert_close(x[0][kept], 2 * model.embedding.weight[tokens[0]][kept])
    assert torch.equal(model.eval().embedding(tokens), model.embedding.weight[tokens])


def test_frozen_vectors_and_rows_of_padding_have_no_gradient():
    model = made(frozen=True)
    model(TEXTS).sum().backward()
    assert model.embedding.weight.grad is None and model.output.weight.grad is not None
    model = made()
    model(TEXTS).sum().backward()
    assert not model.embedding.weight.grad[0].any() and model.embedding.weight.grad[5].any()


def test_order_counts_where_a_bag_of_words_sees_nothing():
    """Class 1 has the words 3 4 in a row, class 0 has 4 3: the same words."""
    torch.manual_seed(1)
    rest = torch.randint(5, 9, (64, 6))
    y = torch.arange(64) % 2
    pair = torch.where(y[:, None] == 1, torch.tensor([3, 4]), torch.tensor([4, 3]))
    x = torch.cat([rest[:, :3], pair, rest[:, 3:]], 1)
    model = TextCNN(10, 2, dimensions=6, filters=4, widths=(2,), dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(120):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert (model(x).argmax(1) == y).all()


def test_shapes_and_sizes_are_checked():
    with pytest.raises(ValueError, match=r"\(4, 0\) are not \[batch, time >= 1\]"):
        made()(TEXTS[:, :0])
    with pytest.raises(ValueError, match="widths"):
        TextCNN(9, 2, widths=(0,))
    with pytest.raises(ValueError, match="1 symbols"):
        TextCNN(1, 2)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"do not fit|inside"):
        max_over_time(torch.zeros(2, 3, 4), torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="width 0"):
        windows_of(torch.ones(2, 3, dtype=torch.bool), 0)


def test_the_state_dict_has_the_names_of_torchs_layers():
    assert isinstance(made().filters[0], nn.Conv1d)
    assert made().filters[0].weight.shape == (4, 6, 3)
