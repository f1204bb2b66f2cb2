"""Ways back to an image against NumPy, occlusion by hand, the ascent, ranks against SciPy, and real networks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import TypeCheckError
from oracles import feature_visualization as oracle
from scipy.stats import spearmanr
from torch import nn

from deepcanon.vision import ConvNet
from deepcanon.vision.feature_visualization import (
    RULES,
    activations,
    ascended,
    backward_map,
    class_score,
    layer_features,
    layer_names,
    occlusion,
    pooled,
    rank_correlation,
    saliency,
    shuffled,
    unit_score,
)


class Functional(nn.Module):
    """The oracle's network with its ReLU as a function, in place, or as a method."""

    def __init__(self, plain, relu):
        super().__init__()
        self.plain, self.relu = plain, relu

    def forward(self, x):
        return self.plain[4](self.relu(self.plain[1](self.plain[0](x))).flatten(1))


def network(seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)).double()
    return net, {name: value.numpy() for name, value in net.state_dict().items()}


def images(seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(5, 2, 8, 8)))


CLASSES = torch.tensor([0, 3, 1, 1, 2])
RELUS = {
    "module": None, "function": F.relu, "torch": torch.relu, "method": lambda x: x.relu(),
    "in place": lambda x: F.relu(x, inplace=True), "method in place": lambda x: x.relu_(),
}  # fmt: skip


@pytest.mark.parametrize("relu", RELUS)
@pytest.mark.parametrize("rule", RULES)
def test_ways_back_are_the_oracles(rule, relu):
    net, p = network()
    x, model = images(), net if RELUS[relu] is None else Functional(net, RELUS[relu])
    found = backward_map(model, x, class_score(CLASSES), rule=rule)
    np.testing.assert_allclose(found, oracle.back(p, x.numpy(), CLASSES.numpy(), rule), atol=1e-12)
    np.testing.assert_allclose(saliency(found), np.abs(found.numpy()).max(1), atol=0)
    assert all(p.requires_grad for p in net.parameters()) and net.training, "the model itself is left alone"


def test_the_gradient_rule_is_the_gradient_of_finite_differences():
    net, p = network(1)
    x, step = images(1), 1e-6
    found = backward_map(net, x, class_score(CLASSES)).numpy()
    for place in [(0, 0, 0, 0), (1, 1, 3, 4), (4, 0, 7, 6)]:
        up, down = x.numpy().copy(), x.numpy().copy()
        up[place] += step
        down[place] -= step
        rows = np.arange(5), CLASSES.numpy()
        slope = (oracle.logits(p, up)[rows] - oracle.logits(p, down)[rows]).sum() / (2 * step)
        assert found[place] == pytest.approx(slope, abs=1e-7)


def test_the_three_rules_differ_where_it_matters():
    """A toy that takes one rule for another is caught: on these images no two agree."""
    net, _ = network()
    maps = [backward_map(net, images(), class_score(CLASSES), rule=rule) for rule in RULES]
    for one in range(3):
        for other in range(one):
            assert not torch.allclose(maps[one], maps[other], atol=1e-3)


