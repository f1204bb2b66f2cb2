import numpy as np
import pytest
import torch

from deepcanon.parts.neighbourhoods import neighbour_accuracy, trustworthiness
from deepcanon.representation import TSNE
from deepcanon.representation import tsne as system_file
from deepcanon.representation.tsne import (
    Descent,
    conditional_probabilities,
    interpolated_gradient,
    joint_probabilities,
    sparse_probabilities,
    tsne_cost,
    tsne_gradient,
    tsne_update,
)


def digits(count=400):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return torch.from_numpy(bunch.data[:count]), torch.from_numpy(bunch.target[:count])


def test_affinities_are_scikit_learns():
    from scipy.spatial.distance import squareform
    from sklearn.manifold._t_sne import _joint_probabilities
    from sklearn.metrics import pairwise_distances

    x, _ = digits(600)
    peer = squareform(_joint_probabilities(pairwise_distances(x.numpy(), squared=True), 30.0, 0))
    ours = joint_probabilities(x, 30.0).numpy()
    assert np.abs(ours - peer).max() < 1e-6  # what B15 asks for; entries are near 1e-5, so this says more:
    assert np.abs(ours - peer).max() < 1e-4 * ours.max()


def test_affinities_are_symmetric_and_sum_to_one_however_the_rows_are_cut(monkeypatch):
    x, _ = digits(150)
    p = joint_probabilities(x, 20.0)
    assert torch.equal(p, p.T) and p.diagonal().abs().max() == 0
    assert float(p.sum()) == pytest.approx(1.0)
    y = torch.randn(150, 2, dtype=torch.float64)
    whole = tsne_gradient(y, p)
    monkeypatch.setattr(system_file, "ENTRIES", 1000)
    torch.testing.assert_close(joint_probabilities(x, 20.0), p, rtol=1e-8, atol=1e-16)
    for a, b in zip(tsne_gradient(y, p), whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


def test_every_row_has_the_perplexity():
    random = np.random.default_rng(0)
    d = torch.from_numpy(random.uniform(0, 1, (50, 50)) * 10.0 ** random.uniform(-8, 8, (50, 1)))
    for perplexity in (2.0, 10.0, 45.0):
        p = conditional_probabilities(d, torch.arange(50), perplexity)
        entropy = -(p * p.clamp_min(1e-300).log()).sum(1)
        torch.testing.assert_close(entropy.exp(), torch.full((50,), perplexity, dtype=torch.float64))


def test_copies_of_a_point_do_no_harm():
    x = torch.zeros(20, 3, dtype=torch.float64)
    x[10:] = torch.randn(10, 3, dtype=torch.float64)
    p = joint_probabilities(x, 5.0)
    assert bool(p.isfinite().all()) and float(p.sum()) == pytest.approx(1.0)
    assert bool(torch.isfinite(TSNE(perplexity=5.0, max_iter=20).fit(x).embedding_).all())
    assert bool(joint_probabilities(torch.ones(10, 2), 4.0).isfinite().all())


def test_gradient_equals_autograd_of_the_divergence():
    p = joint_probabilities(digits(30)[0], 5.0)
    y = torch.randn(30, 2, dtype=torch.float64, requires_grad=True)
    w = 1 / (1 + (y[:, None] - y[None]).square().sum(2))
    w = w * (1 - torch.eye(30))
    q = w / w.sum()
    there = p > 0
    kl = (p[there] * (p[there] / q[there]).log()).sum()
    kl.backward()
    torch.testing.assert_close(tsne_cost(y.detach(), p), kl.detach())
    near = sparse_probabilities(digits(30)[0], 5.0, torch.float64)  # the other form of the same function
    assert all(map(torch.equal, tsne_gradient(y.detach(), near), interpolated_gradient(y.detach(), near)))
    torch.testing.assert_close(tsne_gradient(y.detach(), p)[1], y.grad, rtol=1e-9, atol=1e-12)


def test_a_gaussian_kernel_or_a_doubled_affinity_is_caught():
    p = joint_probabilities(digits(30)[0], 5.0)
    y = torch.randn(30, 2, dtype=torch.float64)
    right = tsne_gradient(y, p)[1]
    w = torch.exp(-(y[:, None] - y[None]).square().sum(2)) * (1 - torch.eye(30))  # SNE, not t-SNE
    q = w / w.sum()
    wrong = 4 * ((p - q)[:, :, None] * (y[:, None] - y[None])).sum(1)
    assert (right - wrong).norm() > 0.1 * right.norm()
    assert (tsne_gradient(y, 2 * p)[1] - right).norm() > 0.1 * right.norm()


def test_exaggeration_changes_the_force_and_not_the_reported_cost():
    p, y = joint_probabilities(digits(40)[0], 5.0), torch.randn(40, 2, dtype=torch.float64)
    plain, early = tsne_gradient(y, p), tsne_gradient(y, p, 12.0)
    assert torch.equal(plain[0], early[0])
    assert (early[1] - plain[1]).norm() > plain[1].norm()


def test_gains_grow_where_the_sign_turns_and_have_a_floor():
    one = torch.ones(1, 2, dtype=torch.float64)
    now = Descent(0 * one, torch.tensor([[1.0, -1.0]]).double(), 0.012 * one)
    after = tsne_update(now, one, learning_rate=0.1, momentum=0.8)
    torch.testing.assert_close(after.gain, torch.tensor([[0.01, 0.212]]).double())
    torch.testing.assert_close(after.move, torch.tensor([[0.8 - 0.001, -0.8 - 0.0212]]).double())


def test_digits_come_apart():
    """A small run; the whole set is the recipe's: KL <= 0.80, 1-NN >= 0.975."""
    x, labels = digits(400)
    model = TSNE(perplexity=20.0, max_iter=250, exaggerated=80).fit(x)
    y = model.embedding_
    assert float(model.kl_divergence_) < 0.75
    assert neighbour_accuracy(y, labels) > 0.93
    assert trustworthiness(x, y) > 0.97
    centred = x - x.mean(0)
    plane = centred @ torch.linalg.svd(centred, full_matrices=False)[2][:2].T
    assert neighbour_accuracy(y, labels) > neighbour_accuracy(plane, labels) + 0.2


def test_trustworthiness_is_scikit_learns():
    from sklearn.manifold import trustworthiness as peer

    x, _ = digits(200)
    x = x + 1e-6 * torch.randn(200, 64, dtype=torch.float64)  # whole pixels give ties, which are broken anyhow
    y = x[:, 20:22] + 1e-3 * torch.randn(200, 2, dtype=torch.float64)
    for neighbours in (1, 5, 12):
        assert float(trustworthiness(x, y, neighbours)) == pytest.approx(peer(x, y, n_neighbors=neighbours))
    assert trustworthiness(x, x) == 1
    halves = [float(trustworthiness(x, y, 5, torch.arange(200)[part::2])) for part in (0, 1)]
    assert halves[0] != halves[1]  # a sample stands for all, and disjoint ones average to the whole
    assert sum(halves) / 2 == pytest.approx(float(trustworthiness(x, y, 5)))


def test_manners_and_bad_input():
    x, labels = digits(40)
    model = TSNE(perplexity=5.0, max_iter=5)
    with pytest.raises(ValueError, match="not fitted"):
        model()
    assert model.fit(x) is model
    other = TSNE()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(), model.embedding_) and torch.equal(other.transform(x[:3]), model.embedding_[:3])
    assert isinstance(model.fit_transform(x.numpy()), np.ndarray)
    assert model.get_params()["perplexity"] == 5.0
    for bad in (TSNE(perplexity=40.0), TSNE(perplexity=0.5), TSNE(n_components=65, perplexity=5.0)):
        with pytest.raises(ValueError, match=r"perplexity|components"):
            bad.fit(x)
    with pytest.raises(ValueError, match="pca"):
        TSNE(perplexity=5.0).set_params(init="luck").fit(x)
    with pytest.raises(ValueError, match="or 'interpolated'"):
        TSNE(perplexity=5.0).set_params(method="fast").fit(x)
    with pytest.raises(ValueError, match="3 dimensions is not interpolated"):
        TSNE(3, perplexity=5.0, method="interpolated").fit(x)
    with pytest.raises(ValueError, match="expecting 64 features"):
        model.transform(x[:, :5])
    for bad in (x[:2], x[0], torch.full((5, 2), torch.nan)):
        with pytest.raises(ValueError):
            TSNE(perplexity=2.0).fit(bad)
    with pytest.raises(ValueError, match="labels"):
        neighbour_accuracy(x[:1], labels[:1])
    with pytest.raises(ValueError, match="fewer than half"):
        trustworthiness(x, x, 20)


def test_random_starts_differ_by_seed():
    x, _ = digits(30)
    a, b, c = (TSNE(perplexity=5.0, max_iter=3, init="random", seed=seed).fit(x).embedding_ for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
