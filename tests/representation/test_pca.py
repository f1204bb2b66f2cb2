import numpy as np
import pytest
import torch
from oracles import pca as oracle

from deepcanon.representation import PCA
from deepcanon.representation.pca import Moments, merge, moments, pooled_moments


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)) + rng.normal(size=8) * 5


@pytest.mark.parametrize("kept", [1, 3, 8])
def test_fit_equals_the_svd(x, kept):
    pca = PCA(kept).fit(x)
    mean, components, variance = oracle.fit(x, kept)
    np.testing.assert_allclose(pca.mean_, mean, atol=1e-12)
    np.testing.assert_allclose(pca.components_, components, atol=1e-9)
    np.testing.assert_allclose(pca.explained_variance_, variance, rtol=1e-10)
    np.testing.assert_allclose(pca.total_variance_, x.var(0).sum())
    np.testing.assert_allclose(
        pca.squared_errors(torch.from_numpy(x)), oracle.squared_errors(x, mean, components), atol=1e-9
    )


@pytest.mark.parametrize("whiten", ["pca", "zca"])
def test_whitened_covariance_is_the_identity(x, whiten):
    z = PCA(whiten=whiten).fit_transform(x)
    assert np.abs(z.T @ z / len(z) - np.eye(8)).max() < 1e-6
    assert np.abs(z.mean(0)).max() < 1e-10


def test_zca_is_the_symmetric_root_nearest_to_the_data(x):
    pca = PCA(whiten="zca").fit(x)
    w = pca.components_.T @ torch.diag(pca.explained_variance_.rsqrt()) @ pca.components_
    sigma = np.cov(x.T, bias=True)
    np.testing.assert_allclose(w @ sigma @ w, np.eye(8), atol=1e-9)
    np.testing.assert_allclose(pca.transform(x), (x - x.mean(0)) @ w.numpy(), atol=1e-9)
    rotated = PCA(whiten="pca").fit_transform(x)
    assert ((pca.transform(x) - x) ** 2).sum() < ((rotated - x) ** 2).sum()


@pytest.mark.parametrize("whiten", ["none", "pca", "zca"])
@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_round_trip(x, whiten, eps):
    pca = PCA(whiten=whiten, eps=eps).fit(x)
    np.testing.assert_allclose(pca.inverse_transform(pca.transform(x)), x, atol=1e-9)


def test_a_wrong_mean_is_caught(x):
    pca = PCA(3).fit(x)
    per_row = oracle.transform(x - x.mean(1, keepdims=True), 0, pca.components_.numpy(), None)
    assert np.abs(pca.transform(x) - per_row).max() > 0.1


def test_error_on_the_fitted_data_is_what_the_dropped_eigenvalues_say(x):
    pca, whole = PCA(3).fit(x), PCA().fit(x)
    errors = pca.squared_errors(torch.from_numpy(x)).mean(0)
    np.testing.assert_allclose(errors[-1], whole.explained_variance_[3:].sum(), rtol=1e-9)


def test_moments_do_not_depend_on_the_cuts(x):
    t = torch.from_numpy(x) + 1e4
    whole = moments(t)
    parts = moments(t[:0])
    for rows in t.split([1, 99, 7, 193]):
        parts = merge(parts, moments(rows))
    assert parts.examples == 300
    torch.testing.assert_close(parts.scatter, whole.scatter, rtol=1e-9, atol=1e-7)
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-12, atol=0)


def test_scatter_by_blocks_equals_one_product():
    t = torch.randn(50, 300, dtype=torch.float64)
    centred = t - t.mean(0)
    torch.testing.assert_close(moments(t).scatter, centred.T @ centred)


def test_sign_is_fixed_whatever_the_solver_says(x):
    for fit in (PCA().fit(x), PCA().fit(x[::-1].copy()), PCA().fit(-x)):
        rows = fit.components_
        assert (rows.gather(1, rows.abs().argmax(1, keepdim=True)) > 0).all()
    np.testing.assert_allclose(PCA().fit(x).components_, PCA().fit(-x).components_, atol=1e-8)