def test_our_own_networks_with_channels_last_follow_the_rules_too():
    torch.manual_seed(0)
    net = ConvNet(3, 4, size=(16, 16), channels=(6, 8), hidden=10).to(memory_format=torch.channels_last)
    x = torch.randn(3, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    plain = ConvNet(3, 4, size=(16, 16), channels=(6, 8), hidden=10)
    plain.load_state_dict(net.state_dict())
    for rule in RULES:
        torch.testing.assert_close(
            backward_map(net, x, class_score(torch.tensor([0, 1, 2])), rule=rule),
            backward_map(plain, x.contiguous(), class_score(torch.tensor([0, 1, 2])), rule=rule),
        )
    guided, gradient = (
        backward_map(net, x, class_score(torch.tensor([0, 1, 2])), rule=r) for r in ("guided", "gradient")
    )
    assert not torch.allclose(guided, gradient)


def test_a_unit_of_a_layer_can_be_scored():
    net, p = network()
    back = backward_map(net, images(), lambda maps: maps[:, 1, 2, 3], layer="0")
    expected = np.zeros((5, 2, 8, 8))
    expected[:, :, 2:5, 3:6] = p["0.weight"][1]
    np.testing.assert_allclose(back, expected, atol=1e-12)


def test_occlusion_is_what_is_lost():
    net, p = network()
    x = images().numpy()
    found = occlusion(net, images(), class_score(CLASSES), side=3, stride=2, fill=0.5)
    assert found.shape == (5, 3, 3)
    rows = np.arange(5), CLASSES.numpy()
    for i in range(3):
        for j in range(3):
            hidden = x.copy()
            hidden[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] = 0.5
            lost = oracle.logits(p, x)[rows] - oracle.logits(p, hidden)[rows]
            np.testing.assert_allclose(found[:, i, j], lost, atol=1e-12)


@pytest.mark.parametrize("smooth", [0, 2])
def test_the_ascent_finds_the_best_input_of_a_linear_unit(smooth):
    """Of S = w I with decay lambda the maximum is w / (2 lambda)."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    x = torch.zeros(2, 1, 3, 4, dtype=torch.float64)
    score = class_score(torch.tensor([0, 1]))
    for step in range(400):
        x, _ = ascended(net, x, score, rate=0.05 * (1 - step / 400), decay=0.25, smooth=smooth)
    best = net[1].weight.detach().reshape(2, 1, 3, 4) / 0.5
    torch.testing.assert_close(x, best, atol=0.05 if smooth else 2e-3, rtol=0)


def test_an_ascent_raises_every_score_by_steps_of_one_length():
    net, _ = network()
    x = images()
    new, before = ascended(net, x, class_score(CLASSES), rate=0.01)
    after = class_score(CLASSES)(net(new))
    assert bool((after > before).all())
    torch.testing.assert_close((new - x).square().mean((1, 2, 3)).sqrt(), torch.full((5,), 0.01).double())


def test_ranks_are_scipys_also_with_ties():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, size=(3, 4, 5)).astype(float), rng.normal(size=(3, 4, 5))
    found = rank_correlation(torch.from_numpy(one), torch.from_numpy(other))
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_shuffled_weights_keep_their_values_and_lose_their_places():
    net, _ = network()
    other = shuffled(net, torch.Generator().manual_seed(0))
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values)
    assert not torch.equal(net[4].weight, other[4].weight)


def test_layers_by_name():
    net, _ = network()
    assert layer_names(net) == ["0", "4"]
    deep = nn.Sequential(*[nn.Conv2d(1, 1, 1) for _ in range(9)])
    assert layer_names(deep, 3) == ["0", "4", "8"]
    found = activations(net, images(), ("4", "0"))
    assert list(found) == ["4", "0"] and found["0"].shape == (5, 3, 6, 6)
    assert pooled(found["0"], most=12).shape == (5, 12) and pooled(found["4"]).shape == (5, 4)
    given = layer_features(net, images(), ("0", "4"), portion=2)
    assert torch.equal(given[0], images().flatten(1)), "the first layer is given the pixels"
    assert torch.equal(given[1], net[:4](images()).detach()) or torch.allclose(given[1], net[:4](images()))
    maps = found["0"]
    torch.testing.assert_close(
        unit_score(maps), torch.stack([maps[i, i % 3].clamp_min(0).square().mean() for i in range(5)])
    )
    torch.testing.assert_close(unit_score(found["4"]), torch.stack([found["4"][i, i % 4] for i in range(5)]))
    with pytest.raises(ValueError, match="no module 'head', only 0, 1"):
        activations(net, images(), ("head",))


@pytest.mark.parametrize(
    "call",
    [
        lambda net: backward_map(net, images()[0], class_score(CLASSES)),
        lambda net: backward_map(net, images(), class_score(CLASSES), rule="grad"),
        lambda net: backward_map(net, images(), lambda logits: logits),
        lambda net: occlusion(net, images(), class_score(CLASSES), side=9),
        lambda net: rank_correlation(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3)),
        lambda net: pooled(torch.zeros(2, 3, 4)),
    ],
)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises((ValueError, TypeCheckError)):
        call(network()[0])
