"""What a toy version of PixelRNN gets wrong: the order of pixels and colours, the shift of the right-hand map, a
density that does not sum to one, and samples that are not from it."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from deepcanon.sequence import DiagonalLSTM, MaskedConv2d, PixelRNN
from deepcanon.sequence import pixel_rnn as system
from deepcanon.sequence.pixel_rnn import shift_down

LAYERS = ("cnn", "row", "diagonal")
ALL_3X3 = torch.tensor(list(itertools.product((0, 1), repeat=9))).view(512, 1, 3, 3)


def net(channels=1, levels=2, layer="diagonal", layers=2, features=6, seed=0):
    torch.manual_seed(seed)
    return PixelRNN(channels, levels=levels, features=features, layers=layers, layer=layer, dtype=torch.float64)


def slopes(model, channels, height=4, width=5):
    """|d logit / d pixel| as [C, H, W, C, H, W], the largest over the levels."""
    x = torch.randn(1, channels, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.functional.jacobian(model, x)[0, ..., 0, :, :, :].abs()
    return found.amax(0) if found.ndim == 7 else found


def places(channels, height=4, width=5):
    return itertools.product(range(height), range(width), range(channels))


def future(found):
    channels = len(found)
    pairs = itertools.product(places(channels), places(channels))
    return [float(found[c, i, j, d, k, m]) for (i, j, c), (k, m, d) in pairs if (k, m, d) >= (i, j, c)]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_512_pictures_sum_to_one(layer):
    assert abs(float((-net(layer=layer).nll(ALL_3X3)).exp().sum().detach()) - 1) < 1e-12


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("channels", "levels"), [(1, 2), (3, 4)])
def test_no_slope_to_the_future(layer, channels, levels):
    assert max(future(slopes(net(channels, levels, layer), channels))) == 0


def test_a_right_hand_map_that_is_not_shifted_sees_the_future(monkeypatch):
    monkeypatch.setattr(system, "shift_down", lambda maps: maps)
    assert max(future(slopes(net(), 1))) > 0


def test_mask_a_in_every_layer_or_b_in_the_first_is_caught(monkeypatch):
    model = net(layer="cnn")
    model.first.mask[:, :, 3, 3] = 1  # mask B where A belongs
    assert max(future(slopes(model, 1))) > 0


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_before_is_seen(layer):
    """All of it by the diagonal kind, but for the end of the row above that the first 7 x 7 filter does not reach."""
    found = slopes(net(layer=layer), 1)[0, :, :, 0]
    unseen = {
        ((i, j), (k, m))
        for (i, j, _), (k, m, _) in itertools.product(places(1), places(1))
        if (k, m) < (i, j) and found[i, j, k, m] == 0
    }
    assert unseen == {((i, 0), (i - 1, 4)) for i in (1, 2, 3)}


def test_green_sees_red_and_blue_sees_both_at_their_own_pixel():
    found = slopes(net(3, 4, "diagonal"), 3)[:, 2, 2, :, 2, 2]
    assert (found > 0).tolist() == [[False, False, False], [True, False, False], [True, True, False]]


def test_one_way_alone_misses_what_is_up_and_to_the_right():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 4, 5, dtype=torch.float64)
    both = (DiagonalLSTM(2, both=both, dtype=torch.float64) for both in (True, False))
    two, one = (torch.autograd.functional.jacobian(layer, x)[0, 0, 2, 2, 0, :, 1, 4].abs().max() for layer in both)
    assert float(two) > 0 == float(one)


def test_shift_down():
    maps = torch.arange(6.0).view(1, 1, 3, 2)
    assert shift_down(maps).flatten().tolist() == [0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize("layer", LAYERS)
def test_drawn_pictures_are_from_the_density(layer):
    """Frequencies of the 16 pictures of 2 x 2 in 4,000 draws, and the rows that were given."""
    model = net(layer=layer, layers=1, features=3).float()
    pictures = torch.tensor(list(itertools.product((0, 1), repeat=4))).view(16, 1, 2, 2)
    truth = (-model.nll(pictures)).exp().double().detach()
    drawn = model.complete(torch.zeros(4000, 1, 2, 2, dtype=torch.long), generator=torch.Generator().manual_seed(0))
    counts = (drawn.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(1).bincount(minlength=16).double()
    chi = ((counts - 4000 * truth) ** 2 / (4000 * truth)).sum()
    assert float(chi) < 37.7  # 99.9 % of chi squared with 15 degrees of freedom
    given = torch.tensor([[1, 0], [0, 0]]).view(1, 1, 2, 2).expand(50, 1, 2, 2)
    assert torch.equal(model.complete(given, 1, torch.Generator().manual_seed(0))[:, :, 0], given[:, :, 0])


def test_the_rows_that_convolutions_cannot_reach_do_not_count():
    """`complete` passes only the rows within reach."""
    model = net(2, 3, "cnn", layers=1, features=4)
    values = torch.randint(3, (1, 2, 9, 3), generator=torch.Generator().manual_seed(0))
    found = model.complete(values, 8, temperature=0.0)
    model.reach = 0
    assert torch.equal(found, model.complete(values, 8, temperature=0.0))


def test_by_hand_and_as_a_graph_are_the_same(monkeypatch):
    model, x = net(layer="diagonal"), torch.randn(2, 1, 4, 3, dtype=torch.float64)
    row = net(layer="row")
    fast = model(x), row(x)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    for one, other in zip(fast, (model(x), row(x)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_nats_of_levels_are_a_softmax_over_them():
    model = net(1, 5, "cnn", 1)
    values = torch.randint(5, (3, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    logits = model(values.double() / 2 - 1)
    truth = -F.log_softmax(logits, 1).gather(1, values[:, None]).flatten(1).sum(1)
    torch.testing.assert_close(model.nll(values), truth)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: MaskedConv2d(2, 4, colours=2, blocks=3), "empty"),
        (lambda: MaskedConv2d(2, 2, (2, 3)), "odd"),
        (lambda: PixelRNN(levels=1), "nothing to predict"),
        (lambda: PixelRNN(3, features=2), "empty"),
        (lambda: PixelRNN()(torch.zeros(1, 3, 4, 4)), "batch, 1"),
    ],
)
def test_errors(make, word):
    with pytest.raises(ValueError, match=word):
        make()
