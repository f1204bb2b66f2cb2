"""Capsules: what routing must be, each with the toy that a falling loss does not show."""

import numpy as np
import pytest
import torch
from oracles import capsules as oracle

from deepcanon.vision import CapsuleLayer, CapsuleNet, margin_loss, reconstruction_loss
from deepcanon.vision.capsules import lengths, route, squash


def votes(batch=3, children=7, parents=4, units=5, seed=0):
    return torch.randn(batch, children, parents, units, generator=torch.Generator().manual_seed(seed)).double()


def toy_route(u_hat, iterations=3, *, over=2, carried=None):
    """Routing with planted bugs: couplings over `over` (1: the children), logits that begin where they ended."""
    b = torch.zeros(u_hat.shape[:3]).double() if carried is None else carried.clone()
    for _ in range(iterations):
        c = b.softmax(over)
        v = squash((c[..., None] * u_hat).sum(1))
        b = b + (u_hat * v[:, None]).sum(3)
    return v, c, b


def test_the_full_network_has_the_papers_numbers():
    net = CapsuleNet(1, 10)
    assert net.output.weight.shape == (1152, 8, 10, 16)
    assert sum(p.numel() for p in net.parameters()) == 8_215_568
    parts = [net.convolution, net.primary, net.output, net.decoder]
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == [20_992, 5_308_672, 1_474_560, 1_411_344]


def test_every_child_hands_all_of_its_vote_to_the_parents():
    u_hat = votes()
    for iterations in (1, 2, 3, 5):
        v, c = route(u_hat, iterations)
        torch.testing.assert_close(c.sum(2), torch.ones(3, 7).double())
        assert (c >= 0).all()
        expected, shares = oracle.route(u_hat.numpy(), iterations)
        np.testing.assert_allclose(v, expected, atol=1e-10)
        np.testing.assert_allclose(c, shares, atol=1e-10)
    toy, wrong, _ = toy_route(u_hat, over=1)
    assert (wrong.sum(2) - 1).abs().max() > 0.1, "a softmax over the children is caught"
    assert (toy - route(u_hat)[0]).abs().max() > 0.01


def test_one_iteration_is_the_uniform_average():
    torch.manual_seed(1)
    layer, u = CapsuleLayer(6, 3, 4, 5, iterations=1, dtype=torch.float64), torch.randn(2, 6, 3).double()
    torch.testing.assert_close(layer(u), squash(layer.votes(u).sum(1) / 4))
    layer.iterations = 3
    assert (layer(u) - squash(layer.votes(u).sum(1) / 4)).abs().max() > 1e-3


def test_lengths_lie_below_one_and_nothing_breaks_at_zero():
    s = torch.tensor([[0.0, 0], [1e-20, 0], [3e-4, 4e-4], [3, 4], [300, 400]], dtype=torch.double).requires_grad_()
    v = squash(s)
    expected = torch.tensor([0, 0, 25e-8 / (1 + 25e-8), 25 / 26, 250000 / 250001]).double()
    torch.testing.assert_close(v.norm(dim=1), expected, atol=1e-12, rtol=1e-6)
    assert (v.norm(dim=1) < 1).all()
    (lengths(v) + v.sum(1)).sum().backward()
    assert s.grad.isfinite().all()
    naive = torch.zeros(1, 2, requires_grad=True)
    norm = naive.norm(dim=1, keepdim=True)
    (norm**2 / (1 + norm**2) * naive / norm).sum().backward()
    assert naive.grad.isnan().all(), "the squash of the authors' code is caught"


def test_the_order_of_the_children_means_nothing():
    torch.manual_seed(2)
    layer, u, order = CapsuleLayer(9, 3, 4, 5, dtype=torch.float64), torch.randn(2, 9, 3).double(), torch.randperm(9)
    before = layer(u)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[order].clone())
    torch.testing.assert_close(layer(u[:, order]), before)
    assert (layer(u) - before).abs().max() > 1e-3


def test_two_calls_with_one_input_are_equal():
    torch.manual_seed(3)
    net = CapsuleNet(1, 3, size=(8, 8), filters=3, maps=2, units=4, decoder=(5,), kernel_size=3)
    x = torch.rand(4, 1, 8, 8)
    first = net(x)
    net(torch.rand(4, 1, 8, 8))
    assert torch.equal(net(x), first) and torch.allclose(net(x[:2]), first[:2], atol=1e-6)
    u_hat = votes()
    once, _, logits = toy_route(u_hat)
    assert not torch.allclose(toy_route(u_hat, carried=logits)[0], once), "logits kept across batches are caught"