def test_directions_without_variance_give_zero(x):
    x[:, 0] = x[:, 1]
    for whiten in ("pca", "zca"):
        z = PCA(whiten=whiten).fit_transform(x)
        assert np.isfinite(z).all()
        assert np.abs(z).max() < 10
    pca = PCA(whiten="pca").fit(x)
    np.testing.assert_allclose(pca.inverse_transform(pca.transform(x)), x, atol=1e-6)
    constant = np.ones((5, 3))
    assert np.isfinite(PCA(whiten="pca").fit_transform(constant)).all()


def test_manners(x):
    pca = PCA(3, whiten="zca", eps=0.1)
    assert pca.get_params() == {"n_components": 3, "whiten": "zca", "eps": 0.1}
    assert pca.set_params(eps=0.2) is pca
    assert pca.eps == 0.2
    with pytest.raises(ValueError, match="nonsense"):
        pca.set_params(nonsense=1)
    with pytest.raises(ValueError, match="not fitted"):
        pca.transform(x)
    assert pca.fit(x) is pca
    assert isinstance(pca.transform(x), np.ndarray)
    assert isinstance(pca.transform(torch.from_numpy(x)), torch.Tensor)
    assert isinstance(pca.transform(torch.from_numpy(x).float()), torch.Tensor)
    with pytest.raises(ValueError, match="expecting 8 features"):
        pca.transform(x[:, :5])
    for bad in (x[0], x[:1], np.full((3, 2), np.nan), x + 1j, np.ones((3, 0))):
        with pytest.raises(ValueError):
            PCA().fit(bad)
    for bad in (PCA(9), PCA(0), PCA().set_params(whiten="yes")):
        with pytest.raises(ValueError):
            bad.fit(x)
    with pytest.raises(ValueError, match="do not merge"):
        merge(moments(torch.ones(2, 3)), moments(torch.ones(2, 4)))
    assert isinstance(moments(torch.ones(2, 3)), Moments)


def test_state_dict_makes_an_unfitted_instance_whole(x):
    pca = PCA(3).fit(x)
    other = PCA(3)
    other.load_state_dict(pca.state_dict())
    np.testing.assert_array_equal(other.transform(x), pca.transform(x))
    assert other.n_features_in_ == 8


def test_one_scale_for_all_components_keeps_their_shape(x):
    plain, scaled = PCA(8).fit(x), PCA(8, whiten="scale").fit(x)
    codes = scaled.transform(x)
    assert np.square(codes).mean() == pytest.approx(1, rel=1e-12)
    ratio = plain.transform(x) / codes
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)
    np.testing.assert_allclose(scaled.inverse_transform(codes), x, atol=1e-9)
    assert (PCA(1, whiten="scale").fit(np.ones((5, 2))).transform(np.ones((5, 2))) == 0).all()


def test_moments_of_several_processes_are_those_of_all_rows(x):
    rows = torch.from_numpy(x)
    parts = [moments(part) for part in (rows[:50], rows[50:51], rows[51:])]

    def add(chosen):  # each process hands in its own; the sums of all are what everyone gets
        return lambda tensor: next(chosen)

    count = sum(part.examples for part in parts)
    mean = sum(part.examples * part.mean for part in parts) / count
    gaps = [part.mean - mean for part in parts]
    scatter = sum(p.scatter + p.examples * torch.outer(g, g) for p, g in zip(parts, gaps, strict=True))
    for part in parts:
        found = pooled_moments(part, add(iter([count, mean * count, scatter])))
        for one, other in zip(found, moments(rows), strict=True):
            torch.testing.assert_close(one, other)
    for one, other in zip(pooled_moments(parts[2], lambda tensor: tensor), parts[2], strict=True):
        torch.testing.assert_close(one, other)  # a process that is alone
