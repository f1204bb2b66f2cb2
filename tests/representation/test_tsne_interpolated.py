"""The form of t-SNE for many points, and new points in a map that stays."""

import numpy as np
import pytest
import torch
from oracles import tsne as oracle
from torch.utils._python_dispatch import TorchDispatchMode

import deepcanon
from deepcanon.parts import nearest
from deepcanon.parts.neighbourhoods import neighbour_accuracy
from deepcanon.representation import TSNE
from deepcanon.representation import tsne as system_file
from deepcanon.representation.tsne import Descent, joint_probabilities, sparse_probabilities, tsne_cost, tsne_gradient


def digits(count=300):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return torch.from_numpy(bunch.data[:count]), torch.from_numpy(bunch.target[:count])


def test_sparse_affinities_approach_the_dense_ones():
    """With all others as neighbours they are the same; 3 u of them leave out a few per cent."""
    x, _ = digits(100)
    dense = joint_probabilities(x, 33.0)
    torch.testing.assert_close(sparse_probabilities(x, 33.0, torch.float64).dense(), dense, rtol=1e-6, atol=1e-12)
    few = sparse_probabilities(x, 10.0, torch.float64).dense()
    assert float(few.sum()) == pytest.approx(1) and 1e-3 < float((few - joint_probabilities(x, 10.0)).abs().sum()) < 0.1


@pytest.mark.parametrize(("wide", "error", "nats"), [(5.0, 3e-2, 1e-2), (1e-3, 1e-6, 1e-9)])
def test_interpolated_gradient_and_cost_are_near_the_oracle(wide, error, nats):
    x, _ = digits(60)
    p = sparse_probabilities(x, 8.0, torch.float64)
    y = wide * torch.randn(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cost, gradient = tsne_gradient(y, p, 4.0)
    exact = oracle.gradient(y.numpy(), p.dense().numpy(), 4.0)
    assert np.linalg.norm(gradient.numpy() - exact) < error * np.linalg.norm(exact)
    assert float(cost + p.constant) == pytest.approx(oracle.cost(y.numpy(), p.dense().numpy()), abs=nats)
    assert tsne_gradient(y, p, 4.0, cost=False)[0] is None
    assert not torch.equal(tsne_gradient(y, p, 1.0)[1], gradient)


def test_both_forms_find_maps_that_are_equally_good():
    x, labels = digits(250)
    p, options = joint_probabilities(x, 20.0), {"perplexity": 20.0, "max_iter": 150, "exaggerated": 50}
    exact, close = (TSNE(method=method, **options).fit(x) for method in ("exact", "interpolated"))
    costs = [float(tsne_cost(model.embedding_.double(), p)) for model in (exact, close)]
    # Nats that the pairs left out of P are worth; rounding decides, by processor, which minimum each descent ends in.
    assert abs(costs[1] - costs[0]) < 0.06
    assert neighbour_accuracy(close.embedding_, labels) > 0.93
    assert [exact.form(1_999), exact.form(2_000), TSNE().form(1_999), TSNE().form(2_000), TSNE(3).form(9_999)] == [
        "exact", "exact", "exact", "interpolated", "exact",
    ]  # fmt: skip


def test_a_step_depends_on_what_the_descent_carries_alone():
    """The kept spectra and the order of steps leave no trace: a copy of the state takes the same bits further."""
    x, _ = digits(100)
    model = TSNE(perplexity=10.0, method="interpolated", exaggerated=3)
    p, now = model.affinities(x), Descent(*(part.float() for part in model.begin(x)))
    for step in range(6):
        now, _ = model.step(now, p, step)
    first, _ = model.step(Descent(*(part.clone() for part in now)), sparse_probabilities(x, 10.0), 6)
    model.step(Descent(now.y * 40, now.move, now.gain), p, 6)
    again, _ = model.step(now, p, 6, cost=False)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


class Largest(TorchDispatchMode):
    """Keeps the number of entries of the largest tensor that is made."""

    entries = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.entries = max(self.entries, tensor.untyped_storage().nbytes() // tensor.element_size())
        return made


def test_nothing_as_large_as_all_pairs_is_made(monkeypatch):
    monkeypatch.setattr(nearest, "ENTRIES", 1 << 18)
    monkeypatch.setattr(nearest, "GATHERED", 1 << 16)
    x = torch.randn(3_000, 3, generator=torch.Generator().manual_seed(0))
    with Largest() as seen:
        TSNE(perplexity=10.0, max_iter=2).fit(x)
    assert 3_000 * 30 <= seen.entries < 3_000**2 / 25  # neighbours of all points, at most twice, and what sorts them


def test_new_points_come_to_their_class_and_the_map_stays(monkeypatch):
    monkeypatch.setattr(system_file, "NEW_STEPS", 60)
    x, labels = digits(400)
    model = TSNE(perplexity=20.0, max_iter=150, exaggerated=50, method="interpolated").fit(x[:300])
    before = model.embedding_.clone()
    places = model.transform(x[300:])
    near = torch.cdist(places.double(), before.double()).argmin(1)
    assert float((labels[near] == labels[300:]).double().mean()) > 0.85
    assert torch.equal(model.embedding_, before) and torch.equal(model.transform(x[:40]), before[:40])
    torch.testing.assert_close(model.transform(x[300:303]), places[:3])  # each by itself
    assert isinstance(model.transform(x[300:].numpy()), np.ndarray)


def test_a_run_says_its_form_resumes_to_the_same_bits_and_places_new_rows(tmp_path):
    x = digits(160)[0].numpy()
    options = {"data": x[:150], "method": "interpolated", "perplexity": 10.0, "exaggerated": 5}
    said = []
    whole = deepcanon.train("tsne", out=tmp_path / "whole", steps=12, quiet=True, say=said.append, **options)
    assert "150 points: the interpolated form (--method)" in said
    deepcanon.train("tsne", out=tmp_path / "half", steps=7, quiet=True, **options)
    half = deepcanon.resume(tmp_path / "half", steps=12, data=x[:150], quiet=True)
    assert torch.equal(whole.module.embedding_, half.module.embedding_)
    assert torch.equal(half.encode(x[:150]), whole.module.embedding_)
    assert half.encode(x[150:]).shape == (10, 2)