@pytest.mark.parametrize("batch", [1, 8, 11])
@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_routing_some_pictures_at_a_time_equals_procedure_1(batch, iterations):
    torch.manual_seed(4)
    layer = CapsuleLayer(6, 4, 3, 5, iterations=iterations, dtype=torch.float64)
    results, u, outer = [], torch.randn(batch, 6, 4).double(), torch.randn(batch, 3, 5).double()
    for plain in (False, True):
        x = u.clone().requires_grad_()
        v = route(layer.votes(x), iterations)[0] if plain else layer(x)
        results.append((v, *torch.autograd.grad((v * outer).sum(), (x, layer.weight))))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-10)


def test_the_gradient_flows_through_all_iterations():
    """A stop-gradient on the votes of the first iterations, as some versions have, gives another gradient."""
    u_hat = votes().requires_grad_()
    outer = torch.randn(3, 4, 5).double()
    whole = torch.autograd.grad((route(u_hat)[0] * outer).sum(), u_hat)[0]
    c = route(u_hat.detach())[1]
    stopped = torch.autograd.grad((squash((c[..., None] * u_hat).sum(1)) * outer).sum(), u_hat)[0]
    assert (whole - stopped).abs().max() > 0.01


def test_the_margin_of_two_classes_by_hand():
    found = torch.tensor([[0.95, 0.05, 0.4], [0.6, 0.3, 0.9]])
    present = torch.tensor([[1, 0, 0], [1, 0, 1]])
    expected = torch.tensor([0.5 * 0.3**2, 0.3**2 + 0.5 * 0.2**2])
    torch.testing.assert_close(margin_loss(found, present, "none"), expected)
    torch.testing.assert_close(margin_loss(found, present), expected.mean())
    torch.testing.assert_close(margin_loss(found, present, "sum"), expected.sum())


def test_the_reconstruction_is_a_sum_over_pixels():
    drawn, pixels = torch.rand(5, 1, 28, 28), torch.rand(5, 1, 28, 28)
    mean = (drawn - pixels).square().mean()
    torch.testing.assert_close(reconstruction_loss(drawn, pixels), 0.392 * mean)
    toy = 0.0005 * mean
    assert reconstruction_loss(drawn, pixels) / toy > 700, "a mean over the pixels is caught"


def test_only_the_chosen_capsule_draws():
    torch.manual_seed(5)
    net = CapsuleNet(1, 3, size=(8, 8), filters=3, maps=2, units=4, decoder=(5,), kernel_size=3)
    capsules = torch.randn(2, 3, 16, requires_grad=True)
    drawn = net.reconstruct(capsules, torch.tensor([2, 0]))
    assert drawn.shape == (2, 1, 8, 8) and drawn.min() > 0 and drawn.max() < 1
    drawn.sum().backward()
    used = capsules.grad.abs().sum(2) > 0
    assert used.tolist() == [[False, False, True], [True, False, False]]


def test_the_best_set_of_two_are_the_two_longest():
    torch.manual_seed(6)
    sets = [(a, b) for a in range(5) for b in range(a + 1, 5)]
    how = {"size": (8, 8), "filters": 3, "maps": 2, "units": 4, "decoder": (5,), "kernel_size": 3}
    net = CapsuleNet(1, 5, **how, sets=sets)
    capsules = squash(torch.randn(40, 5, 16))
    longest = lengths(capsules).topk(2, 1).indices.sort(1).values
    assert [list(sets[best]) for best in net.logits(capsules).argmax(1)] == longest.tolist()


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="8 x 8 are too small for two kernels of 9: 17 x 17 at least"):
        CapsuleNet(1, 10, size=(8, 8))
    with pytest.raises(ValueError, match="0 iterations"):
        CapsuleLayer(2, 2, 2, 2, iterations=0)
    with pytest.raises(ValueError, match=r"capsules \[B, 2, 3\], got \(1, 3, 2\)"):
        CapsuleLayer(2, 3, 2, 2)(torch.zeros(1, 3, 2))
    with pytest.raises(ValueError, match="no reduction 'max'"):
        margin_loss(torch.zeros(2, 3), torch.zeros(2, 3), "max")
