"""Texts are read within their own length from both ends; padding is not read; the order of words counts."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepcanon.sequence import SentimentRNN
from deepcanon.sequence.sentiment import pooled

TEXTS = torch.tensor([[5, 9, 2, 7, 1], [3, 4, 8, 0, 0], [6, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
KERNELS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def made(**options):
    torch.manual_seed(0)
    return SentimentRNN(10, 3, dimensions=6, hidden_size=4, **options).eval()


@pytest.mark.parametrize("pool", ("last", "mean", "max"))
@pytest.mark.parametrize("cell", ("lstm", "gru", "rnn"))
def test_padding_changes_nothing(cell, pool):
    model = made(cell=cell, pool=pool, num_layers=2)
    before = model(TEXTS)
    torch.testing.assert_close(model(F.pad(TEXTS, (0, 9))), before)
    torch.testing.assert_close(model(TEXTS[1:2, :3]), before[1:2])
    with torch.no_grad():
        model.embedding.weight[0] = 100
    assert torch.equal(model(TEXTS), before)


@pytest.mark.parametrize("cell", ("lstm", "gru", "rnn"))
def test_equals_torchs_packed_sequences(cell):
    model = made(cell=cell, num_layers=2)
    torchs = KERNELS[cell](6, 4, 2, batch_first=True, bidirectional=True)
    torchs.load_state_dict(model.layers.state_dict())
    lengths = torch.tensor([5, 3, 1])
    packed = nn.utils.rnn.pack_padded_sequence(model.embedding(TEXTS[:3]), lengths, batch_first=True)
    _, end = torchs(packed)
    hidden = end[0] if cell == "lstm" else end
    torch.testing.assert_close(model.features(TEXTS[:3]), torch.cat([hidden[2], hidden[3]], 1))


def test_the_state_after_padding_is_another_one():
    """What a toy gives that reads the last step of the batch, or reads backward from there."""
    model = made()
    for name, parameter in model.layers.named_parameters():
        if name.startswith("bias"):  # of zeros, states of zeros would stay so
            nn.init.normal_(parameter)
    torchs = nn.LSTM(6, 4, batch_first=True, bidirectional=True)
    torchs.load_state_dict(model.layers.state_dict())
    outputs, (ends, _) = torchs(model.embedding(TEXTS))
    ours = model.features(TEXTS)
    torch.testing.assert_close(ours[0], torch.cat([ends[0, 0], ends[1, 0]]))  # a text as long as the batch
    assert (ours[1, :4] - outputs[1, -1, :4]).abs().max() > 1e-3  # padded last state
    assert (ours[1, 4:] - ends[1, 1]).abs().max() > 1e-3  # backward from the padding
    model.pool = "mean"
    mean = model.features(TEXTS)[1]
    assert (mean - outputs[1].mean(0)).abs().max() > 1e-3


def test_a_text_without_words_has_the_features_zero():
    for pool in ("last", "mean", "max"):
        assert not made(pool=pool).features(TEXTS)[3].any()


def test_padding_before_a_word_is_refused():
    with pytest.raises(ValueError, match="padding stands before a word"):
        made()(torch.tensor([[3, 0, 4]]))


def test_shapes_and_sizes_are_checked():
    with pytest.raises(ValueError, match=r"are not \[batch, time >= 1\]"):
        made()(TEXTS[:, :0])
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="first"):
        made(pool="first")
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"do not fit|real"):
        pooled(torch.zeros(2, 3, 4), torch.ones(2, 4, dtype=torch.bool), "mean")


@pytest.mark.parametrize("both", (True, False))
def test_what_stands_first_is_remembered_over_a_text(both):
    """The class is the first word: the last state of a forward reading must carry it."""
    torch.manual_seed(1)
    y = torch.arange(64) % 2
    x = torch.cat([3 + y[:, None], torch.randint(5, 10, (64, 6))], 1)
    model = SentimentRNN(10, 2, dimensions=8, hidden_size=8, cell="gru", both=both, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert (model(x).argmax(1) == y).all()
